"""WiderFace: faces of all sizes, in pictures sorted by 61 kinds of events."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cascadekit.datasets.picture_dataset import PictureDataset
from cascadekit.datasets.records import (
    Record,
    add_instance,
    check_image_dir,
    picture_size,
    select_classes,
)
from cascadekit.datasets.widerface_files import (
    FLAGS,
    FacePicture,
    Members,
    members_of,
    read_subsets,
    read_widerface,
)
from cascadekit.registry import DATASETS

CLASSES = ("face",)
INVALID = FLAGS.index("invalid")


@DATASETS.register_module()
class WiderFaceDataset(PictureDataset):
    """Pictures of WiderFace; gives the same records as `CocoDataset`.

    Instances also have `blur`, `expression`, `illumination`, `invalid`, `occlusion` and `pose`, -1
    where the file has only boxes, and with `subset_dir` the flags `easy`, `medium`, `hard`. Faces
    marked invalid become regions that training and evaluation ignore; faces without width or height
    are dropped and counted; the row 0 0 0 0 of a picture without faces is no face. With
    `subset_dir`, `devkit` of a record has the keyword arguments of
    `evaluation.widerface_ap.FaceTruth`, with all rows.

    The `img_id` is EVENT/PICTURE without suffix. Sizes are read from the pictures.
    """

    def __init__(
        self,
        image_dir: str,
        ann_file: str,
        subset_dir: str | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Read and check the annotations.

        Args:
            image_dir: folder of the events' folders, e.g. WIDER_val/images.
            ann_file: wider_face_split/wider_face_val_bbx_gt.txt, or wider_face_val.mat beside it
                (needs scipy).
            subset_dir: folder of wider_easy_val.mat, wider_medium_val.mat and wider_hard_val.mat
                (needs scipy); None for other splits.
            pipeline: transforms, built or as config dicts.
            classes: ("face",) or None.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: a fault of the files or arguments; the message names it.
        """
        self.image_dir = image_dir
        self.ann_path = ann_file  # BaseDataset has an ann_file of its own
        self.subset_dir = subset_dir
        super().__init__(pipeline, classes, keep_empty, test_mode, indices, min_size)

    @property
    def source(self) -> str:
        """What messages call this data set."""
        return os.fspath(self.ann_path)

    def read_records(self) -> tuple[tuple[str, ...], list[Record]]:
        """Class names and records, in the order of the annotations."""
        check_image_dir(self.image_dir)
        names = select_classes(CLASSES, self.classes, "WiderFace")
        pictures = read_widerface(self.ann_path)
        subsets = None if self.subset_dir is None else read_subsets(self.subset_dir)
        return names, [self._record(picture, subsets) for picture in pictures]

    def _record(self, picture: FacePicture, subsets: Members | None) -> Record:
        path = Path(self.image_dir) / f"{picture.name}.jpg"
        width, height = picture_size(path)
        where = f"in {self.subset_dir} does not fit {self.ann_path}"
        members = {} if subsets is None else members_of(picture, subsets, where)
        record: Record = {
            "img_path": str(path),
            "img_id": picture.name,
            "height": height,
            "width": width,
            "instances": [],
        }
        if subsets is not None:
            flags = {subset: column.tolist() for subset, column in members.items()}
            record["devkit"] = {"boxes_xywh": picture.boxes_xywh.tolist(), **flags}
        rows = zip(picture.boxes_xywh.tolist(), picture.flags.tolist(), strict=True)
        for k, ((x, y, w, h), flags) in enumerate(rows):
            if picture.is_dummy[k]:
                continue
            instance = {
                "label": 0,
                "area": None,
                "iscrowd": 0,
                "ignore": int(flags[INVALID] == 1),
                "segmentation": None,
                **dict(zip(FLAGS, flags, strict=True)),
                **{subset: bool(column[k]) for subset, column in members.items()},
            }
            add_instance(record, [x, y, x + w, y + h], instance, self.tally)
        return record
