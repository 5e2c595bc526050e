"""What the mmengine Runner needs from us: optimizer groups and hooks."""

from cascadekit.engine.head_learning_rate import HeadLearningRate
from cascadekit.engine.hooks import CheckData, StopOnInvalidLoss, save_interrupted

__all__ = ["CheckData", "HeadLearningRate", "StopOnInvalidLoss", "save_interrupted"]
