"""Write the proposals of a detector."""

from __future__ import annotations

import argparse

from cascadekit.commands.shared import add_checkpoint, add_config

DESCRIPTION = """Write a detector's proposals, or its boxes after any stage, to a file.

A Fast R-CNN (configs/fast_r50.py) is trained and tested on such files, one for each split.

Examples:
  python tools/dump_proposals.py configs/faster_r50.py faster.pth proposals/train.safetensors
  python tools/dump_proposals.py configs/cascade_r50.py cascade.pth stage2.safetensors \\
      --split val --stage 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument("out", metavar="OUT", help="file to write, ending in .safetensors")
    parser.add_argument(
        "--split",
        choices=["train", "val", "test"],
        default="train",
        help="whose pictures: those of this data loader of the config [train]",
    )
    parser.add_argument(
        "--stage",
        type=int,
        default=0,
        metavar="K",
        help="0: proposals, as they enter stage 1; K: boxes after stage K, with the best class "
        "score of its head [0]",
    )
    parser.add_argument(
        "--most", type=int, default=1000, metavar="N", help="the best N of each picture [1000]"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 [a GPU if there is one]")


def run(args: argparse.Namespace) -> None:
    """Run the detector and write."""
    from cascadekit.apis import dump_proposals, load_config
    from cascadekit.configuration import parse_options

    dump_proposals(
        load_config(args.config, options=parse_options(args.cfg_options)),
        args.checkpoint,
        args.out,
        split=args.split,
        stage=args.stage,
        most=args.most,
        device=args.device,
    )
