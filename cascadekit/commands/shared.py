"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine import Config
    from torch.utils.data import DataLoader


def add_config(parser: argparse.ArgumentParser) -> None:
    """CONFIG and `--cfg-options`."""
    parser.add_argument("config", metavar="CONFIG", help="config file, e.g. configs/cascade_r50.py")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change values, e.g. model.roi_head.stage_loss=avg train_dataloader.batch_size=4",
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """CHECKPOINT."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="trained weights; the word shipped: those that come with the package, for "
        "configs/shapes/cascade_mask_shapes_tiny.py",
    )


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """`--data` and `--images`."""
    parser.add_argument(
        "--data",
        metavar="NAME|FILE|FOLDER",
        help=f"{what} this instead of the config's data: shapes (drawn, no download), coco, "
        "or a file or folder of COCO, VOC, KITTI, CityPersons, WiderFace or label pictures, with "
        ":SPLIT for one of its splits (docs/data.md); its classes are set everywhere",
    )
    parser.add_argument("--images", metavar="FOLDER", help="its pictures [beside the annotations]")


def add_machine(parser: argparse.ArgumentParser) -> None:
    """`--launcher` and `--device`."""
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm"],
        default="none",
        help="pytorch: started by torchrun, on several GPUs or (gloo) processes",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 [a GPU if there is one]")


def add_tta(parser: argparse.ArgumentParser) -> None:
    """`--tta`."""
    parser.add_argument(
        "--tta",
        action="store_true",
        help="look at each picture in several sizes, also mirrored, and merge what is found "
        "(configs/_base_/test_time_aug.py; change it with --cfg-options tta_views.flip=False)",
    )


def default_work_dir(config: str) -> str:
    """work_dirs/NAME for configs/.../NAME.py."""
    from pathlib import Path

    return str(Path("work_dirs") / Path(config).stem)


def look_at(
    config: Config, classes: Sequence[str] | None, data: str | None, images: str | None
) -> None:
    """Put `--data` in as what to test on: its val split, and the train split of a set that has one.

    Args:
        config: changed in place.
        classes: the detector's, in label order.
        data: `--data`; None: the config's own data stays.
        images: `--images`.
    """
    from cascadekit.data_choice import choose_data, has_validation

    if data is None:
        return
    whole = data if has_validation(data) else None
    choose_data(config, whole, images, data, images, classes=classes)


def open_training_pictures(
    config: Config, classes: Sequence[str] | None
) -> tuple[DataLoader | None, str]:
    """What a detector was trained on, as its config says; that which a training wrote knows it.

    Args:
        config: with a training set.
        classes: the detector's, in label order.

    Returns:
        The loader, or None and why there is none.
    """
    from cascadekit.apis import open_loader
    from cascadekit.errors import InputError

    try:
        loader = open_loader(config, "train")
    except InputError as error:
        return None, f"the config's training pictures cannot be read ({error})"
    own = tuple(loader.dataset.metainfo.get("classes") or ())
    if classes and own != tuple(classes):
        return None, (
            "the config's training set has other classes than the checkpoint; give the config that "
            "the training wrote into its folder"
        )
    return loader, ""
