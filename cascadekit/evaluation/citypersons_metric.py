"""CityPersons' log-average miss rate of a Runner's validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cascadekit.errors import check_word
from cascadekit.evaluation.arrays import check_ious
from cascadekit.evaluation.benchmark_metric import BenchmarkMetric, Scorer
from cascadekit.evaluation.metric_records import (
    FoundBoxes,
    boxes_of_class,
    devkit_rows,
    only_class,
)
from cascadekit.evaluation.miss_rate import EMPTY_INDEX, PersonTruth, evaluate_miss_rate
from cascadekit.registry import METRICS

ROWS = ("boxes_xywh", "visible", "ignored")


@METRICS.register_module()
class CityPersonsMetric(BenchmarkMetric):
    """Miss rates of the subsets Reasonable, Small, Heavy and All; lower is better.

    Needs `CityPersonsDataset` in test mode. Only detections of "pedestrian" (or of the only class)
    count. Numbers are fractions (nan without pedestrians), named `citypersons/MR50_Reasonable`, and
    per choice of stages `citypersons/stage_1~3/MR50_Reasonable`. To keep the best checkpoint:
    `save_best="citypersons/MR50_Reasonable", rule="less"`.

    Args:
        ious: how much a detection must overlap a pedestrian at the least.
        empty_index: "wrap" or "zero", see `evaluation.miss_rate`.
        stage_table: also score each entry of `Prediction.variants`.
        outfile_prefix: write PREFIX.citypersons.json; None writes nothing.
        collect_device: "cpu" or "gpu", how processes exchange results.
        prefix: of the reported names.

    Raises:
        InputError: an IoU outside (0, 1], or no such `empty_index`.
    """

    def __init__(
        self,
        ious: Sequence[float] = (0.5, 0.75),
        empty_index: str = "wrap",
        stage_table: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = "citypersons",
    ) -> None:
        super().__init__("citypersons", stage_table, outfile_prefix, collect_device, prefix)
        check_ious(ious)
        check_word("empty_index", empty_index, EMPTY_INDEX)
        self.ious = tuple(ious)
        self.empty_index = empty_index

    def truth_of(self, sample: Mapping[str, Any]) -> PersonTruth:
        """Rows of the annotation file."""
        return PersonTruth(**devkit_rows(sample, "CityPersonsMetric", ROWS, "CityPersonsDataset"))

    def scorer(self, truths: Sequence[PersonTruth], classes: Sequence[str]) -> Scorer:
        """Pedestrians alone."""
        label = only_class(classes, "pedestrian", "CityPersonsMetric")

        def score(found: list[FoundBoxes]) -> Mapping[str, float]:
            boxes = [boxes_of_class(one, label) for one in found]
            return evaluate_miss_rate(truths, boxes, self.ious, self.empty_index).as_dict()

        return score
