"""How sure an AP is: images are drawn again, with replacement, and the AP is computed anew.

Matching does not depend on the other images, so it is done once; a draw only counts each image's
matches as often as the image was drawn. The bands speak of other images of the same kind. They
know nothing of another training of the same detector: that takes several seeds.

Letters: I images, K classes, T = 10 IoU thresholds, D detections of one class in all images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import SIZES, THRESHOLDS, CocoEvaluator, coco_evaluator
from cascadekit.evaluation.coco_records import GroundTruth, Result

# The columns of every array of APs here: the mean over thresholds, then each threshold.
COLUMNS = ("AP", *(f"AP{percent}" for percent in THRESHOLDS))
ROUNDS = 200
LEVEL = 0.95
FEW = 10  # of fewer images the draws are too alike to say anything: one image gives a band of 0


@dataclass(frozen=True)
class ClassMatches:
    """What became of the D detections of one class, best score first over all images.

    Attributes:
        image: (D,) int64, number of each detection's image, 0..I-1; D may be 0.
        hits: T arrays of rows of detections that found an object.
        ignored: T arrays of rows of detections that count neither as hit nor as false alarm.
        ignored_before: T arrays, for each hit how many rows of `ignored` come before it.
        objects: (I,) int64, objects that count in each image.
    """

    image: np.ndarray
    hits: tuple[np.ndarray, ...]
    ignored: tuple[np.ndarray, ...]
    ignored_before: tuple[np.ndarray, ...]
    objects: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Matches of all classes.

    Attributes:
        num_images: I; may be 0.
        classes: K entries, in the order of the ground truth's categories.
        recalls: (101,) float64, where precision is read off.
    """

    num_images: int
    classes: tuple[ClassMatches, ...]
    recalls: np.ndarray


@dataclass(frozen=True)
class ApDistribution:
    """AP of one set of detections, on the images as they are and on drawn ones.

    Attributes:
        values: (11,) float64 fractions by `COLUMNS`, of every image once; nan without objects.
        draws: (rounds, 11) float64, likewise of each draw; nan where it has no objects.
        seed: of the draws.
        num_images: I.
    """

    values: np.ndarray
    draws: np.ndarray
    seed: int
    num_images: int

    def band(self, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends (11,) of the middle `level` of the draws, about `values`."""
        low, high = confidence(self.draws, level, self.values)
        return low.clip(0, 1), high.clip(0, 1)


@dataclass(frozen=True)
class Comparison:
    """Detections B against A on the same images; everything by `COLUMNS`.

    Attributes:
        difference: (11,) float64, AP of B minus AP of A, fractions; nan without objects.
        low: (11,) lower end of its interval; nan without draws.
        high: (11,) upper end.
        share_better: (11,) share of the draws in which B is better, ties counted half; nan without
            draws.
        level: of the interval.
        num_images: I.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    share_better: np.ndarray
    level: float
    num_images: int

    @property
    def known(self) -> bool:
        """Whether the intervals mean something: objects, draws, and not too few images."""
        return self.num_images >= FEW and not np.isnan(self.low[0])

    @property
    def signs(self) -> np.ndarray:
        """(11,) int64: 1 where B is surely better, -1 where surely worse, 0 where not decided."""
        if not self.known:
            return np.zeros(len(COLUMNS), np.int64)
        return (self.low > 0).astype(np.int64) - (self.high < 0)


def bootstrap_ap(
    ground_truth: GroundTruth,
    results: Sequence[Result],
    rounds: int = ROUNDS,
    seed: int = 0,
    iou_type: str = "bbox",
    max_dets: int = 100,
    size: str | None = None,
) -> ApDistribution:
    """AP at every threshold, and how it varies with the choice of images.

    Args:
        ground_truth: COCO dict, as `evaluate_coco` takes it.
        results: COCO results list; may be empty.
        rounds: number of draws, 0 or more; 0 gives the values alone.
        seed: of the draws; equal seeds draw equal images of equally many.
        iou_type: "bbox" or "segm".
        max_dets: best-scored detections per image and class that count.
        size: "small", "medium" or "large": AP of objects of that size alone; None: all.

    Returns:
        The distribution; `values` are those of `evaluate_coco`.

    Raises:
        InputError: as `evaluate_coco`, or `rounds` is negative, or no such size.

    Source: Efron's percentile bootstrap over images, and `confidence` says how bands are moved. An
    image drawn n times counts n times; its copies rank side by side, so where detections of one
    image have equal scores their order is that of one image, not of n. A class without objects in
    a draw is left out of its mean.
    """
    matches = match_detections(ground_truth, results, iou_type, max_dets, size)
    draws = draw_ap(matches, draw_images(matches.num_images, rounds, seed))
    once = np.ones((1, matches.num_images), np.int64)
    return ApDistribution(draw_ap(matches, once)[0], draws, seed, matches.num_images)


def compare(
    ground_truth: GroundTruth,
    results_a: Sequence[Result],
    results_b: Sequence[Result],
    rounds: int = ROUNDS,
    seed: int = 0,
    iou_type: str = "bbox",
    level: float = LEVEL,
) -> Comparison:
    """Whether B is better than A on these images, beyond the choice of images.

    Args:
        ground_truth: COCO dict.
        results_a: COCO results list.
        results_b: of the same images.
        rounds: number of draws, 0 or more.
        seed: of the draws.
        iou_type: "bbox" or "segm".
        level: of the interval.

    Returns:
        Differences; both are scored on the same draws, which makes the interval much narrower than
        two bands beside each other suggest.

    Raises:
        InputError: as `bootstrap_ap`.
    """
    a = bootstrap_ap(ground_truth, results_a, rounds, seed, iou_type)
    b = bootstrap_ap(ground_truth, results_b, rounds, seed, iou_type)
    return compare_draws(a, b, level)


def compare_draws(a: ApDistribution, b: ApDistribution, level: float = LEVEL) -> Comparison:
    """`compare` for distributions that are there already.

    Args:
        a: of one set of detections.
        b: of another one on the same ground truth, with the same seed and number of draws.
        level: of the interval.

    Returns:
        B against A.

    Raises:
        InputError: the draws are not of the same images.
    """
    drawn_a = (a.num_images, a.seed, len(a.draws))
    drawn_b = (b.num_images, b.seed, len(b.draws))
    if drawn_a != drawn_b:
        raise InputError(
            f"a comparison needs the same draws of the same images; (images, seed, rounds) are "
            f"{drawn_a} and {drawn_b}"
        )
    differences = b.draws - a.draws
    # Not moved: of two APs the excess mostly cancels, and draws that are ties must stay ties.
    low, high = confidence(differences, level)
    known = ~np.isnan(differences)
    better = np.where(known, (differences > 0) + 0.5 * (differences == 0), 0).sum(0)
    with np.errstate(invalid="ignore"):
        share = better / known.sum(0)
    return Comparison(b.values - a.values, low, high, share, level, a.num_images)


def confidence(
    values: Any, level: float = LEVEL, about: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """The middle of draws.

    Args:
        values: (rounds, ...) numbers, a row per draw; nan is left out, rounds may be 0.
        level: share of the draws inside, in (0, 1).
        about: of the shape of one draw: draws are moved so that this is their mean; None: they
            stay. An AP of few objects comes out too high, for precision is read off at its
            maximum, and draws, with fewer different images, once more by as much.

    Returns:
        Lower and upper ends, of the shape of one draw; nan where no draw is known.

    Raises:
        InputError: `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, got {level!r}")
    array = np.asarray(values, np.float64)
    shape = array.shape[1:]
    flat = array.reshape(len(array), int(np.prod(shape)))
    low, high = np.full(flat.shape[1], np.nan), np.full(flat.shape[1], np.nan)
    known = ~np.isnan(flat).all(0)  # without draws: none
    if known.any():
        drawn = flat[:, known]
        if about is not None:
            drawn = drawn + np.reshape(about, -1)[known] - np.nanmean(drawn, 0)
        ends = ((1 - level) / 2, (1 + level) / 2)
        low[known], high[known] = np.nanquantile(drawn, ends, axis=0)
    return low.reshape(shape), high.reshape(shape)


def draw_images(num_images: int, rounds: int, seed: int = 0) -> np.ndarray:
    """How often each image is drawn, as many draws as there are images.

    Args:
        num_images: I; may be 0.
        rounds: 0 or more.
        seed: of the draws.

    Returns:
        (rounds, I) int64; each row adds up to I.

    Raises:
        InputError: `rounds` is negative.
    """
    if rounds < 0:
        raise InputError(f"rounds must be 0 or more, got {rounds}")
    if num_images == 0:
        return np.zeros((rounds, 0), np.int64)
    even = np.full(num_images, 1 / num_images)
    return np.random.default_rng(seed).multinomial(num_images, even, size=rounds)


def match_detections(
    ground_truth: GroundTruth,
    results: Sequence[Result],
    iou_type: str = "bbox",
    max_dets: int = 100,
    size: str | None = None,
) -> Matches:
    """Match once, image by image, by the COCO protocol.

    Args:
        ground_truth: COCO dict.
        results: COCO results list; may be empty.
        iou_type: "bbox" or "segm".
        max_dets: best-scored detections per image and class that count.
        size: "small", "medium" or "large"; None: all.

    Returns:
        The matches; images are numbered by their sorted ids.

    Raises:
        InputError: as `evaluate_coco`, or no such size.
    """
    if size is not None and size not in SIZES:
        raise InputError(f"size must be one of {SIZES} or None, got {size!r}")
    evaluator = coco_evaluator(ground_truth, results, iou_type, (max_dets,))
    params = evaluator.params
    area = 0 if size is None else 1 + SIZES.index(size)
    params.areaRng, params.areaRngLbl = [params.areaRng[area]], [params.areaRngLbl[area]]
    evaluator.match()
    return join_matches(evaluator)


def join_matches(evaluator: CocoEvaluator, area: int = 0) -> Matches:
    """What an evaluator has matched, class by class; `area` is a row of its `params.areaRng`."""
    images, areas = len(evaluator.params.imgIds), len(evaluator.params.areaRng)
    starts = [(k * areas + area) * images for k in range(len(evaluator.params.catIds))]
    classes = [_of_class(evaluator.evalImgs[start : start + images]) for start in starts]
    return Matches(images, tuple(classes), np.asarray(evaluator.params.recThrs))


def _of_class(entries: Sequence[Mapping[str, Any] | None]) -> ClassMatches:
    """Join what pycocotools says of one class in each of I images; None: there is nothing."""
    found = [(i, e) for i, e in enumerate(entries) if e is not None]
    objects = np.zeros(len(entries), np.int64)
    for i, entry in found:
        objects[i] = np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0)
    scores = np.concatenate([np.zeros(0), *(e["dtScores"] for _, e in found)])
    # Stable, as in pycocotools: of equal scores the first image's goes first.
    order = np.argsort(-scores, kind="stable")
    image = np.repeat([i for i, _ in found], [len(e["dtScores"]) for _, e in found])
    empty = np.zeros((len(THRESHOLDS), 0), bool)
    matched = np.concatenate([empty, *(e["dtMatches"] != 0 for _, e in found)], 1)[:, order]
    ignored = np.concatenate([empty, *(e["dtIgnore"] != 0 for _, e in found)], 1)[:, order]
    hits = [np.flatnonzero(row) for row in matched & ~ignored]
    out = [np.flatnonzero(row) for row in ignored]
    before = [np.searchsorted(o, h) for o, h in zip(out, hits, strict=True)]
    return ClassMatches(
        image.astype(np.int64)[order], tuple(hits), tuple(out), tuple(before), objects
    )


def draw_ap(matches: Matches, draws: np.ndarray) -> np.ndarray:
    """AP of draws of images.

    Args:
        matches: of `match_detections`.
        draws: (rounds, I) whole numbers, how often each image counts; rounds may be 0.

    Returns:
        (rounds, 11) float64 fractions by `COLUMNS`, means over the classes that have objects; nan
        where none has.
    """
    drawn = np.full((len(draws), len(COLUMNS)), np.nan)
    for row, weights in enumerate(draws):
        known = [c for c in matches.classes if weights @ c.objects > 0]
        if known:
            by_class = [_class_ap(c, weights, matches.recalls) for c in known]
            drawn[row, 1:] = np.mean(by_class, 0)
            drawn[row, 0] = drawn[row, 1:].mean()
    return drawn


def _class_ap(found: ClassMatches, weights: np.ndarray, recalls: np.ndarray) -> list[float]:
    """AP of one class at each threshold.

    Args:
        found: its matches; it has objects in the draw.
        weights: (I,) how often each image counts.
        recalls: where precision is read off.

    Returns:
        T fractions.
    """
    # Only hits are looked at: a false alarm adds no recall, so precision is never read off at one.
    objects = weights @ found.objects
    each = weights[found.image]  # (D,)
    ranked = np.cumsum(each)
    values = []
    for hits, ignored, before in zip(found.hits, found.ignored, found.ignored_before, strict=True):
        true = np.cumsum(each[hits])
        left_out = np.concatenate([[0], np.cumsum(each[ignored])])[before]
        # The smallest float is added as pycocotools does it.
        precision = true / (ranked[hits] - left_out + np.spacing(1))
        highest = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or a higher one
        place = np.searchsorted(true / objects, recalls, side="left")
        values.append(highest[place[place < len(hits)]].sum() / len(recalls))
    return values
