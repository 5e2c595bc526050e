"""KITTI's AP of a Runner's validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cascadekit.errors import check_word
from cascadekit.evaluation.benchmark_metric import BenchmarkMetric, Scorer
from cascadekit.evaluation.kitti_ap import DEVKITS, KittiDetections, KittiTruth, evaluate_kitti
from cascadekit.evaluation.metric_records import FoundBoxes, devkit_rows
from cascadekit.registry import METRICS

ROWS = ("names", "boxes", "truncated", "occluded")


@METRICS.register_module()
class KittiMetric(BenchmarkMetric):
    """2D AP of car, pedestrian and cyclist at three difficulties, at 11 and 40 recall points.

    Needs `KittiDataset` in test mode. The detector's classes are matched with the benchmark's by
    name, in any case; detections of other classes take part as the devkit has it. Numbers are
    fractions (nan without objects), named `kitti/AP11_car_moderate`, and per choice of stages
    `kitti/stage_1~3/AP11_car_moderate`.

    Args:
        devkit: "2017" or "2012", see `evaluate_kitti`.
        stage_table: also score each entry of `Prediction.variants`.
        outfile_prefix: write PREFIX.kitti.json; None writes nothing.
        collect_device: "cpu" or "gpu", how processes exchange results.
        prefix: of the reported names.

    Raises:
        InputError: no such devkit.
    """

    def __init__(
        self,
        devkit: str = "2017",
        stage_table: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = "kitti",
    ) -> None:
        super().__init__("kitti", stage_table, outfile_prefix, collect_device, prefix)
        check_word("devkit", devkit, DEVKITS)
        self.devkit = devkit

    def truth_of(self, sample: Mapping[str, Any]) -> KittiTruth:
        """Rows of the label file."""
        return KittiTruth(**devkit_rows(sample, "KittiMetric", ROWS, "KittiDataset"))

    def scorer(self, truths: Sequence[KittiTruth], classes: Sequence[str]) -> Scorer:
        """By names, as the devkit does."""

        def score(found: list[FoundBoxes]) -> Mapping[str, float]:
            boxes = [
                KittiDetections([classes[k] for k in one.labels], one.boxes, one.scores)
                for one in found
            ]
            return evaluate_kitti(truths, boxes, self.devkit).as_dict()

        return score
