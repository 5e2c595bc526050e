"""WiderFace's annotations with their lists of subsets, and EVENT/PICTURE.txt detections."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from cascadekit.datasets.detection_files import read_face_found
from cascadekit.datasets.widerface_files import members_of, read_subsets, read_widerface
from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.widerface_ap import SUBSETS, FaceTruth, WiderFaceScores, match_faces
from cascadekit.scoring.face_boxes import as_xywh
from cascadekit.scoring.scored import Scored, Scorer, file_notes
from cascadekit.scoring.truth_files import Place, read_json_rows
from cascadekit.visualization.metric_plots import Line, Panel

ROWS = ("boxes_xywh", *SUBSETS)
LIST = "wider_easy_val.mat"


def open_widerface(place: Place, subsets: str | None = None, boxes: str = "auto") -> Scorer:
    """Read ground truth: the devkit's folder ground_truth, an annotation file, or a converted json.

    Args:
        place: the path; a split has no meaning, the lists are of the val set.
        subsets: folder of wider_easy_val.mat and its like; None: looked for near the annotations.
        boxes: of the detections: "xywh", "xyxy" or "auto".

    Returns:
        What scores a folder of detections.

    Raises:
        InputError: it cannot be read, or the lists do not fit.
    """
    names, truths = _truths(place, subsets)
    faces = [np.asarray(truth.boxes_xywh, np.float64).reshape(-1, 4) for truth in truths]

    def score(source: str, draws: bool) -> Scored:
        found = read_face_found(source, names)
        forms = as_xywh(found.rows, names, faces, boxes)
        matches = match_faces(truths, [ScoredBoxes(r.boxes, r.scores) for r in forms.rows])
        scores = matches.scores()
        return Scored(
            metric="widerface",
            source=source,
            num_images=len(truths),
            num_detections=sum(len(rows.scores) for rows in forms.rows),
            figures=lambda weights: matches.scores(weights).as_dict(),
            main="AP50_hard",
            lower_is_better=False,
            kind="precision-recall",
            panels=_panels(scores),
            notes=(forms.said, *file_notes(found.missing, found.extra, len(truths))),
        )

    return score


def _truths(place: Place, subsets: str | None) -> tuple[list[str], list[FaceTruth]]:
    if place.path.suffix == ".json":
        pictures = read_json_rows(place.path, ROWS, "WiderFace")
        truths = [FaceTruth(**{key: p.rows[key] for key in ROWS}) for p in pictures]
        # The benchmark's own name, EVENT/PICTURE; file names lie below a common folder.
        return [str(p.name) for p in pictures], truths
    file = _annotations(place.path)
    folder = _subset_folder(file, subsets)
    members = read_subsets(folder)
    where = f"in {os.fspath(folder)} does not fit {file}"
    names, truths = [], []
    for picture in read_widerface(file):
        names.append(picture.name)
        truths.append(FaceTruth(picture.boxes_xywh, **members_of(picture, members, where)))
    return names, truths


def _annotations(path: Path) -> Path:
    if path.is_file():
        return path
    names = ("wider_face_val.mat", "wider_face_val_bbx_gt.txt")
    places = (
        path,
        path / "wider_face_split",
        path / "ground_truth",
        path / "eval_tools/ground_truth",
    )
    for folder in places:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise InputError(
        f"no WiderFace annotations in {path}: expected {' or '.join(names)} there, or in "
        "wider_face_split or ground_truth below"
    )


def _subset_folder(file: Path, subsets: str | None) -> Path:
    root = file.parent.parent
    near = (file.parent, root / "ground_truth", root / "eval_tools" / "ground_truth", root)
    for folder in [Path(subsets)] if subsets else near:
        if (folder / LIST).is_file():
            return folder
    raise InputError(
        f"{LIST} and its like, which list the easy, medium and hard faces, are not in "
        f"{subsets or ' or '.join(map(str, near))}: name their folder with --subsets (they come "
        "with WiderFace's eval_tools)"
    )


def _panels(scores: WiderFaceScores) -> tuple[Panel, ...]:
    ious = next(iter(scores.curves.values()), {})
    return tuple(
        Panel(
            f"IoU {iou:g}",
            tuple(
                Line(
                    f"{name}: AP {100 * by_iou[iou].ap:.1f}",
                    by_iou[iou].recall,
                    by_iou[iou].precision,
                )
                for name, by_iou in scores.curves.items()
                if by_iou[iou].faces
            ),
        )
        for iou in ious
    )
