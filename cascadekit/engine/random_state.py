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
        # After which iteration, and the state then: a run that is interrupted is saved as it was
        # after its last whole iteration, and has drawn for the next one already.
        self._kept: tuple[int, dict[str, Any]] | None = None
        self._before_val: dict[str, Any] | None = None

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add the state."""
        done = checkpoint.get("meta", {}).get("iter")
        kept = self._kept is not None and self._kept[0] == done
        checkpoint[KEY] = self._kept[1] if kept else random_state()

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Remember the state of the checkpoint that the run goes on from."""
        if getattr(runner, "_resume", False) and KEY in checkpoint:
            self._state = checkpoint[KEY]
            self._kept = (checkpoint.get("meta", {}).get("iter", 0), self._state)

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

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Keep the state of a whole iteration."""
        self._kept = (runner.iter + 1, random_state())

    def before_val(self, runner: Any) -> None:
        """Validation draws numbers too, and a run that goes on after it does not validate again."""
        self._before_val = random_state()

    def after_val(self, runner: Any) -> None:
        """Training goes on as if there had been no validation."""
        if self._before_val is not None:
            restore(self._before_val)
            self._before_val = None


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
