"""From boxes to training targets: delta coding, matching with ground truth, sampling."""

from cascadekit.models.targets.assigner import IoUAssigner
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.models.targets.sampler import KeepAll, RandomSampler

__all__ = ["DeltaCoder", "IoUAssigner", "KeepAll", "RandomSampler"]
