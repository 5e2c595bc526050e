"""Upsampling as Caffe does it, with a deconvolution whose bilinear weights are fixed."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def magnify(features: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Twice the size, bilinear; the map goes on with zeros outside.

    Args:
        features: (B, C, H, W); H and W at least 1.
        size: (height, width) of the result, at most (2H + 2, 2W + 2); None: (2H, 2W).

    Returns:
        (B, C, height, width); the outermost rows and columns of 2H, 2W are 3/4 of the nearest
        pixel.

    Source: what a deconvolution with a fixed bilinear 4 x 4 kernel, stride 2 and padding 1 gives
    (the released Caffe code of FPN+ and MS-CNN), by interpolation, which spares C convolutions.
    """
    height, width = size or (2 * features.shape[2], 2 * features.shape[3])
    padded = F.pad(features, (1, 1, 1, 1))
    doubled = F.interpolate(padded, scale_factor=2, mode="bilinear")  # (B, C, 2H + 4, 2W + 4)
    return doubled[:, :, 2 : 2 + height, 2 : 2 + width]
