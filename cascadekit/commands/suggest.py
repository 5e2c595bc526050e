"""Suggest a cascade for a data set from a one-stage detector, and say whether it can help."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cascadekit.commands.shared import (
    add_config,
    add_data,
    default_work_dir,
    look_at,
    open_training_pictures,
)

if TYPE_CHECKING:
    from mmengine import Config

    from cascadekit.quality.records import Recording
    from cascadekit.quality.stage_arrivals import Sampling

DESCRIPTION = """Suggest stage IoUs and stds for a cascade, and forecast whether it can help.

Looks at the boxes of a trained one-stage detector on pictures it was not trained on (the config's
test data, or --data) and, for the forecast, on its training pictures. Writes a config that inherits
from CONFIG and makes it the suggested cascade. Of proposals alone the shares can be told, but not
whether a cascade helps.

Examples:
  python tools/suggest.py configs/lite/faster_lite.py run/iter_300.pth --data my/val.json
  python tools/suggest.py run/faster_lite.py run/iter_300.pth --out mine.py --plot shares.png
  python tools/suggest.py run/faster_lite.py --proposals proposals/val.safetensors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", nargs="?", help="weights of a one-stage detector"
    )
    parser.add_argument(
        "--proposals",
        metavar="FILE",
        help="instead of CHECKPOINT: stored proposals (cascadekit proposals) of the test data, "
        "also of another detector's; all later stages are then extrapolated",
    )
    add_data(parser, "look at")
    parser.add_argument(
        "--stages", type=int, default=3, metavar="N", help="stages of the cascade [3]"
    )
    parser.add_argument(
        "--target",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="share of positives that each stage should keep; the paper's have 17 to 22 %% [0.2]",
    )
    parser.add_argument(
        "--max-images",
        type=int,
        default=200,
        metavar="N",
        help="the first N pictures, and as many training pictures; all are held in memory [200]",
    )
    parser.add_argument("--out", metavar="FILE", help="config [work_dirs/NAME_suggested.py]")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    parser.add_argument("--plot", metavar="PNG", help="also draw the shares of positives")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 [a GPU if there is one]")


def run(args: argparse.Namespace) -> None:
    """Record, report, write."""
    from cascadekit.apis import load_config, model_shapes
    from cascadekit.configuration import parse_options
    from cascadekit.errors import InputError
    from cascadekit.quality.config_suggestion import config_target, suggest, write_config

    if args.max_images < 1:
        raise InputError(f"--max-images must be 1 or more, got {args.max_images}")
    if (args.checkpoint is None) == (args.proposals is None):
        raise InputError("give a CHECKPOINT or --proposals FILE, and not both")
    out = args.out or default_work_dir(args.config) + "_suggested.py"
    config_target(args.config, out, args.overwrite)  # before the work, not after it
    options = parse_options(args.cfg_options)
    config = load_config(args.config, options=options)
    if args.checkpoint is None:
        recording, trained_on = _stored(config, args), None
    else:
        recording, trained_on = _detected(config, args)
    suggestion = suggest(
        recording,
        trained_on=trained_on,
        stages=args.stages,
        target=args.target,
        sampling=_sampling(config),
    )
    # A config that cannot be built is not worth writing, e.g. with a list of one bbox_head.
    model_shapes(load_config(args.config, options={**options, **suggestion.options()}))
    file = write_config(suggestion, args.config, out, args.overwrite)
    print(*suggestion.report(), sep="\n")
    if args.plot:
        from cascadekit.quality.proposal_quality import plot_proposal_quality
        from cascadekit.visualization import save_figure

        save_figure(plot_proposal_quality(suggestion.quality), args.plot)
        print(f"plot: {args.plot}")
    print(f"config: {file}")


def _detected(config: Config, args: argparse.Namespace) -> tuple[Recording, Recording | None]:
    """The detector's stages on new pictures, and on those it was trained on."""
    from cascadekit.apis import load_detector, open_loader
    from cascadekit.quality.collect import record_stages

    detector = load_detector(config, args.checkpoint, args.device)
    look_at(config, detector.classes, args.data, args.images)
    loader = open_loader(config, "test")
    new = record_stages(detector, loader, all_heads=False, limit=args.max_images)
    trained_on, none = open_training_pictures(config, detector.classes)
    if trained_on is None:
        print(f"forecast without training pictures: {none}")
        return new, None
    seen = record_stages(
        detector,
        trained_on,
        all_heads=False,
        limit=args.max_images,
        description="Training pictures",
    )
    return new, seen


def _stored(config: Config, args: argparse.Namespace) -> Recording:
    """Stored proposals of the test pictures, with their ground truth."""
    from cascadekit.apis import open_loader
    from cascadekit.datasets.proposal_files import ProposalFile
    from cascadekit.quality.proposal_sets import ProposalSet
    from cascadekit.quality.proposals_alone import record_proposals

    look_at(config, None, args.data, args.images)
    stored = ProposalSet.from_stored(ProposalFile(args.proposals), name=args.proposals)
    return record_proposals(open_loader(config, "test"), stored, limit=args.max_images)


def _sampling(config: Config) -> Sampling:
    """How the config's stage 1 draws its rois."""
    from cascadekit.quality.stage_arrivals import Sampling

    head = config.model.roi_head
    ious = head.get("stage_ious", 3)
    drawn = dict(head.get("sampler") or {})
    standard = Sampling()
    return Sampling(
        num=int(drawn.get("num", standard.num)),
        pos_fraction=float(drawn.get("pos_fraction", standard.pos_fraction)),
        iou=standard.iou if isinstance(ious, int) else float(ious[0]),
    )
