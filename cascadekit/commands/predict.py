"""Detect objects in pictures."""

from __future__ import annotations

import argparse

from cascadekit.commands.shared import add_checkpoint, add_config, add_tta

DESCRIPTION = """Detect objects in a picture or a folder of pictures.

Writes predictions.json (COCO results with file names) and one PNG per picture with boxes and masks;
with --stages also NAME_stages.png, a strip of the boxes of every stage.

Example:
  python tools/predict.py configs/shapes/cascade_mask_shapes.py run/iter_400.pth photos/ --stages"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_checkpoint(parser)
    parser.add_argument("source", metavar="IMAGE|FOLDER", help="a picture or a folder of them")
    parser.add_argument("--out", default="predictions", metavar="DIR", help="[predictions]")
    parser.add_argument("--stages", action="store_true", help="also draw the boxes of each stage")
    parser.add_argument(
        "--score", type=float, default=0.3, help="least score drawn; the json has all [0.3]"
    )
    add_tta(parser)
    parser.add_argument("--device", help="cpu, cuda, cuda:1 [a GPU if there is one]")


def run(args: argparse.Namespace) -> None:
    """Predict, write and draw."""
    from cascadekit.apis import image_files, load_config, load_detector, predict
    from cascadekit.configuration import parse_options
    from cascadekit.prediction_files import write_predictions

    files = image_files(args.source)
    config = load_config(args.config, options=parse_options(args.cfg_options))
    detector = load_detector(config, args.checkpoint, args.device, args.tta)
    write_predictions(
        predict(detector, files),
        files,
        detector.classes or [str(k) for k in range(detector.num_classes)],
        args.out,
        score=args.score,
        stages=args.stages,
    )
