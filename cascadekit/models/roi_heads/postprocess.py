"""From scored boxes to detections: threshold, suppress per class, keep the best."""

from __future__ import annotations

import torch
from torch import Tensor

from cascadekit import ops
from cascadekit.models.roi_heads.suppression import check_method, soft_nms, vote
from cascadekit.registry import TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import Detections, ImageInfo


@TASK_UTILS.register_module()
class Postprocess:
    """Per-class suppression of one image's boxes.

    Args:
        score_threshold: scores must be above this. Detectron: 0.05; Caffe on COCO: 0.001.
        nms_iou: boxes overlapping a better one of their class more than this are dropped
            ("hard"), or lose score ("linear").
        max_detections: kept per image.
        nms: "hard": greedy NMS; "linear" or "gaussian": `suppression.soft_nms`.
        sigma: of the gaussian, above 0.
        min_score: soft-NMS drops boxes whose lowered score is below this.
        vote_iou: each detection's box becomes the score-weighted mean of all boxes of its class
            with at least this IoU (`suppression.vote`); None: it stays.

    Raises:
        InputError: an unknown word, or a number outside its range.
    """

    def __init__(
        self,
        score_threshold: float = 0.05,
        nms_iou: float = 0.5,
        max_detections: int = 100,
        nms: str = "hard",
        sigma: float = 0.5,
        min_score: float = 0.001,
        vote_iou: float | None = None,
    ) -> None:
        check_method(nms, sigma, vote_iou)
        self.score_threshold = score_threshold
        self.nms_iou = nms_iou
        self.max_detections = max_detections
        self.nms = nms
        self.sigma = sigma
        self.min_score = min_score
        self.vote_iou = vote_iou

    def __call__(self, class_boxes: Tensor, scores: Tensor, info: ImageInfo) -> Detections:
        """Choose the detections of one image.

        Args:
            class_boxes: (R, G, 4) float32 xyxy network pixels, not clipped; R may be 0.
            scores: (R, K+1) float32 probabilities, background last.
            info: the picture.

        Returns:
            Detections in NETWORK pixels, clipped, best first, without masks. Soft-NMS gives them
            their lowered scores.
        """
        boxes = box_ops.clip(class_boxes, *info.size)
        roi, label = (scores[:, :-1] > self.score_threshold).nonzero().unbind(1)
        score = scores[roi, label]
        box = boxes[roi, label if boxes.shape[1] > 1 else torch.zeros_like(label)]
        fine = ~box_ops.is_degenerate(box)
        roi, label, score, box = roi[fine], label[fine], score[fine], box[fine]
        keep, kept_score = self._suppress(box, score, label)
        kept_box = box[keep]
        if self.vote_iou is not None:
            kept_box = vote(kept_box, label[keep], box, score, label, self.vote_iou)
        return Detections(kept_box, kept_score, label[keep], roi[keep])

    def _suppress(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (M,) int64 of the boxes kept, best first, and their scores (M,)."""
        if self.nms == "hard":
            keep = ops.batched_nms(boxes, scores, labels, self.nms_iou)[: self.max_detections]
            return keep, scores[keep]
        return soft_nms(
            boxes,
            scores,
            labels,
            self.nms,
            self.nms_iou,
            self.sigma,
            self.min_score,
            self.max_detections,
        )
