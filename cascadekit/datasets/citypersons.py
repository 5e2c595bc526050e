"""CityPersons: pedestrians in the pictures of Cityscapes, each with its full and visible box."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cascadekit.datasets.citypersons_files import (
    LABELS,
    PersonPicture,
    PersonRow,
    read_citypersons,
)
from cascadekit.datasets.picture_dataset import PictureDataset
from cascadekit.datasets.records import (
    Record,
    add_instance,
    add_region,
    check_image_dir,
    picture_size,
    select_classes,
)
from cascadekit.errors import InputError, did_you_mean
from cascadekit.registry import DATASETS

CLASSES = ("pedestrian",)


@DATASETS.register_module()
class CityPersonsDataset(PictureDataset):
    """Pictures of Cityscapes with CityPersons' boxes; gives the same records as `CocoDataset`.

    `bbox` is the full box. Instances also have `name` (one of `LABELS`), `visible_bbox` (xyxy,
    pixels of the file; None where only a ratio is known) and `visible_ratio`. Ignore regions and
    the labels of `ignore_classes` are regions that training and evaluation ignore, with `iscrowd`
    1: what lies inside is ignored, as the benchmark does it. `devkit` of a record has the keyword
    arguments of `evaluation.miss_rate.PersonTruth`, in which all but pedestrians is ignored.

    The `img_id` is the benchmark's number of the picture, and `metainfo["category_ids"]` its
    numbers of the classes, so that results are written as its evaluation reads them. Sizes are
    read from the pictures. Boxes are taken as they are, counted from 0.
    """

    def __init__(
        self,
        image_dir: str,
        ann_file: str,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        ignore_classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Read and check the annotations.

        Args:
            image_dir: folder of the pictures or of the cities' folders, e.g. leftImg8bit/train.
            ann_file: anno_train.mat (needs scipy), val_gt.json, or the folder
                gtBboxCityPersons/train.
            pipeline: transforms, built or as config dicts.
            classes: names of `LABELS` in label order; None: the pedestrians.
            ignore_classes: names whose objects are regions to ignore; None: all of `LABELS` that
                are no class; () only the ignore regions. Others are left out.
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
        self.ignore_classes = ignore_classes
        super().__init__(pipeline, classes, keep_empty, test_mode, indices, min_size)

    @property
    def source(self) -> str:
        """What messages call this data set."""
        return os.fspath(self.ann_path)

    def read_records(self) -> tuple[tuple[str, ...], list[Record]]:
        """Class names and records, in the order of the annotations."""
        check_image_dir(self.image_dir)
        people = LABELS[1:]
        names = select_classes(people, CLASSES if self.classes is None else self.classes, "LABELS")
        ignored = {LABELS[0]}
        if self.ignore_classes is None:
            ignored |= set(people) - set(names)
        elif len(self.ignore_classes):
            ignored |= set(select_classes(people, self.ignore_classes, "LABELS (ignore_classes)"))
        both = sorted(ignored & set(names))
        if both:
            raise InputError(f"{both[0]!r} is in classes and in ignore_classes: choose one")
        self._metainfo["category_ids"] = tuple(LABELS.index(name) for name in names)
        pictures = read_citypersons(self.ann_path)
        return names, [self._record(picture, names, ignored) for picture in pictures]

    def _record(self, picture: PersonPicture, names: tuple[str, ...], ignored: set[str]) -> Record:
        path = self._find(picture.name)
        width, height = picture_size(path)
        record: Record = {
            "img_path": str(path),
            "img_id": picture.number,
            "height": height,
            "width": width,
            "instances": [],
            "devkit": {
                "boxes_xywh": [list(row.box_xywh) for row in picture.rows],
                "visible": [row.ratio for row in picture.rows],
                "ignored": [row.label != 1 for row in picture.rows],
            },
        }
        for row in picture.rows:
            name, box = LABELS[row.label], _corners(row.box_xywh)
            instance = _instance(row, name in ignored)
            if name in ignored:
                add_region(record, box, range(len(names)), instance, self.tally)
            elif name in names:
                label = {"label": names.index(name)}
                add_instance(record, box, {**instance, **label}, self.tally)
        return record

    def _find(self, name: str) -> Path:
        """The picture, in its city's folder or in no folder."""
        folder = Path(self.image_dir)
        tries = (folder / name.split("_")[0] / name, folder / name)
        for path in tries:
            if path.is_file():
                return path
        known = [p.name for p in folder.iterdir() if p.is_dir()]
        raise InputError(
            f"{self.ann_path} has {name!r}, but there is neither {tries[0]} nor {tries[1].name} in "
            f"{folder}: is image_dir that of the same split (folders there: "
            f"{', '.join(sorted(known)[:5]) or 'none'})?{did_you_mean(name.split('_')[0], known)}"
        )


def _corners(xywh: Sequence[float]) -> list[float]:
    x, y, w, h = xywh
    return [x, y, x + w, y + h]


def _instance(row: PersonRow, ignored: bool) -> dict[str, Any]:
    return {
        "area": None,
        "iscrowd": int(ignored),
        "ignore": int(ignored),
        "segmentation": None,
        "name": LABELS[row.label],
        "visible_bbox": None if row.visible_xywh is None else _corners(row.visible_xywh),
        "visible_ratio": row.ratio,
    }
