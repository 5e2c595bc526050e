"""Say what each stage of a detector does on a data set, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cascadekit.commands.shared import (
    add_checkpoint,
    add_config,
    add_data,
    default_work_dir,
    look_at,
    open_training_pictures,
)

if TYPE_CHECKING:
    from mmengine import Config
    from torch import nn
    from torch.utils.data import DataLoader

DESCRIPTION = """Measure what each stage does on a data set, and write one report in plain words.

Runs every instrument of the quality lab: errors of each stage and what it mends or breaks, AP by
IoU, every head on every stage's boxes, localisation, classification, recall, other proposals, and
what the stages train on. Writes report.html (one file, no network) and report.json (all numbers).

Examples:
  python tools/diagnose.py configs/shapes/cascade_mask_shapes.py work_dirs/demo/iter_400.pth
  python tools/diagnose.py configs/lite/cascade_lite.py run/iter_900.pth --data my/test.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_checkpoint(parser)
    add_data(parser, "look at")
    parser.add_argument(
        "--max-images",
        type=int,
        default=200,
        metavar="N",
        help="the first N pictures, and as many training pictures; all are held in memory [200]",
    )
    parser.add_argument(
        "--score",
        type=float,
        default=0.3,
        help="detections below this score count as not shown in the anatomy of errors [0.3]",
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the report [work_dirs/NAME_report]")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 [a GPU if there is one]")


def run(args: argparse.Namespace) -> None:
    """Record, run all instruments, write."""
    from pathlib import Path

    from cascadekit.apis import load_config, load_detector, open_loader, read_picture
    from cascadekit.configuration import parse_options
    from cascadekit.errors import InputError
    from cascadekit.quality.diagnosis import diagnose
    from cascadekit.quality.report import write_report

    if args.max_images < 1:
        raise InputError(f"--max-images must be 1 or more, got {args.max_images}")
    if not 0 <= args.score <= 1:
        raise InputError(f"--score must lie in [0, 1], got {args.score:g}")
    config = load_config(args.config, options=parse_options(args.cfg_options))
    detector = load_detector(config, args.checkpoint, args.device)
    look_at(config, detector.classes, args.data, args.images)
    loader = open_loader(config, "test")
    _check_classes(detector, loader)
    data = _name(config, args.data, loader)
    train_loader, no_samples = open_training_pictures(config, detector.classes)
    report = diagnose(
        detector,
        loader,
        train_loader,
        max_images=args.max_images,
        title=f"Diagnosis of {Path(args.config).stem}",
        facts={"Config": args.config, "Checkpoint": args.checkpoint, "Data": data},
        read_picture=read_picture,
        no_samples=no_samples,
        score_threshold=args.score,
    )
    page, numbers = write_report(report, args.out or default_work_dir(args.config) + "_report")
    print(*(f"- {text}" for each in report.sections for text in each.findings[:1]), sep="\n")
    print(f"report: {page}\nnumbers: {numbers}")


def _check_classes(detector: nn.Module, loader: DataLoader) -> None:
    """Raise where the data set's labels mean something else to the detector."""
    from cascadekit.errors import InputError

    own = tuple(loader.dataset.metainfo.get("classes") or ())
    if detector.classes and own != tuple(detector.classes):
        raise InputError(
            f"the checkpoint was trained on the classes {', '.join(detector.classes)}, and the "
            f"config's test data has {', '.join(own)}: name the data with --data"
        )


def _name(config: Config, data: str | None, loader: DataLoader) -> str:
    """What to call the data, and how many pictures they are."""
    chosen = config.test_dataloader.dataset
    named = (data, chosen.get("ann_file"), chosen.get("image_dir"), chosen["type"])
    return f"{next(str(name) for name in named if name)}, {len(loader.dataset)} pictures"
