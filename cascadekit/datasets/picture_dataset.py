"""What our readers of annotation files share: which records are kept and how they go on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from cascadekit.datasets.records import Record, Tally, check_count, is_object, keep_for_training
from cascadekit.errors import InputError


class PictureDataset(BaseDataset, ABC):
    """A data set of records (see `records`); a reader gives `source` and `read_records`.

    `metainfo["classes"]` holds the K names in label order; `metainfo["has_masks"]` says whether
    any object has a usable segmentation. In training, pictures in which nothing can be learned are
    left out; in test mode all are kept. One line of the log says what was read and dropped.
    """

    def __init__(
        self,
        pipeline: Sequence[Any],
        classes: Sequence[str] | None,
        keep_empty: bool,
        test_mode: bool,
        indices: int | Sequence[int] | None,
        min_size: float,
    ) -> None:
        """Read and check the annotations; a reader sets its own attributes before.

        Args:
            pipeline: transforms, built or as config dicts.
            classes: the names to use, in label order; None: the reader's own choice.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: a fault of the files or arguments; the message names it.
        """
        self.classes = classes
        self.keep_empty = keep_empty
        self.min_size = min_size
        self.tally = Tally()
        super().__init__(
            data_prefix={"img": ""},  # each record has its whole path
            indices=indices,
            pipeline=list(pipeline),
            test_mode=test_mode,
        )

    @property
    @abstractmethod
    def source(self) -> str:
        """What messages call this data set."""

    @abstractmethod
    def read_records(self) -> tuple[tuple[str, ...], list[Record]]:
        """Class names in label order, and the records of all pictures; fills `tally`."""

    def load_data_list(self) -> list[Record]:
        """Records of all pictures, in the reader's order."""
        names, records = self.read_records()
        for name, count in Counter(record["img_id"] for record in records).most_common(1):
            if count > 1:
                raise InputError(f"{self.source}: {count} pictures are named {name!r}")
        self._metainfo["classes"] = names
        self._metainfo["has_masks"] = self.tally.no_mask < self.tally.objects
        return records

    def filter_data(self) -> list[Record]:
        """Records to use: all in test mode, else those that training can use."""
        records = self.data_list
        if not self.test_mode:
            records = keep_for_training(records, self.keep_empty, self.min_size, self.tally)
        summary = self.tally.summary(self.source, len(records), len(self._metainfo["classes"]))
        check_count(len(records), self._indices, self.source, f" ({summary})")
        print_log(summary, logger="current")
        return records

    def prepare_data(self, idx: int) -> Any:
        """What the pipeline makes of record `idx`; an InputError of a transform passes through."""
        info = self.get_data_info(idx)
        info["test_mode"] = self.test_mode
        info["has_masks"] = self._metainfo["has_masks"]
        return self.pipeline(info)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels in picture `idx`, for mmengine's `ClassBalancedDataset`."""
        return [i["label"] for i in self.get_data_info(idx)["instances"] if is_object(i)]
