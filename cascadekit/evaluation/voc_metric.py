"""PASCAL VOC's AP, and VOC in COCO's metrics, of a Runner's validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import check_ious
from cascadekit.evaluation.benchmark_metric import BenchmarkMetric, Scorer
from cascadekit.evaluation.metric_records import FoundBoxes, prediction_of
from cascadekit.evaluation.voc_ap import (
    VocDetections,
    VocTruth,
    evaluate_voc,
    evaluate_voc_as_coco,
)
from cascadekit.registry import METRICS

ROWS = ("names", "boxes", "difficult")
FROM_ONE = np.array([1.0, 1.0, 0.0, 0.0])  # our corners -> pixels from 1, the last one inside


@METRICS.register_module()
class VocMetric(BenchmarkMetric):
    """AP of 2007 (11 points) and of 2010 (area), and the paper's "VOC in COCO's metrics".

    With `VOCDataset` the rows of the xml files count, as the devkit reads them. With any other data
    set its records do: crowds and ignored objects are what VOC calls difficult. Objects of classes
    that the data set does not have are left out. Numbers are fractions (nan without objects), named
    `voc/AP50_VOC07`, `voc/AP50_VOC10`, `voc/coco/AP`, `voc/coco/AP75`, per class
    `voc/class/cat/AP50_VOC07`, and per choice of stages `voc/stage_1~3/AP50_VOC07`.

    Args:
        ious: how much a detection must overlap an object at the least, by VOC's own protocol.
        coco: also report COCO's metrics, with difficult objects ignored.
        classwise: also report AP of each class.
        stage_table: also score each entry of `Prediction.variants`.
        outfile_prefix: write PREFIX.voc.json; None writes nothing.
        collect_device: "cpu" or "gpu", how processes exchange results.
        prefix: of the reported names.

    Raises:
        InputError: an IoU outside (0, 1].
    """

    def __init__(
        self,
        ious: Sequence[float] = (0.5,),
        coco: bool = True,
        classwise: bool = False,
        stage_table: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = "voc",
    ) -> None:
        super().__init__("voc", stage_table, outfile_prefix, collect_device, prefix)
        check_ious(ious)
        self.ious = tuple(ious)
        self.coco = coco
        self.classwise = classwise

    def truth_of(self, sample: Mapping[str, Any]) -> VocTruth | tuple[Any, ...]:
        """Rows of the xml file, or the records of another data set."""
        rows, instances = sample.get("devkit") or {}, sample.get("instances")
        if set(ROWS) <= set(rows):
            return VocTruth(**{key: rows[key] for key in ROWS})
        if instances is None:
            info = prediction_of(sample, "VocMetric").info
            raise InputError(
                f"{info.path or info.image_id!r} has neither `devkit` nor `instances`: VocMetric "
                "needs the data set's own records (test_mode=True)"
            )
        return tuple(instances)

    def scorer(self, truths: Sequence[Any], classes: Sequence[str]) -> Scorer:
        """By names, with pixels counted from 1."""
        wanted = [_truth(truth, classes) for truth in truths]

        def score(found: list[FoundBoxes]) -> Mapping[str, float]:
            boxes = [
                VocDetections([classes[k] for k in one.labels], one.boxes + FROM_ONE, one.scores)
                for one in found
            ]
            own = evaluate_voc(wanted, boxes, self.ious, classes)
            figures = own.as_dict()
            if self.coco:
                theirs = evaluate_voc_as_coco(wanted, boxes, classes)
                figures |= {f"coco/{key}": value for key, value in theirs.as_dict().items()}
            return figures | (own.by_class() if self.classwise else {})

        return score


def _truth(truth: Any, classes: Sequence[str]) -> VocTruth:
    """Ground truth of the classes that count, from VOC's rows or from records."""
    if not isinstance(truth, VocTruth):
        boxes = np.array([i["bbox"] for i in truth], np.float64).reshape(-1, 4)
        difficult = [bool(i.get("ignore") or i.get("iscrowd")) for i in truth]
        truth = VocTruth([classes[i["label"]] for i in truth], boxes + FROM_ONE, difficult)
    kept = [k for k, name in enumerate(truth.names) if name in classes]
    return VocTruth(
        [truth.names[k] for k in kept],
        [truth.boxes[k] for k in kept],
        [truth.difficult[k] for k in kept],
    )
