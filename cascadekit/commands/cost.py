"""Print what detectors cost."""

from __future__ import annotations

import argparse

DESCRIPTION = """Print parameters, arithmetic, time and memory of detectors, cascades by their base.

Models get random weights (nothing is downloaded), one picture of noise, and given numbers of
proposals and of final boxes with masks, so that all do the same work. Each is measured in a process
of its own; do nothing else meanwhile.

Example:
  python tools/cost.py configs/faster_r50.py configs/cascade_r50.py --markdown cost.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="config files, bases first")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change values in all"
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        default=(480, 640),
        metavar=("H", "W"),
        help="picture before the config's own resizing [480 640]",
    )
    parser.add_argument("--proposals", type=int, default=1000, help="boxes into stage 1 [1000]")
    parser.add_argument("--detections", type=int, default=100, help="boxes with a mask [100]")
    parser.add_argument("--repeats", type=int, default=3, help="measurements, the least counts [3]")
    parser.add_argument("--no-train", action="store_true", help="leave out the training step")
    parser.add_argument("--device", help="cpu, cuda [a GPU if there is one]")
    parser.add_argument("--json", metavar="FILE", help="write all numbers")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables")


def run(args: argparse.Namespace) -> None:
    """Measure one after the other, print, write."""
    import json
    from pathlib import Path

    from rich.console import Console
    from rich.progress import track

    from cascadekit.configuration import parse_options
    from cascadekit.cost import cost_rows, cost_tables, cost_text, measure_apart

    settings = {
        "picture": tuple(args.size),
        "proposals": args.proposals,
        "detections": args.detections,
        "repeats": args.repeats,
        "train": not args.no_train,
        "device": args.device,
    }
    options = parse_options(args.cfg_options)
    costs = [measure_apart(path, options, settings) for path in track(args.configs, "measuring")]
    console = Console(width=None if Console().is_terminal else 200)
    for table in cost_tables(costs):
        console.print(table)
    if args.json:
        Path(args.json).write_text(json.dumps(cost_rows(costs), indent=1) + "\n")
    if args.markdown:
        Path(args.markdown).write_text(cost_text(costs))
