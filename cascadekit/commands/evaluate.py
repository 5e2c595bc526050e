"""Score anybody's detection files by their benchmark's own protocol."""

from __future__ import annotations

import argparse

METRICS = ("kitti", "citypersons", "widerface", "voc", "coco", "recall")

DESCRIPTION = """Score anybody's detection files by their benchmark's own protocol; no model needed.

metric       --gt                                           --dt
kitti        folder of labels, or KITTI's folder[:SPLIT]    folder of STEM.txt, 16 columns
citypersons  val_gt.json, anno_val.mat, folder of jsons     json
widerface    wider_face_val.mat or _bbx_gt.txt, or folder   folder of EVENT/PICTURE.txt
voc          VOC's folder[:SPLIT], or one of xml files      folder of comp4_det_SPLIT_CLASS.txt
coco         COCO json                                      json of results, boxes or masks
recall       COCO json                                      json of results, or stored proposals

--gt may also be a COCO json that `cascadekit convert-dataset` wrote from the benchmark's files.

Examples:
  python tools/evaluate.py --metric kitti --gt kitti:val --dt results/data --bootstrap 200
  python tools/evaluate.py --metric citypersons --gt val_gt.json --dt a.json --dt-b b.json
  python tools/evaluate.py --metric coco --gt val.json --dt run/results.bbox.json --out scores"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--metric", required=True, choices=METRICS, help="whose protocol")
    parser.add_argument("--gt", required=True, metavar="PATH", help="ground truth, see above")
    parser.add_argument("--dt", required=True, metavar="PATH", help="detections, see above")
    parser.add_argument(
        "--dt-b",
        metavar="PATH",
        help="other detections of the same pictures: is B better than A (--dt) on this data?",
    )
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=0,
        metavar="N",
        help="intervals from N draws of pictures [0: none; 200 with --dt-b]",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws [0]")
    parser.add_argument("--out", metavar="FOLDER", help="also write scores.json and curves.png")
    parser.add_argument(
        "--split", metavar="NAME|FILE", help="kitti, voc: pictures of this split only [all]"
    )
    parser.add_argument(
        "--devkit", choices=("2017", "2012"), default="2017", help="kitti: its generation [2017]"
    )
    parser.add_argument(
        "--subsets",
        metavar="FOLDER",
        help="widerface: of wider_easy_val.mat, wider_medium_val.mat and wider_hard_val.mat "
        "[near the annotations]",
    )
    parser.add_argument(
        "--boxes",
        choices=("auto", "xywh", "xyxy"),
        default="auto",
        help="widerface: what --dt holds [auto: what finds the annotated faces]",
    )
    parser.add_argument(
        "--iou-type", choices=("bbox", "segm"), default="bbox", help="coco: boxes or masks [bbox]"
    )
    parser.add_argument(
        "--backend",
        choices=("pycocotools", "faster_coco_eval", "hotcoco"),
        default="pycocotools",
        help="coco: another evaluator, if installed: the same figures sooner [pycocotools]",
    )
    parser.add_argument("--classwise", action="store_true", help="coco, voc: also AP of each class")


def run(args: argparse.Namespace) -> None:
    """Score, print, write."""
    from cascadekit.scoring import FileOptions, evaluate_files
    from cascadekit.scoring.report import report_text, write_report

    options = FileOptions(
        split=args.split,
        devkit=args.devkit,
        subsets=args.subsets,
        boxes=args.boxes,
        iou_type=args.iou_type,
        backend=args.backend,
        classwise=args.classwise,
    )
    report = evaluate_files(
        args.metric, args.gt, args.dt, args.dt_b, args.bootstrap, args.seed, options
    )
    print(report_text(report))
    if args.out is not None:
        print("\nwritten: " + ", ".join(map(str, write_report(report, args.out))))
