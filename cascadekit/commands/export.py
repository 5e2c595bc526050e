"""Write a detector for other programs to run."""

from __future__ import annotations

import argparse

from cascadekit.commands.shared import add_checkpoint, add_config

DESCRIPTION = """Write a trained detector as an ONNX file, or as a program of torch.export.

It takes RGB pictures of any size, resized but not normalised, and gives the boxes and scores of
every stage, the detections, and masks inside their boxes; docs/export.md shows how to run it.

Examples:
  python tools/export.py configs/cascade_mask_r50.py cascade.pth cascade.onnx
  python tools/export.py configs/cascade_r50.py cascade.pth cascade.pt2 --size 800 1344"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument("out", metavar="OUT.onnx|OUT.pt2", help="file to write")
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="height and width of all pictures, in pixels [any]",
    )
    parser.add_argument(
        "--opset", type=int, default=20, metavar="N", help="of ONNX operators, 18 to 23 [20]"
    )


def run(args: argparse.Namespace) -> None:
    """Load, export and say what was written."""
    from cascadekit.apis import load_config, load_detector
    from cascadekit.configuration import parse_options
    from cascadekit.export import export_detector

    config = load_config(args.config, options=parse_options(args.cfg_options))
    detector = load_detector(config, args.checkpoint, "cpu")
    file = export_detector(detector, args.out, args.size, args.opset)
    kind = "torch.export" if file.opset is None else f"ONNX opset {file.opset}"
    print(f"{file.path}: {kind}, {file.nodes} nodes, {file.path.stat().st_size / 1e6:.1f} MB")
    for name, shape in file.inputs.items():
        print(f"  takes {name}: uint8 RGB ({', '.join(map(str, shape))})")
    print(f"  gives {', '.join(file.outputs)}")
