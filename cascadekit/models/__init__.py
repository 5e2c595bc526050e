"""Detectors and their parts. Start with `cascade_rcnn.py`.

Importing this package registers every part; a new one is registered by one import in its folder's
`__init__.py`.
"""

from cascadekit.models import backbones, necks, proposals, roi_heads, targets
from cascadekit.models.cascade_rcnn import CascadeRCNN
from cascadekit.models.preprocess import DetectionPreprocessor
from cascadekit.models.test_time_aug import TestTimeAug

__all__ = [
    "CascadeRCNN",
    "DetectionPreprocessor",
    "TestTimeAug",
    "backbones",
    "necks",
    "proposals",
    "roi_heads",
    "targets",
]
