"""COCO average precision and recall of anybody's detections: plain dicts and lists in, scores out.

Source: the protocol is that of pycocotools' COCOeval, followed to the last bit (`coco_matching`);
other evaluators can be chosen instead (`coco_backends`). Where we differ: thresholds are found by
their position (`summarize` compares floats and finds no threshold 0.9), `ignore` of a ground truth
is honoured (`_prepare` overwrites it with `iscrowd`), ids may be 0 or text, nothing is printed and
nothing that was given is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.cocoeval import Params

from cascadekit.errors import InputError, did_you_mean
from cascadekit.evaluation.coco_backends import BACKENDS, CocoTables, check_backend
from cascadekit.evaluation.coco_matching import Entry, accumulate, match_all
from cascadekit.evaluation.coco_records import (
    IOU_TYPES,
    GroundTruth,
    Grouped,
    Result,
    TruthIndex,
    group_results,
    group_truths,
    index_truth,
)

THRESHOLDS = tuple(range(50, 100, 5))  # IoU in percent: whole numbers compare exactly
REPORTED = (50, 60, 70, 75, 80, 90)  # the columns of the paper's tables
SIZES = ("small", "medium", "large")  # area < 32^2, < 96^2, above, square pixels


@dataclass(frozen=True)
class CocoScores:
    """Scores of one set of detections: fractions in [0, 1], nan where there is no ground truth.

    Attributes:
        iou_type: "bbox" or "segm".
        ap: mean over the ten thresholds and over the classes that have ground truth.
        ap_by_threshold: AP at IoU 0.50, 0.55, ..., 0.95 (10 numbers).
        ap_by_size: "small", "medium", "large" -> AP.
        ap_by_class: class name -> AP, in the order of the ground truth's categories.
        ar_by_max_dets: detections per image and class -> mean recall; AP is at the largest.
        ar_by_size: "small", "medium", "large" -> mean recall at the largest.
    """

    iou_type: str
    ap: float
    ap_by_threshold: tuple[float, ...]
    ap_by_size: Mapping[str, float]
    ap_by_class: Mapping[str, float]
    ar_by_max_dets: Mapping[int, float]
    ar_by_size: Mapping[str, float]

    def ap_at(self, percent: int) -> float:
        """AP at one IoU threshold.

        Args:
            percent: 100 times the threshold, e.g. 90 for IoU 0.9.

        Returns:
            A fraction in [0, 1], or nan.

        Raises:
            InputError: not one of 50, 55, ..., 95.
        """
        if percent not in THRESHOLDS:
            raise InputError(f"AP is known at IoU {THRESHOLDS} percent, not at {percent!r}")
        return self.ap_by_threshold[THRESHOLDS.index(percent)]

    def as_dict(self) -> dict[str, float]:
        """Flat names -> numbers: AP, AP50, AP55, ..., AP95, AP_small, ..., AR1, ..., AR_large."""
        return {
            "AP": self.ap,
            **{f"AP{percent}": self.ap_at(percent) for percent in THRESHOLDS},
            **{f"AP_{size}": value for size, value in self.ap_by_size.items()},
            **{f"AR{most}": value for most, value in self.ar_by_max_dets.items()},
            **{f"AR_{size}": value for size, value in self.ar_by_size.items()},
        }


def evaluate_coco(
    ground_truth: GroundTruth,
    results: Sequence[Result],
    iou_type: str = "bbox",
    max_dets: Sequence[int] = (1, 10, 100),
    backend: str = "pycocotools",
) -> CocoScores:
    """Score detections against ground truth by the COCO protocol.

    Args:
        ground_truth: COCO dict with `images` (id, and height and width for masks), `annotations`
            (image_id, category_id, bbox xywh in pixels, optional area, iscrowd, ignore,
            segmentation) and `categories` (id, name). Every list may be empty.
        results: one dict per detection: image_id, category_id, score, and bbox (xywh pixels) or
            segmentation (polygons or RLE); may be empty.
        iou_type: "bbox" or "segm", what overlaps are measured on.
        max_dets: how many best-scored detections per image and class count; AP and the scores by
            size take the largest.
        backend: "pycocotools", or "faster_coco_eval" or "hotcoco" where installed.

    Returns:
        Fractions in [0, 1]. An ignored object counts neither when found nor when missed, and
        absorbs one detection at each threshold by plain IoU; a crowd absorbs any number, by the
        share of the detection that it covers.

    Raises:
        InputError: a key is missing, an id unknown, a score or box not finite, an RLE of another
            size than its picture; the message names the entry. Or there is no such back end, it is
            not installed, or it cannot do what is asked.
    """
    check_backend(backend)  # before the records are checked, which takes longer
    evaluator = coco_evaluator(ground_truth, results, iou_type, max_dets)
    precision, recall = coco_arrays(evaluator, backend)
    return scores_of(evaluator.params, precision, recall, evaluator.index.names)


def coco_arrays(
    evaluator: CocoEvaluator, backend: str = "pycocotools"
) -> tuple[np.ndarray, np.ndarray]:
    """What COCOeval accumulates, by any back end.

    Args:
        evaluator: of `coco_evaluator`.
        backend: as for `evaluate_coco`.

    Returns:
        Precision (T, 101, K, 4 areas, max_dets) and recall (T, K, 4 areas, max_dets), -1 without
        ground truth.

    Raises:
        InputError: the back end is not there, or cannot do what is asked.
    """
    check_backend(backend)
    if backend == "pycocotools" or not evaluator.found or not evaluator.truths:
        evaluator.match()
        return accumulate(evaluator.evalImgs, evaluator.params)
    return BACKENDS[backend](evaluator.as_coco(), evaluator.params)


def coco_evaluator(
    ground_truth: GroundTruth,
    results: Sequence[Result],
    iou_type: str = "bbox",
    max_dets: Sequence[int] = (1, 10, 100),
) -> CocoEvaluator:
    """Check and group everything, for scores or for the matches behind them.

    Args:
        ground_truth: as `evaluate_coco` takes it.
        results: likewise.
        iou_type: likewise.
        max_dets: likewise.

    Returns:
        An evaluator that has matched nothing yet; images and classes are numbered as in
        `index_truth`.

    Raises:
        InputError: as `evaluate_coco`.
    """
    if iou_type not in IOU_TYPES:
        raise InputError(
            f"iou_type must be one of {IOU_TYPES}, got {iou_type!r}."
            f"{did_you_mean(str(iou_type), IOU_TYPES)}"
        )
    if not max_dets or min(max_dets) < 1:
        raise InputError(f"max_dets must be positive numbers, got {tuple(max_dets)}")
    index = index_truth(ground_truth)
    return CocoEvaluator(
        iou_type,
        sorted(set(max_dets)),
        index,
        group_truths(ground_truth, index, iou_type),
        group_results(results, index, iou_type),
    )


class CocoEvaluator:
    """Records that are grouped already, the parameters of COCOeval, and what was matched.

    Attributes:
        params: COCOeval's; images and classes are 0, 1, 2, ...
        evalImgs: entries by class, size and image, as COCOeval has them; empty before `match`.
    """

    def __init__(
        self,
        iou_type: str,
        max_dets: list[int],
        index: TruthIndex,
        truths: Grouped,
        found: Grouped,
    ) -> None:
        """Take what `coco_evaluator` has checked.

        Args:
            iou_type: "bbox" or "segm".
            max_dets: ascending.
            index: of the ground truth.
            truths: of `group_truths`.
            found: of `group_results`.
        """
        self.index, self.truths, self.found = index, truths, found
        self.params = Params(iouType=iou_type)
        self.params.imgIds = list(range(len(index.images)))
        self.params.catIds = list(range(len(index.categories)))
        self.params.maxDets = max_dets
        self.evalImgs: list[Entry | None] = []
        # The ten thresholds, by position those of THRESHOLDS.
        assert len(self.params.iouThrs) == len(THRESHOLDS)

    def match(self) -> None:
        """Fill `evalImgs`, one entry per class, area and image, and print nothing."""
        self.evalImgs = match_all(self.truths, self.found, self.params)

    def as_coco(self) -> CocoTables:
        """The records as whole COCO tables, for other evaluators; numbers are ids."""
        sizes = [(1, 1) if size is None else size for size in self.index.sizes]
        return CocoTables(
            [{"id": i, "height": h, "width": w} for i, (h, w) in enumerate(sizes)],
            [{"id": k, "name": name} for k, name in enumerate(self.index.names)],
            _flat(self.truths),
            _flat(self.found),
        )

    def scores(self) -> CocoScores:
        """Match, accumulate and read off all figures."""
        precision, recall = coco_arrays(self)
        return scores_of(self.params, precision, recall, self.index.names)


def _flat(grouped: Grouped) -> list[dict[str, Any]]:
    """Records in the order of their ids, which is that of the file."""
    records = [
        {**record, "image_id": image, "category_id": label}
        for (image, label), part in grouped.items()
        for record in part
    ]
    return sorted(records, key=lambda record: record["id"])


def scores_of(
    params: Params, precision: np.ndarray, recall: np.ndarray, names: Sequence[str]
) -> CocoScores:
    """Read all figures off the arrays of any back end.

    Args:
        params: what was measured and how: `iouType`, `maxDets`.
        precision: (T, 101, K, 4 areas, max_dets), -1 without ground truth.
        recall: (T, K, 4 areas, max_dets), likewise.
        names: K classes.

    Returns:
        The scores.
    """
    return CocoScores(
        iou_type=params.iouType,
        ap=_mean(precision[:, :, :, 0, -1]),
        ap_by_threshold=tuple(_mean(row) for row in precision[:, :, :, 0, -1]),
        ap_by_size={s: _mean(precision[:, :, :, a, -1]) for a, s in enumerate(SIZES, 1)},
        ap_by_class={name: _mean(precision[:, :, k, 0, -1]) for k, name in enumerate(names)},
        ar_by_max_dets={most: _mean(recall[:, :, 0, m]) for m, most in enumerate(params.maxDets)},
        ar_by_size={s: _mean(recall[:, :, a, -1]) for a, s in enumerate(SIZES, 1)},
    )


def _mean(values: np.ndarray) -> float:
    """Mean of the entries that have ground truth (not -1); nan when none has."""
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")
