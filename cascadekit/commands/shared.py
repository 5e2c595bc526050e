"""Arguments that several commands share."""

from __future__ import annotations

import argparse


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
