"""Measure this package against its peers, all in one run so that the ratios mean something.

Example:
    python tools/benchmark.py roi_align                    # 512 rois, 7x7, forward and backward
    python tools/benchmark.py mask_rcnn --repeats 3        # whole detectors, one 800x1216 picture
    python tools/benchmark.py roi_align --rois 100 --size 14 --dtype bfloat16 --channels-last
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

# What a target returns: contestant -> one timed step; the first one is ours.
Contestants = dict[str, Callable[[], object]]


def roi_align(args: argparse.Namespace) -> Contestants:
    """RoIAlign of a pyramid (strides 4 to 32, 256 channels, one 800x1216 picture)."""
    import torch

    from cascadekit import ops
    from cascadekit.errors import InputError

    generator = torch.Generator().manual_seed(0)
    strides = (4, 8, 16, 32)
    dtype = getattr(torch, args.dtype)
    maps = [torch.randn(1, 256, 800 // s, 1216 // s, generator=generator) for s in strides]
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    maps = [m.to(args.device, dtype, memory_format=layout) for m in maps]
    maps = [m.requires_grad_(not args.forward) for m in maps]
    # Sides from 16 to 800 pixels, evenly on a logarithmic scale, and the FPN paper's levels.
    sides = 16 * 50 ** torch.rand(args.rois, 1, generator=generator)
    centres = torch.rand(args.rois, 2, generator=generator) * torch.tensor([1216.0, 800.0])
    boxes = torch.cat([centres - sides / 2, centres + sides / 2], 1).to(args.device)
    levels = (sides[:, 0] / 56).log2().floor().clamp(0, 3).long().to(args.device)
    image = torch.zeros_like(levels)

    def step(form: str, library: str) -> None:
        os.environ["CASCADEKIT_OPS"] = library
        pooled = ops.roi_align_levels(maps, boxes, image, levels, strides, args.size, 2, form=form)
        if not args.forward:
            pooled.backward(torch.ones_like(pooled))
            for m in maps:
                m.grad = None

    contestants: Contestants = {"cascadekit (embedding bag)": lambda: step("bag", "auto")}
    for library in ("torchvision", "mmcv"):
        os.environ["CASCADEKIT_OPS"] = library
        try:
            ops.describe_backends(args.device)
        except InputError as error:
            print(f"without {library}: {error}")
        else:
            contestants[library] = lambda library=library: step("native", library)
    return contestants


def mask_rcnn(args: argparse.Namespace) -> Contestants:
    """R50-FPN detectors, 100 detections with masks on one 800x1216 picture, random weights."""
    import torch
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    from cascadekit.apis import build_detector, load_config, predict

    torch.manual_seed(0)
    image = torch.randint(0, 256, (800, 1216, 3), dtype=torch.uint8)
    options = {
        "model.backbone.weights": None,
        "model.roi_head.postprocess.score_threshold": 0.0,  # random scores: take the best 100
    }
    contestants: Contestants = {}
    for name in ("cascade_mask_r50", "mask_r50"):
        config = load_config(f"configs/{name}.py", data="shapes", options=options)
        ours = build_detector(config).eval().to(args.device)
        ours.test_pipeline = config.test_dataloader.dataset.pipeline

        def step(detector: torch.nn.Module = ours) -> object:
            return next(predict(detector, [image.numpy()]))

        contestants[f"cascadekit {name}"] = step
    theirs = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, box_score_thresh=0.0)
    theirs = theirs.eval().to(args.device)
    picture = image.permute(2, 0, 1).to(args.device) / 255

    @torch.no_grad()
    def torchvision_step() -> object:
        return theirs([picture])

    contestants["torchvision maskrcnn_resnet50_fpn"] = torchvision_step
    return contestants


# A target builds its contestants from the command line; add one here.
TARGETS = {"roi_align": roi_align, "mask_rcnn": mask_rcnn}


def measure(contestants: Contestants, repeats: int) -> dict[str, list[float]]:
    """Seconds of each step, contestants taking turns, after one round to warm up."""
    import torch

    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, step in contestants.items():
            start = time.perf_counter()
            step()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def show(title: str, seconds: dict[str, list[float]]) -> None:
    """Print the median, its spread, and how many times the first contestant's it is."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for column in ("", "median ms", "min ms", "max ms", "times ours"):
        table.add_column(column, justify="right" if column else "left")
    ours = statistics.median(next(iter(seconds.values())))
    for name, values in seconds.items():
        median = statistics.median(values)
        numbers = [f"{1e3 * v:.1f}" for v in (median, min(values), max(values))]
        table.add_row(name, *numbers, f"{median / ours:.2f}")
    Console().print(table)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--repeats", type=int, default=10, help="timed steps of each (%(default)s)")
    parser.add_argument("--threads", type=int, help="of torch [all cores]")
    parser.add_argument("--device", default="cpu", help="%(default)s")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--forward", action="store_true", help="without the backward pass")
    parser.add_argument("--channels-last", action="store_true", help="memory layout of the maps")
    parser.add_argument("--rois", type=int, default=512, help="roi_align: rois (%(default)s)")
    parser.add_argument("--size", type=int, default=7, help="roi_align: bins a side (%(default)s)")
    args = parser.parse_args()
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    what = "forward" if args.forward or args.target != "roi_align" else "forward + backward"
    layout = "channels_last" if args.channels_last else "contiguous"
    where = f"{args.device}, {torch.get_num_threads()} threads"
    title = f"{args.target}, {what}, {args.dtype} {layout}, {where}"
    show(title, measure(TARGETS[args.target](args), args.repeats))


if __name__ == "__main__":
    main()
