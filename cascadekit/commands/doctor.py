"""Look for trouble in data and settings before a training."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cascadekit.commands.shared import add_config, add_data, default_work_dir

if TYPE_CHECKING:
    from cascadekit.doctor import Examination

DESCRIPTION = """Look for trouble in data and settings before a training.

Reads annotations as they are written, decodes every picture once, puts some through the training
pipeline, and looks at classes, boxes, masks, copies across splits, anchors, expected positives,
schedule, learning rate, memory, weights and versions. Writes doctor.html and doctor.json.

Exit status: 0 nothing as bad as --fail-on, 1 something as bad, 2 it could not look.

Examples:
  python tools/doctor.py configs/lite/cascade_lite.py --data my/voc
  python tools/doctor.py configs/lite/cascade_mask_lite.py --data my/train.json --fix clean.json
  python tools/doctor.py configs/lite/faster_lite.py --data my/voc --checkpoint run/iter_300.pth"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_data(parser, "look at")
    parser.add_argument("--val-data", metavar="NAME|ANN.json|FOLDER", help="validation data")
    parser.add_argument("--val-images", metavar="FOLDER", help="its pictures")
    parser.add_argument("--schedule", metavar="NAME", help="as of `train`")
    parser.add_argument(
        "--fix",
        metavar="OUT.json",
        help="write a cleaned copy of the training set as COCO json, and of other splits as "
        "OUT_val.json and so on; what it is made from is never touched",
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="also measure its proposals")
    parser.add_argument(
        "--sample",
        type=int,
        default=200,
        metavar="N",
        help="training pictures that go through the pipeline [200]",
    )
    parser.add_argument(
        "--max-images", type=int, metavar="N", help="decode only the first N of each split [all]"
    )
    parser.add_argument(
        "--fail-on",
        choices=["error", "warning"],
        default="error",
        help="what makes the exit status 1 [error]",
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the report [work_dirs/NAME_doctor]")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 [a GPU if there is one]")


def run(args: argparse.Namespace) -> int:
    """Examine, report, and write cleaned copies if asked to."""
    from cascadekit.configuration import parse_options
    from cascadekit.doctor import ERROR, WARNING, examine
    from cascadekit.doctor.opening import load_for_examination
    from cascadekit.doctor.page import print_findings, write_page
    from cascadekit.errors import InputError

    if args.fix is not None and not args.fix.endswith(".json"):
        raise InputError(f"--fix OUT must be a .json file, got {args.fix!r}")
    config = load_for_examination(
        args.config,
        data=args.data,
        images=args.images,
        val_data=args.val_data,
        val_images=args.val_images,
        schedule=args.schedule,
        options=parse_options(args.cfg_options),
    )
    result = examine(
        config,
        checkpoint=args.checkpoint,
        sample=args.sample,
        max_pictures=args.max_images,
        device=args.device,
    )
    print_findings(result)
    if args.fix is not None:
        _fix(result, args.fix)
    page, numbers = write_page(result, args.out or default_work_dir(args.config) + "_doctor")
    print(f"report: {page}\nfindings: {numbers}")
    bad = (ERROR,) if args.fail_on == "error" else (ERROR, WARNING)
    return int(result.worst in bad)


def _fix(result: Examination, target: str) -> None:
    """Write the cleaned copies and say what was changed."""
    from cascadekit.doctor import cleaned
    from cascadekit.whole_file import write_json

    for own, out in zip(result.sets, _outputs(result, target), strict=True):
        copy = cleaned(own, result.states)
        write_json(out, copy.data)
        counts = f"{len(copy.data['images'])} pictures, {len(copy.data['annotations'])} objects"
        print(f"{out}: {counts}; use it with --images {copy.image_dir}")
        for check, count, how in copy.changes:
            print(f"  {check}: {count} {how}")
        if not copy.changes:
            print("  nothing was changed")


def _outputs(result: Examination, target: str) -> list[str]:
    """A file for each split, none of them one that was examined."""
    import os

    from cascadekit.errors import InputError

    outputs: list[str] = []
    for own in result.sets:
        stem = target.removesuffix(".json")
        out = target if own.role == "train" else f"{stem}_{own.role}.json"
        if out in outputs:
            out = f"{out.removesuffix('.json')}_{len(outputs)}.json"
        outputs.append(out)
    examined = {os.path.abspath(p.source) for own in result.sets for p in own.pictures}
    for out in outputs:
        if os.path.abspath(out) in examined:
            raise InputError(f"--fix {out} would replace what was examined: give another name")
    return outputs
