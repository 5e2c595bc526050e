"""Checkpoints: read without running code, loaded whole or not at all, written atomically."""

from __future__ import annotations

from cascadekit.checkpoints.safe_load import (
    download,
    load_checkpoint_file,
    require_resumable,
    safe_runner_loading,
)
from cascadekit.checkpoints.weights import (
    LoadReport,
    load_backbone,
    load_weights,
    read_state,
    read_trained,
    save_weights,
)

__all__ = [
    "LoadReport",
    "download",
    "load_backbone",
    "load_checkpoint_file",
    "load_weights",
    "read_state",
    "read_trained",
    "require_resumable",
    "safe_runner_loading",
    "save_weights",
]
