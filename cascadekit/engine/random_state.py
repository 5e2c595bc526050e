"""A run that goes on from a checkpoint draws the same random numbers as if it had not stopped."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook

from cascadekit.registry import HOOKS

KEY = "random_state"


@HOOKS.register_module()
class KeepRandomState(Hook):
    """Keeps the random numbers' state in checkpoints, and takes it up again on resume.

    On a CPU, with one process and pictures loaded in it (`num_workers=0`), weights then are the
    same to the bit as without the interruption. Loader processes and GPUs have states of their own.
    """

    def __init__(self) -> None:
        self._state: dict[str, Any] | None = None

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add the state."""
        checkpoint[KEY] = random_state()

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Remember the state of the checkpoint that the run goes on from."""
        if getattr(runner, "_resume", False):
            self._state = checkpoint.get(KEY)

    def before_train_epoch(self, runner: Any) -> None:
        """Take it up, before the next picture is read."""
        if self._state is not None:
            restore(self._state)

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: dict[str, Any] | None = None
    ) -> None:
        """Once more torch's, from which a new data loader has drawn its seed."""
        if self._state is not None:
            torch.set_rng_state(self._state["torch"])
            self._state = None


def random_state() -> dict[str, Any]:
    """State of Python's, numpy's and torch's (CPU) random numbers, as tensors and plain values."""
    version, words, spare = random.getstate()
    kind, keys, position, has_spare, numpy_spare = np.random.get_state()
    return {
        "python": [version, torch.tensor(words, dtype=torch.int64), spare],
        "numpy": [
            *(str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64))),
            *(int(position), int(has_spare), float(numpy_spare)),
        ],
        "torch": torch.get_rng_state(),
    }


def restore(state: dict[str, Any]) -> None:
    """Set the random numbers' state to what `random_state` gave."""
    version, words, spare = state["python"]
    random.setstate((version, tuple(words.tolist()), spare))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
