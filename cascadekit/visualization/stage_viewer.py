"""Look at a prediction stage by stage: a slider, the picture, and one object's way through it."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from cascadekit.errors import InputError
from cascadekit.structures.samples import Prediction, Targets
from cascadekit.visualization.raster import backdrop, paint_stage, tint_masks
from cascadekit.visualization.stage_page import stage_page
from cascadekit.visualization.stage_strip import draw_stages
from cascadekit.visualization.stage_tables import iou_plot, object_table, stage_names
from cascadekit.visualization.story import tell_story
from cascadekit.whole_file import write_text

LEAST_SCORE = 0.05  # where the threshold's slider begins
MOST_OBJECTS = 30  # more cannot be told apart, and each is painted at each stage
EVERYTHING = "- all objects -"
# JupyterLab takes the arrow keys from a list, but not these.
KEYS = "type an object's number to pick it, or - for all"
TABLE_WIDTH = 470  # of the picked object's table, screen pixels


class StageViewer(widgets.VBox):  # type: ignore[misc]
    """A prediction stage by stage, in JupyterLab, VS Code or Colab.

    The picture of every stage is painted when an object or a score is chosen, so that the slider
    only turns pages: in a browser without asking the kernel, and in a stored notebook too.

    Args:
        image: (H, W, 3) uint8 RGB, the picture as on disk.
        prediction: with S >= 1 stages, in pixels of `image`; it may hold no detections.
        targets: ground truth in pixels of `image`, or None.
        classes: K names; None: "class 0", "class 1", ...
        score_threshold: detections below are hidden at first; not under 0.05.
        width: of the picture's longer side on the screen, pixels.

    Raises:
        InputError: the image is of another kind, a label has no name, or there are no stages.
    """

    def __init__(
        self,
        image: np.ndarray,
        prediction: Prediction,
        targets: Targets | None = None,
        classes: Sequence[str] | None = None,
        score_threshold: float = 0.3,
        width: int = 640,
    ) -> None:
        self.names = tuple(classes) if classes is not None else _numbered(prediction)
        self.image, self.prediction, self.targets = image, prediction, targets
        self.story = tell_story(prediction, targets, self.names, LEAST_SCORE, MOST_OBJECTS)
        self._plain = backdrop(image, width)
        last = len(self.story.boxes)
        # These widths fit a notebook's column, and nothing moves when a value gets longer.
        self.stage = widgets.IntSlider(
            value=0, min=0, max=last, description="stage", readout=False, **_narrow(230)
        )
        self.stage_name = widgets.HTML(
            layout=widgets.Layout(width="90px", margin="2px 2px 2px 8px")
        )
        self.threshold = widgets.FloatSlider(
            value=max(score_threshold, LEAST_SCORE),
            min=LEAST_SCORE,
            max=1.0,
            step=0.05,
            description="score ≥",
            continuous_update=False,
            **_narrow(210),
        )
        self.object = widgets.Dropdown(description="object", tooltip=KEYS, **_narrow(240))
        fitting = widgets.Layout(max_width="100%", height="auto")
        self.pages = [widgets.Image(format="jpeg", layout=fitting) for _ in range(last + 1)]
        self.picture = _stack(self.pages)
        self.table = widgets.HTML(layout=widgets.Layout(max_width="100%", overflow="auto"))
        self.plot = widgets.HTML()
        self._link_pages()
        self.threshold.observe(self._choose_objects, "value")
        self.object.observe(self._repaint, "value")
        self.stage.observe(self._show_stage, "value")
        self._choose_objects()
        controls = widgets.HBox([self.stage, self.stage_name, self.object, self.threshold])
        # Table and plot stand right of the picture where there is room, else below it in one row.
        beside = widgets.HBox([self.table, self.plot])
        view = widgets.HBox([self.picture, beside])
        for box in (controls, beside, view):
            box.layout.flex_flow = "row wrap"
        beside.layout.flex = f"1 1 {TABLE_WIDTH}px"
        beside.layout.align_content = "flex-start"
        super().__init__([controls, view])
        self.add_class("cascadekit-viewer")
        self.picture.add_class("cascadekit-picture")
        self.table.add_class("cascadekit-table")

    def _link_pages(self) -> None:
        """The slider turns the pages in the browser, and in the kernel for where that is broken.

        One way only: a slow kernel reports pages that were left long ago, and they must not move
        the slider back.
        """
        widgets.jsdlink((self.stage, "value"), (self.picture, "selected_index"))
        widgets.dlink((self.stage, "value"), (self.picture, "selected_index"))

    def _rows(self) -> list[int]:
        """Objects that reach the score, best first."""
        reached = self.story.found.scores.cpu() >= self.threshold.value - 1e-6
        rows: list[int] = reached.nonzero()[:, 0].tolist()
        return rows

    def _choose_objects(self, change: Any = None) -> None:
        """Another score: offer its objects, and keep the chosen one if it is among them."""
        scores = self.story.found.scores.tolist()
        options = [(EVERYTHING, -1)]
        options += [(f"{r + 1}: {self.story.names[r]} {scores[r]:.2f}", r) for r in self._rows()]
        chosen = self.object.value
        if tuple(options) == tuple(self.object.options):
            return
        # Painted once, after both the options and the value are set.
        self.object.unobserve(self._repaint, "value")
        self.object.options = options
        self.object.value = chosen if chosen in [value for _, value in options] else -1
        self.object.observe(self._repaint, "value")
        self._repaint()

    def _repaint(self, change: Any = None) -> None:
        """Paint every page anew, for the chosen object and score."""
        rows = self._rows()
        picked = None if self.object.value == -1 else self.object.value
        tinted = tint_masks(self._plain, self.image, self.story, rows)
        for k, page in enumerate(self.pages):
            under = tinted if k == len(self.pages) - 1 else self._plain
            page.value = paint_stage(under, self.story, k, rows, picked)
        self._show_stage()

    def _show_stage(self, change: Any = None) -> None:
        """What stands beside the picture."""
        stage, row = self.stage.value, self.object.value
        self.stage_name.value = f"<b>{stage_names(self.story)[stage]}</b>"
        if row == -1:
            rows = self._rows()
            self.table.value = f"{len(rows)} objects; pick one to follow it through the stages"
            self.plot.value = ""
            return
        self.table.value = object_table(self.story, row, stage)
        self.plot.value = iou_plot(self.story, row, stage)

    def to_png(self, width: int = 900) -> bytes:
        """The stages side by side as one PNG file, for who cannot move a slider."""
        figure = draw_stages(
            self.image,
            self.prediction,
            self.targets,
            self.names,
            self.threshold.value,
            width=width,
        )
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=figure.dpi)
        return stream.getvalue()

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the viewer as one file that needs neither Jupyter nor a network.

        Args:
            path: of the file, ending in `.html`; its folders are made.

        Raises:
            InputError: the path has another ending.
        """
        target = Path(path)
        if target.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"the viewer is written as a page: {target} must end in .html")
        page = stage_page(self.image, self.story, self.threshold.value, self._plain)
        write_text(target, page)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live widget, with a still picture for whatever shows the notebook without it."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        data = {**data, "image/png": base64.b64encode(self.to_png()).decode()}
        return (data, *rest) if rest else data


def _narrow(width: int) -> dict[str, Any]:
    """Arguments of a control `width` screen pixels wide, with no space before its name."""
    layout = widgets.Layout(width=f"{width}px")
    return {"layout": layout, "style": {"description_width": "initial"}}


def _numbered(prediction: Prediction) -> tuple[str, ...]:
    """Names for classes that have none."""
    count = prediction.stages[0].scores.shape[1] - 1 if prediction.stages else 0
    return tuple(f"class {k}" for k in range(count))


def _stack(pages: Sequence[Any]) -> Any:
    """A widget that shows one page at a time; ipywidgets 7 has no Stack, but tabs."""
    if hasattr(widgets, "Stack"):
        return widgets.Stack(pages, selected_index=0)
    tabs = widgets.Tab(list(pages))
    tabs.selected_index = 0
    return tabs
