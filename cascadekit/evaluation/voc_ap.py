"""PASCAL VOC's AP of 2007 and of 2010 and later, and VOC in COCO's metrics: arrays in, scores out.

Source: Everingham et al., "The PASCAL visual object classes (VOC) challenge" (IJCV 2010), and what
its devkit's detection evaluation does: boxes count their last pixel ("+1"); a detection goes to the
object of its class that it overlaps most, the first of equals, taken or not; difficult objects are
neither found nor missed; a second hit is a false positive. In COCO's metrics: the conversion of the
Cascade R-CNN authors, whose evaluator honours `ignore`.

Followed though it surprises: AP of 2007 reads precision at recalls i x 0.1 in doubles, and
3 x 0.1, 6 x 0.1 and 7 x 0.1 are a little more than 0.3, 0.6 and 0.7. A class whose recall ends at
exactly 3 of 5 has nothing at the point 0.6. An IoU of exactly the threshold is enough, as in the
devkit; the widespread Python port of it wants more.

Where we differ: equal scores rank in the order of images and rows unless `VocDetections.order` says
otherwise (the devkit's sort leaves them in that of its file), precision of 0 / 0 counts as 0 (the
devkit's AP of 2007 may become nan), and a class without objects has nan and does not enter the
mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadekit.errors import InputError, did_you_mean
from cascadekit.evaluation.arrays import (
    box_rows,
    check_ious,
    check_pairs,
    row_flags,
    row_names,
    row_numbers,
)
from cascadekit.evaluation.box_overlap import nearest
from cascadekit.evaluation.coco_ap import CocoScores, evaluate_coco
from cascadekit.evaluation.precision_recall import area_under_envelope, eleven_points

PROTOCOLS = ("07", "10")


@dataclass(frozen=True)
class VocTruth:
    """Ground truth of one image.

    Attributes:
        names: N class names.
        boxes: (N, 4) xmin, ymin, xmax, ymax as in the xml: pixels count from 1, the last belongs to
            the box. N may be 0.
        difficult: (N,) bool.
    """

    names: Sequence[str]
    boxes: Any
    difficult: Any


@dataclass(frozen=True)
class VocDetections:
    """Detections of one image.

    Attributes:
        names: D class names.
        boxes: (D, 4) as those of the truth (the format of a submission); D may be 0.
        scores: (D,) finite.
        order: (D,) numbers, e.g. the line in the class's file: of equal scores the lowest ranks
            first, over all images. None: in the order of images and rows.
    """

    names: Sequence[str]
    boxes: Any
    scores: Any
    order: Any = None


@dataclass(frozen=True)
class VocCurve:
    """One class at one IoU. M detections of all images by falling score.

    Attributes:
        objects: how many are to be found, difficult ones left out.
        scores: (M,) of all detections, those of difficult objects too.
        recall: (M,) nan without objects.
        precision: (M,) 0 where nothing has counted yet.
    """

    objects: int
    scores: np.ndarray
    recall: np.ndarray
    precision: np.ndarray

    def ap(self, protocol: str) -> float:
        """Average precision.

        Args:
            protocol: "07" (mean of 11 points) or "10" (area, since 2010).

        Returns:
            A fraction in [0, 1]; nan without objects.

        Raises:
            InputError: neither.
        """
        if protocol not in PROTOCOLS:
            raise InputError(f"VOC has AP of {PROTOCOLS}, not of {protocol!r}")
        if not self.objects:
            return float("nan")
        average = eleven_points if protocol == "07" else area_under_envelope
        return average(self.recall, self.precision)


@dataclass(frozen=True)
class VocScores:
    """All curves.

    Attributes:
        curves: class -> IoU -> curve.
    """

    curves: Mapping[str, Mapping[float, VocCurve]]

    def mean_ap(self, protocol: str, iou: float = 0.5) -> float:
        """Mean over the classes that have objects.

        Args:
            protocol: "07" or "10".
            iou: one of those evaluated.

        Returns:
            A fraction in [0, 1]; nan where no class has objects.

        Raises:
            InputError: another protocol, or an IoU that was not evaluated.
        """
        for by_iou in self.curves.values():
            if iou not in by_iou:
                raise InputError(f"AP is known at IoU {tuple(by_iou)}, not at {iou!r}")
        aps = np.array([by_iou[iou].ap(protocol) for by_iou in self.curves.values()])
        known = aps[~np.isnan(aps)]
        return float(known.mean()) if known.size else float("nan")

    def as_dict(self) -> dict[str, float]:
        """Flat names -> fractions, means over the classes: AP50_VOC07, AP50_VOC10, ..."""
        levels = next(iter(self.curves.values()), {})
        return {
            f"AP{100 * iou:g}_VOC{protocol}": self.mean_ap(protocol, iou)
            for iou in levels
            for protocol in PROTOCOLS
        }

    def by_class(self) -> dict[str, float]:
        """Flat names -> fractions: class/cat/AP50_VOC07, class/cat/AP50_VOC10, ..."""
        return {
            f"class/{name}/AP{100 * iou:g}_VOC{protocol}": curve.ap(protocol)
            for name, levels in self.curves.items()
            for iou, curve in levels.items()
            for protocol in PROTOCOLS
        }


def evaluate_voc(
    truths: Sequence[VocTruth],
    detections: Sequence[VocDetections],
    ious: Sequence[float] = (0.5,),
    classes: Sequence[str] | None = None,
) -> VocScores:
    """Score detections by VOC's own protocol.

    Args:
        truths: one entry per image; equal scores rank in the order of the images.
        detections: one entry per image, in the same order; entries may be empty.
        ious: how much a detection must overlap an object at the least.
        classes: the classes to score; all that occur, sorted, where None.

    Returns:
        A curve for each class.

    Raises:
        InputError: arrays do not fit together or are not finite, or a class is not among
            `classes`; the message names the entry.
    """
    return match_voc(truths, detections, ious, classes).scores()


@dataclass(frozen=True)
class VocMatches:
    """What matching found, image by image; scores of any choice of images are read off it.

    Attributes:
        num_images: I.
        curves: class -> IoU -> its ranked detections.
    """

    num_images: int
    curves: Mapping[str, Mapping[float, RankedVoc]]

    def scores(self, weights: np.ndarray | None = None) -> VocScores:
        """All curves.

        Args:
            weights: (I,) whole numbers, how often each image counts; None: once.

        Returns:
            The scores, in time linear in the number of detections.
        """
        return VocScores(
            {
                name: {iou: ranked.curve(weights) for iou, ranked in by_iou.items()}
                for name, by_iou in self.curves.items()
            }
        )


@dataclass(frozen=True)
class RankedVoc:
    """One class at one IoU: M detections of I images by falling score.

    Attributes:
        objects: (I,) int64, to be found in each image.
        scores: (M,).
        outcome: (M,) int64: 1 finds an object, 0 does not count (difficult), -1 is false.
        image: (M,) int64, number of its image.
    """

    objects: np.ndarray
    scores: np.ndarray
    outcome: np.ndarray
    image: np.ndarray

    def curve(self, weights: np.ndarray | None = None) -> VocCurve:
        """The curve where each image counts as often as `weights` (I,) says; None: once."""
        each = np.ones(len(self.objects), np.int64) if weights is None else np.asarray(weights)
        objects, times = int(each @ self.objects), each[self.image]
        found = np.cumsum(times * (self.outcome == 1))
        counted = found + np.cumsum(times * (self.outcome == -1))
        recall = found / objects if objects else np.full(len(found), np.nan)
        precision = np.divide(found, counted, out=np.zeros(len(found)), where=counted > 0)
        return VocCurve(objects, self.scores, recall, precision)


def match_voc(
    truths: Sequence[VocTruth],
    detections: Sequence[VocDetections],
    ious: Sequence[float] = (0.5,),
    classes: Sequence[str] | None = None,
) -> VocMatches:
    """Match once, for `VocMatches.scores`; arguments and errors are those of `evaluate_voc`."""
    check_ious(ious)
    images = _checked(truths, detections)
    names = _class_names(images, classes)
    by_class: dict[str, list[_Matches]] = {name: [] for name in names}
    for i, (truth, found) in enumerate(images):
        for name in dict.fromkeys((*truth.names, *found.names)):
            by_class[name].append(_matches(i, truth, found, name))
    return VocMatches(
        len(images),
        {n: {iou: _ranked(by_class[n], iou, len(images)) for iou in ious} for n in names},
    )


def evaluate_voc_as_coco(
    truths: Sequence[VocTruth],
    detections: Sequence[VocDetections],
    classes: Sequence[str] | None = None,
) -> CocoScores:
    """Score VOC detections by COCO's protocol, as the paper's table on VOC does.

    Args:
        truths: one entry per image.
        detections: one entry per image, in the same order; entries may be empty.
        classes: as for `evaluate_voc`.

    Returns:
        COCO's scores. Boxes become (xmin - 1, ymin - 1, width + 1, height + 1); a difficult object
        is ignored: it absorbs one detection by plain IoU, and is never missed.

    Raises:
        InputError: as `evaluate_voc`.
    """
    return evaluate_coco(*voc_as_coco(truths, detections, classes))


def voc_as_coco(
    truths: Sequence[VocTruth],
    detections: Sequence[VocDetections],
    classes: Sequence[str] | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """COCO's dict of the ground truth and its list of results; all is as `evaluate_voc_as_coco`."""
    images = _checked(truths, detections)
    names = _class_names(images, classes)
    ids = {name: k for k, name in enumerate(names)}
    annotations, results = [], []
    for i, (truth, found) in enumerate(images):
        for name, box, difficult in zip(
            truth.names, _as_xywh(truth.boxes), truth.difficult, strict=True
        ):
            record = {"image_id": i, "category_id": ids[name], "bbox": box}
            annotations.append({**record, "ignore": int(difficult)})
        for name, box, score in zip(found.names, _as_xywh(found.boxes), found.scores, strict=True):
            record = {"image_id": i, "category_id": ids[name], "bbox": box}
            results.append({**record, "score": float(score)})
    truth_dict = {
        "images": [{"id": i} for i in range(len(images))],
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for name, k in ids.items()],
    }
    return truth_dict, results


def _as_xywh(boxes: np.ndarray) -> list[list[float]]:
    """VOC's corners -> COCO's boxes; one turned inside out has no size."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2] + 1, 0)
    return np.concatenate([boxes[:, :2] - 1, size], axis=1).tolist()


def _checked(
    truths: Sequence[VocTruth], detections: Sequence[VocDetections]
) -> list[tuple[VocTruth, VocDetections]]:
    """Pairs with arrays of doubles."""
    check_pairs(truths, detections)
    pairs = []
    for i, (truth, found) in enumerate(zip(truths, detections, strict=True)):
        boxes = box_rows(truth.boxes, f"truths[{i}].boxes")
        rows = box_rows(found.boxes, f"detections[{i}].boxes")
        n, d = len(boxes), len(rows)
        names = row_names(truth.names, n, f"truths[{i}].names")
        difficult = row_flags(truth.difficult, n, f"truths[{i}].difficult")
        found_names = row_names(found.names, d, f"detections[{i}].names")
        scores = row_numbers(found.scores, d, f"detections[{i}].scores")
        order = np.zeros(d)
        if found.order is not None:
            order = row_numbers(found.order, d, f"detections[{i}].order")
        known = VocDetections(found_names, rows, scores, order)
        pairs.append((VocTruth(names, boxes, difficult), known))
    return pairs


def _class_names(
    images: Sequence[tuple[VocTruth, VocDetections]], classes: Sequence[str] | None
) -> list[str]:
    """The classes to score; every name that occurs must be among them."""
    if classes is None:
        return sorted({name for truth, found in images for name in (*truth.names, *found.names)})
    known = list(dict.fromkeys(classes))
    for i, (truth, found) in enumerate(images):
        for word, names in (("truths", truth.names), ("detections", found.names)):
            if strange := set(names) - set(known):
                name = min(strange)
                hint = did_you_mean(name, known)
                raise InputError(f"{word}[{i}] has class {name!r}, not in `classes`.{hint}")
    return known


@dataclass(frozen=True)
class _Matches:
    """One image as one class sees it: N objects, D detections by falling score."""

    image: int
    difficult: np.ndarray  # (N,) bool
    scores: np.ndarray  # (D,)
    order: np.ndarray  # (D,)
    row: np.ndarray  # (D,) the object that each overlaps most
    overlap: np.ndarray  # (D,) IoU with it; 0 without objects


def _matches(image: int, truth: VocTruth, found: VocDetections, name: str) -> _Matches:
    objects = np.array([word == name for word in truth.names], bool)
    mine = np.flatnonzero([word == name for word in found.names])
    best = mine[np.lexsort((found.order[mine], -found.scores[mine]))]
    row, overlap = nearest(found.boxes[best], truth.boxes[objects], 1.0)
    difficult = truth.difficult[objects]
    return _Matches(image, difficult, found.scores[best], found.order[best], row, overlap)


def _outcomes(images: Sequence[_Matches], least_iou: float) -> Iterator[np.ndarray]:
    """For each image (D,): 1 finds an object, 0 does not count (difficult), -1 is false."""
    for image in images:
        outcome = np.full(len(image.scores), -1)
        near = np.flatnonzero(image.overlap >= least_iou)
        spared = image.difficult[image.row[near]]
        outcome[near[spared]] = 0
        hits = near[~spared]
        outcome[hits[np.unique(image.row[hits], return_index=True)[1]]] = 1
        yield outcome


def _ranked(images: Sequence[_Matches], least_iou: float, num_images: int) -> RankedVoc:
    objects = np.zeros(num_images, np.int64)
    for one in images:
        objects[one.image] = np.count_nonzero(~one.difficult)
    score = np.concatenate([np.zeros(0), *(one.scores for one in images)])
    order = np.concatenate([np.zeros(0), *(one.order for one in images)])
    outcome = np.concatenate([np.zeros(0, int), *_outcomes(images, least_iou)])
    image = np.repeat([one.image for one in images], [len(one.scores) for one in images])
    best = np.lexsort((order, -score))  # a stable sort
    return RankedVoc(objects, score[best], outcome[best], image.astype(np.int64)[best])
