"""Heads on regions of interest: pooling, box and mask heads, and the cascade that runs them."""

from cascadekit.models.roi_heads.bbox_head import BBoxHead
from cascadekit.models.roi_heads.cascade_roi_head import CascadeRoIHead
from cascadekit.models.roi_heads.context_pool import ContextPool
from cascadekit.models.roi_heads.corner_roi_align import CornerRoIAlign
from cascadekit.models.roi_heads.ensemble import StageEnsemble
from cascadekit.models.roi_heads.mask_head import MaskHead
from cascadekit.models.roi_heads.postprocess import Postprocess
from cascadekit.models.roi_heads.rfcn_head import PSRoIPool, RFCNHead
from cascadekit.models.roi_heads.roi_max_pool import RoIPool
from cascadekit.models.roi_heads.roi_pool import PyramidRoIAlign
from cascadekit.models.roi_heads.stage_flow import StageFlow

__all__ = [
    "BBoxHead",
    "CascadeRoIHead",
    "ContextPool",
    "CornerRoIAlign",
    "MaskHead",
    "PSRoIPool",
    "Postprocess",
    "PyramidRoIAlign",
    "RFCNHead",
    "RoIPool",
    "StageEnsemble",
    "StageFlow",
]
