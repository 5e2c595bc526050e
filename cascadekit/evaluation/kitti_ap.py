"""KITTI's 2D detection AP of cars, pedestrians and cyclists: arrays in, scores out.

Source: Geiger et al., "Are we ready for autonomous driving? The KITTI vision benchmark suite"
(CVPR 2012), and what the two generations of its object devkit do: the one that MS-CNN ships, and
the one with the server's correction of 25.04.2017. The second also ignores detections below the
minimum height, of whatever class, and counts ground truth of exactly that height as too low.

Where we differ: a precision of 0 / 0 counts as 0 (the devkit's AP becomes nan), a class without
ground truth has AP nan (there 0), a class without detections has AP 0 (there no line at all), and
`Person`, the tracking labels' word, is `Person_sitting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadekit.errors import InputError, check_word
from cascadekit.evaluation.arrays import (
    box_rows,
    check_pairs,
    row_doubles,
    row_names,
    row_numbers,
)
from cascadekit.evaluation.box_overlap import areas, cover_of, intersections, iou_of

CLASSES = ("car", "pedestrian", "cyclist")
MIN_IOU = {"car": 0.7, "pedestrian": 0.5, "cyclist": 0.5}  # a match has more than this
# Never counted, and no false positive when found.
NEIGHBOURS = {"car": ("van",), "pedestrian": ("person_sitting", "person"), "cyclist": ()}
DEVKITS = ("2012", "2017")
STEPS = 40  # recall 0, 1/40, ..., 1
POINTS = (11, 40)
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


@dataclass(frozen=True)
class KittiCurve:
    """One class at one difficulty. T, at most 41, scores stand for recalls 0, 1/40, 2/40, ...

    Attributes:
        objects: ground truth that counts.
        thresholds: (T,) falling scores; T is 0 where nothing was found.
        true_positives: (T,) with at least that score.
        false_positives: (T,).
        missed: (T,) objects that nothing was matched to. One that a low detection took is neither
            found nor missed.
        precision: (41,) at recalls 0, 1/40, ..., 1: made to fall, 0 beyond the T-th. This is what
            the devkit plots.
    """

    objects: int
    thresholds: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray
    missed: np.ndarray
    precision: np.ndarray

    @property
    def recall(self) -> np.ndarray:
        """(T,) the recalls really reached: found / (found + missed), 0 where both are 0."""
        return _share(self.true_positives, self.missed)

    @property
    def measured_precision(self) -> np.ndarray:
        """(T,) precision before it is made to fall, 0 for 0 / 0."""
        return _share(self.true_positives, self.false_positives)

    def ap(self, points: int) -> float:
        """Average precision.

        Args:
            points: 11 (recalls 0, .1, ..., 1; the server until October 2019, and the paper) or 40
                (1/40, ..., 1).

        Returns:
            A fraction in [0, 1]; nan without objects.

        Raises:
            InputError: neither 11 nor 40.
        """
        if points not in POINTS:
            raise InputError(f"KITTI has AP at {POINTS} recall points, not at {points!r}")
        if self.objects == 0:
            return float("nan")
        return float((self.precision[::4] if points == 11 else self.precision[1:]).mean())


@dataclass(frozen=True)
class KittiScores:
    """All nine curves.

    Attributes:
        devkit: "2012" or "2017".
        curves: class -> difficulty -> curve.
    """

    devkit: str
    curves: Mapping[str, Mapping[str, KittiCurve]]

    def as_dict(self) -> dict[str, float]:
        """Flat names -> fractions: AP11_car_easy, AP40_car_easy, AP11_car_moderate, ..."""
        return {
            f"AP{points}_{name}_{level}": curve.ap(points)
            for name, levels in self.curves.items()
            for level, curve in levels.items()
            for points in POINTS
        }


def evaluate_kitti(
    truths: Sequence[KittiTruth],
    detections: Sequence[KittiDetections],
    devkit: str = "2017",
) -> KittiScores:
    """Score detections by KITTI's 2D protocol.

    Args:
        truths: one entry per image.
        detections: one entry per image, in the same order; entries may be empty. Which image comes
            first makes no difference; the order of rows decides ties.
        devkit: "2017" (the server since 25.04.2017) or "2012" (before).

    Returns:
        Precision at 41 recalls and AP, for each class and difficulty.

    Raises:
        InputError: arrays do not fit together or are not finite; the message names the entry.
    """
    check_word("devkit", devkit, DEVKITS)
    check_pairs(truths, detections)
    images = [_checked(i, t, d) for i, (t, d) in enumerate(zip(truths, detections, strict=True))]
    curves = {}
    for name in CLASSES:
        views = [_view(truth, found, name) for truth, found in images]
        curves[name] = {
            level: _curve(views, limits, devkit) for level, limits in DIFFICULTIES.items()
        }
    return KittiScores(devkit, curves)


def _checked(
    i: int, truth: KittiTruth, found: KittiDetections
) -> tuple[KittiTruth, KittiDetections]:
    """The same with names in small letters and arrays of doubles."""
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
class _View:
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


def _view(truth: KittiTruth, found: KittiDetections, name: str) -> _View:
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
    return _View(
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
class _Case:
    """A view at one difficulty: which objects count, which detections are low or may match."""

    view: _View
    counts: np.ndarray  # (G,) bool
    low: np.ndarray  # (D,) bool
    usable: np.ndarray  # (D,) bool
    punished: np.ndarray  # (D,) bool, a false positive unless matched

    def objects(self) -> Iterator[tuple[bool, np.ndarray, np.ndarray]]:
        """Whether it counts, detections (k,) that may take it, overlaps; in the file's order."""
        for counts, (rows, overlaps) in zip(self.counts, self.view.pairs, strict=True):
            may = self.usable[rows]
            yield bool(counts), rows[may], overlaps[may]


def _case(view: _View, limits: Difficulty, devkit: str) -> _Case:
    new = devkit == "2017"
    too_low = view.heights <= limits.min_height if new else view.heights < limits.min_height
    hard = (view.occluded > limits.max_occlusion) | (view.truncated > limits.max_truncation)
    low = (view.found_heights < limits.min_height) & new
    return _Case(
        view=view,
        counts=view.own & ~(hard | too_low),
        low=low,
        usable=view.named | low,  # a low box may take an object whatever its class
        punished=view.named & ~low & ~view.in_region,
    )


def _curve(views: Sequence[_View], limits: Difficulty, devkit: str) -> KittiCurve:
    cases = [_case(view, limits, devkit) for view in views]
    objects = sum(int(case.counts.sum()) for case in cases)
    hits = [score for case in cases for score in _first_pass(case)]
    thresholds = np.array(_recall_thresholds(hits, objects))
    found, missed, spared = (np.zeros(len(thresholds), int) for _ in range(3))
    for case in cases:
        for total, part in zip(
            (found, missed, spared), _second_pass(case, thresholds), strict=True
        ):
            total += part
    loose = [case.view.scores[case.punished] for case in cases]
    rising = np.sort(np.concatenate([np.zeros(0), *loose]))
    false = len(rising) - np.searchsorted(rising, thresholds, side="left") - spared
    precision = np.zeros(STEPS + 1)
    precision[: len(thresholds)] = _share(found, false)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return KittiCurve(objects, thresholds, found, false, missed, precision)


def _first_pass(case: _Case) -> Iterator[float]:
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


def _recall_thresholds(scores: list[float], objects: int) -> list[float]:
    """The scores whose recall is nearest to 0, 1/40, 2/40, ...; the last always joins."""
    thresholds, goal = [], 0.0
    falling = sorted(scores, reverse=True)
    for i, score in enumerate(falling):
        here, after = (i + 1) / objects, (i + 2) / objects
        if i < len(falling) - 1 and after - goal < goal - here:
            continue
        thresholds.append(score)
        goal += 1.0 / STEPS  # a running sum: k / 40 would settle exact halves the other way
    return thresholds


def _second_pass(case: _Case, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _share(part: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Part / (part + rest), 0 for 0 / 0."""
    whole = part + rest
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
