"""CityPersons' log-average miss rate: arrays in, scores out.

Source: Zhang et al., "CityPersons: a diverse dataset for pedestrian detection" (CVPR 2017), and
what its `eval_MR_multisetup` does, which follows the Caltech protocol of Dollar et al. (2012).

Two degenerate cases are the devkit's own, and followed:
- Where the best-ranked false positive alone exceeds a rate of false positives (fewer than 100
  images), no detection is left to read the recall at. The devkit's index then is -1 and it reads
  the recall of ALL detections, which flatters. `wrapped` counts such points; with
  `empty_index="zero"` they have recall 0 instead.
- A recall of 1 gives log 0 = -inf, so one such point makes the whole mean 0.

Where we differ: a subset without pedestrians has nan (the devkit prints -100 %). Rates are
fractions, not percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadekit.errors import check_word
from cascadekit.evaluation.arrays import (
    ScoredBoxes,
    box_rows,
    check_ious,
    check_pairs,
    row_doubles,
    row_flags,
    row_numbers,
)
from cascadekit.evaluation.box_overlap import corners, cover_of, intersections, iou_of

# False positives per image; the devkit's own digits, not 10 ** (-2 + k / 4).
FPPI_POINTS = (0.0100, 0.0178, 0.0316, 0.0562, 0.1000, 0.1778, 0.3162, 0.5623, 1.0000)
MAX_DETECTIONS = 1000  # per image, best first, before the filter by height
HEIGHT_FACTOR = 1.25  # detections this much outside the height limits still take part
NO_LIMIT = 1e10
EMPTY_INDEX = ("wrap", "zero")


@dataclass(frozen=True)
class Subset:
    """Which pedestrians count; all limits are inclusive.

    Attributes:
        heights: lowest and highest, pixels.
        visible: lowest and highest share of the full box that is visible.
    """

    heights: tuple[float, float]
    visible: tuple[float, float]


SUBSETS: Mapping[str, Subset] = {
    "Reasonable": Subset((50, NO_LIMIT), (0.65, NO_LIMIT)),
    "Small": Subset((50, 75), (0.65, NO_LIMIT)),
    "Heavy": Subset((50, NO_LIMIT), (0.2, 0.65)),
    "All": Subset((20, NO_LIMIT), (0.2, NO_LIMIT)),
}


@dataclass(frozen=True)
class PersonTruth:
    """Ground truth of one image.

    Attributes:
        boxes_xywh: (N, 4) full boxes in pixels of the file; N may be 0.
        visible: (N,) visible area / full area, doubles: 0.65 in float32 is less than 0.65.
        ignored: (N,) bool: riders, sitting and other persons, groups and ignore regions.
    """

    boxes_xywh: Any
    visible: Any
    ignored: Any


@dataclass(frozen=True)
class MissRateCurve:
    """One subset at one IoU. M detections that count, of all images, by falling score.

    Attributes:
        objects: pedestrians that count.
        images: all images, those without pedestrians too.
        scores: (M,).
        fppi: (M,) false positives per image with at least that rank.
        recall: (M,) share of the objects found; draw 1 - recall over fppi.
        recall_at_points: (9,) recall at `FPPI_POINTS`.
        miss_rate: exp of the mean log of 1 - recall at the nine points; nan without objects, 1
            without detections.
        wrapped: how many points had no detection to be read at.
    """

    objects: int
    images: int
    scores: np.ndarray
    fppi: np.ndarray
    recall: np.ndarray
    recall_at_points: np.ndarray
    miss_rate: float
    wrapped: int


@dataclass(frozen=True)
class MissRates:
    """All curves.

    Attributes:
        empty_index: "wrap" or "zero".
        curves: subset -> IoU -> curve.
    """

    empty_index: str
    curves: Mapping[str, Mapping[float, MissRateCurve]]

    def as_dict(self) -> dict[str, float]:
        """Flat names -> fractions: MR50_Reasonable, MR75_Reasonable, MR50_Small, ..."""
        return {
            f"MR{100 * iou:g}_{name}": curve.miss_rate
            for name, by_iou in self.curves.items()
            for iou, curve in by_iou.items()
        }


def evaluate_miss_rate(
    truths: Sequence[PersonTruth],
    detections: Sequence[ScoredBoxes],
    ious: Sequence[float] = (0.5, 0.75),
    empty_index: str = "wrap",
) -> MissRates:
    """Score pedestrian detections by CityPersons' protocol.

    Args:
        truths: one entry per image. Equal scores rank in the order of the images: the devkit's is
            that of the image ids.
        detections: one entry per image, in the same order; entries may be empty.
        ious: how much a detection must overlap a pedestrian at the least.
        empty_index: "wrap" (what the devkit does) or "zero", see the top of this file.

    Returns:
        Curves and miss rates of the four subsets.

    Raises:
        InputError: arrays do not fit together or are not finite; the message names the entry.
    """
    return match_persons(truths, detections, ious, empty_index).scores()


@dataclass(frozen=True)
class PersonMatches:
    """What matching found, image by image; scores of any choice of images are read off it.

    Attributes:
        empty_index: "wrap" or "zero".
        num_images: I.
        curves: subset -> IoU -> its ranked detections.
    """

    empty_index: str
    num_images: int
    curves: Mapping[str, Mapping[float, RankedPersons]]

    def scores(self, weights: np.ndarray | None = None) -> MissRates:
        """All curves.

        Args:
            weights: (I,) whole numbers, how often each image counts; None: once.

        Returns:
            The scores, in time linear in the number of detections.
        """
        wrap = self.empty_index == "wrap"
        return MissRates(
            self.empty_index,
            {
                name: {iou: ranked.curve(wrap, weights) for iou, ranked in by_iou.items()}
                for name, by_iou in self.curves.items()
            },
        )


def match_persons(
    truths: Sequence[PersonTruth],
    detections: Sequence[ScoredBoxes],
    ious: Sequence[float] = (0.5, 0.75),
    empty_index: str = "wrap",
) -> PersonMatches:
    """Match once, for `PersonMatches.scores`; all is as for `evaluate_miss_rate`."""
    check_word("empty_index", empty_index, EMPTY_INDEX)
    check_ious(ious)
    check_pairs(truths, detections)
    pictures = [_picture(i, t, d) for i, (t, d) in enumerate(zip(truths, detections, strict=True))]
    return PersonMatches(
        empty_index,
        len(pictures),
        {
            name: {iou: _ranked(pictures, subset, iou) for iou in ious}
            for name, subset in SUBSETS.items()
        },
    )


@dataclass(frozen=True)
class RankedPersons:
    """One subset at one IoU: the M detections of I images that count, by falling score.

    Attributes:
        objects: (I,) int64, pedestrians that count in each image.
        scores: (M,).
        hit: (M,) bool, whether each found a pedestrian.
        image: (M,) int64, number of its image.
    """

    objects: np.ndarray
    scores: np.ndarray
    hit: np.ndarray
    image: np.ndarray

    def curve(self, wrap: bool, weights: np.ndarray | None = None) -> MissRateCurve:
        """The curve where each image counts as often as `weights` (I,) says; None: once."""
        each = np.ones(len(self.objects), np.int64) if weights is None else np.asarray(weights)
        objects, images = int(each @ self.objects), int(each.sum())
        times = each[self.image]
        drawn = times > 0
        score, hit, times = self.scores[drawn], self.hit[drawn], times[drawn]
        recall = np.cumsum(times * hit) / objects if objects else np.full(len(hit), np.nan)
        fppi = np.cumsum(times * ~hit) / max(images, 1)
        at = np.searchsorted(fppi, FPPI_POINTS, side="right") - 1  # -1: none is left
        points = recall[at] if len(recall) else np.zeros(len(at))
        # Of an image drawn twice the first false positive alone may still be few enough.
        none = (at < 0) & (1 / max(images, 1) > np.array(FPPI_POINTS))
        wrapped = int(none.sum()) if len(recall) else 0
        points = np.where((at < 0) & ~(none & wrap), 0.0, points)
        with np.errstate(divide="ignore"):  # log 0
            miss_rate = float(np.exp(np.log(1 - points).mean())) if objects else float("nan")
        return MissRateCurve(objects, images, score, fppi, recall, points, miss_rate, wrapped)


@dataclass(frozen=True)
class _Picture:
    """One image: N pedestrians and regions, its D best detections by falling score."""

    heights: np.ndarray  # (N,)
    visible: np.ndarray  # (N,)
    ignored: np.ndarray  # (N,) bool, whatever the subset
    found_heights: np.ndarray  # (D,)
    scores: np.ndarray  # (D,)
    iou: np.ndarray  # (D, N)
    cover: np.ndarray  # (D, N) share of the detection inside


def _picture(i: int, truth: PersonTruth, found: ScoredBoxes) -> _Picture:
    boxes = box_rows(truth.boxes_xywh, f"truths[{i}].boxes_xywh")
    rows = box_rows(found.boxes_xywh, f"detections[{i}].boxes_xywh")
    scores = row_numbers(found.scores, len(rows), f"detections[{i}].scores")
    best = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
    rows, scores = rows[best], scores[best]
    inter = intersections(corners(rows), corners(boxes))
    sizes = rows[:, 2] * rows[:, 3]  # of the file's numbers: x + w - x is not always w
    return _Picture(
        heights=boxes[:, 3],
        visible=row_doubles(truth.visible, len(boxes), f"truths[{i}].visible"),
        ignored=row_flags(truth.ignored, len(boxes), f"truths[{i}].ignored"),
        found_heights=rows[:, 3],
        scores=scores,
        iou=iou_of(inter, sizes, boxes[:, 2] * boxes[:, 3]),
        cover=cover_of(inter, sizes),
    )


def _ranked(pictures: Sequence[_Picture], subset: Subset, least_iou: float) -> RankedPersons:
    objects, scores, hits, image = [], [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, int)]
    for i, picture in enumerate(pictures):
        counts = _counts(picture, subset)
        objects.append(int(counts.sum()))
        kept, hit = _match(picture, counts, subset, least_iou)
        scores.append(picture.scores[kept])
        hits.append(hit)
        image.append(np.full(len(kept), i))
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")  # equal scores: in the order of the images
    return RankedPersons(
        np.array(objects, np.int64),
        score[order],
        np.concatenate(hits)[order],
        np.concatenate(image)[order],
    )


def _counts(picture: _Picture, subset: Subset) -> np.ndarray:
    """(N,) bool: which pedestrians belong to the subset. All others are ignored, not missed."""
    (low, high), (least, most) = subset.heights, subset.visible
    tall = (picture.heights >= low) & (picture.heights <= high)
    seen = (picture.visible >= least) & (picture.visible <= most)
    return tall & seen & ~picture.ignored


def _match(
    picture: _Picture, counts: np.ndarray, subset: Subset, least_iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """Give detections to pedestrians, best score first.

    Args:
        picture: one image.
        counts: (N,) bool, pedestrians of the subset.
        subset: its heights filter the detections.
        least_iou: for pedestrians; also the share that must lie inside an ignored box.

    Returns:
        (M,) rows of the detections that count, and (M,) bool, which of them found a pedestrian.
    """
    low, high = subset.heights
    tall = picture.found_heights >= low / HEIGHT_FACTOR
    rows = np.flatnonzero(tall & (picture.found_heights < high * HEIGHT_FACTOR))
    least = min(least_iou, 1 - 1e-10)
    overlap = picture.iou[rows][:, counts]  # (M, N of the subset)
    overlap = np.where(overlap >= least, overlap, -1.0)
    hit = np.zeros(len(rows), bool)
    for m in np.flatnonzero((overlap >= 0).any(1)):
        # The greatest overlap that is still to be had, the last of equals.
        best = overlap.shape[1] - 1 - int(overlap[m, ::-1].argmax())
        if overlap[m, best] >= 0:
            hit[m] = True
            overlap[:, best] = -1.0
    # Only what found nothing may fall to an ignored box, and any number may.
    lost = ~hit & (picture.cover[rows][:, ~counts] >= least).any(1)
    return rows[~lost], hit[~lost]
