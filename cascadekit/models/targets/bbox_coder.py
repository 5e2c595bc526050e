"""Box deltas: what a regressor learns to predict (paper section 2, equation 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cascadekit.errors import InputError, check_word
from cascadekit.registry import TASK_UTILS

# A regressor may widen a box at most this much: e.g. from 16 to 1000 pixels. Detectron's constant.
MAX_LOG_SCALE = math.log(1000 / 16)
CLAMPS = {
    "above": (-math.inf, MAX_LOG_SCALE),
    "both": (-MAX_LOG_SCALE, MAX_LOG_SCALE),
    "none": (-math.inf, math.inf),
}


@TASK_UTILS.register_module()
class DeltaCoder:
    """Deltas (dx, dy, dw, dh) between two boxes, normalised by fixed statistics.

    Args:
        means: of the four deltas over the training data; the paper uses 0.
        stds: of the four deltas; a delta of one standard deviation is coded as 1.
        clamp: where dw and dh stop when decoding: "above" (a box grows at most 62.5 times), "both"
            (nor does it shrink more than that), or "none".

    Raises:
        InputError: not four means and four positive stds, or another clamp.

    Source: R-CNN (Girshick et al. 2014), appendix C. Detectron and detectron2 clamp above,
    mmdetection both ways; the released Caffe heads have no clamp.
    """

    def __init__(
        self,
        means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
        stds: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
        clamp: str = "above",
    ) -> None:
        if len(means) != 4 or len(stds) != 4 or min(stds) <= 0:
            raise InputError(f"expected 4 means and 4 positive stds, got {means} and {stds}")
        check_word("clamp", clamp, CLAMPS)
        self.means = tuple(means)
        self.stds = tuple(stds)
        self.clamp = clamp

    def encode(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """Deltas that turn each box into its target; inverse of `decode`.

        Args:
            boxes: (R, 4) float32 xyxy pixels, x2 > x1 and y2 > y1; R may be 0.
            targets: (R, 4) float32 xyxy pixels, x2 > x1 and y2 > y1.

        Returns:
            (R, 4) float32 (dx, dy, dw, dh), normalised, no unit.

        Raises:
            ValueError: `boxes` and `targets` differ in shape.
        """
        if boxes.shape != targets.shape:
            raise ValueError(f"boxes are {tuple(boxes.shape)}, targets {tuple(targets.shape)}")
        size = boxes[:, 2:] - boxes[:, :2]
        target_size = targets[:, 2:] - targets[:, :2]
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        target_centre = (targets[:, :2] + targets[:, 2:]) / 2
        deltas = torch.cat([(target_centre - centre) / size, (target_size / size).log()], dim=1)
        return (deltas - deltas.new_tensor(self.means)) / deltas.new_tensor(self.stds)

    def decode(self, boxes: Tensor, deltas: Tensor) -> Tensor:
        """Apply regression deltas to boxes; inverse of `encode`.

        Args:
            boxes: (R, 4) float32 xyxy pixels; R may be 0.
            deltas: (R, 4), or (R, G, 4) for G boxes from each; normalised, no unit.

        Returns:
            Shape of `deltas`, float32 xyxy pixels, not clipped to the picture.

        Raises:
            ValueError: `boxes` and `deltas` differ in length.
        """
        if boxes.shape[0] != deltas.shape[0]:
            raise ValueError(f"{len(boxes)} boxes but {len(deltas)} deltas")
        if deltas.dim() == 3:
            boxes = boxes[:, None, :]  # (R, 1, 4)
        deltas = deltas.float()
        deltas = deltas * deltas.new_tensor(self.stds) + deltas.new_tensor(self.means)
        size = boxes[..., 2:] - boxes[..., :2]
        centre = (boxes[..., :2] + boxes[..., 2:]) / 2
        centre = centre + deltas[..., :2] * size
        low, high = CLAMPS[self.clamp]
        half = size * deltas[..., 2:].clamp(low, high).exp() / 2
        return torch.cat([centre - half, centre + half], dim=-1)
