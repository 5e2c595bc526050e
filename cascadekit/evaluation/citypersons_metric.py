"""CityPersons' log-average miss rate of a Runner's validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import BaseMetric

from cascadekit.errors import check_word
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
from cascadekit.evaluation.miss_rate import EMPTY_INDEX, PersonTruth, evaluate_miss_rate
from cascadekit.registry import METRICS

ROWS = ("boxes_xywh", "visible", "ignored")


@METRICS.register_module()
class CityPersonsMetric(BaseMetric):
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
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_ious(ious)
        check_word("empty_index", empty_index, EMPTY_INDEX)
        self.ious = tuple(ious)
        self.empty_index = empty_index
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
        for sample in data_samples:
            prediction = prediction_of(sample, "CityPersonsMetric")
            rows = devkit_rows(sample, "CityPersonsMetric", ROWS, "CityPersonsDataset")
            self.results.append(record_of(prediction, PersonTruth(**rows), self.stage_table))

    def compute_metrics(self, results: Sequence[PictureRecord]) -> dict[str, float]:
        """Score the whole data set and log the table.

        Args:
            results: one record per image, of all processes; may be empty.

        Returns:
            Names without `prefix` -> fractions, or nan.

        Raises:
            InputError: the data set names no classes or no pedestrians, two images share an id, or
                a label is beyond the classes.
        """
        records = ordered(results)
        classes = class_names(self.dataset_meta, "CityPersonsMetric", records)
        label = only_class(classes, "pedestrian", "CityPersonsMetric")
        truths = [record.truth for record in records]

        def score(found: list[FoundBoxes]) -> Mapping[str, float]:
            rows = [one.labels == label for one in found]
            boxes = [
                ScoredBoxes(one.boxes_xywh[own], one.scores[own])
                for one, own in zip(found, rows, strict=True)
            ]
            return evaluate_miss_rate(truths, boxes, self.ious, self.empty_index).as_dict()

        figures = figures_by_stage(records, score)
        log_text(figure_tables("citypersons", {k: v for k, v in figures.items() if "/" not in k}))
        write_summary(self.outfile_prefix, "citypersons", records, figures)
        return figures
