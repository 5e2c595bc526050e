"""Necks: the backbone's maps in, the pyramid that the heads read out, finest first."""

from cascadekit.models.necks.fpn import FPN
from cascadekit.models.necks.fpn_plus import FPNPlus
from cascadekit.models.necks.mscnn_neck import MSCNNNeck

__all__ = ["FPN", "FPNPlus", "MSCNNNeck"]
