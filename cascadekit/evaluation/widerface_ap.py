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
    return match_faces(truths, detections, ious).scores()


@dataclass(frozen=True)
class FaceMatches:
    """What matching found in I images; scores of any choice of images are read off it.

    Attributes:
        scores_ranked: (D,) of all detections, falling.
        image: (D,) int64, number of each one's image.
        ends: (2, I) lowest and highest score of each image; nan without detections.
        faces: subset -> (I,) int64.
        hits: subset -> IoU -> places in `scores_ranked` of the first hit of each face.
        left_out: subset -> IoU -> places of the detections that do not count.
    """

    scores_ranked: np.ndarray
    image: np.ndarray
    ends: np.ndarray
    faces: Mapping[str, np.ndarray]
    hits: Mapping[str, Mapping[float, np.ndarray]]
    left_out: Mapping[str, Mapping[float, np.ndarray]]

    @property
    def num_images(self) -> int:
        """I."""
        return self.ends.shape[1]

    def scores(self, weights: np.ndarray | None = None) -> WiderFaceScores:
        """All curves.

        Args:
            weights: (I,) whole numbers, how often each image counts; None: once.

        Returns:
            The scores, in time linear in the number of detections.
        """
        each = np.ones(self.num_images, np.int64) if weights is None else np.asarray(weights)
        seen = (each > 0) & ~np.isnan(self.ends[0])
        lowest = float(self.ends[0, seen].min()) if seen.any() else float("nan")
        highest = float("nan")
        if seen.any():
            highest = max(float(self.ends[1, seen].max()), SMALLEST_MAXIMUM)
        # How many detections reach each threshold; normalising keeps their order.
        normalised = _normalised(self.scores_ranked, lowest, highest)
        reach = np.searchsorted(-normalised, -THRESHOLDS, side="right")  # (1000,)
        times = each[self.image]
        ranked = _before(np.arange(len(times)), times, reach)
        curves: dict[str, dict[float, FaceCurve]] = {name: {} for name in self.faces}
        for name, by_iou in self.hits.items():
            for iou, hits in by_iou.items():
                counted = ranked - _before(self.left_out[name][iou], times, reach)
                found = _before(hits, times, reach)
                curves[name][iou] = FaceCurve(int(each @ self.faces[name]), counted, found)
        return WiderFaceScores(lowest, highest, curves)


def _normalised(scores: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """(D,) scores as shares of the way from the lowest to the highest; 0 where they are alike."""
    span = highest - lowest
    return (scores - lowest) / span if span > 0 else np.zeros(len(scores))


def _before(places: np.ndarray, times: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(1000,) how many of the detections at rising `places` are among the first `reach`."""
    total = np.concatenate([[0], np.cumsum(times[places])])
    return total[np.searchsorted(places, reach, side="left")]


def match_faces(
    truths: Sequence[FaceTruth],
    detections: Sequence[ScoredBoxes],
    ious: Sequence[float] = (0.5, 0.75),
) -> FaceMatches:
    """Match once, for `FaceMatches.scores`; all is as for `evaluate_widerface`."""
    check_ious(ious)
    check_pairs(truths, detections)
    pictures = [_picture(i, t, d) for i, (t, d) in enumerate(zip(truths, detections, strict=True))]
    scores = np.concatenate([np.zeros(0), *(picture.scores for picture in pictures)])
    counts = [len(picture.scores) for picture in pictures]
    order = np.argsort(-scores, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    places = np.split(place, np.cumsum(counts)[:-1]) if pictures else []
    none = (np.nan, np.nan)
    ends = [(p.scores[-1], p.scores[0]) if len(p.scores) else none for p in pictures]
    hits: dict[str, dict[float, np.ndarray]] = {name: {} for name in SUBSETS}
    left_out: dict[str, dict[float, np.ndarray]] = {name: {} for name in SUBSETS}
    for s, name in enumerate(SUBSETS):
        for iou in ious:
            parts = [_outcome(p, rows, s, iou) for p, rows in zip(pictures, places, strict=True)]
            hits[name][iou] = np.sort(np.concatenate([_NONE, *(hit for hit, _ in parts)]))
            left_out[name][iou] = np.sort(np.concatenate([_NONE, *(out for _, out in parts)]))
    return FaceMatches(
        scores[order],
        np.repeat(np.arange(len(pictures)), counts)[order],
        np.array(ends, np.float64).reshape(-1, 2).T,
        {
            name: np.array([p.members[s].sum() for p in pictures], np.int64)
            for s, name in enumerate(SUBSETS)
        },
        hits,
        left_out,
    )


_NONE = np.zeros(0, np.int64)


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


def _outcome(
    picture: _Picture, places: np.ndarray, subset: int, least_iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """What becomes of the detections of one image.

    Args:
        picture: the image.
        places: (D,) of its detections among those of all images.
        subset: row of `picture.members`.
        least_iou: with a face, to find it.

    Returns:
        Places of the best-scored hit of each face of the subset, and of what does not count.
    """
    member = picture.members[subset]
    if not len(member):
        return _NONE, places
    near, wanted = picture.overlap >= least_iou, member[picture.face]
    rows = np.flatnonzero(near & wanted)
    first = np.unique(picture.face[rows], return_index=True)[1]
    return places[rows[first]], places[near & ~wanted]
