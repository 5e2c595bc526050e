"""COCO's figures of any choice of images: matched once at all sizes, read as often as wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascadekit.evaluation.bootstrap import COLUMNS, Matches, draw_ap, join_matches
from cascadekit.evaluation.coco_ap import SIZES, CocoEvaluator, CocoScores, coco_evaluator
from cascadekit.evaluation.coco_records import GroundTruth, Result

MOST = 100  # detections per image and class


@dataclass(frozen=True)
class CocoMatches:
    """What was matched.

    Attributes:
        scores: of every image once.
        by_size: of all objects, then of small, medium and large ones.
    """

    scores: CocoScores
    by_size: tuple[Matches, ...]

    @property
    def num_images(self) -> int:
        """I."""
        return self.by_size[0].num_images

    def figures(self, weights: np.ndarray | None = None) -> Mapping[str, float]:
        """AP, AP50, ..., AP95, AP_small, ..., AR100, AR_small, ...

        Args:
            weights: (I,) whole numbers, how often each image counts; None: once.

        Returns:
            Fractions, or nan. AR1 and AR10 are in `scores` alone.
        """
        if weights is None:
            found = self.scores.as_dict()
            return {name: found[name] for name in _NAMES}
        draws = np.asarray(weights)[None]
        aps = [draw_ap(one, draws)[0] for one in self.by_size]
        recalls = [_recall(one, weights) for one in self.by_size]
        values = [*aps[0], *(ap[0] for ap in aps[1:]), *recalls]
        return dict(zip(_NAMES, map(float, values), strict=True))


_NAMES = (
    *COLUMNS,
    *(f"AP_{size}" for size in SIZES),
    f"AR{MOST}",
    *(f"AR_{size}" for size in SIZES),
)


def match_coco(
    ground_truth: GroundTruth, results: Sequence[Result], iou_type: str = "bbox"
) -> CocoMatches:
    """Match once; arguments and errors are those of `evaluate_coco`."""
    return read_matches(coco_evaluator(ground_truth, results, iou_type, (1, 10, MOST)))


def read_matches(evaluator: CocoEvaluator, scores: CocoScores | None = None) -> CocoMatches:
    """The same of an evaluator whose largest limit on detections is `MOST`.

    Args:
        evaluator: of `coco_evaluator`; what it has matched is used.
        scores: its figures, if they are known, from any back end.

    Returns:
        The matches.
    """
    if scores is None:
        scores = evaluator.scores()  # matches too
    elif not evaluator.evalImgs:  # another back end did it
        evaluator.match()
    sizes = range(1 + len(SIZES))
    return CocoMatches(scores, tuple(join_matches(evaluator, area) for area in sizes))


def _recall(matches: Matches, weights: np.ndarray) -> float:
    """Mean over thresholds and over the classes that have objects; nan where none has."""
    values = []
    for found in matches.classes:
        objects = weights @ found.objects
        if objects > 0:
            times = weights[found.image]
            values.append(np.mean([times[hits].sum() for hits in found.hits]) / objects)
    return float(np.mean(values)) if values else float("nan")
