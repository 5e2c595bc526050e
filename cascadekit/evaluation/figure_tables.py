"""Figures of any benchmark as aligned tables: where each belongs, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cascadekit.evaluation.coco_ap import REPORTED
from cascadekit.evaluation.stage_table import text_table

Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Place:
    """Where one figure belongs.

    Attributes:
        table: title of its table.
        row: label of its row.
        column: label of its column.
    """

    table: str
    row: str
    column: str


def _kitti(name: str) -> Place:
    """AP11_car_easy."""
    points, label, level = name.split("_")
    return Place(f"KITTI 2D AP, {points[2:]} recall points (%)", label, level)


def _citypersons(name: str) -> Place:
    """MR50_Reasonable."""
    rate, subset = name.split("_")
    return Place("CityPersons log-average miss rate (%), lower is better", rate, subset)


def _widerface(name: str) -> Place:
    """AP50_easy."""
    level, subset = name.split("_")
    return Place("WiderFace AP (%)", level, subset)


def _voc(name: str) -> Place | None:
    """AP50_VOC07, class/cat/AP50_VOC07, coco/AP, coco/class/cat/AP."""
    if name.startswith("coco/"):
        return _coco(name.removeprefix("coco/"), "VOC in COCO's metrics: ")
    *path, figure = name.split("/")
    level, protocol = figure.split("_VOC")
    words = {"07": "2007, 11 points", "10": "2010, area"}
    row = path[1] if path else "mean"
    return Place("PASCAL VOC AP (%)", row, f"{level} ({words[protocol]})")


def _coco(name: str, before: str = "") -> Place | None:
    """AP, AP50, AP_small, AR100, class/cat/AP; thresholds that no table shows have no place."""
    *path, figure = name.split("/")
    if path:
        return Place(f"{before}AP by class (%)", path[1], figure)
    kind = "recall" if figure.startswith("AR") else "precision"
    if figure[2:].isdecimal() and kind == "precision" and int(figure[2:]) not in REPORTED:
        return None
    return Place(f"{before}average {kind} (%)", "", figure)


def _recall(name: str) -> Place:
    """AR100, AR100_small, stage_2/AR100."""
    *path, figure = name.split("/")
    limit, _, size = figure.partition("_")
    title = "recall of boxes, mean over IoU 0.50 to 0.95 (%)"
    if path:
        return Place(title, path[0].replace("_", " "), f"{limit} {size or 'all'}")
    return Place(title, limit, size or "all")


PLACES: Mapping[str, Callable[[str], Place | None]] = {
    "kitti": _kitti,
    "citypersons": _citypersons,
    "widerface": _widerface,
    "voc": _voc,
    "coco": _coco,
    "recall": _recall,
}


def figure_tables(
    metric: str, figures: Mapping[str, float], intervals: Intervals | None = None
) -> str:
    """All figures of a metric as tables in percent, rows and columns in their own order.

    Args:
        metric: key of `PLACES`.
        figures: name -> fraction; nan is written "-".
        intervals: name -> lower and upper end, written behind the figure; nan and None are not.

    Returns:
        Lines of text, an empty line between tables.
    """
    tables: dict[str, dict[tuple[str, str], str]] = {}
    for name, value in figures.items():
        place = PLACES[metric](name)
        if place is not None:
            cells = tables.setdefault(place.table, {})
            cells[place.row, place.column] = _cell(value, (intervals or {}).get(name))
    texts = []
    for title, cells in tables.items():
        columns = list(dict.fromkeys(column for _, column in cells))
        rows = list(dict.fromkeys(row for row, _ in cells))
        lines = [[row, *(cells.get((row, column), "") for column in columns)] for row in rows]
        if rows == [""] and intervals:  # a line each, or it becomes too wide to read
            texts.append(text_table(title, ("", ""), [(c, cells["", c]) for c in columns]))
        elif rows == [""]:  # one row needs no label
            texts.append(text_table(title, columns, [line[1:] for line in lines]))
        else:
            texts.append(text_table(title, ("", *columns), lines))
    return "\n\n".join(texts)


def _cell(value: float, interval: tuple[float, float] | None) -> str:
    """Percent with two decimals (the devkits' figures are compared to four of the fraction)."""
    if math.isnan(value):
        return "-"
    text = f"{100 * value:.2f}"
    if interval is None or math.isnan(interval[0]):
        return text
    return f"{text} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def chosen_figures(metric: str, names: Sequence[str]) -> list[str]:
    """The names that `figure_tables` shows, in order."""
    return [name for name in names if PLACES[metric](name) is not None]
