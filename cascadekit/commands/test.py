"""Score a checkpoint."""

from __future__ import annotations

import argparse

from cascadekit.commands.shared import (
    add_checkpoint,
    add_config,
    add_data,
    add_machine,
    add_tta,
    default_work_dir,
)

DESCRIPTION = """Score a checkpoint: COCO box and mask AP, and a table of all stages from one pass.

Writes results.bbox.json and results.segm.json (COCO results) and results.summary.json.

Examples:
  python tools/test.py configs/shapes/cascade_mask_shapes.py work_dirs/demo/iter_400.pth
  python tools/test.py configs/lite/cascade_lite.py run/iter_900.pth --data my/test.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_checkpoint(parser)
    add_data(parser, "test on")
    parser.add_argument("--work-dir", metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--no-stage-table", action="store_true", help="only the final detections, a bit faster"
    )
    add_tta(parser)
    add_machine(parser)
    parser.add_argument("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> None:
    """Evaluate."""
    from cascadekit.apis import evaluate, load_config
    from cascadekit.configuration import parse_options
    from cascadekit.engine import leave_processes

    evaluate(
        load_config(args.config, options=parse_options(args.cfg_options)),
        args.checkpoint,
        args.work_dir or default_work_dir(args.config) + "_test",
        data=args.data,
        images=args.images,
        stage_table=not args.no_stage_table,
        launcher=args.launcher,
        device=args.device,
        tta=args.tta,
    )
    leave_processes()
