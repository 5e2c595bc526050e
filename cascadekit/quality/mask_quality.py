"""Masks of several detectors: their AP, and what a mask owes to its box (paper, Table 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from pycocotools import mask as coco_mask
from torch import nn

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_records import GroundTruth, Result
from cascadekit.evaluation.stage_table import percent
from cascadekit.quality.collect import batches, classes_of
from cascadekit.quality.iou_bins import (
    BinnedMeans,
    bin_edges,
    binned_means,
    draw_counts,
    draw_means,
)
from cascadekit.quality.tables import Table, number
from cascadekit.structures.boxes import iou
from cascadekit.structures.samples import Prediction
from cascadekit.visualization.canvas import QUIET, points
from cascadekit.visualization.plots import LINE_COLORS, add_legend, new_plots

START, WIDTH = 0.5, 0.05
TIGHT = 0.75  # mask IoU


@dataclass(frozen=True)
class MaskRecording:
    """What a detector with masks found on a data set.

    Attributes:
        ground_truth: COCO dict with boxes and masks; ids of images are their numbers here.
        results: COCO results list with boxes and masks.
        predictions: one for each image.
        classes: K names.
    """

    ground_truth: GroundTruth
    results: tuple[Result, ...]
    predictions: tuple[Prediction, ...]
    classes: tuple[str, ...]

    @property
    def scored(self) -> tuple[GroundTruth, tuple[Result, ...]]:
        """What `compute_ap_curves` takes, for boxes and (`iou_type="segm"`) for masks."""
        return self.ground_truth, self.results


@torch.no_grad()
def record_masks(
    detector: nn.Module, loader: Any, limit: int | None = None, description: str = "Masks"
) -> MaskRecording:
    """Run a detector with a mask head over a data set.

    Args:
        detector: ours, in evaluation mode.
        loader: data loader of a test pipeline; every sample carries its `instances`.
        limit: the first so many images; None: all.
        description: of the progress bar.

    Returns:
        The recording, in pixels of the files.

    Raises:
        InputError: an object of the data set has no mask, or the detector makes none.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[Result] = []
    predictions: list[Prediction] = []
    for batch in batches(loader, limit, description):
        data = detector.data_preprocessor(batch, False)
        found = detector.predict(data["inputs"], data["data_samples"])
        for sample, prediction in zip(data["data_samples"], found, strict=True):
            if limit is not None and len(images) == limit:
                break
            if prediction.detections.mask_probs is None:
                raise InputError("this detector has no masks: it needs a mask head")
            height, width = map(int, prediction.info.original_size)
            place, objects = len(images), sample.metainfo["instances"]
            images.append({"id": place, "height": height, "width": width})
            annotations += [_truth(place, each, (height, width)) for each in objects]
            results += prediction.detections.to_coco(place, (height, width))
            predictions.append(prediction)
    classes = classes_of(detector, loader)
    categories = [{"id": k, "name": name} for k, name in enumerate(classes)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    return MaskRecording(truth, tuple(results), tuple(predictions), classes)


def _truth(image_id: int, record: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """One object as COCO has it, with its mask as RLE."""
    x1, y1, x2, y2 = (float(value) for value in record["bbox"])
    segmentation = record.get("segmentation")
    if segmentation is None:
        raise InputError(f"image {image_id}: an object has no mask; masks need masks to compare")
    return {
        "image_id": image_id,
        "category_id": int(record["label"]),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": float(record.get("area") or (x2 - x1) * (y2 - y1)),
        "iscrowd": int(record.get("iscrowd", 0)),
        "ignore": int(record.get("ignore", 0)),
        "segmentation": _rle(segmentation, size),
    }


def _rle(segmentation: Any, size: tuple[int, int]) -> Any:
    if isinstance(segmentation, Mapping) and not isinstance(segmentation["counts"], list):
        return segmentation
    encoded = coco_mask.frPyObjects(segmentation, *size)
    return coco_mask.merge(encoded) if isinstance(encoded, list) else encoded


@dataclass(frozen=True)
class MaskCurve:
    """One detector's masks; B bins of box IoU.

    Attributes:
        name: for legends and tables.
        by_box: mask IoU by box IoU.
        objects: that count.
        found: of these, with a box of IoU 0.5 or more.
        box_iou: mean of the found objects' best boxes; nan without any.
        mask_iou: mean of the same detections' masks.
        tight: share of the found objects whose mask has IoU 0.75 or more.
    """

    name: str
    by_box: BinnedMeans
    objects: int
    found: int
    box_iou: float
    mask_iou: float
    tight: float


@dataclass(frozen=True)
class MaskQuality:
    """Curves to be seen together.

    Attributes:
        curves: may be empty.
        score_threshold: detections below it were left out.
    """

    curves: tuple[MaskCurve, ...]
    score_threshold: float


def compute_mask_quality(
    recordings: Mapping[str, MaskRecording], score_threshold: float = 0.3, width: float = WIDTH
) -> MaskQuality:
    """How good masks are, beside the boxes that they were made in.

    Args:
        recordings: name -> recording on the same images; may be empty.
        score_threshold: detections below it are left out.
        width: of the bins of box IoU, from 0.5 to 1.

    Returns:
        A curve for each detector: of each object the detection of its class with the best box
        counts, if that has IoU 0.5 or more. Where curves lie on each other, one mask head is as
        good as the other, and what differs between the detectors is their boxes.

    Raises:
        InputError: `width` does not divide 0.5.
    """
    edges = bin_edges(START, width)
    curves = [_curve(name, own, score_threshold, edges) for name, own in recordings.items()]
    return MaskQuality(tuple(curves), score_threshold)


def _curve(name: str, own: MaskRecording, least: float, edges: np.ndarray) -> MaskCurve:
    objects = [a for a in own.ground_truth["annotations"] if not (a["iscrowd"] or a["ignore"])]
    found: dict[tuple[int, int], list[Result]] = {}
    for result in own.results:
        if result["score"] >= least:
            found.setdefault((result["image_id"], result["category_id"]), []).append(result)
    rows = []
    for each in objects:
        own_class = found.get((each["image_id"], each["category_id"]), [])
        if not own_class:
            continue
        overlaps = iou(_boxes([each]), _boxes(own_class))[0]
        best = int(overlaps.argmax())
        if overlaps[best] >= START:
            masks = ([own_class[best]["segmentation"]], [each["segmentation"]])
            rows.append((float(overlaps[best]), coco_mask.iou(*masks, [0])[0, 0], each["image_id"]))
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    boxes, masks, images = table.T
    count = len(own.ground_truth["images"])
    curve = binned_means(boxes.astype(np.float32), masks, images.astype(np.int64), count, edges)
    nothing = float("nan")
    return MaskCurve(
        name,
        curve,
        len(objects),
        len(rows),
        float(boxes.mean()) if rows else nothing,
        float(masks.mean()) if rows else nothing,
        float((masks >= TIGHT).mean()) if rows else nothing,
    )


def _boxes(records: list[Any]) -> torch.Tensor:
    """(N, 4) float32 xyxy of COCO records."""
    rows = [(x, y, x + w, y + h) for x, y, w, h in (each["bbox"] for each in records)]
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def plot_mask_quality(result: MaskQuality, title: str = "A mask and its box") -> Figure:
    """Mean mask IoU by box IoU, with bands, counts and the diagonal."""
    figure, (axes,) = new_plots([title], "IoU of the box", "mean IoU of the mask", (520, 460))
    axes.plot([START, 1], [START, 1], color=QUIET, linewidth=points(1.5), zorder=1)
    colors = [LINE_COLORS[i % len(LINE_COLORS)] for i in range(len(result.curves))]
    lowest = START
    for curve, color in zip(result.curves, colors, strict=True):
        draw_means(axes, curve.by_box, color, curve.name)
        lowest = min([lowest, *curve.by_box.mean[curve.by_box.count > 0]])
    axes.set_xlim(START, 1)
    axes.set_ylim(lowest - 0.15 * (1 - lowest), 1)  # room for the counts
    draw_counts(axes, [curve.by_box for curve in result.curves], colors)
    if result.curves:
        add_legend(axes, "upper left")
    return figure


def mask_quality_table(result: MaskQuality) -> Table:
    """A row per detector: objects found, and mean IoU of their boxes and masks."""
    rows = [
        (
            c.name,
            str(c.objects),
            str(c.found),
            number(c.box_iou, 3),
            number(c.mask_iou, 3),
            percent(c.tight),
        )
        for c in result.curves
    ]
    return Table(
        "Masks of the objects that are found",
        ("", "objects", "found", "box IoU", "mask IoU", f"mask IoU ≥ {TIGHT:g} (%)"),
        tuple(rows),
        (
            f"Found: a detection of the right class with a score of {result.score_threshold:g} or "
            f"more and a box of IoU {START:g} or more. The other columns are of these alone.",
        ),
    )
