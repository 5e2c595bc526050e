"""From a list of uint8 pictures to one normalised, padded batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from cascadekit.registry import MODELS


@MODELS.register_module()
class DetectionPreprocessor(ImgDataPreprocessor):
    """mmengine's preprocessor (BGR to RGB, normalise, pad right and below), in channels-last order.

    The memory order changes no value; convolutions and the CPU form of RoIAlign run faster in it.
    `forward` takes {"inputs": list of (3, H, W) uint8, "data_samples": list} and gives the same
    with inputs (B, 3, H', W') float32, H' and W' multiples of `pad_size_divisor`. Both may also be
    lists of V views (see `datasets.TestViews`), and then both come out as lists of V.
    """

    def forward(self, data: Any, training: bool = False) -> Any:
        """Move to the device, normalise and stack."""
        if isinstance(data["inputs"], list) and isinstance(data["inputs"][0], list | tuple):
            pairs = zip(data["inputs"], data["data_samples"], strict=True)
            views = [self({"inputs": [*i], "data_samples": [*s]}, training) for i, s in pairs]
            return {key: [view[key] for view in views] for key in ("inputs", "data_samples")}
        data = super().forward(data, training)
        data["inputs"] = data["inputs"].contiguous(memory_format=torch.channels_last)
        return data

    def prepare(self, pictures: Tensor) -> Tensor:
        """What `forward` makes of pictures of one size, in operations that can be exported.

        Args:
            pictures: (B, 3, H, W) uint8 or float32 0..255, BGR as the data sets read them.

        Returns:
            (B, 3, H', W') float32.
        """
        if self._channel_conversion:
            pictures = pictures.flip(1)
        pixels = pictures.float()
        if self._enable_normalize:
            pixels = (pixels - self.mean) / self.std
        height, width = pixels.shape[2:]
        step = self.pad_size_divisor
        below = (height + step - 1) // step * step - height
        right = (width + step - 1) // step * step - width
        return F.pad(pixels, (0, right, 0, below), value=self.pad_value)
