"""One call from files to a report: open the ground truth, score A and perhaps B, draw images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cascadekit.errors import InputError, check_word
from cascadekit.evaluation.resampling import Contrast, Spread, contrast, spread
from cascadekit.scoring.citypersons import open_citypersons
from cascadekit.scoring.coco import open_coco
from cascadekit.scoring.kitti import open_kitti
from cascadekit.scoring.recall import open_recall
from cascadekit.scoring.scored import Scored, Scorer
from cascadekit.scoring.truth_files import Place, find_place
from cascadekit.scoring.voc import open_voc
from cascadekit.scoring.widerface import open_widerface

COMPARED = 200  # draws of a comparison where none are asked for


@dataclass(frozen=True)
class FileOptions:
    """What a benchmark may be told.

    Attributes:
        split: of ImageSets, or a file that lists pictures (kitti, voc).
        devkit: "2017" or "2012" (kitti).
        subsets: folder of the easy, medium and hard lists (widerface).
        boxes: "auto", "xywh" or "xyxy" (widerface).
        iou_type: "bbox" or "segm" (coco).
        backend: as for `evaluate_coco` (coco).
        classwise: also AP of each class (coco, voc).
    """

    split: str | None = None
    devkit: str = "2017"
    subsets: str | None = None
    boxes: str = "auto"
    iou_type: str = "bbox"
    backend: str = "pycocotools"
    classwise: bool = False


@dataclass(frozen=True)
class Report:
    """What one call found.

    Attributes:
        a: the detections.
        spread_a: their figures and draws.
        b: the detections to compare with, if any.
        spread_b: theirs.
        contrast: B against A.
    """

    a: Scored
    spread_a: Spread
    b: Scored | None = None
    spread_b: Spread | None = None
    contrast: Contrast | None = None


METRICS: Mapping[str, Callable[[Place, FileOptions], Scorer]] = {
    "kitti": lambda place, own: open_kitti(place, own.devkit),
    "citypersons": lambda place, own: open_citypersons(place),
    "widerface": lambda place, own: open_widerface(place, own.subsets, own.boxes),
    "voc": lambda place, own: open_voc(place, own.classwise),
    "coco": lambda place, own: open_coco(place, own.iou_type, own.backend, own.classwise),
    "recall": lambda place, own: open_recall(place),
}


def evaluate_files(
    metric: str,
    gt: str | os.PathLike[str],
    dt: str | os.PathLike[str],
    dt_b: str | os.PathLike[str] | None = None,
    rounds: int = 0,
    seed: int = 0,
    options: FileOptions | None = None,
) -> Report:
    """Score detection files by a benchmark's protocol.

    Args:
        metric: key of `METRICS`.
        gt: ground truth, PATH or PATH:SPLIT, in the benchmark's own files or a converted json.
        dt: detections, in the benchmark's submission format.
        dt_b: other detections of the same pictures, to compare.
        rounds: draws of images for intervals; with `dt_b` and 0 there are 200.
        seed: of the draws.
        options: what else the benchmark should know; None: the defaults.

    Returns:
        Figures, with intervals if images were drawn, and the comparison.

    Raises:
        InputError: a file is missing or faulty, or does not fit the others.
    """
    check_word("metric", metric, METRICS)
    if rounds < 0:
        raise InputError(f"--bootstrap must be 0 or more draws of images, got {rounds}")
    options = options or FileOptions()
    if options.split is not None and metric not in ("kitti", "voc"):
        raise InputError(f"a split is for kitti and voc; {metric} scores all of its ground truth")
    place = find_place(os.fspath(gt), options.split)
    scorer = METRICS[metric](place, options)
    rounds = rounds or (COMPARED if dt_b is not None else 0)
    a = scorer(os.fspath(dt), rounds > 0)
    spread_a = spread(a.figures, a.num_images, rounds, seed)
    if dt_b is None:
        return Report(a, spread_a)
    b = scorer(os.fspath(dt_b), rounds > 0)
    spread_b = spread(b.figures, b.num_images, rounds, seed)
    return Report(a, spread_a, b, spread_b, contrast(spread_a, spread_b, a.lower_is_better))
