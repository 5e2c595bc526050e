"""PASCAL VOC's xml files and detections of a file per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cascadekit.datasets.coco import read_coco_json
from cascadekit.datasets.detection_files import Rows, read_voc_found
from cascadekit.datasets.voc import read_voc_rows
from cascadekit.errors import InputError
from cascadekit.evaluation.coco_resampling import match_coco
from cascadekit.evaluation.voc_ap import (
    VocCurve,
    VocDetections,
    VocScores,
    VocTruth,
    match_voc,
    voc_as_coco,
)
from cascadekit.scoring.scored import Scored, Scorer
from cascadekit.scoring.truth_files import Place, read_json_rows, stems_of_split
from cascadekit.visualization.metric_plots import Line, Panel

ROWS = ("names", "boxes", "difficult")
GRID = np.linspace(0, 1, 101)
FEW = 7  # classes that are drawn one by one


def open_voc(place: Place, classwise: bool = False) -> Scorer:
    """Read ground truth: a devkit folder, a folder of xml files, or a COCO json.

    Args:
        place: the path, and a split of ImageSets/Main.
        classwise: also give AP of each class.

    Returns:
        What scores a folder of comp4_det_SPLIT_CLASS.txt files.

    Raises:
        InputError: no annotations there, or a faulty one.
    """
    stems, truths = _truths(place)
    classes = sorted({name for truth in truths for name in truth.names})

    def score(source: str, draws: bool) -> Scored:
        found = read_voc_found(source, stems, classes)
        boxes = [VocDetections(r.names, r.boxes, r.scores, r.lines) for r in found]
        own = match_voc(truths, boxes, classes=classes)
        theirs = match_coco(*voc_as_coco(truths, boxes, classes))

        def figures(weights: np.ndarray | None) -> Mapping[str, float]:
            scores = own.scores(weights)
            coco = {f"coco/{name}": value for name, value in theirs.figures(weights).items()}
            return scores.as_dict() | (scores.by_class() if classwise else {}) | coco

        return Scored(
            metric="voc",
            source=source,
            num_images=len(truths),
            num_detections=sum(len(rows.scores) for rows in found),
            figures=figures,
            main="AP50_VOC07",
            lower_is_better=False,
            kind="precision-recall",
            panels=_panels(own.scores()),
            notes=_notes(found, classes),
        )

    return score


def _truths(place: Place) -> tuple[list[str], list[VocTruth]]:
    if place.path.suffix == ".json":
        return _json_truths(place.path)
    folder = place.path / "Annotations"
    folder = folder if folder.is_dir() else place.path
    if place.split is None:
        stems = sorted(file.stem for file in folder.glob("*.xml"))
    else:
        stems = stems_of_split(place.split, [place.path / "ImageSets" / "Main", place.path])
    files = [folder / f"{stem}.xml" for stem in stems]
    lost = next((file for file in files if not file.is_file()), None)
    if not files or lost is not None:
        raise InputError(
            f"no VOC annotations: {lost or f'{folder} has no .xml files'}; expected Annotations/ "
            "of a devkit folder, or xml files"
        )
    rows = [read_voc_rows(file) for file in files]
    return stems, [VocTruth(one.names, one.boxes, one.difficult) for one in rows]


def _json_truths(file: Path) -> tuple[list[str], list[VocTruth]]:
    """A converted json, or any COCO json: crowds and ignored objects are difficult."""
    data = read_coco_json(str(file))
    if any(isinstance(image, dict) and "devkit" in image for image in data["images"]):
        pictures = read_json_rows(file, ROWS, "VOC")
        stems = [Path(p.stem).name for p in pictures]
        return stems, [VocTruth(**{key: p.rows[key] for key in ROWS}) for p in pictures]
    names = {category["id"]: str(category["name"]) for category in data["categories"]}
    rows: dict[object, tuple[list[str], list[list[float]], list[bool]]] = {
        image["id"]: ([], [], []) for image in data["images"]
    }
    for entry in data["annotations"]:
        x, y, w, h = entry["bbox"]
        own = rows[entry["image_id"]]
        own[0].append(names[entry["category_id"]])
        own[1].append([x + 1, y + 1, x + w, y + h])  # pixels from 1, the last one inside
        own[2].append(bool(entry.get("iscrowd") or entry.get("ignore")))
    stems = [Path(str(image.get("file_name", image["id"]))).stem for image in data["images"]]
    return stems, [VocTruth(*rows[image["id"]]) for image in data["images"]]


def _notes(found: Sequence[Rows], classes: Sequence[str]) -> tuple[str, ...]:
    seen = {name for rows in found for name in rows.names}
    silent = [name for name in classes if name not in seen]
    return (f"no detections of: {', '.join(silent)}",) if silent else ()


def _panels(scores: VocScores) -> tuple[Panel, ...]:
    curves = {name: by_iou[0.5] for name, by_iou in scores.curves.items() if by_iou[0.5].objects}
    mean = f"mean of {len(curves)} classes: AP {100 * scores.mean_ap('10'):.1f}"
    fallen = [_envelope(curve) for curve in curves.values()]
    lines = [Line(mean, GRID, np.mean(fallen, axis=0))] if fallen else []
    if 1 < len(curves) <= FEW - 1:
        lines += [
            Line(f"{name}: AP {100 * curve.ap('10'):.1f}", curve.recall, curve.precision)
            for name, curve in curves.items()
        ]
    return (Panel("IoU 0.5", tuple(lines)),)


def _envelope(curve: VocCurve) -> np.ndarray:
    """(101,) the greatest precision at each recall of `GRID` or a higher one, 0 beyond."""
    falling = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return np.append(falling, 0.0)[np.searchsorted(curve.recall, GRID, side="left")]
