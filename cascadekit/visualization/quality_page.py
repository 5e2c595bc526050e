"""The quality viewer as one HTML file: the curves as data, and a little JavaScript that draws."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from cascadekit.visualization.curve_families import CurveFamily, QualityCurve
from cascadekit.visualization.curve_plot import color_of_stage, heights, limits
from cascadekit.visualization.plots import LINE_COLORS


def quality_page(
    families: Sequence[CurveFamily], ious: Sequence[float], iou: float, title: str = "Quality"
) -> str:
    """A self-contained page: no file and no network beside it.

    Args:
        families: kinds of curves; at least one.
        ious: places of the slider, ascending.
        iou: where it begins; the nearest place is taken.
        title: of the page.

    Returns:
        HTML. Names of detectors cannot break out of it.
    """
    detectors = list(dict.fromkeys(d for family in families for d in family.detectors))
    data = {
        "ious": [round(float(each), 4) for each in ious],
        "start": int(np.abs(np.asarray(ious) - iou).argmin()),
        "detectors": [
            {"name": name, "color": LINE_COLORS[i % len(LINE_COLORS)]}
            for i, name in enumerate(detectors)
        ],
        "families": [_family(family, ious) for family in families],
    }
    # Inside <script> only "</" and "<!--" could end the data.
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    page = files("cascadekit.visualization").joinpath("quality_page.html").read_text("utf-8")
    return page.replace("{{title}}", html.escape(title)).replace("{{data}}", text)


def _family(family: CurveFamily, ious: Sequence[float]) -> dict[str, Any]:
    """One kind of curve, with its axes."""
    x, y = limits(family), heights(family)
    return {
        "name": family.name,
        "xlabel": family.xlabel,
        "ylabel": family.ylabel,
        "steps": family.kind == "steps",
        "diagonal": family.diagonal,
        "digits": family.digits,
        "note": family.note,
        "stages": [
            {"name": name, "color": color_of_stage(name, place)}
            for place, name in enumerate(family.stages)
        ],
        "x": x,
        "y": y,
        "xticks": _ticks(x),
        "yticks": _ticks(y),
        "curves": [_curve(family, curve, ious) for curve in family.curves],
    }


def _ticks(ends: tuple[float, float]) -> list[float]:
    """Round numbers between the ends of an axis."""
    places = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(*ends)
    return [round(float(each), 6) for each in places if ends[0] <= each <= ends[1]]


def _curve(family: CurveFamily, curve: QualityCurve, ious: Sequence[float]) -> dict[str, Any]:
    """One curve, with what the table says of it at each place of the slider."""
    return {
        "detector": curve.detector,
        "stage": curve.stage,
        "summary": curve.summary,
        "x": _plain(curve.x),
        "y": _plain(curve.y),
        "low": None if curve.low is None else _plain(curve.low),
        "high": None if curve.high is None else _plain(curve.high),
        "values": [_plain(np.array(family.value(curve, iou))) for iou in ious],
    }


def _plain(numbers: np.ndarray) -> list[float | None]:
    """For json: five decimals, and None for nan."""
    return [round(float(each), 5) if np.isfinite(each) else None for each in numbers]
