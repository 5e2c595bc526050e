"""Compare detectors by the curves of the quality lab: choose curve, detectors, stages and IoU."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from cascadekit.errors import InputError
from cascadekit.visualization.curve_families import CurveFamily, QualityCurve
from cascadekit.visualization.curve_plot import CurvePlot
from cascadekit.visualization.quality_page import quality_page
from cascadekit.whole_file import write_text

CACHED = 200  # pictures that are kept, of about 30 kB each
CELL = "style='padding:0 12px 0 0;text-align:left'"
FIRST, LAST, STEP = 0.5, 0.95, 0.05  # of the IoU's slider: COCO's thresholds


class QualityViewer(widgets.VBox):  # type: ignore[misc]
    """Curves of several detectors, in JupyterLab, VS Code or Colab.

    One Figure is drawn again for each new choice, and each picture is kept, so that going back and
    forth costs nothing. Beside it a table says what the chosen curves are at the chosen IoU.

    Args:
        results: kinds of curves, each of any detectors; `cascadekit.quality.detector_curves` makes
            them from what the quality lab computed.
        iou: that the line in the picture marks at first, 0.5 to 0.95.
        width: of the picture on the screen, pixels.

    Raises:
        InputError: there are no results, two of one name, or the IoU is out of range.
    """

    def __init__(self, results: Sequence[CurveFamily], iou: float = 0.75, width: int = 620) -> None:
        self.families = {family.name: family for family in results}
        if not results or len(self.families) < len(results):
            raise InputError(
                "results must be one or more families of curves, each of another name; got "
                f"{[family.name for family in results]}"
            )
        if not FIRST <= iou <= LAST:
            raise InputError(f"iou must be from {FIRST} to {LAST}, got {iou}")
        detectors = list(dict.fromkeys(d for family in results for d in family.detectors))
        stages = list(dict.fromkeys(s for family in results for s in family.stages))
        self._plot = CurvePlot(detectors, width)
        self._pictures: dict[tuple[object, ...], bytes] = {}
        # Each kind of curve remembers its own stages.
        self._stages_of = {family.name: set(family.stages[:1]) for family in results}
        self.curve = widgets.Dropdown(options=list(self.families), description="curve")
        self.iou = widgets.FloatSlider(
            value=iou, min=FIRST, max=LAST, step=STEP, description="IoU", readout_format=".2f"
        )
        self.detectors = {name: _tick(name, True) for name in detectors}
        self.stages = {name: _tick(name, False) for name in stages}
        self.picture = widgets.Image(format="png", width=width)
        self.table = widgets.HTML()
        self._offer_stages()
        self.curve.observe(self._change_curve, "value")
        self.iou.observe(self._show, "value")
        for box in self.detectors.values():
            box.observe(self._show, "value")
        self._show()
        row = widgets.Layout(flex_flow="row wrap")
        super().__init__(
            [
                widgets.HBox([self.curve, self.iou]),
                widgets.HBox([widgets.HTML("detectors"), *self.detectors.values()], layout=row),
                widgets.HBox([widgets.HTML("stages"), *self.stages.values()], layout=row),
                widgets.HBox([widgets.Box([self.picture]), self.table], layout=row),
            ]
        )
        self.add_class("cascadekit-quality-viewer")  # for those who look for it in a page

    @property
    def family(self) -> CurveFamily:
        """The kind of curve that is shown."""
        return self.families[self.curve.value]

    def shown(self) -> tuple[QualityCurve, ...]:
        """The curves that are drawn."""
        detectors = [name for name, box in self.detectors.items() if box.value]
        return self.family.pick(detectors, tuple(self._stages_of[self.family.name]))

    def _change_curve(self, change: Any = None) -> None:
        self._offer_stages()
        self._show()

    def _offer_stages(self) -> None:
        """Tick the family's own choice of stages; those it does not have cannot be ticked."""
        chosen = self._stages_of[self.family.name]
        for name, box in self.stages.items():
            box.unobserve(self._choose_stage, "value")  # drawn once, after all are set
            box.disabled = name not in self.family.stages
            box.value = name in chosen
            box.observe(self._choose_stage, "value")

    def _choose_stage(self, change: Any = None) -> None:
        ticked = {name for name, box in self.stages.items() if box.value and not box.disabled}
        self._stages_of[self.family.name] = ticked
        self._show()

    def _show(self, change: Any = None) -> None:
        """Draw what is chosen, unless it was drawn before."""
        family, curves, iou = self.family, self.shown(), round(self.iou.value, 2)
        key = (family.name, iou, *((c.detector, c.stage) for c in curves))
        if key not in self._pictures:
            if len(self._pictures) >= CACHED:
                self._pictures.pop(next(iter(self._pictures)))
            self._pictures[key] = self._plot.png(family, curves, iou)
        self.picture.value = self._pictures[key]
        self.table.value = values_table(family, curves, iou)

    def to_png(self) -> bytes:
        """The picture as it is shown, as a PNG file."""
        return bytes(self.picture.value)

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
        places = np.arange(FIRST, LAST + STEP / 2, STEP)
        page = quality_page(tuple(self.families.values()), places, self.iou.value)
        write_text(target, page)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live widget, with a still picture for whatever shows the notebook without it."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        data = {**data, "image/png": base64.b64encode(self.to_png()).decode()}
        return (data, *rest) if rest else data


def _tick(name: str, value: bool) -> Any:
    """A box to tick, no wider than its name."""
    layout = widgets.Layout(width="auto", margin="2px 8px")
    return widgets.Checkbox(value=value, description=name, indent=False, layout=layout)


def values_table(family: CurveFamily, curves: Sequence[QualityCurve], iou: float) -> str:
    """What curves are at an IoU, the highest first, as an HTML table.

    Args:
        family: that they are of.
        curves: may be empty.
        iou: where.

    Returns:
        HTML; all names are escaped.
    """
    found = [(family.value(curve, iou), curve) for curve in curves]
    found.sort(key=lambda entry: (-np.nan_to_num(entry[0][0], nan=-np.inf),))
    rows = "".join(_row(curve, values, family.digits) for values, curve in found)
    names = ["detector", "stage", f"at IoU {iou:.2f}", ""]
    if any(np.isfinite(low) for (_, low, _), _ in found):
        names[3] = "95 % band"
    head = "".join(f"<th {CELL}>{name}</th>" for name in names)
    note = f"<p style='max-width:360px'>{html.escape(family.note)}</p>" if family.note else ""
    return (
        "<div style='margin-left:16px;line-height:1.5'>"
        f"<b>{html.escape(family.ylabel)}</b>"
        f"<table><tr>{head}<th></th></tr>{rows}</table>{note}</div>"
    )


def _row(curve: QualityCurve, values: tuple[float, float, float], digits: int) -> str:
    value, low, high = ("" if np.isnan(v) else f"{v:.{digits}f}" for v in values)
    band = f"{low} to {high}" if low and high else ""
    cells = (curve.detector, curve.stage, value or "-", band, curve.summary)
    return "<tr>" + "".join(f"<td {CELL}>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
