"""From boxes to training targets: delta coding, matching with ground truth, sampling."""

from cascadekit.models.targets.assigner import IoUAssigner
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.models.targets.bounded_coder import BoundedDeltaCoder
from cascadekit.models.targets.centre_match import CentreMatchAssigner
from cascadekit.models.targets.negative_sampler import NegativeSampler
from cascadekit.models.targets.sampler import KeepAll, RandomSampler
from cascadekit.models.targets.template_assigner import TemplateAssigner

__all__ = [
    "BoundedDeltaCoder",
    "CentreMatchAssigner",
    "DeltaCoder",
    "IoUAssigner",
    "KeepAll",
    "NegativeSampler",
    "RandomSampler",
    "TemplateAssigner",
]
