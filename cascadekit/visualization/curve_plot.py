"""Draw a family of curves again and again on one Figure, fast enough for a slider."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image  # matplotlib brings it

from cascadekit.visualization.canvas import INK, QUIET, new_figure, points
from cascadekit.visualization.curve_families import CurveFamily, QualityCurve
from cascadekit.visualization.plots import LINE_COLORS, add_legend, stage_color, style_axes

DASHES: tuple[object, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 4)))
ENSEMBLE_COLORS = ("#0072B2", "#E8601C", "#6e7781")  # none is a stage's
MOST_BANDS = 4  # bands of more curves hide each other
MARGINS = (76, 24, 44, 60)  # left, right, top, bottom, figure pixels


class CurvePlot:
    """One Figure that shows any choice of curves.

    Args:
        detectors: all names; each keeps its colour whatever is chosen.
        width: of the picture, pixels.
        height: of the picture, pixels.
    """

    def __init__(self, detectors: Sequence[str], width: int = 620, height: int = 430) -> None:
        left, right, top, bottom = MARGINS
        self.detectors = tuple(detectors)
        self.figure: Figure = new_figure(width, height)
        self.shown: tuple[object, ...] | None = None  # whose curves are drawn
        self.under: Any = None  # their pixels without marks
        # A fixed place: a layout engine would double the time of a drawing.
        self.axes: Axes = self.figure.add_axes(
            (
                left / width,
                bottom / height,
                (width - left - right) / width,
                (height - top - bottom) / height,
            )
        )

    def png(self, family: CurveFamily, curves: Sequence[QualityCurve], iou: float) -> bytes:
        """Draw curves in place of what was there.

        Args:
            family: that the curves are of.
            curves: may be empty.
            iou: marked by a line, and a point on each curve.

        Returns:
            The bytes of a PNG file. Where only the IoU is another than before, only the marks are
            drawn again.
        """
        canvas = self.figure.canvas
        shown = (family.name, *((curve.detector, curve.stage) for curve in curves))
        if shown != self.shown:
            self._draw(family, curves)
            canvas.draw()
            self.under = canvas.copy_from_bbox(self.figure.bbox)
            self.shown = shown
        canvas.restore_region(self.under)
        self._draw_marks(family, curves, iou)
        stream = io.BytesIO()
        # Packing a picture tightly takes longer than drawing it.
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        image.save(stream, format="PNG", compress_level=1)
        return stream.getvalue()

    def _draw(self, family: CurveFamily, curves: Sequence[QualityCurve]) -> None:
        """All but the marks, on empty axes."""
        axes = self.axes
        axes.clear()
        style_axes(axes, title_of(family, curves), family.xlabel, family.ylabel)
        if family.diagonal:
            axes.plot([0, 1], [0, 1], color="#d0d7de", linewidth=points(1.5), zorder=1)
        for curve in curves:
            self._add(family, curve, curves)
        axes.set_xlim(*limits(family))
        axes.set_ylim(*heights(family))
        if curves:
            add_legend(axes, family.legend)
        else:
            axes.text(0.5, 0.5, "no curve is chosen", transform=axes.transAxes, ha="center")

    def _draw_marks(self, family: CurveFamily, curves: Sequence[QualityCurve], iou: float) -> None:
        """The line at the IoU and the points on the curves, on top of what is drawn."""
        line = self.axes.axvline(iou, color=QUIET, linewidth=points(1.5), linestyle=(0, (2, 2)))
        marks = [line]
        for curve in () if family.kind == "steps" else curves:
            value = family.value(curve, iou)[0]
            color, _ = self._look(family, curve, curves)
            marks += self.axes.plot([iou], [value], "o", color=color, markersize=points(8))
        for mark in marks:
            self.axes.draw_artist(mark)
            mark.remove()

    def _add(
        self, family: CurveFamily, curve: QualityCurve, beside: Sequence[QualityCurve]
    ) -> None:
        color, dash = self._look(family, curve, beside)
        label = _label(curve, beside)
        if family.kind == "steps":
            if len(curve.y):
                stairs = self.axes.stairs(
                    curve.y, curve.x, color=color, label=label, linewidth=points(2.5)
                )
                stairs.set_linestyle(dash)
            return
        if curve.low is not None and curve.high is not None and len(beside) <= MOST_BANDS:
            self.axes.fill_between(
                curve.x, curve.low, curve.high, color=color, alpha=0.13, linewidth=0
            )
        self.axes.plot(
            curve.x, curve.y, color=color, label=label, linestyle=dash, linewidth=points(2.5)
        )

    def _look(
        self, family: CurveFamily, curve: QualityCurve, beside: Sequence[QualityCurve]
    ) -> tuple[str, object]:
        """Colour by detector and dashes by stage; of one detector alone, colour by stage."""
        place = family.stages.index(curve.stage)
        if len({other.detector for other in beside}) == 1:
            return color_of_stage(curve.stage, place), "-"
        shown = [s for s in family.stages if any(other.stage == s for other in beside)]
        number = self.detectors.index(curve.detector)
        return LINE_COLORS[number % len(LINE_COLORS)], DASHES[
            shown.index(curve.stage) % len(DASHES)
        ]


def title_of(family: CurveFamily, curves: Sequence[QualityCurve]) -> str:
    """The family's name, with the detector's where one of several is shown."""
    shown = {curve.detector for curve in curves}
    if len(shown) == 1 and len(family.detectors) > 1:
        return f"{family.name}: {shown.pop()}"
    return family.name


def color_of_stage(stage: str, place: int) -> str:
    """A stage's own colour everywhere; black for what is no single stage."""
    head, _, number = stage.rpartition(" ")
    if head == "stage" and number.isdigit():
        return stage_color(int(number) - 1)
    return INK if place == 0 else ENSEMBLE_COLORS[place % len(ENSEMBLE_COLORS)]


def _label(curve: QualityCurve, beside: Sequence[QualityCurve]) -> str:
    """Detector and stage, as far as they differ among the curves, and the summary."""
    parts = []
    if len({other.detector for other in beside}) > 1 or not beside:
        parts.append(curve.detector)
    if len({other.stage for other in beside}) > 1 or not parts:
        parts.append(curve.stage)
    name = ", ".join(parts)
    return f"{name} ({curve.summary})" if curve.summary else name


def limits(family: CurveFamily) -> tuple[float, float]:
    """Ends of the x axis: those of all its curves, so that a choice moves no axis."""
    ends = [curve.x[np.isfinite(curve.x)] for curve in family.curves]
    known = np.concatenate([np.zeros(0), *ends])
    if len(known) == 0:
        return 0.5, 1.0
    return float(known.min()) - 0.01, min(float(known.max()) + 0.02, 1.0)


def heights(family: CurveFamily) -> tuple[float, float]:
    """Ends of the y axis: room for all curves and bands; from 0 unless there is a diagonal."""
    all_y = [np.zeros(0)]
    for curve in family.curves:
        all_y += [each for each in (curve.y, curve.low, curve.high) if each is not None]
    known = np.concatenate(all_y)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return 0.0, 1.0
    low = float(known.min()) if family.diagonal else min(0.0, float(known.min()))
    high = float(known.max())
    room = 0.06 * max(high - low, 1e-3)
    return (low - room if low else low), high + room
