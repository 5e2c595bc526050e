"""KITTI's AP of a Runner's validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from cascadekit.errors import check_word
from cascadekit.evaluation.figure_tables import figure_tables
from cascadekit.evaluation.kitti_ap import DEVKITS, KittiDetections, KittiTruth, evaluate_kitti
from cascadekit.evaluation.metric_records import (
    FoundBoxes,
    PictureRecord,
    class_names,
    devkit_rows,
    figures_by_stage,
    log_text,
    ordered,
    prediction_of,
    record_of,
    write_summary,
)
from cascadekit.registry import METRICS

ROWS = ("names", "boxes", "truncated", "occluded")


@METRICS.register_module()
class KittiMetric(BaseMetric):
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
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_word("devkit", devkit, DEVKITS)
        self.devkit = devkit
        self.stage_table = stage_table
        self.outfile_prefix = outfile_prefix

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep rows of the label files and detections of a batch, without tensors.

        Args:
            data_batch: not used.
            data_samples: data samples as dicts, with `prediction` and the meta key `devkit`.

        Raises:
            InputError: a sample lacks one of the two.
        """
        for sample in data_samples:
            prediction = prediction_of(sample, "KittiMetric")
            rows = devkit_rows(sample, "KittiMetric", ROWS, "KittiDataset")
            self.results.append(record_of(prediction, KittiTruth(**rows), self.stage_table))

    def compute_metrics(self, results: Sequence[PictureRecord]) -> dict[str, float]:
        """Score the whole data set and log the table.

        Args:
            results: one record per image, of all processes; may be empty.

        Returns:
            Names without `prefix` -> fractions, or nan.

        Raises:
            InputError: the data set names no classes, two images share an id, or a label is
                beyond the classes.
        """
        records = ordered(results)
        classes = class_names(self.dataset_meta, "KittiMetric", records)
        truths = [record.truth for record in records]

        def score(found: list[FoundBoxes]) -> Mapping[str, float]:
            boxes = [
                KittiDetections([classes[k] for k in one.labels], one.boxes, one.scores)
                for one in found
            ]
            return evaluate_kitti(truths, boxes, self.devkit).as_dict()

        figures = figures_by_stage(records, score)
        log_text(figure_tables("kitti", {k: v for k, v in figures.items() if "/" not in k}))
        write_summary(self.outfile_prefix, "kitti", records, figures)
        return figures
