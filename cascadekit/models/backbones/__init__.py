"""Backbones: images (B, 3, H, W) in, a tuple of feature maps out, finest first."""

from cascadekit.models.backbones.alexnet import AlexNet
from cascadekit.models.backbones.efficientnet_lite import EfficientNetLite0
from cascadekit.models.backbones.resnet import ResNet
from cascadekit.models.backbones.vgg import VGG

__all__ = ["VGG", "AlexNet", "EfficientNetLite0", "ResNet"]
