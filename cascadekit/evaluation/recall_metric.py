"""Recall of the boxes of every stage in a Runner's validation (the paper's Table 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.evaluation.figure_tables import figure_tables
from cascadekit.evaluation.metric_records import (
    FoundBoxes,
    PictureRecord,
    log_text,
    ordered,
    prediction_of,
    write_summary,
)
from cascadekit.evaluation.recall import box_recall, check_limits
from cascadekit.registry import METRICS
from cascadekit.structures.boxes import clip
from cascadekit.structures.samples import Prediction

OUTPUT = "output"


@dataclass(frozen=True)
class _Objects:
    """Objects of one image that count: (N, 4) float64 xyxy and (N,) areas, pixels of the file."""

    boxes: np.ndarray
    areas: np.ndarray


@METRICS.register_module()
class ProposalRecallMetric(BaseMetric):
    """AR of class-agnostic boxes: those that enter each stage, and those that leave the last.

    Works with every data set whose samples carry `instances`; crowds and ignored objects do not
    count. Boxes that enter stage 1 are ranked as the proposals are, later ones by the best class
    probability of the stage before. Numbers are fractions (nan without objects), named
    `proposals/stage_1/AR100`, `proposals/stage_1/AR1000_small`, ..., `proposals/output/AR1000`.

    Args:
        limits: boxes per image that count.
        stage_table: also report the stages after the first; else only what enters stage 1.
        outfile_prefix: write PREFIX.proposals.json; None writes nothing.
        collect_device: "cpu" or "gpu", how processes exchange results.
        prefix: of the reported names.

    Raises:
        InputError: a limit is below 1.
    """

    def __init__(
        self,
        limits: Sequence[int] = (100, 1000),
        stage_table: bool = True,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = "proposals",
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_limits(limits)
        self.limits = tuple(limits)
        self.stage_table = stage_table
        self.outfile_prefix = outfile_prefix

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep objects and the best boxes of each stage of a batch, without tensors.

        Args:
            data_batch: not used.
            data_samples: data samples as dicts, with `prediction` and the meta key `instances`.

        Raises:
            InputError: a sample lacks one of the two.
        """
        for sample in data_samples:
            prediction = prediction_of(sample, "ProposalRecallMetric")
            instances = sample.get("instances")
            info = prediction.info
            where = info.path or f"image {info.image_id!r}"
            if instances is None:
                raise InputError(
                    f"{where} has no `instances`: ProposalRecallMetric needs the data set's own "
                    "records (test_mode=True)"
                )
            counted = [i for i in instances if not (i.get("iscrowd") or i.get("ignore"))]
            boxes = np.array([i["bbox"] for i in counted], np.float64).reshape(-1, 4)
            own = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
            areas = [float(i.get("area", a)) for i, a in zip(counted, own, strict=True)]
            objects = _Objects(boxes, np.array(areas, np.float64))
            found = self._stage_boxes(prediction)
            self.results.append(PictureRecord(info.image_id, where, objects, found))

    def _stage_boxes(self, prediction: Prediction) -> dict[str, FoundBoxes]:
        """The best boxes of each stage, clipped to the picture."""
        found, scores = {}, None
        size = prediction.info.original_size
        for k, stage in enumerate(prediction.stages):
            if k == 0 or self.stage_table:
                found[f"stage_{k + 1}"] = self._best(stage.input_boxes, scores, size)
            scores = stage.scores[:, :-1].amax(1) if len(stage.scores) else None
        if prediction.stages and self.stage_table:
            found[OUTPUT] = self._best(prediction.stages[-1].output_boxes, scores, size)
        return found

    def _best(self, boxes: Tensor, scores: Tensor | None, size: tuple[int, int]) -> FoundBoxes:
        """The boxes that any limit can count, best first; without scores the first ones."""
        if scores is not None:
            boxes = boxes[scores.argsort(descending=True, stable=True)]
        kept = clip(boxes[: max(self.limits)].detach().double().cpu(), *size).numpy()
        return FoundBoxes(kept, np.zeros(len(kept)), np.zeros(len(kept), np.int64))

    def compute_metrics(self, results: Sequence[PictureRecord]) -> dict[str, float]:
        """Match the whole data set and log the table.

        Args:
            results: one record per image, of all processes; may be empty.

        Returns:
            Names without `prefix` -> fractions, or nan.

        Raises:
            InputError: two images share an id.
        """
        records = ordered(results)
        truths = [record.truth.boxes for record in records]
        areas = [record.truth.areas for record in records]
        figures: dict[str, float] = {}
        for name in dict.fromkeys(name for record in records for name in record.found):
            boxes = [record.found[name].boxes if name in record.found else [] for record in records]
            recall = box_recall(boxes, truths, areas, self.limits)
            figures |= {f"{name}/{key}": value for key, value in recall.as_dict().items()}
        log_text(figure_tables("recall", figures))
        write_summary(self.outfile_prefix, "proposals", records, figures)
        return figures
