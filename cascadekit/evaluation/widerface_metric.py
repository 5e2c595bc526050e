"""WiderFace's AP of a Runner's validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cascadekit.evaluation.arrays import check_ious
from cascadekit.evaluation.benchmark_metric import BenchmarkMetric, Scorer
from cascadekit.evaluation.metric_records import (
    FoundBoxes,
    boxes_of_class,
    devkit_rows,
    only_class,
)
from cascadekit.evaluation.widerface_ap import SUBSETS, FaceTruth, evaluate_widerface
from cascadekit.registry import METRICS

ROWS = ("boxes_xywh", *SUBSETS)
READER = "WiderFaceDataset with subset_dir (the lists of easy, medium and hard faces)"


@METRICS.register_module()
class WiderFaceMetric(BenchmarkMetric):
    """AP of easy, medium and hard faces.

    Needs `WiderFaceDataset` in test mode with its `subset_dir`. Only detections of "face" (or of
    the only class) count. Numbers are fractions (nan without faces), named `widerface/AP50_easy`,
    and per choice of stages `widerface/stage_1~3/AP50_easy`.

    Args:
        ious: how much a detection must overlap a face at the least.
        stage_table: also score each entry of `Prediction.variants`.
        outfile_prefix: write PREFIX.widerface.json; None writes nothing.
        collect_device: "cpu" or "gpu", how processes exchange results.
        prefix: of the reported names.

    Raises:
        InputError: an IoU outside (0, 1].
    """

    def __init__(
        self,
        ious: Sequence[float] = (0.5, 0.75),
        stage_table: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = "widerface",
    ) -> None:
        super().__init__("widerface", stage_table, outfile_prefix, collect_device, prefix)
        check_ious(ious)
        self.ious = tuple(ious)

    def truth_of(self, sample: Mapping[str, Any]) -> FaceTruth:
        """Rows of the annotation file, and which of them each list has."""
        return FaceTruth(**devkit_rows(sample, "WiderFaceMetric", ROWS, READER))

    def scorer(self, truths: Sequence[FaceTruth], classes: Sequence[str]) -> Scorer:
        """Faces alone."""
        label = only_class(classes, "face", "WiderFaceMetric")

        def score(found: list[FoundBoxes]) -> Mapping[str, float]:
            boxes = [boxes_of_class(one, label) for one in found]
            return evaluate_widerface(truths, boxes, self.ious).as_dict()

        return score
