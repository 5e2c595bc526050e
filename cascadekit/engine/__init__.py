"""What the mmengine Runner needs from us: optimizer groups and hooks."""

from cascadekit.engine.head_learning_rate import HeadLearningRate
from cascadekit.engine.hooks import CheckData, StopOnInvalidLoss, save_interrupted
from cascadekit.engine.interruption import StopBetweenIterations, TrainingInterrupted
from cascadekit.engine.log import DetectionRunner, StageLog, leave_processes, quiet_console
from cascadekit.engine.progress import Reporter, ReportProgress, TrainingReport
from cascadekit.engine.random_state import KeepRandomState

__all__ = [
    "CheckData",
    "DetectionRunner",
    "HeadLearningRate",
    "KeepRandomState",
    "ReportProgress",
    "Reporter",
    "StageLog",
    "StopBetweenIterations",
    "StopOnInvalidLoss",
    "TrainingInterrupted",
    "TrainingReport",
    "leave_processes",
    "quiet_console",
    "save_interrupted",
]
