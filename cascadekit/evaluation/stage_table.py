"""The paper's Table 2 for any data set: AP of each stage and of stage ensembles, side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cascadekit.evaluation.coco_ap import REPORTED, CocoScores, evaluate_coco
from cascadekit.evaluation.coco_records import GroundTruth, Result

COLUMNS = ("AP", *(f"AP{percent}" for percent in REPORTED))
TITLES = {"bbox": "box AP by stage", "segm": "mask AP by stage"}


@dataclass(frozen=True)
class StageTable:
    """Scores by row (a choice of stages) for one kind of overlap.

    Attributes:
        iou_type: "bbox" or "segm".
        scores: "1", "2", "3", "1~2", "1~3" -> scores, in the order of the table.
    """

    iou_type: str
    scores: Mapping[str, CocoScores]

    def numbers(self) -> list[list[float]]:
        """One row of seven fractions (the columns of `COLUMNS`) per choice of stages."""
        return [[scores.as_dict()[name] for name in COLUMNS] for scores in self.scores.values()]


def compute_stage_table(
    ground_truth: GroundTruth, results: Mapping[str, Sequence[Result]], iou_type: str = "bbox"
) -> StageTable:
    """Evaluate every choice of stages against the same ground truth.

    Args:
        ground_truth: COCO dict, as `evaluate_coco` takes it.
        results: choice of stages ("1", "1~3", any text) -> COCO results list.
        iou_type: "bbox" or "segm".

    Returns:
        The scores, rows in the paper's order.

    Raises:
        InputError: as `evaluate_coco`.
    """
    return stage_table(
        {name: evaluate_coco(ground_truth, found, iou_type) for name, found in results.items()},
        iou_type,
    )


def stage_table(scores: Mapping[str, CocoScores], iou_type: str = "bbox") -> StageTable:
    """Order scores as the paper does: single stages first, then ensembles."""
    ordered = sorted(scores, key=lambda name: ("~" in name, len(name), name))
    return StageTable(iou_type, {name: scores[name] for name in ordered})


def stage_table_text(table: StageTable) -> str:
    """The table as aligned plain text, AP in percent with one decimal; `-` for nan."""
    rows = [
        [row_label(name), *map(percent, numbers)]
        for name, numbers in zip(table.scores, table.numbers(), strict=True)
    ]
    return text_table(f"{TITLES[table.iou_type]} (%)", ("", *COLUMNS), rows)


def stage_table_markdown(table: StageTable) -> str:
    """The table as GitHub markdown, AP in percent, the best of each column in bold."""
    numbers = table.numbers()
    best = [
        max((n for n in column if n == n), default=math.nan)
        for column in zip(*numbers, strict=True)
    ]
    lines = [f"| {TITLES[table.iou_type]} (%) | {' | '.join(COLUMNS)} |"]
    lines.append("|---|" + "---:|" * len(COLUMNS))
    for name, row in zip(table.scores, numbers, strict=True):
        # Cells that print alike are bold alike.
        cells = [
            f"**{percent(value)}**" if percent(value) == percent(top) != "-" else percent(value)
            for value, top in zip(row, best, strict=True)
        ]
        lines.append(f"| {row_label(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def row_label(name: str) -> str:
    """How a choice of stages is called in a table: "stage 2", "stages 1~3"."""
    return f"stages {name}" if "~" in name else f"stage {name}"


def percent(value: float) -> str:
    """A fraction as percent with one decimal; "-" for nan."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def text_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned plain text: the first column to the left, the others to the right.

    Args:
        title: a line above the table.
        header: one name per column.
        rows: as many cells as `header` in each; may be empty.

    Returns:
        Lines without a newline at the end, ASCII but for what the cells hold.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # Wide enough that nothing is cut: the text goes to a log file, not to a screen.
    stream = io.StringIO()
    # In a notebook rich would show the table there and leave the stream empty.
    console = Console(file=stream, width=1000, color_system=None, markup=False, force_jupyter=False)
    console.print(table)
    # ASCII only: log files and consoles may have any encoding.
    lines = [line.rstrip().replace("─", "-") for line in stream.getvalue().splitlines()]
    return "\n".join([title, *lines])
