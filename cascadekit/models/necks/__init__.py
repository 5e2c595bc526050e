"""Necks: the backbone's maps in, the pyramid that the heads read out, finest first."""

from cascadekit.models.necks.fpn import FPN

__all__ = ["FPN"]
