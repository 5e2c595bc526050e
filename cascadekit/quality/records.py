"""What the instruments read: boxes of every stage and the truth, from any detector.

`collect.py` fills these from a cascadekit model; arrays of another detector fit in as well. All
boxes are xyxy float32 in pixels of the file, all tensors are on the CPU. Letters: N objects of one
image, R rois, K classes, S stages, G boxes per roi (1, or K for class-specific regressors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cascadekit.structures.boxes import iou
from cascadekit.structures.samples import Detections, ImageInfo


@dataclass(frozen=True)
class Truth:
    """Ground truth of one image.

    Attributes:
        boxes: (N, 4) float32 xyxy; N may be 0.
        labels: (N,) int64, 0..K-1.
        areas: (N,) float32 square pixels, as the data set says (of the mask, where it has one).
        crowd: (N,) bool, regions that stand for many objects.
        ignored: (N,) bool, neither object nor background; crowds are ignored as well.
    """

    boxes: Tensor
    labels: Tensor
    areas: Tensor
    crowd: Tensor
    ignored: Tensor

    def counted(self) -> Truth:
        """Only the objects that count: not ignored, no crowds."""
        keep = ~self.ignored
        return Truth(
            self.boxes[keep],
            self.labels[keep],
            self.areas[keep],
            self.crowd[keep],
            self.ignored[keep],
        )


@dataclass(frozen=True)
class StageBoxes:
    """One stage of one image in inference; row r is the same roi in all stages.

    Attributes:
        head: number of the stage's own head.
        input_boxes: (R, 4), what entered the stage; R may be 0.
        input_scores: (R,) float32 in [0, 1], what ranks them: objectness for stage 1, the best
            class probability of the stage before for the others.
        logits_by_head: head -> (R, K+1) class logits on these rois; background is last.
        boxes_by_head: head -> (R, G, 4), these rois refined by that head's regressor, not clipped;
            a head without a regressor is missing.
        output_boxes: (R, 4), what the stage handed on.
    """

    head: int
    input_boxes: Tensor
    input_scores: Tensor
    logits_by_head: Mapping[int, Tensor]
    boxes_by_head: Mapping[int, Tensor]
    output_boxes: Tensor


@dataclass(frozen=True)
class ImageRecord:
    """All stages of one image.

    Attributes:
        info: the picture; sizes and path.
        truth: its ground truth.
        stages: S entries, first to last.
        detections: choice of stages ("1", "2", "1~3", as in the paper's Table 2) -> final
            detections, clipped, best first.
    """

    info: ImageInfo
    truth: Truth
    stages: tuple[StageBoxes, ...]
    detections: Mapping[str, Detections]


@dataclass(frozen=True)
class Recording:
    """What a detector did on a data set.

    Attributes:
        classes: K names.
        stage_ious: u that each head was trained at, by head number.
        images: one record each.
        final: the choice of stages that is the detector's answer, a key of `detections`.
        postprocess: (class_boxes (R, G, 4), scores (R, K+1), info) -> Detections, the detector's
            own choice of detections; it clips at `info.size`.
        proposals: where stage 1's boxes came from, for captions ("RPN", "RPN + ground truth").
    """

    classes: tuple[str, ...]
    stage_ious: tuple[float, ...]
    images: tuple[ImageRecord, ...]
    final: str
    postprocess: Callable[[Tensor, Tensor, ImageInfo], Detections]
    proposals: str = "RPN"

    @property
    def num_stages(self) -> int:
        """S; 0 without images."""
        return len(self.images[0].stages) if self.images else 0

    def ground_truth(self) -> dict[str, object]:
        """The COCO dict that `evaluate_coco` takes; ids of images are their numbers here."""
        return {
            "images": [
                {"id": i, "height": r.info.original_size[0], "width": r.info.original_size[1]}
                for i, r in enumerate(self.images)
            ],
            "annotations": [
                annotation for i, r in enumerate(self.images) for annotation in _as_coco(i, r.truth)
            ],
            "categories": [{"id": k, "name": name} for k, name in enumerate(self.classes)],
        }


def _as_coco(image_id: int, truth: Truth) -> list[dict[str, object]]:
    rows = zip(
        truth.boxes.tolist(),
        truth.labels.tolist(),
        truth.areas.tolist(),
        truth.crowd.tolist(),
        truth.ignored.tolist(),
        strict=True,
    )
    return [
        {
            "image_id": image_id,
            "category_id": label,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": area,
            "iscrowd": int(crowd),
            "ignore": int(ignored),
        }
        for (x1, y1, x2, y2), label, area, crowd, ignored in rows
    ]


def to_results(image_id: int, found: Detections) -> list[dict[str, object]]:
    """Detections of image number `image_id` as a COCO results list; label k has category id k."""
    return replace(found, mask_probs=None).to_coco(image_id)


@dataclass(frozen=True)
class StageSamples:
    """What one stage saw in training, over many images; its R rows are rois.

    Attributes:
        stage: 0..S-1.
        threshold: u of the stage: rois at or above it are positives.
        ious: (R,) float32 in [0, 1], IoU of each roi with its best object; 0 where there is none.
        output_ious: (R,) float32, IoU with the same object after the stage's regressor.
        positive: (R,) bool.
        from_gt: (R,) bool, copies of ground truth that joined the proposals.
        deltas: (R, 4) float32 (dx, dy, dw, dh) from the roi to its object, not normalised; nan
            where there is no object.
        means: four numbers in use for normalising the deltas.
        stds: four, likewise.
    """

    stage: int
    threshold: float
    ious: Tensor
    output_ious: Tensor
    positive: Tensor
    from_gt: Tensor
    deltas: Tensor
    means: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    stds: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)


@dataclass(frozen=True)
class SampleRecording:
    """What all stages saw in training.

    Attributes:
        stages: S entries.
        num_images: how many images they come from.
        classes: K names.
    """

    stages: tuple[StageSamples, ...]
    num_images: int
    classes: tuple[str, ...] = ()


def best_objects(boxes: Tensor, truth: Truth) -> tuple[Tensor, Tensor]:
    """The counted object that each box overlaps most.

    Args:
        boxes: (R, 4) xyxy; R may be 0.
        truth: of the same image, in the same frame.

    Returns:
        IoU (R,) float32, and row (R,) int64 in `truth.counted()`; 0 and -1 where there is none.
    """
    objects = truth.counted().boxes
    if len(objects) == 0:
        none = torch.full((len(boxes),), -1, dtype=torch.long)
        return boxes.new_zeros(len(boxes)), none
    best, row = iou(boxes, objects).max(1)
    return best, row
