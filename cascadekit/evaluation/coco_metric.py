"""COCO scores of a Runner's validation, with the paper's stage table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from cascadekit.errors import InputError, did_you_mean
from cascadekit.evaluation.coco_ap import REPORTED, SIZES, CocoScores, evaluate_coco
from cascadekit.evaluation.coco_backends import check_backend
from cascadekit.evaluation.coco_records import IOU_TYPES, to_rle
from cascadekit.evaluation.stage_table import (
    TITLES,
    percent,
    stage_table,
    stage_table_text,
    text_table,
)
from cascadekit.registry import METRICS
from cascadekit.structures.masks import encode_rle, paste
from cascadekit.structures.samples import Detections, Prediction
from cascadekit.whole_file import write_json

FINAL = "final"  # the detections that the detector reports, next to those of chosen stages


@dataclass(frozen=True)
class _Found:
    """Detections of one image without tensors: boxes (D, 4) float32 xyxy, masks as RLE counts."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: tuple[str, ...] | None


@dataclass(frozen=True)
class _ImageRecord:
    """All that is kept of one image until the end of the epoch; in pixels of the file."""

    image_id: int | str
    path: str
    size: tuple[int, int]
    instances: tuple[dict[str, Any], ...]
    found: Mapping[str, _Found]


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """COCO AP and AR of any data set whose samples carry `instances`; needs no annotation file.

    Every number is a fraction in [0, 1] (nan without ground truth); tables print percent. Names:
    `coco/bbox_AP`, `coco/bbox_AP50` ... `coco/bbox_AP90`, `coco/bbox_AP_small`,
    `coco/bbox_AR100`, `coco/segm_AP`, per stage `coco/stage_1/bbox_AP`, `coco/stage_1~3/bbox_AP`,
    per class `coco/class/NAME/bbox_AP`.

    Args:
        iou_types: "bbox", "segm" or both; None: boxes, and masks if the detections have them.
        stage_table: also score each entry of `Prediction.variants`, as in the paper's Table 2.
        classwise: also report AP of each class.
        outfile_prefix: write PREFIX.bbox.json and PREFIX.segm.json (COCO results of the final
            detections) and PREFIX.summary.json; None writes nothing.
        collect_device: "cpu" or "gpu", how processes exchange results.
        prefix: of the reported names.
        backend: "pycocotools", or "faster_coco_eval" or "hotcoco" where installed: the same
            figures sooner.

    Raises:
        InputError: unknown entry in `iou_types`, or a back end that is not there.
    """

    default_prefix = "coco"

    def __init__(
        self,
        iou_types: Sequence[str] | None = None,
        stage_table: bool = True,
        classwise: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = "cpu",
        prefix: str | None = "coco",
        backend: str = "pycocotools",
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        check_backend(backend)
        self.backend = backend
        self.iou_types = (iou_types,) if isinstance(iou_types, str) else iou_types
        for name in () if self.iou_types is None else self.iou_types or ("",):
            if name not in IOU_TYPES:
                raise InputError(
                    f"CocoMetric: iou_types must be of {IOU_TYPES}, got {name!r}."
                    f"{did_you_mean(name, IOU_TYPES)}"
                )
        self.stage_table = stage_table
        self.classwise = classwise
        self.outfile_prefix = outfile_prefix

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep the ground truth and detections of a batch, without tensors.

        Args:
            data_batch: not used.
            data_samples: data samples as dicts, with `prediction` and the meta key `instances`.

        Raises:
            InputError: a sample lacks one of the two, or masks are asked for and the detector has
                none.
        """
        for sample in data_samples:
            prediction, instances = sample.get("prediction"), sample.get("instances")
            if not isinstance(prediction, Prediction):
                raise InputError(
                    "CocoMetric needs a Prediction as `prediction` in each data sample (see "
                    f"structures.samples.attach_predictions), got the keys {sorted(sample)}"
                )
            if self.iou_types is None:
                has_masks = prediction.detections.mask_probs is not None
                self.iou_types = ("bbox", "segm") if has_masks else ("bbox",)
            info = prediction.info
            where = info.path or f"image {info.image_id!r}"
            if instances is None:
                raise InputError(
                    f"{where} has no `instances`: CocoMetric needs the data set's own records, "
                    "which structures.samples.make_data_sample takes as its third argument"
                )
            size = (int(info.original_size[0]), int(info.original_size[1]))
            truths = tuple(self._truth(record, size, where) for record in instances)
            found = {FINAL: self._found(prediction.detections, size, where)}
            if self.stage_table:
                for name, detections in prediction.variants.items():
                    same = detections is prediction.detections
                    found[name] = found[FINAL] if same else self._found(detections, size, where)
            self.results.append(_ImageRecord(info.image_id, info.path, size, truths, found))

    def compute_metrics(self, results: Sequence[_ImageRecord]) -> dict[str, float]:
        """Score the whole data set and log the tables.

        Args:
            results: one record per image, of all processes; may be empty.

        Returns:
            Names without `prefix` -> fractions in [0, 1], or nan.

        Raises:
            InputError: the data set names no classes or, for "segm", has no masks; two images
                share an id; a label is beyond the classes.
        """
        classes = self._classes()
        _check_records(results, classes)
        final = _coco_results(results, FINAL)
        names = dict.fromkeys(n for record in results for n in record.found if n != FINAL)
        numbers: dict[str, float] = {}
        for iou_type in self.iou_types or ():
            truth = _ground_truth(results, classes, iou_type)
            scores = evaluate_coco(truth, final, iou_type, backend=self.backend)
            numbers |= {f"{iou_type}_{key}": value for key, value in scores.as_dict().items()}
            _log(_main_table(scores))
            if self.classwise:
                numbers |= {f"class/{c}/{iou_type}_AP": v for c, v in scores.ap_by_class.items()}
                rows = [(c, percent(v)) for c, v in scores.ap_by_class.items()]
                _log(text_table(f"{iou_type} AP by class (%)", ("class", "AP"), rows))
            by_stage = {}
            for name in names:
                found = _coco_results(results, name)
                # The report is usually one of the variants: 1~3 in the paper.
                same = found == final
                by_stage[name] = (
                    scores if same else evaluate_coco(truth, found, iou_type, backend=self.backend)
                )
                for key, value in by_stage[name].as_dict().items():
                    numbers[f"stage_{name}/{iou_type}_{key}"] = value
            if by_stage:
                _log(stage_table_text(stage_table(by_stage, iou_type)))
        _explain(truth, final)
        if self.outfile_prefix is not None:
            self._write(truth, final, numbers)
        return numbers

    def _truth(
        self, record: Mapping[str, Any], size: tuple[int, int], where: str
    ) -> dict[str, Any]:
        """One ground-truth record with a COCO box, and its mask as RLE when masks are scored."""
        x1, y1, x2, y2 = (float(value) for value in record["bbox"])
        truth = {
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "category_id": int(record["label"]),
            "area": float(record.get("area", (x2 - x1) * (y2 - y1))),
            "iscrowd": int(record.get("iscrowd", 0)),
            "ignore": int(record.get("ignore", 0)),
        }
        if "segm" in (self.iou_types or ()):
            segmentation = record.get("segmentation")
            # An object without a mask cannot be measured: its box is neither object nor
            # background for mask AP.
            truth["no_mask"] = segmentation is None
            polygons = [[x1, y1, x2, y1, x2, y2, x1, y2]] if segmentation is None else segmentation
            truth["segmentation"] = to_rle(polygons, size, where)
        return truth

    def _found(self, detections: Detections, size: tuple[int, int], where: str) -> _Found:
        """Detections as arrays on the CPU, masks pasted and run-length encoded."""
        masks = None
        boxes = detections.boxes.detach().float().cpu()
        if "segm" in (self.iou_types or ()) and len(detections) > 0:
            if detections.mask_probs is None:
                raise InputError(
                    f"{where}: the detections have no masks, but iou_types asks for 'segm'; use "
                    "iou_types=('bbox',) or a detector with a mask head"
                )
            pasted = paste(detections.mask_probs.detach(), boxes, *size)
            masks = tuple(rle["counts"] for rle in encode_rle(pasted))
        return _Found(
            boxes.numpy(),
            detections.scores.detach().float().cpu().numpy(),
            detections.labels.detach().cpu().numpy(),
            masks,
        )

    def _classes(self) -> tuple[str, ...]:
        classes = (self.dataset_meta or {}).get("classes")
        if not classes:
            raise InputError(
                "CocoMetric needs the class names: the data set's metainfo must have 'classes', "
                f"got {sorted(self.dataset_meta or {})}"
            )
        return tuple(classes)

    def _write(
        self, truth: Mapping[str, Any], final: list[dict[str, Any]], numbers: Mapping[str, float]
    ) -> None:
        """Write the files of `outfile_prefix`, each whole or not at all."""
        # Ids of the annotation file where the data set hands them over, labels otherwise.
        known = (self.dataset_meta or {}).get("category_ids")
        ids = list(known or range(len(truth["categories"])))
        for iou_type in self.iou_types or ():
            key = {"bbox": "bbox", "segm": "segmentation"}[iou_type]
            entries = [
                {
                    "image_id": result["image_id"],
                    "category_id": ids[result["category_id"]],
                    "score": result["score"],
                    key: result[key],
                }
                for result in final
            ]
            write_json(f"{self.outfile_prefix}.{iou_type}.json", entries)
        summary = {
            "images": len(truth["images"]),
            "objects": len(truth["annotations"]),
            "detections": len(final),
            "classes": {c["name"]: ids[c["id"]] for c in truth["categories"]},
            # json has no nan
            "scores": {k: None if math.isnan(v) else v for k, v in numbers.items()},
        }
        write_json(f"{self.outfile_prefix}.summary.json", summary)


def _check_records(records: Sequence[_ImageRecord], classes: Sequence[str]) -> None:
    """Faults of the data set or the detector that would give wrong scores in silence."""
    paths: dict[Any, str] = {}
    for record in records:
        if record.image_id in paths:
            raise InputError(
                f"two images have the id {record.image_id!r} ({paths[record.image_id]!r} and "
                f"{record.path!r}): the data set must give each its own img_id"
            )
        paths[record.image_id] = record.path
        labels = [truth["category_id"] for truth in record.instances]
        for source, values in (
            ("ground truth", labels),
            *((f"detections {n!r}", f.labels.tolist()) for n, f in record.found.items()),
        ):
            if values and not 0 <= min(values) <= max(values) < len(classes):
                raise InputError(
                    f"{record.path or record.image_id!r}: {source} have labels {min(values)} to "
                    f"{max(values)}, but the data set has {len(classes)} classes "
                    f"(0 to {len(classes) - 1}): compare num_classes of the model with the "
                    "data set's classes"
                )


def _ground_truth(
    records: Sequence[_ImageRecord], classes: Sequence[str], iou_type: str
) -> dict[str, Any]:
    """A COCO dict in memory; categories have the labels as ids."""
    truths = [{**truth, "image_id": r.image_id} for r in records for truth in r.instances]
    if iou_type == "segm":
        if truths and all(truth["no_mask"] for truth in truths):
            raise InputError(
                f"none of {len(truths)} objects has a segmentation, so mask AP cannot be "
                "measured: use iou_types=('bbox',) for data without masks"
            )
        truths = [{**truth, "ignore": truth["ignore"] or truth["no_mask"]} for truth in truths]
    return {
        "images": [
            {"id": r.image_id, "height": r.size[0], "width": r.size[1], "file_name": r.path}
            for r in records
        ],
        "annotations": truths,
        "categories": [{"id": label, "name": name} for label, name in enumerate(classes)],
    }


def _coco_results(records: Sequence[_ImageRecord], name: str) -> list[dict[str, Any]]:
    """COCO results list of one choice of stages; images without that choice give none."""
    return [
        result
        for record in records
        if name in record.found
        for result in _results_of(record, record.found[name])
    ]


def _results_of(record: _ImageRecord, found: _Found) -> Iterator[dict[str, Any]]:
    columns = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    for i, ((x1, y1, x2, y2), score, label) in enumerate(columns):
        result = {
            "image_id": record.image_id,
            "category_id": label,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        if found.masks is not None:
            result["segmentation"] = {"size": list(record.size), "counts": found.masks[i]}
        yield result


def _main_table(scores: CocoScores) -> str:
    """AP and AR of the final detections on one line each."""
    names = ("AP", *(f"AP{p}" for p in REPORTED), *(f"AP_{s}" for s in SIZES))
    recalls = (*(f"AR{m}" for m in scores.ar_by_max_dets), *(f"AR_{s}" for s in SIZES))
    numbers = scores.as_dict()
    kind = TITLES[scores.iou_type].split()[0]
    return "\n".join(
        text_table(title, columns, [[percent(numbers[name]) for name in columns]])
        for title, columns in (
            (f"{kind} average precision (%)", names),
            (f"{kind} average recall (%)", recalls),
        )
    )


def _explain(truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> None:
    """Say why all scores are 0 or nan, where that is so."""
    images = len(truth["images"])
    if not any(not (t["iscrowd"] or t["ignore"]) for t in truth["annotations"]):
        _log(f"no ground truth in {images} images (ignored ones do not count): AP is nan")
    elif not results:
        _log(
            f"no detections in {images} images, so AP is 0: is a checkpoint loaded, and is the "
            "detector's score threshold low enough?"
        )


def _log(text: str) -> None:
    print_log("\n" + text, logger="current")
