"""Checkpoints: read without running code, loaded whole or not at all, written atomically.

Weights of mmdetection, detectron2, torchvision and Detectron are told by their keys and brought
under our names wherever weights are read; `dialects` is the place to start.
"""

from __future__ import annotations

from cascadekit.checkpoints.mmdet import to_mmdet
from cascadekit.checkpoints.safe_load import (
    download,
    load_checkpoint_file,
    require_resumable,
    safe_runner_loading,
)
from cascadekit.checkpoints.translation import Translation
from cascadekit.checkpoints.weights import (
    SHIPPED,
    LoadReport,
    load_backbone,
    load_weights,
    read_state,
    read_trained,
    read_translation,
    save_weights,
)

__all__ = [
    "SHIPPED",
    "LoadReport",
    "Translation",
    "download",
    "load_backbone",
    "load_checkpoint_file",
    "load_weights",
    "read_state",
    "read_trained",
    "read_translation",
    "require_resumable",
    "safe_runner_loading",
    "save_weights",
    "to_mmdet",
]
