"""Losses of the heads, as functions; each is finite, and still tied to the graph, on no rows.

The tie matters for distributed training: a rank without positives must produce the same losses
and gradients for the same parameters as the others, or the others wait for it forever.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def classification_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy, averaged over the rois (paper equation 3).

    Args:
        logits: (R, K+1); R may be 0, then the loss is 0.
        labels: (R,) int64, 0..K, background is K.

    Returns:
        () float32.
    """
    return F.cross_entropy(logits.float(), labels, reduction="sum") / max(len(labels), 1)


def box_loss(deltas: Tensor, targets: Tensor, num_rois: int, beta: float) -> Tensor:
    """Smooth L1 of the positives, summed over coordinates, divided by all rois of the batch.

    Args:
        deltas: (P, 4) predicted deltas of the positives; P may be 0, then the loss is 0.
        targets: (P, 4) normalised target deltas.
        num_rois: positives and negatives together; 0 counts as 1.
        beta: where the loss turns from squared to absolute; 0: absolute everywhere.

    Returns:
        () float32.

    Source: Fast R-CNN equation 3. The paper's heads use beta 1, its RPN 1/9 (Detectron) or 1
    (Caffe); detectron2 uses 0.
    """
    total = F.smooth_l1_loss(deltas.float(), targets, beta=beta, reduction="sum")
    return total / max(num_rois, 1)


def objectness_loss(logits: Tensor, labels: Tensor, num_anchors: int | None = None) -> Tensor:
    """Binary cross-entropy of objectness, averaged over the sampled anchors.

    Args:
        logits: (A,) one logit an anchor; A may be 0, then the loss is 0. The difference of two
            softmax logits makes this softmax cross-entropy.
        labels: (A,) float32, 1 for objects and 0 for background.
        num_anchors: what the sum is divided by; None: A. 0 counts as 1.

    Returns:
        () float32.
    """
    total = F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="sum")
    return total / max(len(labels) if num_anchors is None else num_anchors, 1)


def mask_loss(logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    """Per-pixel binary cross-entropy on the mask of each roi's own class.

    Args:
        logits: (R, K, m, m), or (R, 1, m, m) for class-agnostic masks; R may be 0: the loss is 0.
        targets: (R, m, m) float32, 0 or 1.
        labels: (R,) int64, 0..K-1.

    Returns:
        () float32, averaged over rois and pixels.

    Source: Mask R-CNN (He et al. 2017) section 3.
    """
    own = own_class(logits, labels).float()  # (R, m, m)
    total = F.binary_cross_entropy_with_logits(own, targets, reduction="sum")
    return total / max(targets.numel(), 1)


def own_class(values: Tensor, labels: Tensor) -> Tensor:
    """The row of each roi's own class: (R, G, ...) -> (R, ...); G is K, or 1 for all classes."""
    rows = torch.zeros_like(labels) if values.shape[1] == 1 else labels
    return values.gather(
        1, rows.view(-1, *[1] * (values.dim() - 1)).expand(-1, 1, *values.shape[2:])
    ).squeeze(1)


def scale_gradient(values: Tensor, factor: float) -> Tensor:
    """`values` (any shape) unchanged; in the backward pass their gradient times `factor`."""
    fixed = values.detach()
    return fixed + (values - fixed) * factor
