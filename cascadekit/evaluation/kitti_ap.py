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

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascadekit.errors import InputError, check_word
from cascadekit.evaluation.arrays import check_pairs
from cascadekit.evaluation.kitti_matching import (
    CLASSES,
    DEVKITS,
    DIFFICULTIES,
    MIN_IOU,
    NEIGHBOURS,
    Difficulty,
    ImageSteps,
    KittiDetections,
    KittiTruth,
    case_of,
    checked_pair,
    steps_of,
    view_of,
)

__all__ = [
    "CLASSES",
    "DEVKITS",
    "DIFFICULTIES",
    "MIN_IOU",
    "NEIGHBOURS",
    "Difficulty",
    "KittiCurve",
    "KittiDetections",
    "KittiMatches",
    "KittiScores",
    "KittiTruth",
    "evaluate_kitti",
    "match_kitti",
]

STEPS = 40  # recall 0, 1/40, ..., 1
POINTS = (11, 40)


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
    return match_kitti(truths, detections, devkit).scores()


@dataclass(frozen=True)
class KittiMatches:
    """What matching found, image by image; scores of any choice of images are read off it.

    Attributes:
        devkit: "2012" or "2017".
        num_images: I.
        curves: class -> difficulty -> the steps of all images.
    """

    devkit: str
    num_images: int
    curves: Mapping[str, Mapping[str, JoinedSteps]]

    def scores(self, weights: np.ndarray | None = None) -> KittiScores:
        """All curves.

        Args:
            weights: (I,) whole numbers, how often each image counts; None: once.

        Returns:
            The scores, in time linear in the number of detections.
        """
        return KittiScores(
            self.devkit,
            {
                name: {level: steps.curve(weights) for level, steps in levels.items()}
                for name, levels in self.curves.items()
            },
        )


def match_kitti(
    truths: Sequence[KittiTruth],
    detections: Sequence[KittiDetections],
    devkit: str = "2017",
) -> KittiMatches:
    """Match once, for `KittiMatches.scores`; arguments and errors are those of `evaluate_kitti`."""
    check_word("devkit", devkit, DEVKITS)
    check_pairs(truths, detections)
    pairs = enumerate(zip(truths, detections, strict=True))
    images = [checked_pair(i, truth, found) for i, (truth, found) in pairs]
    curves: dict[str, dict[str, JoinedSteps]] = {}
    for name in CLASSES:
        views = [view_of(truth, found, name) for truth, found in images]
        curves[name] = {
            level: _join([steps_of(case_of(view, limits, devkit)) for view in views])
            for level, limits in DIFFICULTIES.items()
        }
    return KittiMatches(devkit, len(images), curves)


@dataclass(frozen=True)
class JoinedSteps:
    """`ImageSteps` of I images as one: scores fall, and each has the number of its image.

    Attributes:
        objects: (I,) int64, that count in each image.
        hits: (H,) scores of the first pass's true positives.
        hit_image: (H,) int64.
        scores: (E,) where something changes.
        image: (E,) int64.
        changes: (3, E) int64, of objects found and missed and of detections spared.
        loose: (P,) scores of the detections that are false positives unless spared.
        loose_image: (P,) int64.
    """

    objects: np.ndarray
    hits: np.ndarray
    hit_image: np.ndarray
    scores: np.ndarray
    image: np.ndarray
    changes: np.ndarray
    loose: np.ndarray
    loose_image: np.ndarray

    def curve(self, weights: np.ndarray | None = None) -> KittiCurve:
        """The curve where each image counts as often as `weights` (I,) says; None: once."""
        each = np.ones(len(self.objects), np.int64) if weights is None else np.asarray(weights)
        objects = int(each @ self.objects)
        hits = np.repeat(self.hits, each[self.hit_image])
        thresholds = np.array(_recall_thresholds(hits, objects))
        change = np.cumsum(self.changes * each[self.image], axis=1)  # (3, E)
        change = np.concatenate([np.zeros((3, 1), np.int64), change], axis=1)
        at = np.searchsorted(-self.scores, -thresholds, side="right")
        found, missed, spared = change[:, at]
        loose = np.concatenate([[0], np.cumsum(each[self.loose_image])])
        false = loose[np.searchsorted(-self.loose, -thresholds, side="right")] - spared
        precision = np.zeros(STEPS + 1)
        precision[: len(thresholds)] = _share(found, false)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        return KittiCurve(objects, thresholds, found, false, objects + missed, precision)


def _join(images: Sequence[ImageSteps]) -> JoinedSteps:
    objects = np.array([one.objects for one in images], np.int64)
    changes = [
        np.diff(
            np.stack([one.found, one.missed, one.spared]),
            prepend=np.array([[0], [one.objects], [0]]),
            axis=1,
        )
        for one in images
        if len(one.scores)
    ]
    hits, hit_image, _ = _falling([np.asarray(one.hits, np.float64) for one in images])
    scores, image, order = _falling([one.scores for one in images])
    loose, loose_image, _ = _falling([one.loose for one in images])
    joined = np.concatenate([np.zeros((3, 0), np.int64), *changes], axis=1)[:, order]
    return JoinedSteps(objects, hits, hit_image, scores, image, joined, loose, loose_image)


def _falling(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of all images from the highest on, the image of each, and their order."""
    scores = np.concatenate([np.zeros(0), *parts])
    image = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.argsort(-scores, kind="stable")
    return scores[order], image[order], order


def _recall_thresholds(falling: np.ndarray, objects: int) -> list[float]:
    """The scores whose recall is nearest to 0, 1/40, 2/40, ...; the last always joins."""
    thresholds: list[float] = []
    goal, start, last = 0.0, 0, len(falling) - 1

    def near(i: int) -> bool:
        """Whether score i is no farther from the goal than the next one; so are all after it."""
        return not (i + 2) / objects - goal < goal - (i + 1) / objects

    while start <= last:
        chosen = bisect_left(range(last), True, lo=start, key=near)
        thresholds.append(float(falling[chosen]))
        goal += 1.0 / STEPS  # a running sum: k / 40 would settle exact halves the other way
        start = chosen + 1
    return thresholds


def _share(part: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Part / (part + rest), 0 for 0 / 0."""
    whole = part + rest
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
