"""Leaf through a data set in a notebook: what the model will see, picture by picture."""

from __future__ import annotations

import base64
import io
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
from mmengine import Config

from cascadekit.errors import InputError
from cascadekit.visualization.dataset_pages import (
    class_names,
    draw_pictures,
    open_dataset,
    picture_png,
    see_picture,
)

CACHED = 200  # pictures; about 0.3 MB each
STILL = 4  # pictures of the still that stands in for the widget


class DatasetBrowser(widgets.VBox):  # type: ignore[misc]
    """A data set picture by picture, as the model will see it, in JupyterLab, VS Code or Colab.

    A slider chooses the picture, "draw again" runs the random transforms anew. Pictures are drawn
    when they are asked for and kept. Shown without a kernel, four pictures stand in for it.

    Args:
        source: of `load_config`, or a data set whose pipeline ends in `PackInputs`.
        split: "train", "val" or "test", of a config.
        indices: which pictures; None: all.
        size: of a picture's longer side, pixels.
        seed: of the transforms.

    Raises:
        InputError: the data cannot be read, or there is no picture.
    """

    def __init__(
        self,
        source: Config | Any,
        split: str = "train",
        indices: Sequence[int] | None = None,
        size: int = 560,
        seed: int = 0,
    ) -> None:
        self.dataset = open_dataset(source, split) if isinstance(source, Config) else source
        self.indices = list(range(len(self.dataset)) if indices is None else indices)
        if not self.indices:
            raise InputError("there is no picture to look at")
        self.classes = class_names(self.dataset)
        self.size, self.seed = size, seed
        self._drawn: OrderedDict[tuple[int, int], tuple[bytes, str]] = OrderedDict()
        self.number = widgets.IntSlider(
            value=0,
            min=0,
            max=len(self.indices) - 1,
            description="picture",
            continuous_update=False,
            layout=widgets.Layout(width="420px"),
        )
        self.again = widgets.Button(description="draw again", tooltip="run the transforms anew")
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%"))
        self.path = widgets.HTML()
        self.number.observe(self._show, "value")
        self.again.on_click(self._draw_again)
        self._show()
        super().__init__([widgets.HBox([self.number, self.again]), self.picture, self.path])

    def _draw_again(self, button: Any = None) -> None:
        """Other flips and sizes, where the pipeline has any."""
        self.seed += 1
        self._show()

    def _show(self, change: Any = None) -> None:
        self.picture.value, self.path.value = self._page(self.number.value)

    def _page(self, place: int) -> tuple[bytes, str]:
        """The picture at a place, as PNG and its path; drawn once."""
        key = (place, self.seed)
        if key not in self._drawn:
            try:
                seen = see_picture(self.dataset, self.indices[place], self.seed)
            except InputError as error:
                # One faulty picture must not end the browsing: that is what one browses for.
                return b"", f"<b>this picture cannot be shown:</b> {_escaped(str(error))}"
            png = picture_png(seen, self.classes, self.size)
            self._drawn[key] = (png, _escaped(seen.info.path))
            if len(self._drawn) > CACHED:
                self._drawn.popitem(last=False)
        return self._drawn[key]

    def to_png(self, count: int = STILL, columns: int = 4) -> bytes:
        """A grid of the first pictures from the chosen one on, as one PNG file."""
        start = self.number.value
        chosen = self.indices[start : start + count]
        figure = draw_pictures(self.dataset, chosen, columns, size=280, seed=self.seed)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=figure.dpi)
        return stream.getvalue()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live widget, with a still picture for whatever shows the notebook without it."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        try:
            data = {**data, "image/png": base64.b64encode(self.to_png()).decode()}
        except InputError:  # a faulty picture among the first: the widget says which
            pass
        return (data, *rest) if rest else data


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
