"""Write a data set as COCO json, or detections in a benchmark's submission format."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.dataset import BaseDataset

FORMATS = ("coco", "voc", "kitti", "kitti-tracking", "citypersons", "widerface", "labels")

DESCRIPTION = """Write a data set as COCO json, or detections in a benchmark's own format.

FORMAT: voc, kitti, kitti-tracking, citypersons, widerface, labels (one label picture per image),
coco, or auto, which recognises it. IN is a folder or an annotation file, with :SPLIT for one split.
With --detections-of, IN is a json of COCO results and OUT what the benchmark's evaluation reads:
a folder of text files (kitti, widerface, voc) or a json (citypersons).

Examples:
  python tools/convert_dataset.py voc VOC2007:trainval voc07.json
  python tools/convert_dataset.py kitti data:val val.json --classes Car --ignore-classes Van Truck
  python tools/convert_dataset.py widerface run/test.bbox.json out --detections-of wider:val"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("format", metavar="FORMAT", choices=("auto", *FORMATS), help="see above")
    parser.add_argument("source", metavar="IN", help="data set, PATH or PATH:SPLIT; or detections")
    parser.add_argument("target", metavar="OUT", help="json to write; or a folder")
    parser.add_argument("--images", metavar="FOLDER", help="its pictures [where the layout says]")
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME", help="only these, in this order [the format's]"
    )
    parser.add_argument(
        "--ignore-classes",
        nargs="*",
        metavar="NAME",
        help="become regions to ignore (kitti, citypersons) [kitti: neighbours of the classes; "
        "citypersons: all others]",
    )
    parser.add_argument(
        "--min-height",
        type=float,
        default=0,
        metavar="PIXELS",
        help="lower objects become regions to ignore, as MS-CNN's training has them [0]",
    )
    parser.add_argument(
        "--detections-of",
        metavar="DATA",
        help="IN has detections on this data set, PATH or PATH:SPLIT (or a COCO json of it): write "
        "them as a submission",
    )
    parser.add_argument(
        "--split", default="test", help="in the names of VOC's files of detections [test]"
    )


def run(args: argparse.Namespace) -> None:
    """Read, convert, write, and say what was written."""
    if args.detections_of is None:
        _to_coco(args)
    else:
        _to_submission(args)


def _to_coco(args: argparse.Namespace) -> None:
    from cascadekit.datasets.coco_writer import coco_dict, ignore_low
    from cascadekit.errors import InputError
    from cascadekit.whole_file import write_json

    if not args.target.endswith(".json"):
        raise InputError(f"OUT must be a .json file, got {args.target!r}")
    dataset, root = _open(args.source, None if args.format == "auto" else args.format, args)
    data = ignore_low(coco_dict(dataset, root), args.min_height)
    write_json(args.target, data)
    regions = sum(a["ignore"] or a["iscrowd"] for a in data["annotations"])
    names = [category["name"] for category in data["categories"]]
    print(
        f"{args.target}: {len(data['images'])} pictures, {len(data['annotations']) - regions} "
        f"objects, {regions} regions to ignore, {len(names)} classes: {', '.join(names)}"
    )
    print(f"train with: --data {args.target} --images {root}")


def _to_submission(args: argparse.Namespace) -> None:
    from cascadekit.datasets.submissions import WRITERS, Names, collect, read_results
    from cascadekit.errors import InputError

    if args.format not in WRITERS:
        raise InputError(
            f"no submission format {args.format!r}: FORMAT must be one of {', '.join(WRITERS)}"
        )
    results = read_results(args.source)
    is_json = args.detections_of.endswith(".json")
    dataset, root = _open(args.detections_of, None if is_json else args.format, args)
    pictures = collect(results, dataset, root)
    names = Names(dataset.metainfo["classes"], args.split)
    files = WRITERS[args.format](pictures, names, args.target)
    print(
        f"{args.target}: {len(results)} detections in {len(pictures)} pictures, {files} "
        f"file{'s' * (files != 1)} for {args.format}"
    )


def _open(source: str, kind: str | None, args: argparse.Namespace) -> tuple[BaseDataset, str]:
    """The data set in test mode, and the folder of its pictures."""
    from cascadekit.data_choice import parse_data
    from cascadekit.datasets.coco_writer import picture_root
    from cascadekit.datasets.folders import each_path
    from cascadekit.datasets.layouts import ALL, find_layout
    from cascadekit.errors import InputError, did_you_mean
    from cascadekit.registry import DATASETS

    named = parse_data(source)
    layout = find_layout(named.path, named.kind or kind)
    split = named.split
    if split is None:
        split = ALL if ALL in layout.splits else next(iter(layout.splits))
        if ALL not in layout.splits and len(layout.splits) > 1:
            choices = " or ".join(f"{named.path}:{name}" for name in layout.splits)
            raise InputError(f"{layout.found} has several splits, choose one: {choices}")
    if split not in layout.splits:
        raise InputError(
            f"{layout.found} in {named.path} has no split {split!r}, it has: "
            f"{', '.join(layout.splits)}.{did_you_mean(split, layout.splits)}"
        )
    config: dict[str, Any] = {**layout.splits[split], "test_mode": True}
    if args.images is not None:
        config["image_dir"] = args.images
    if args.classes is not None:
        config["classes"] = args.classes
    if args.ignore_classes is not None:
        if layout.kind not in ("kitti", "kitti-tracking", "citypersons"):
            raise InputError(f"--ignore-classes is for kitti and citypersons, not {layout.kind}")
        config["ignore_classes"] = args.ignore_classes
    dataset = DATASETS.build(config)
    return dataset, picture_root(each_path(config["image_dir"]))
