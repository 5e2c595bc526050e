"""Frozen values that travel through a detector; the only file that knows mm-style data samples.

Shape letters used in all docstrings: B images of a batch, N objects of one image, M ignore regions
of one image, R rois of the batch (all images, one after the other), K classes, S stages, L levels,
D detections of one image, C channels, H and W pixels. Labels are 0..K-1 and background is K.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.structures import exchange
from cascadekit.structures.masks import InstanceMasks

Names = Sequence[str] | None
Size = tuple[int, int] | None


@dataclass(frozen=True)
class ImageInfo:
    """Geometry of one picture, as it is on disk and as the network sees it.

    Attributes:
        size: (height, width) of the resized picture before padding, pixels.
        original_size: (height, width) on disk, pixels.
        image_id: the data set's id.
        path: the file, for messages.
        flipped: whether the network sees it mirrored left to right.
    """

    size: tuple[int, int]
    original_size: tuple[int, int]
    image_id: int | str = 0
    path: str = ""
    flipped: bool = False

    def to_original(self, boxes: Tensor) -> Tensor:
        """Move (..., 4) xyxy boxes from network pixels to pixels of the file."""
        if self.flipped:
            width = self.size[1]
            x1, y1, x2, y2 = boxes.unbind(-1)
            boxes = torch.stack([width - x2, y1, width - x1, y2], -1)
        scale_y = self.original_size[0] / self.size[0]
        scale_x = self.original_size[1] / self.size[1]
        return boxes * boxes.new_tensor([scale_x, scale_y, scale_x, scale_y])

    def to_network(self, boxes: Tensor) -> Tensor:
        """Move (..., 4) xyxy boxes from pixels of the file to network pixels, not clipped."""
        scale_y = self.size[0] / self.original_size[0]
        scale_x = self.size[1] / self.original_size[1]
        boxes = boxes * boxes.new_tensor([scale_x, scale_y, scale_x, scale_y])
        if not self.flipped:
            return boxes
        x1, y1, x2, y2 = boxes.unbind(-1)
        return torch.stack([self.size[1] - x2, y1, self.size[1] - x1, y2], -1)


@dataclass(frozen=True)
class Targets:
    """Ground truth of one image, in network pixels.

    Attributes:
        boxes: (N, 4) float32 xyxy; N may be 0.
        labels: (N,) int64, 0..K-1.
        ignored_boxes: (M, 4) float32 xyxy: crowds and "difficult" objects, neither object nor
            background; M may be 0.
        masks: N bitmaps, or None where the data set has none.
        is_region: (M,) bool, which of `ignored_boxes` are regions (anything may be in there) and
            not single objects; None where it is not known.
    """

    boxes: Tensor
    labels: Tensor
    ignored_boxes: Tensor
    masks: InstanceMasks | None = None
    is_region: Tensor | None = None

    def ignored_objects(self) -> Tensor:
        """(m, 4) ignored boxes that may be single objects: all where nothing is known of them."""
        return self.ignored_boxes if self.is_region is None else self.ignored_boxes[~self.is_region]

    def ignored_regions(self) -> Tensor:
        """(m, 4) ignored boxes that may be regions: all where nothing is known of them."""
        return self.ignored_boxes if self.is_region is None else self.ignored_boxes[self.is_region]


@dataclass(frozen=True)
class Proposals:
    """Candidate boxes of a batch, flat over its images.

    Attributes:
        boxes: (R, 4) float32 xyxy network pixels; R may be 0.
        image_index: (R,) int64, 0..B-1, ascending.
        scores: (R,) float32 in [0, 1], what ranked them (objectness, or 1 for ground truth).
        from_gt: (R,) bool, True for copies of ground truth appended in training.
    """

    boxes: Tensor
    image_index: Tensor
    scores: Tensor
    from_gt: Tensor

    @classmethod
    def from_list(cls, boxes: Sequence[Tensor], scores: Sequence[Tensor]) -> Proposals:
        """Join per-image (R_b, 4) boxes and (R_b,) scores, images in order; R_b may be 0."""
        index = [torch.full(b.shape[:1], i, device=b.device) for i, b in enumerate(boxes)]
        flat = torch.cat(list(boxes))
        from_gt = flat.new_zeros(flat.shape[:1], dtype=torch.bool)
        return cls(flat, torch.cat(index), torch.cat(list(scores)), from_gt)

    def __len__(self) -> int:
        """Number of rois R."""
        return len(self.boxes)

    def __getitem__(self, keep: Tensor) -> Proposals:
        """The rows `keep`: a (R,) bool mask or int64 indices."""
        return Proposals(
            self.boxes[keep], self.image_index[keep], self.scores[keep], self.from_gt[keep]
        )


@dataclass(frozen=True)
class Matches:
    """What each roi of a batch should become.

    Attributes:
        labels: (R,) int64; background is K.
        gt_index: (R,) int64, the best ground truth's row in its image's `Targets`, 0 without any.
        gt_boxes: (R, 4) float32 xyxy of that ground truth; zeros where the image has none.
        ious: (R,) float32, IoU with it before regression; 0 where the image has none.
    """

    labels: Tensor
    gt_index: Tensor
    gt_boxes: Tensor
    ious: Tensor

    def __getitem__(self, keep: Tensor) -> Matches:
        """The rows `keep`: a (R,) bool mask or int64 indices."""
        return Matches(self.labels[keep], self.gt_index[keep], self.gt_boxes[keep], self.ious[keep])


@dataclass(frozen=True)
class StageOutput:
    """All that one pass of the stage loop records; losses, predictions and plots read only this.

    Attributes:
        stage: 0..S-1.
        head: number of the head that made it: the stage's, or 0 at every pass of iterative BBox.
        proposals: R input boxes of the stage.
        matches: what they should become; None in inference.
        logits_by_head: head number -> (R, K+1) class logits of that head on these rois. The
            stage's own head is always there.
        deltas: (R, G, 4) normalised regression output of the own head; G is 1 (class-agnostic), K,
            or 0 for a head without a regressor (integral loss).
        boxes_by_head: head number -> (R, G, 4) float32 xyxy, its deltas decoded, not clipped. The
            stage's own head is always there; others only where analysis asked for them.
        boxes: (R, 4) float32 xyxy, detached: what the next stage takes as input.
    """

    stage: int
    head: int
    proposals: Proposals
    matches: Matches | None
    logits_by_head: Mapping[int, Tensor]
    deltas: Tensor
    boxes_by_head: Mapping[int, Tensor]
    boxes: Tensor

    @property
    def logits(self) -> Tensor:
        """(R, K+1) class logits of the stage's own head."""
        return self.logits_by_head[self.head]

    @property
    def class_boxes(self) -> Tensor:
        """(R, G, 4) boxes of the stage's own regressor."""
        return self.boxes_by_head[self.head]

    def positive(self) -> Tensor:
        """(R,) bool, training only: rois that are labelled as an object."""
        assert self.matches is not None
        return self.matches.labels < self.logits.shape[1] - 1


@dataclass(frozen=True)
class StageTrace:
    """One stage of one image's prediction, in pixels of the file; row r is the same roi in all.

    Attributes:
        input_boxes: (R, 4) float32 xyxy, what entered the stage.
        output_boxes: (R, 4) float32 xyxy, what its regressor made of them.
        scores: (R, K+1) float32, class probabilities of the stage's own head; last is background.
        detection_index: (R,) int64, the first final detection that roi became, or -1.
    """

    input_boxes: Tensor
    output_boxes: Tensor
    scores: Tensor
    detection_index: Tensor


@dataclass(frozen=True)
class Detections:
    """Objects found in one image, best score first, in pixels of the file.

    Attributes:
        boxes: (D, 4) float32 xyxy, clipped to the picture; D may be 0.
        scores: (D,) float32 in [0, 1].
        labels: (D,) int64, 0..K-1.
        roi_index: (D,) int64, the row of the `StageTrace`s each came from; -1 for one found in
            another view of test-time augmentation than the first, which is traced.
        mask_probs: (D, m, m) float32, probabilities inside each box; None without a mask head.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    roi_index: Tensor
    mask_probs: Tensor | None = None

    def __len__(self) -> int:
        """Number of detections D."""
        return len(self.boxes)

    def __getitem__(self, keep: Tensor) -> Detections:
        """The rows `keep`: a (D,) bool mask or int64 indices."""
        masks = None if self.mask_probs is None else self.mask_probs[keep]
        return Detections(
            self.boxes[keep], self.scores[keep], self.labels[keep], self.roi_index[keep], masks
        )

    def to_coco(self, image_id: int | str = 0, size: Size = None) -> list[dict[str, Any]]:
        """COCO results; see `structures.exchange.to_coco`."""
        return exchange.to_coco(self, image_id, size)

    def to_pandas(self, classes: Names = None) -> Any:
        """A pandas DataFrame; see `structures.exchange.to_pandas`."""
        return exchange.to_pandas(self, classes)

    def to_supervision(self, classes: Names = None, size: Size = None) -> Any:
        """Detections of the supervision library; see `structures.exchange.to_supervision`."""
        return exchange.to_supervision(self, classes, size)


@dataclass(frozen=True)
class Prediction:
    """The whole story of one image.

    Attributes:
        info: the picture.
        detections: what the detector reports.
        stages: S traces, from the proposals to the last boxes.
        variants: detections by rows of the paper's Table 2 ("1", "1~3"); empty unless asked for.
    """

    info: ImageInfo
    detections: Detections
    stages: tuple[StageTrace, ...]
    variants: Mapping[str, Detections] = field(default_factory=dict)


def make_data_sample(
    info: ImageInfo,
    targets: Targets,
    instances: Sequence[Mapping[str, Any]] = (),
    proposals: Proposals | None = None,
) -> BaseDataElement:
    """Pack one sample the way mm-style data loaders and evaluators carry it.

    Args:
        info: the picture's geometry.
        targets: ground truth in network pixels.
        instances: the data set's own records in pixels of the file, for evaluation (keys: `bbox`
            xyxy, `label`, `area`, `iscrowd`, `ignore` and, where known, `segmentation`).
        proposals: stored boxes of this one picture, in network pixels, for a Fast R-CNN; R may
            be 0. None: the detector makes its own.

    Returns:
        A data element with `gt_instances`, `ignored_instances`, `proposals` if there are stored
        ones, and mm's usual meta keys.
    """
    height, width = info.original_size
    sample = BaseDataElement(
        metainfo={
            "img_id": info.image_id,
            "img_path": info.path,
            "img_shape": info.size,
            "ori_shape": info.original_size,
            "scale_factor": (info.size[1] / width, info.size[0] / height),
            "flip": info.flipped,
            "instances": list(instances),
        }
    )
    sample.gt_instances = InstanceData(bboxes=targets.boxes, labels=targets.labels)
    if targets.masks is not None:
        sample.gt_instances.masks = targets.masks
    sample.ignored_instances = InstanceData(bboxes=targets.ignored_boxes)
    if targets.is_region is not None:
        sample.ignored_instances.is_region = targets.is_region
    if proposals is not None:
        sample.proposals = InstanceData(bboxes=proposals.boxes, scores=proposals.scores)
    return sample


def image_infos(samples: Sequence[Any]) -> list[ImageInfo]:
    """Geometry of each mm-style data sample (ours or mmdetection's)."""
    return [
        ImageInfo(
            size=(int(s.metainfo["img_shape"][0]), int(s.metainfo["img_shape"][1])),
            original_size=(
                int(s.metainfo.get("ori_shape", s.metainfo["img_shape"])[0]),
                int(s.metainfo.get("ori_shape", s.metainfo["img_shape"])[1]),
            ),
            image_id=s.metainfo.get("img_id", 0),
            path=s.metainfo.get("img_path", ""),
            flipped=bool(s.metainfo.get("flip", False)),
        )
        for s in samples
    ]


def _masks_of(instances: Any, device: torch.device) -> InstanceMasks | None:
    """Masks of `gt_instances`: ours, or any container with mmdetection's `to_tensor`."""
    masks = instances.get("masks")
    if masks is None or isinstance(masks, InstanceMasks):
        return masks
    return InstanceMasks.from_bitmaps(masks.to_tensor(torch.uint8, device))


def to_targets(samples: Sequence[Any]) -> list[Targets]:
    """Ground truth of each mm-style data sample (ours or mmdetection's); mm objects end here.

    Args:
        samples: B data samples with `gt_instances` and, where known, `ignored_instances`.

    Returns:
        B targets in network pixels; N and M of an image may be 0.

    Raises:
        InputError: a sample carries no `gt_instances`, as in a pipeline without annotations.
    """
    targets = []
    for sample in samples:
        if "gt_instances" not in sample:
            raise InputError(
                f"{sample.metainfo.get('img_path', 'a sample')} has no gt_instances: training "
                "needs a pipeline that loads annotations"
            )
        gt = sample.gt_instances
        boxes = getattr(gt.bboxes, "tensor", gt.bboxes)  # mmdetection wraps boxes in a class
        ignored = sample.get("ignored_instances")
        ignored_boxes, is_region = boxes.new_zeros(0, 4), None
        if ignored is not None and "bboxes" in ignored:
            ignored_boxes = getattr(ignored.bboxes, "tensor", ignored.bboxes)
            is_region = ignored.get("is_region")
        masks = _masks_of(gt, boxes.device)
        targets.append(Targets(boxes, gt.labels, ignored_boxes, masks, is_region))
    return targets


def to_instances(found: Detections, masks: Tensor | None = None) -> InstanceData:
    """Detections, and their (D, H, W) bitmaps if any, as mm-style evaluators read them."""
    instances = InstanceData(bboxes=found.boxes, scores=found.scores, labels=found.labels)
    if masks is not None:
        instances.masks = masks
    return instances


def attach_predictions(samples: Sequence[Any], predictions: Sequence[Prediction]) -> list[Any]:
    """Put each prediction on its data sample, as mm-style evaluators expect.

    `pred_instances` holds bboxes, scores and labels of the final detections; `prediction` holds
    the whole `Prediction`.
    """
    for sample, prediction in zip(samples, predictions, strict=True):
        sample.pred_instances = to_instances(prediction.detections)
        sample.set_field(prediction, "prediction")
    return list(samples)
