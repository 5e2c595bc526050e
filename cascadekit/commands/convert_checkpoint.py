"""Bring weights of another framework under our names, or ours under mmdetection's."""

from __future__ import annotations

import argparse

DESCRIPTION = """Convert weights from other frameworks, or to mmdetection.

Reads mmdetection 2.x and 3.x, detectron2, torchvision, Detectron (Caffe2) and cascadekit: a file's
keys tell whose they are. No file needs this to be loaded, as train, test and predict convert by
themselves. It shows what became of every key; docs/weights.md has the config for each source.

Examples:
  python tools/convert_checkpoint.py model_final_280758.pkl faster_r50.safetensors
  python tools/convert_checkpoint.py cascade_mask_rcnn.pth ours.pth --config configs/cascade_r50.py
  python tools/convert_checkpoint.py run/epoch_12.pth theirs.pth --to mmdet"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("source", metavar="IN", help="a .pth, .pkl or .safetensors file")
    parser.add_argument("target", metavar="OUT", help="a .safetensors, .pth or .pt file to write")
    parser.add_argument(
        "--to",
        choices=["cascadekit", "mmdet"],
        default="cascadekit",
        help="whose names to write [cascadekit]",
    )
    parser.add_argument("--config", help="check against the model of this config")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change values of it"
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="write what has a counterpart, and with --config what fits, and leave the rest out",
    )
    parser.add_argument(
        "--norm-eps",
        type=float,
        metavar="EPS",
        help="epsilon the batch norms were used with, torchvision's weights only: 0 if they were "
        "trained further from its COCO_V1 [0 for these two files, else 1e-5]",
    )
    parser.add_argument(
        "--drop-unused",
        action="store_true",
        help='leave out classes called "N/A": of the 90 of torchvision\'s COCO weights the 80 of '
        "COCO's files and our configs remain",
    )
    parser.add_argument(
        "--half", action="store_true", help="16-bit floats, for a file of half the size"
    )
    parser.add_argument("--verbose", action="store_true", help="list every key")


def run(args: argparse.Namespace) -> None:
    """Convert, print the account, write."""
    from cascadekit.apis import load_config, model_shapes
    from cascadekit.checkpoints import read_translation
    from cascadekit.checkpoints.class_rows import drop_unused
    from cascadekit.checkpoints.conversion import convert, format_account, halved, write
    from cascadekit.configuration import parse_options

    shapes = None
    if args.config is not None:
        shapes = model_shapes(load_config(args.config, options=parse_options(args.cfg_options)))
    found = read_translation(args.source, args.norm_eps)
    if args.drop_unused:
        found = drop_unused(found)
    converted = convert(found, args.to, shapes)
    print(format_account(converted, args.verbose))
    print(write(halved(converted) if args.half else converted, args.target, args.partial))
