"""Backbones: images (B, 3, H, W) in, a tuple of feature maps out, finest first."""

from cascadekit.models.backbones.efficientnet_lite import EfficientNetLite0
from cascadekit.models.backbones.resnet import ResNet

__all__ = ["EfficientNetLite0", "ResNet"]
