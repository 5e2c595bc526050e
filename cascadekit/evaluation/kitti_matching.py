"""KITTI's matching, image by image: which detection takes which object, at any score.

Nothing here looks at other images; `kitti_ap` joins what comes out. What the protocol is and where
we differ is said there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadekit.evaluation.arrays import box_rows, row_doubles, row_names, row_numbers
from cascadekit.evaluation.box_overlap import areas, cover_of, intersections, iou_of

CLASSES = ("car", "pedestrian", "cyclist")
MIN_IOU = {"car": 0.7, "pedestrian": 0.5, "cyclist": 0.5}  # a match has more than this
# Never counted, and no false positive when found.
NEIGHBOURS = {"car": ("van",), "pedestrian": ("person_sitting", "person"), "cyclist": ()}
DEVKITS = ("2012", "2017")
LOWEST_SCORE = -1e7  # the devkit's sign for "no detection": such a score finds nothing


@dataclass(frozen=True)
class Difficulty:
    """Which ground truth counts.

    Attributes:
        min_height: pixels; also for detections, with the devkit of 2017.
        max_occlusion: 0 fully visible, 1 partly, 2 largely occluded, 3 unknown.
        max_truncation: share of the object outside the picture.
    """

    min_height: float
    max_occlusion: float
    max_truncation: float


DIFFICULTIES = {
    "easy": Difficulty(40, 0, 0.15),
    "moderate": Difficulty(25, 1, 0.3),
    "hard": Difficulty(25, 2, 0.5),
}


@dataclass(frozen=True)
class KittiTruth:
    """Ground truth of one image, as a label file has it; the order of the rows counts.

    Attributes:
        names: N class names, in any case; "DontCare" marks regions.
        boxes: (N, 4) xyxy in pixels of the file; N may be 0.
        truncated: (N,) share outside the picture, 0..1. Doubles: 0.3 in float32 is more than 0.3,
            so arrays of float32 are refused.
        occluded: (N,) 0..3; -1 for regions.
    """

    names: Sequence[str]
    boxes: Any
    truncated: Any
    occluded: Any


@dataclass(frozen=True)
class KittiDetections:
    """Detections of one image, all classes: low boxes of other classes matter too.

    Attributes:
        names: D class names, in any case.
        boxes: (D, 4) xyxy in pixels of the file; D may be 0.
        scores: (D,) finite, often logits below 0.
    """

    names: Sequence[str]
    boxes: Any
    scores: Any


def checked_pair(
    i: int, truth: KittiTruth, found: KittiDetections
) -> tuple[KittiTruth, KittiDetections]:
    """One image with names in small letters and arrays of doubles; InputError names entry `i`."""
    boxes = box_rows(truth.boxes, f"truths[{i}].boxes")
    other = box_rows(found.boxes, f"detections[{i}].boxes")
    n, d = len(boxes), len(other)
    return (
        KittiTruth(
            _lower(row_names(truth.names, n, f"truths[{i}].names")),
            boxes,
            row_doubles(truth.truncated, n, f"truths[{i}].truncated"),
            row_numbers(truth.occluded, n, f"truths[{i}].occluded"),
        ),
        KittiDetections(
            _lower(row_names(found.names, d, f"detections[{i}].names")),
            other,
            row_numbers(found.scores, d, f"detections[{i}].scores"),
        ),
    )


def _lower(names: list[str]) -> list[str]:
    return [name.lower() for name in names]


@dataclass(frozen=True)
class View:
    """One image as one class sees it: G objects of the class and its neighbours, D detections.

    pairs: for each object, the detections that overlap it enough, in order, and the overlaps.
    """

    own: np.ndarray  # (G,) bool, False for neighbours
    heights: np.ndarray  # (G,)
    truncated: np.ndarray  # (G,)
    occluded: np.ndarray  # (G,)
    named: np.ndarray  # (D,) bool, detections of the class
    found_heights: np.ndarray  # (D,)
    scores: np.ndarray  # (D,)
    in_region: np.ndarray  # (D,) bool, inside DontCare
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]


def view_of(truth: KittiTruth, found: KittiDetections, name: str) -> View:
    """One checked image as the class `name` sees it."""
    own = np.array([word == name for word in truth.names], bool)
    near = np.array([word in NEIGHBOURS[name] for word in truth.names], bool)
    region = np.array([word == "dontcare" for word in truth.names], bool)
    seen = own | near
    objects, boxes = truth.boxes[seen], found.boxes
    sizes = areas(boxes)
    overlap = iou_of(intersections(boxes, objects), sizes, areas(objects))  # (D, G)
    inside = cover_of(intersections(boxes, truth.boxes[region]), sizes)  # (D, regions)
    enough = overlap > MIN_IOU[name]
    rows = [np.flatnonzero(column) for column in enough.T]
    return View(
        own=own[seen],
        heights=objects[:, 3] - objects[:, 1],
        truncated=truth.truncated[seen],
        occluded=truth.occluded[seen],
        named=np.array([word == name for word in found.names], bool),
        found_heights=np.abs(boxes[:, 3] - boxes[:, 1]),
        scores=found.scores,
        in_region=np.any(inside > MIN_IOU[name], axis=1),
        pairs=tuple((row, overlap[row, g]) for g, row in enumerate(rows)),
    )


@dataclass(frozen=True)
class Case:
    """A view at one difficulty: which objects count, which detections are low or may match."""

    view: View
    counts: np.ndarray  # (G,) bool
    low: np.ndarray  # (D,) bool
    usable: np.ndarray  # (D,) bool
    punished: np.ndarray  # (D,) bool, a false positive unless matched

    def objects(self) -> Iterator[tuple[bool, np.ndarray, np.ndarray]]:
        """Whether it counts, detections (k,) that may take it, overlaps; in the file's order."""
        for counts, (rows, overlaps) in zip(self.counts, self.view.pairs, strict=True):
            may = self.usable[rows]
            yield bool(counts), rows[may], overlaps[may]


def case_of(view: View, limits: Difficulty, devkit: str) -> Case:
    """A view at one difficulty, by one generation of the devkit."""
    new = devkit == "2017"
    too_low = view.heights <= limits.min_height if new else view.heights < limits.min_height
    hard = (view.occluded > limits.max_occlusion) | (view.truncated > limits.max_truncation)
    low = (view.found_heights < limits.min_height) & new
    return Case(
        view=view,
        counts=view.own & ~(hard | too_low),
        low=low,
        usable=view.named | low,  # a low box may take an object whatever its class
        punished=view.named & ~low & ~view.in_region,
    )


@dataclass(frozen=True)
class ImageSteps:
    """What one image adds to one curve, at every score at once.

    Attributes:
        objects: that count.
        hits: scores of the true positives when each object takes its best-scored detection.
        scores: (S,) falling, different: below each of them something else may match.
        found: (S,) objects found by detections of at least that score.
        missed: (S,) objects that nothing takes; above the first score that is all of them.
        spared: (S,) matched detections that would be false positives.
        loose: (P,) scores of the detections that are false positives unless they are spared.
    """

    objects: int
    hits: tuple[float, ...]
    scores: np.ndarray
    found: np.ndarray
    missed: np.ndarray
    spared: np.ndarray
    loose: np.ndarray


def steps_of(case: Case) -> ImageSteps:
    """Match one image once for all scores; no object and no detection are fine."""
    matched = [rows for _, rows, _ in case.objects() if len(rows)]
    if not matched:  # most images, for most classes
        none, objects = np.zeros(0, int), int(case.counts.sum())
        loose = case.view.scores[case.punished]
        return ImageSteps(objects, (), np.zeros(0), none, none, none, loose)
    scores = np.unique(case.view.scores[np.concatenate(matched)])[::-1]
    found, missed, spared = _second_pass(case, scores)
    return ImageSteps(
        objects=int(case.counts.sum()),
        hits=tuple(_first_pass(case)),
        scores=scores,
        found=found,
        missed=missed,
        spared=spared,
        loose=case.view.scores[case.punished],
    )


def _first_pass(case: Case) -> Iterator[float]:
    """Scores of the true positives when each object takes its best-scored detection."""
    scores, taken = case.view.scores, set()
    for counts, rows, _ in case.objects():
        best, best_score = -1, LOWEST_SCORE
        for row in rows.tolist():
            if row not in taken and scores[row] > best_score:
                best, best_score = row, scores[row]
        if best < 0:
            continue
        taken.add(best)
        if counts and not case.low[best]:
            yield float(best_score)


def _second_pass(case: Case, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match at every threshold at once, each object taking the detection that overlaps it most.

    Args:
        case: one image.
        thresholds: (T,) scores.

    Returns:
        (T,) objects found, (T,) missed, (T,) matched detections that would be false positives.
    """
    found, missed = (np.zeros(len(thresholds), int) for _ in range(2))
    taken = np.zeros((len(thresholds), len(case.low)), bool)
    for counts, rows, overlaps in case.objects():
        free = (case.view.scores[rows] >= thresholds[:, None]) & ~taken[:, rows]  # (T, k)
        high = free & ~case.low[rows]
        # The greatest overlap, the first of equals; the first low one where there is no other.
        choice = np.where(high.any(1), _argmax(np.where(high, overlaps, -1.0)), _argmax(free))
        at = np.flatnonzero(free.any(1))
        taken[at, rows[choice[at]]] = True
        if counts:
            found += high.any(1)
            missed += ~free.any(1)
    return found, missed, taken[:, case.punished].sum(1)


def _argmax(values: np.ndarray) -> np.ndarray:
    """Column of the first greatest value of each row; 0 where there are no columns."""
    return values.argmax(1) if values.shape[1] else np.zeros(len(values), int)
