"""Detectors and their parts. Start with `cascade_rcnn.py`.

Importing this package registers every part; a new one is added with one import below.
"""

from cascadekit.models.backbones import EfficientNetLite0, ResNet
from cascadekit.models.cascade_rcnn import CascadeRCNN
from cascadekit.models.necks import FPN
from cascadekit.models.preprocess import DetectionPreprocessor
from cascadekit.models.proposals import AnchorGenerator, RPNHead
from cascadekit.models.roi_heads import (
    BBoxHead,
    CascadeRoIHead,
    MaskHead,
    Postprocess,
    PyramidRoIAlign,
)
from cascadekit.models.targets import DeltaCoder, IoUAssigner, KeepAll, RandomSampler

__all__ = [
    "FPN",
    "AnchorGenerator",
    "BBoxHead",
    "CascadeRCNN",
    "CascadeRoIHead",
    "DeltaCoder",
    "DetectionPreprocessor",
    "EfficientNetLite0",
    "IoUAssigner",
    "KeepAll",
    "MaskHead",
    "Postprocess",
    "PyramidRoIAlign",
    "RPNHead",
    "RandomSampler",
    "ResNet",
]
