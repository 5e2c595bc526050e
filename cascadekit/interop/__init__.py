"""Our parts with the calls of mmdetection's; mmdetection is imported only when they are used."""

from cascadekit.interop.mmdet_coder import MMDetCoder
from cascadekit.interop.mmdet_roi_head import MMDetRoIHead
from cascadekit.interop.mmdet_sampler import MMDetSampler

__all__ = ["MMDetCoder", "MMDetRoIHead", "MMDetSampler"]
