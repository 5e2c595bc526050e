"""Reproduce the paper's tables and figures."""

from __future__ import annotations

import argparse
import os

DESCRIPTION = """Reproduce the paper's tables and figures: trainings, measurements, report.

What is done already is not done again; an interrupted suite goes on where it stopped.

Examples:
  cascadekit reproduce list
  cascadekit reproduce run table1 fig4 --data shapes,my/photos --workers 2
  cascadekit reproduce run all --budget full --dry-run
  cascadekit reproduce status
  cascadekit reproduce report --out docs/reproduction"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("action", choices=["list", "run", "status", "report"])
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments, or all [all]")
    parser.add_argument(
        "--budget",
        choices=["smoke", "small", "full"],
        default="small",
        help="smoke: seconds, to see that it runs; small: hours on two cores; full: the paper's "
        "setting on COCO, for GPUs [small]",
    )
    parser.add_argument(
        "--data",
        default="shapes",
        metavar="SET,SET",
        help="shapes, drawn-kitti, drawn-citypersons, drawn-widerface, or folders with train/ and "
        "val/ (or valid/, test/) of VOC xml files or a COCO json beside the pictures [shapes]",
    )
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each arm [3]")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes side by side, a thread each [1]"
    )
    parser.add_argument(
        "--no-training", action="store_true", help="only measure what is trained already"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be run")
    parser.add_argument("--work-dir", default="work_dirs/experiments", metavar="DIR")
    parser.add_argument(
        "--out", default="docs/reproduction", metavar="DIR", help="folder of the report"
    )
    parser.add_argument(
        "--hardware",
        default=f"{os.cpu_count()} CPU cores",
        metavar="TEXT",
        help="what it was run on, for the report [the CPU cores of this machine]",
    )


def run(args: argparse.Namespace) -> None:
    """Do what is asked."""
    from cascadekit.experiments import reproduce

    if args.action == "report":
        from cascadekit.experiments.report import write_report
        from cascadekit.experiments.results import results_of_runs

        results = results_of_runs(args.work_dir, args.budget)
        written = write_report(results, args.out, hardware=args.hardware)
        print(f"{len(written.files)} files in {written.folder}; begin with index.md")
        return
    choice = reproduce.choose(
        args.names, args.budget, args.data.split(","), args.seeds, args.work_dir
    )
    if args.action == "list":
        reproduce.show_list(choice)
    elif args.action == "status":
        reproduce.show_status(choice)
    else:
        reproduce.run_experiments(choice, args.workers, args.dry_run, not args.no_training)
