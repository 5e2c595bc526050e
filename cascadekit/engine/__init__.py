"""What the mmengine Runner needs from us: optimizer groups and hooks."""

from cascadekit.engine.head_learning_rate import HeadLearningRate
from cascadekit.engine.hooks import CheckData, StopOnInvalidLoss, save_interrupted
from cascadekit.engine.log import DetectionRunner, StageLog, leave_processes
from cascadekit.engine.random_state import KeepRandomState

__all__ = [
    "CheckData",
    "DetectionRunner",
    "HeadLearningRate",
    "KeepRandomState",
    "StageLog",
    "StopOnInvalidLoss",
    "leave_processes",
    "save_interrupted",
]
