"""WiderFace's AP of easy, medium and hard faces: arrays in, scores out.

Source: Yang et al., "WIDER FACE: a face detection benchmark" (CVPR 2016), and what its MATLAB
evaluation does.

- Scores are min-max normalised over the whole set. The devkit's search for the greatest starts at
  the smallest positive float32, so where all scores are negative the greatest counts as about 0.
- The curve is read at 1000 scores: 1 - t / 1000 for t = 1, ..., 1000.
- A detection goes to the face it overlaps most, of all annotated faces, the first of equals. If
  they overlap enough and the face is not of the subset, the detection is not counted; if it is,
  the face is found. A second hit counts as a detection and finds nothing. Less overlap is a false
  positive, also where another subset's face is near.
- Boxes go from x, y, w, h to corners without, and into the overlap with, one pixel added.
- In an image without rows of faces no detection is counted. WiderFace has none: its four images
  without faces have the row 0 0 0 0, which keeps their detections as false positives.

Where we differ: precision of 0 / 0 counts as 0 (in MATLAB's maxima it drops out, in NumPy's it
would spoil everything before it), a subset without faces has AP nan, and where all scores are equal
they count as 0 (the devkit divides 0 by 0 and counts nothing at all).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadekit.evaluation.arrays import (
    ScoredBoxes,
    box_rows,
    check_ious,
    check_pairs,
    row_flags,
    row_numbers,
)
from cascadekit.evaluation.box_overlap import corners, nearest
from cascadekit.evaluation.precision_recall import area_under_envelope

SUBSETS = ("easy", "medium", "hard")
STEPS = 1000
THRESHOLDS = 1 - np.arange(1, STEPS + 1) / STEPS  # (1000,) falling, of normalised scores
SMALLEST_MAXIMUM = float(np.finfo(np.float32).tiny)  # where the search for the greatest starts


@dataclass(frozen=True)
class FaceTruth:
    """Ground truth of one image.

    Attributes:
        boxes_xywh: (F, 4) all annotated faces in pixels of the file, with the row 0 0 0 0 that
            images without faces have. F may be 0.
        easy: (F,) bool, the faces of the subset; no faces for the row 0 0 0 0.
        medium: (F,) bool.
        hard: (F,) bool.
    """

    boxes_xywh: Any
    easy: Any
    medium: Any
    hard: Any


@dataclass(frozen=True)
class FaceCurve:
    """One subset at one IoU, at the 1000 `THRESHOLDS`.

    Attributes:
        faces: how many are to be found.
        detections: (1000,) int, counted ones with at least that normalised score.
        found: (1000,) int, faces.
    """

    faces: int
    detections: np.ndarray
    found: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """(1000,) found / detections, nan for 0 / 0."""
        empty = np.full(STEPS, np.nan)
        return np.divide(self.found, self.detections, out=empty, where=self.detections > 0)

    @property
    def recall(self) -> np.ndarray:
        """(1000,) found / faces, nan without faces."""
        return self.found / self.faces if self.faces else np.full(STEPS, np.nan)

    @property
    def ap(self) -> float:
        """Area under the monotone precision-recall curve, a fraction; nan without faces."""
        return area_under_envelope(self.recall, self.precision)


@dataclass(frozen=True)
class WiderFaceScores:
    """All curves.

    Attributes:
        lowest: the score that is normalised to 0; nan without detections.
        highest: the score that is normalised to 1; nan without detections.
        curves: subset -> IoU -> curve.
    """

    lowest: float
    highest: float
    curves: Mapping[str, Mapping[float, FaceCurve]]

    def as_dict(self) -> dict[str, float]:
        """Flat names -> fractions: AP50_easy, AP75_easy, AP50_medium, ..."""
        return {
            f"AP{100 * iou:g}_{name}": curve.ap
            for name, by_iou in self.curves.items()
            for iou, curve in by_iou.items()
        }


def evaluate_widerface(
    truths: Sequence[FaceTruth],
    detections: Sequence[ScoredBoxes],
    ious: Sequence[float] = (0.5, 0.75),
) -> WiderFaceScores:
    """Score face detections by WiderFace's protocol.

    Args:
        truths: one entry per image of the set, those without detections too.
        detections: one entry per image, in the same order; entries may be empty, rows in any order
            (equal scores keep theirs). Boxes are x, y, w, h as in the submission format.
        ious: how much a detection must overlap a face at the least.

    Returns:
        Curves and AP of the three subsets. The order of the images makes no difference.

    Raises:
        InputError: arrays do not fit together or are not finite; the message names the entry.
    """
    check_ious(ious)
    check_pairs(truths, detections)
    pictures = [_picture(i, t, d) for i, (t, d) in enumerate(zip(truths, detections, strict=True))]
    scores = np.concatenate([np.zeros(0), *(picture.scores for picture in pictures)])
    lowest = float(scores.min()) if len(scores) else float("nan")
    highest = max(float(scores.max()), SMALLEST_MAXIMUM) if len(scores) else float("nan")
    steps = [_first_step(picture.scores, lowest, highest) for picture in pictures]
    return WiderFaceScores(
        lowest,
        highest,
        {
            name: {iou: _curve(pictures, steps, s, iou) for iou in ious}
            for s, name in enumerate(SUBSETS)
        },
    )


@dataclass(frozen=True)
class _Picture:
    """One image: F faces, and D detections by falling score with the face that each is nearest."""

    members: np.ndarray  # (3, F) bool, of easy, medium, hard
    scores: np.ndarray  # (D,)
    face: np.ndarray  # (D,) row of the face that it overlaps most; 0 without faces
    overlap: np.ndarray  # (D,) IoU with it; 0 without faces


def _picture(i: int, truth: FaceTruth, found: ScoredBoxes) -> _Picture:
    faces = box_rows(truth.boxes_xywh, f"truths[{i}].boxes_xywh")
    rows = box_rows(found.boxes_xywh, f"detections[{i}].boxes_xywh")
    scores = row_numbers(found.scores, len(rows), f"detections[{i}].scores")
    order = np.argsort(-scores, kind="stable")
    face, overlap = nearest(corners(rows[order]), corners(faces), 1.0)
    flags = {"easy": truth.easy, "medium": truth.medium, "hard": truth.hard}
    return _Picture(
        np.stack([row_flags(flags[s], len(faces), f"truths[{i}].{s}") for s in SUBSETS]),
        scores[order],
        face,
        overlap,
    )


def _first_step(scores: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """(D,) index of the first threshold that each score reaches."""
    span = highest - lowest
    normalised = (scores - lowest) / span if span > 0 else np.zeros(len(scores))
    return STEPS - np.searchsorted(THRESHOLDS[::-1], normalised, side="right")


def _curve(
    pictures: Sequence[_Picture], steps: Sequence[np.ndarray], subset: int, least_iou: float
) -> FaceCurve:
    faces = 0
    counted, hits = np.zeros(STEPS, int), np.zeros(STEPS, int)  # newly so at each threshold
    for picture, step in zip(pictures, steps, strict=True):
        member = picture.members[subset]
        faces += int(member.sum())
        if not len(member):
            continue
        near, wanted = picture.overlap >= least_iou, member[picture.face]
        counted += np.bincount(step[~near | wanted], minlength=STEPS)
        rows = np.flatnonzero(near & wanted)
        first = np.unique(picture.face[rows], return_index=True)[1]  # best-scored hit of each face
        hits += np.bincount(step[rows[first]], minlength=STEPS)
    return FaceCurve(faces, np.cumsum(counted), np.cumsum(hits))
