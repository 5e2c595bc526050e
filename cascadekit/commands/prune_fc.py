"""Prune the fully connected layers of an ImageNet VGG or AlexNet for a cascade."""

from __future__ import annotations

import argparse

DESCRIPTION = """Cut a VGG or AlexNet detector's first weights out of an ImageNet network.

Keeps the units of fc6 and fc7 with the largest incoming weights, 2048 of 4096 as in the paper, and
writes them for every stage, with the convolutions, under the names of our detectors. To start from
the file, a config says load_from="FILE" and model.backbone.weights=None.

Examples:
  python tools/prune_fc.py torchvision://vgg16 weights/vgg16_2048.safetensors
  python tools/prune_fc.py alexnet.pth alexnet_base.safetensors --stages 1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "source", metavar="SOURCE", help="torchvision://vgg16, torchvision://alexnet or a file"
    )
    parser.add_argument("out", metavar="OUT", help="file to write: .safetensors, .pth or .pt")
    parser.add_argument(
        "--units", type=int, default=2048, metavar="N", help="units of fc6 and of fc7 [2048]"
    )
    parser.add_argument(
        "--stages", type=int, default=3, metavar="S", help="box heads to write; 1: base [3]"
    )


def run(args: argparse.Namespace) -> None:
    """Read, prune, write, and say what was kept."""
    from cascadekit.checkpoints import read_state, save_weights
    from cascadekit.checkpoints.prune_fc import prune_fc

    pruned = prune_fc(read_state(args.source), args.units, args.stages)
    file = save_weights(pruned.state, args.out)
    print(pruned.table())
    print(f"wrote {file}")
