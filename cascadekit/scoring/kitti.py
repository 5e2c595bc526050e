"""KITTI's label files and STEM.txt detections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cascadekit.datasets.detection_files import read_kitti_found
from cascadekit.datasets.kitti_files import read_kitti_labels
from cascadekit.errors import InputError
from cascadekit.evaluation.kitti_ap import (
    STEPS,
    KittiDetections,
    KittiMatches,
    KittiScores,
    KittiTruth,
    match_kitti,
)
from cascadekit.scoring.scored import Scored, Scorer, file_notes
from cascadekit.scoring.truth_files import Place, read_json_rows, stems_of_split
from cascadekit.visualization.metric_plots import Line, Panel

ROWS = ("names", "boxes", "truncated", "occluded")
RECALLS = np.arange(STEPS + 1) / STEPS


def open_kitti(place: Place, devkit: str = "2017") -> Scorer:
    """Read ground truth: a folder of labels, a KITTI folder, or a converted json.

    Args:
        place: the path, and a split of ImageSets.
        devkit: generation, see `evaluate_kitti`.

    Returns:
        What scores a folder of detections.

    Raises:
        InputError: no labels there, or a faulty one.
    """
    stems, truths = _truths(place)

    def score(source: str, draws: bool) -> Scored:
        found = read_kitti_found(source, stems)
        boxes = [KittiDetections(rows.names, rows.boxes, rows.scores) for rows in found.rows]
        matches = match_kitti(truths, boxes, devkit)
        return Scored(
            metric="kitti",
            source=source,
            num_images=len(truths),
            num_detections=sum(len(rows.scores) for rows in found.rows),
            figures=lambda weights: matches.scores(weights).as_dict(),
            main="AP40_car_moderate",
            lower_is_better=False,
            kind="precision-recall",
            panels=_panels(matches.scores()),
            notes=(
                *file_notes(found.missing, found.extra, len(truths)),
                *_few_objects(matches),
            ),
        )

    return score


def _truths(place: Place) -> tuple[list[str], list[KittiTruth]]:
    if place.path.is_file():
        pictures = read_json_rows(place.path, ROWS, "KITTI")
        truths = [KittiTruth(**{key: p.rows[key] for key in ROWS}) for p in pictures]
        return [Path(p.stem).name for p in pictures], truths
    folder = _label_folder(place.path)
    if place.split is None:
        stems = sorted(file.stem for file in folder.glob("*.txt"))
    else:
        base = folder.parent
        folders = [base / "ImageSets", base.parent / "ImageSets", base, base.parent]
        stems = stems_of_split(place.split, folders)
    return stems, [_truth(folder / f"{stem}.txt") for stem in stems]


def _label_folder(path: Path) -> Path:
    tries = (path, path / "label_2", path / "training" / "label_2")
    for folder in tries:
        if folder.is_dir() and any(folder.glob("*.txt")) and folder.name != "ImageSets":
            return folder
    raise InputError(
        f"no KITTI labels in {path}: expected a folder of STEM.txt files with 15 columns, or one "
        "with training/label_2"
    )


def _truth(file: Path) -> KittiTruth:
    rows = read_kitti_labels(file, tracking=False)
    return KittiTruth(
        [row.name for row in rows],
        [row.box for row in rows],
        [row.truncated for row in rows],
        [row.occluded for row in rows],
    )


def _panels(scores: KittiScores) -> tuple[Panel, ...]:
    return tuple(
        Panel(
            name,
            tuple(
                Line(f"{level}: AP40 {100 * curve.ap(40):.1f}", RECALLS, curve.precision)
                for level, curve in levels.items()
                if curve.objects
            ),
        )
        for name, levels in scores.curves.items()
    )


def _few_objects(matches: KittiMatches) -> Sequence[str]:
    """AP has a ceiling where there are fewer objects than recalls."""
    few = [
        f"{name} {level} ({int(steps.objects.sum())})"
        for name, levels in matches.curves.items()
        for level, steps in levels.items()
        if 0 < steps.objects.sum() <= STEPS
    ]
    if not few:
        return ()
    return (
        f"with {STEPS} objects or fewer even a perfect detector has no AP of 100, as the devkit "
        f"counts: {', '.join(few)}",
    )
