"""KITTI, CityPersons and WiderFace to try things with: drawn on first use, read as real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cascadekit.datasets.citypersons import CityPersonsDataset
from cascadekit.datasets.drawn_cache import cached_folder
from cascadekit.datasets.drawn_folders import (
    VERSION,
    DrawnSet,
    draw_citypersons,
    draw_kitti,
    draw_widerface,
)
from cascadekit.datasets.kitti import KittiDataset
from cascadekit.datasets.widerface import WiderFaceDataset
from cascadekit.registry import DATASETS

VEHICLES = ("Car", "Van", "Truck")


def _folder(
    name: str, drawn: DrawnSet, root: str | None, draw: Callable[[Path, DrawnSet], None]
) -> Path:
    what = f"the drawn {name} set"
    drawn.check(what)
    key = f"drawn-{name}-v{VERSION}-{drawn.split}-{drawn.num_images}-seed{drawn.seed}"
    return cached_folder(key.lower(), what, root, lambda folder: draw(folder, drawn))


@DATASETS.register_module()
class DrawnKittiDataset(KittiDataset):
    """Drawn roads of 640 x 192 pixels, kept on disk as a KITTI folder and read as one."""

    def __init__(
        self,
        split: str = "train",
        num_images: int = 600,
        seed: int = 0,
        root: str | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = VEHICLES,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Draw the set if this machine does not have it, and read it.

        Args:
            split: "train" or "val"; they share no picture.
            num_images: how many pictures; a larger set begins with the smaller one's.
            seed: of the set.
            root: folder to keep sets in; None: $CASCADEKIT_DATA, else ~/.cache/cascadekit/data.
            pipeline: transforms, built or as config dicts.
            classes: the names to use, in label order.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: an argument is out of range, or the set cannot be written.
        """
        folder = _folder("KITTI", DrawnSet(split, num_images, seed), root, draw_kitti)
        super().__init__(
            image_dir=str(folder / "training" / "image_2"),
            label_dir=str(folder / "training" / "label_2"),
            split_file=str(folder / "ImageSets" / f"{split}.txt"),
            pipeline=pipeline,
            classes=classes,
            keep_empty=keep_empty,
            test_mode=test_mode,
            indices=indices,
            min_size=min_size,
        )


@DATASETS.register_module()
class DrawnCityPersonsDataset(CityPersonsDataset):
    """Drawn streets of 512 x 256 pixels, kept on disk as a CityPersons folder and read as one."""

    def __init__(
        self,
        split: str = "train",
        num_images: int = 600,
        seed: int = 0,
        root: str | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Draw the set if this machine does not have it, and read it.

        Args:
            split: as in `DrawnKittiDataset`, and likewise the others.
            num_images: how many pictures.
            seed: of the set.
            root: folder to keep sets in.
            pipeline: transforms, built or as config dicts.
            classes: names in label order; None: the pedestrians.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: which pictures to use.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: an argument is out of range, or the set cannot be written.
        """
        drawn = DrawnSet(split, num_images, seed)
        folder = _folder("CityPersons", drawn, root, draw_citypersons)
        super().__init__(
            image_dir=str(folder / "leftImg8bit" / split),
            ann_file=str(folder / "gtBboxCityPersons" / split),
            pipeline=pipeline,
            classes=classes,
            keep_empty=keep_empty,
            test_mode=test_mode,
            indices=indices,
            min_size=min_size,
        )


@DATASETS.register_module()
class DrawnWiderFaceDataset(WiderFaceDataset):
    """Drawn faces in pictures of 240 to 320 pixels, kept as a WiderFace folder and read as one."""

    def __init__(
        self,
        split: str = "train",
        num_images: int = 600,
        seed: int = 0,
        root: str | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Draw the set if this machine does not have it, and read it; val needs scipy.

        Args:
            split: as in `DrawnKittiDataset`, and likewise the others.
            num_images: how many pictures.
            seed: of the set.
            root: folder to keep sets in.
            pipeline: transforms, built or as config dicts.
            classes: ("face",) or None.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: which pictures to use.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: an argument is out of range, or the set cannot be written.
        """
        folder = _folder("WiderFace", DrawnSet(split, num_images, seed), root, draw_widerface)
        lists = folder / "wider_face_split"
        super().__init__(
            image_dir=str(folder / f"WIDER_{split}" / "images"),
            ann_file=str(lists / f"wider_face_{split}_bbx_gt.txt"),
            subset_dir=str(lists) if split == "val" else None,
            pipeline=pipeline,
            classes=classes,
            keep_empty=keep_empty,
            test_mode=test_mode,
            indices=indices,
            min_size=min_size,
        )
