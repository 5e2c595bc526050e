"""Train a detector."""

from __future__ import annotations

import argparse

from cascadekit.commands.shared import add_config, add_data, add_machine, default_work_dir

DESCRIPTION = """Train the detector of a config.

Examples:
  python tools/train.py configs/shapes/cascade_mask_shapes.py
  python tools/train.py configs/lite/cascade_mask_lite.py --data my/train.json --images my/photos \\
      --val-data my/val.json --val-images my/photos --work-dir work_dirs/mine
  torchrun --nproc_per_node 8 tools/train.py configs/cascade_mask_r50.py --launcher pytorch"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_data(parser, "train on")
    parser.add_argument("--val-data", metavar="NAME|ANN.json|FOLDER", help="validate on this")
    parser.add_argument("--val-images", metavar="FOLDER", help="its pictures")
    parser.add_argument(
        "--schedule", metavar="NAME", help="another of configs/_base_/schedules, e.g. 1x, lite"
    )
    parser.add_argument("--work-dir", metavar="DIR", help="folder of the run [work_dirs/CONFIG]")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--seed", type=int, help="of all random numbers [a new one each time]")
    add_machine(parser)
    parser.add_argument("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> None:
    """Train."""
    from cascadekit.apis import load_config, train
    from cascadekit.configuration import parse_options
    from cascadekit.engine import leave_processes

    config = load_config(
        args.config,
        data=args.data,
        images=args.images,
        val_data=args.val_data,
        val_images=args.val_images,
        schedule=args.schedule,
        options=parse_options(args.cfg_options),
    )
    train(
        config,
        args.work_dir or default_work_dir(args.config),
        resume=args.resume,
        amp=args.amp,
        launcher=args.launcher,
        seed=args.seed,
        device=args.device,
    )
    leave_processes()
