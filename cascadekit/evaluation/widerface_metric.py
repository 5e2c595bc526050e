"""WiderFace's AP of a Runner's validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from cascadekit.evaluation.arrays import ScoredBoxes, check_ious
from cascadekit.evaluation.figure_tables import figure_tables
from cascadekit.evaluation.metric_records import (
    FoundBoxes,
    PictureRecord,
    class_names,
    devkit_rows,
    figures_by_stage,
    log_text,
    only_class,
    ordered,
    prediction_of,
    record_of,
    write_summary,
)
from cascadekit.evaluation.widerface_ap import SUBSETS, FaceTruth, evaluate_widerface
from cascadekit.registry import METRICS

ROWS = ("boxes_xywh", *SUBSETS)


@METRICS.register_module()
class WiderFaceMetric(BaseMetric):
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
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_ious(ious)
        self.ious = tuple(ious)
        self.stage_table = stage_table
        self.outfile_prefix = outfile_prefix

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep annotated rows and detections of a batch, without tensors.

        Args:
            data_batch: not used.
            data_samples: data samples as dicts, with `prediction` and the meta key `devkit`.

        Raises:
            InputError: a sample lacks one of the two.
        """
        reader = "WiderFaceDataset with subset_dir (the lists of easy, medium and hard faces)"
        for sample in data_samples:
            prediction = prediction_of(sample, "WiderFaceMetric")
            rows = devkit_rows(sample, "WiderFaceMetric", ROWS, reader)
            self.results.append(record_of(prediction, FaceTruth(**rows), self.stage_table))

    def compute_metrics(self, results: Sequence[PictureRecord]) -> dict[str, float]:
        """Score the whole data set and log the table.

        Args:
            results: one record per image, of all processes; may be empty.

        Returns:
            Names without `prefix` -> fractions, or nan.

        Raises:
            InputError: the data set names no classes or no faces, two images share an id, or a
                label is beyond the classes.
        """
        records = ordered(results)
        classes = class_names(self.dataset_meta, "WiderFaceMetric", records)
        label = only_class(classes, "face", "WiderFaceMetric")
        truths = [record.truth for record in records]

        def score(found: list[FoundBoxes]) -> Mapping[str, float]:
            rows = [one.labels == label for one in found]
            boxes = [
                ScoredBoxes(one.boxes_xywh[own], one.scores[own])
                for one, own in zip(found, rows, strict=True)
            ]
            return evaluate_widerface(truths, boxes, self.ious).as_dict()

        figures = figures_by_stage(records, score)
        log_text(figure_tables("widerface", {k: v for k, v in figures.items() if "/" not in k}))
        write_summary(self.outfile_prefix, "widerface", records, figures)
        return figures
