"""Batches of pictures that are shaped alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import BatchSampler, Sampler

from cascadekit.errors import InputError
from cascadekit.registry import DATA_SAMPLERS

UNKNOWN, LANDSCAPE, PORTRAIT = -1, 0, 1


@DATA_SAMPLERS.register_module()
class AspectRatioBatchSampler(BatchSampler):
    """Batches of landscape or of portrait pictures, so that padding stays small.

    What is left of both groups at the end of an epoch is batched together: every index of the
    sampler comes exactly once, and the number of batches is the same as without grouping, on
    every process. Square pictures count as landscape.

    Use as `batch_sampler=dict(type="cascadekit.AspectRatioBatchSampler")` of a data loader.
    """

    def __init__(self, sampler: Sampler[int], batch_size: int, drop_last: bool = False) -> None:
        """Remember the parts; no record is read yet.

        Args:
            sampler: gives indices; its `dataset` (or `data_source`) must have `get_data_info`.
            batch_size: pictures per batch.
            drop_last: leave out the last batch where it is not full.

        Raises:
            InputError: `batch_size` is not a positive int, or the data set has no records.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size must be a whole number of 1 or more, got {batch_size!r}")
        dataset: Any = getattr(sampler, "dataset", getattr(sampler, "data_source", None))
        if not hasattr(dataset, "get_data_info"):
            raise InputError(
                f"AspectRatioBatchSampler needs a sampler whose dataset has get_data_info, got "
                f"{type(sampler).__name__} of {type(dataset).__name__}; use "
                "sampler=dict(type='DefaultSampler') or leave batch_sampler out"
            )
        super().__init__(sampler, batch_size, drop_last)
        self.dataset = dataset
        # Filled as indices come: reading a record costs more than this sampler should at start.
        self._shape = np.full(len(dataset), UNKNOWN, np.int8)

    def _shape_of(self, index: int) -> int:
        if self._shape[index] == UNKNOWN:
            info = self.dataset.get_data_info(index)
            self._shape[index] = PORTRAIT if info["height"] > info["width"] else LANDSCAPE
        return int(self._shape[index])

    def __iter__(self) -> Iterator[list[int]]:
        """Lists of `batch_size` indices; only the last may be shorter or mixed."""
        groups: list[list[int]] = [[], []]
        for index in self.sampler:
            group = groups[self._shape_of(index)]
            group.append(index)
            if len(group) == self.batch_size:
                yield list(group)
                group.clear()
        rest = groups[LANDSCAPE] + groups[PORTRAIT]  # fewer than 2 * batch_size
        for start in range(0, len(rest), self.batch_size):
            batch = rest[start : start + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        """Batches per epoch; grouping does not change their number."""
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full if self.drop_last else full + (rest > 0)
