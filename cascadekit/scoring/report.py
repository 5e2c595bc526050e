"""A report as text, json and figure."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cascadekit.evaluation.bootstrap import FEW, LEVEL
from cascadekit.evaluation.figure_tables import chosen_figures, figure_tables
from cascadekit.evaluation.resampling import Contrast, Spread
from cascadekit.evaluation.stage_table import text_table
from cascadekit.scoring.files import Report
from cascadekit.scoring.scored import Scored
from cascadekit.visualization.draw import save_figure
from cascadekit.visualization.metric_plots import plot_metric_curves
from cascadekit.whole_file import write_json


def report_text(report: Report) -> str:
    """The whole report for a terminal.

    Args:
        report: of `evaluate_files`.

    Returns:
        Lines: what was scored, notes, tables, and where there are two sets the verdict.
    """
    parts = [_head("A: " if report.b else "", report.a)]
    if report.b is None:
        drawn = len(report.spread_a.distribution.draws) > 0
        intervals = report.spread_a.intervals() if drawn else None
        parts.append(figure_tables(report.a.metric, report.spread_a.values, intervals))
        parts.append(_interval_note(report.spread_a))
    else:
        assert report.spread_b is not None
        assert report.contrast is not None
        parts.append(_head("B: ", report.b))
        parts.append(_comparison_table(report))
        parts.append(_interval_note(report.spread_a))
        parts.append(verdict(report.contrast, report.a.main))
    return "\n\n".join(part for part in parts if part)


def _head(letter: str, scored: Scored) -> str:
    counts = f"{scored.num_images} pictures, {scored.num_detections} detections"
    first = f"{letter}{scored.metric}, {counts} in {scored.source}"
    return "\n".join([first, *(f"  note: {note}" for note in scored.notes)])


def _interval_note(found: Spread) -> str:
    rounds, images = len(found.distribution.draws), found.distribution.num_images
    if not rounds:
        return ""
    if images < FEW:
        return (
            f"no intervals: {images} pictures are too few to say how figures vary ({FEW} at least)"
        )
    return (
        f"[low, high]: the middle {100 * LEVEL:g} % of {rounds} draws of {images} pictures with "
        "replacement; they say nothing of another training of the detector"
    )


def _comparison_table(report: Report) -> str:
    """A row per figure: A, B, the difference with its interval, who is better."""
    assert report.spread_b is not None
    assert report.contrast is not None
    a, b, found = report.spread_a.values, report.spread_b.values, report.contrast
    rows = []
    for name in chosen_figures(report.a.metric, found.names):
        difference, low, high = found.difference(name)
        drawn = not math.isnan(low) and found.comparison.num_images >= FEW
        interval = f"[{100 * low:+.2f}, {100 * high:+.2f}]" if drawn else "-"
        share = f"{found.share_better(name):.2f}" if drawn else "-"
        values = (_percent(a[name]), _percent(b[name]), _percent(difference, "+.2f"))
        rows.append([name, *values, interval, share, found.verdict(name) if drawn else "-"])
    lower = ", lower is better" if found.lower_is_better else ""
    header = ("", "A", "B", "B - A", "interval", "B better in", "")
    return text_table(f"{report.a.metric}{lower} (%)", header, rows)


def _percent(value: float, how: str = ".2f") -> str:
    return "-" if math.isnan(value) else format(100 * value, how)


def verdict(found: Contrast, name: str) -> str:
    """One plain sentence on one figure.

    Args:
        found: B against A.
        name: of the figure.

    Returns:
        "B is better: ...", "A is better: ..." or "Not decided on this data: ...".
    """
    difference, low, high = found.difference(name)
    images = found.comparison.num_images
    if math.isnan(difference):
        return f"Not decided on this data: {name} is not known for both."
    if math.isnan(low) or images < FEW:
        return (
            f"Not decided on this data: {name} of B minus A is {100 * difference:+.2f} points, and "
            f"{images} pictures are too few to say whether that is chance."
        )
    words = found.verdict(name)
    return (
        f"{words[0].upper()}{words[1:]}: {name} of B minus A is {100 * difference:+.2f} points, "
        f"[{100 * low:+.2f}, {100 * high:+.2f}] over draws of pictures; B is better in "
        f"{100 * found.share_better(name):.0f} % of them."
    )


def report_figure(report: Report) -> Figure:
    """The curves; of two sets, A solid and B dashed in the same plots."""
    sets = [report.a.panels] if report.b is None else [report.a.panels, report.b.panels]
    return plot_metric_curves(report.a.kind, sets)


def report_json(report: Report) -> dict[str, Any]:
    """All numbers, fractions, null where unknown.

    Args:
        report: of `evaluate_files`.

    Returns:
        What json can hold.
    """
    content: dict[str, Any] = {
        "metric": report.a.metric,
        "pictures": report.a.num_images,
        "draws": len(report.spread_a.distribution.draws),
        "seed": report.spread_a.distribution.seed,
        "level": LEVEL,
        "a": _set_json(report.a, report.spread_a),
    }
    if report.b is not None:
        assert report.spread_b is not None
        assert report.contrast is not None
        content["b"] = _set_json(report.b, report.spread_b)
        content["comparison"] = {
            "lower_is_better": report.contrast.lower_is_better,
            "verdict": verdict(report.contrast, report.a.main),
            "figures": {name: _one_json(report.contrast, name) for name in report.contrast.names},
        }
    return content


def _set_json(scored: Scored, found: Spread) -> dict[str, Any]:
    intervals = found.intervals()
    figures = {
        name: {"value": _number(value), "interval": [_number(end) for end in intervals[name]]}
        for name, value in found.values.items()
    }
    return {
        "source": scored.source,
        "detections": scored.num_detections,
        "notes": list(scored.notes),
        "figures": figures,
    }


def _one_json(found: Contrast, name: str) -> dict[str, Any]:
    difference, low, high = found.difference(name)
    return {
        "difference": _number(difference),
        "interval": [_number(low), _number(high)],
        "share_better": _number(found.share_better(name)),
        "verdict": found.verdict(name),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def write_report(report: Report, folder: str | os.PathLike[str]) -> list[Path]:
    """Write scores.json and curves.png.

    Args:
        report: of `evaluate_files`.
        folder: made if needed.

    Returns:
        The files.

    Raises:
        InputError: the folder cannot be written to.
    """
    target = Path(folder)
    files = [target / "scores.json", target / "curves.png"]
    write_json(files[0], report_json(report))
    save_figure(report_figure(report), files[1], scale=1.5)
    return files
