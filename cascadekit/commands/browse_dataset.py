"""Look at what the model will see of a data set."""

from __future__ import annotations

import argparse

from cascadekit.commands.shared import add_config, add_data, default_work_dir

DESCRIPTION = """Look at what the model will see of a data set, after all transforms.

Writes a grid as PNG and a page as HTML (one file, no network): boxes, masks and names, regions to
ignore hatched, the size before and after, and whether the picture was mirrored.

Examples:
  python tools/browse_dataset.py configs/lite/cascade_mask_lite.py --data my/train.json
  python tools/browse_dataset.py configs/shapes/cascade_mask_shapes.py --split val --count 8"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    add_data(parser, "look at")
    parser.add_argument(
        "--split", choices=["train", "val", "test"], default="train", help="which loader's [train]"
    )
    parser.add_argument("--count", type=int, default=24, metavar="N", help="pictures [24]")
    parser.add_argument(
        "--start", type=int, metavar="N", help="from the N-th on [drawn at random over the set]"
    )
    parser.add_argument("--columns", type=int, default=4, metavar="N", help="of the grid [4]")
    parser.add_argument(
        "--size", type=int, default=320, metavar="PIXELS", help="of a picture's longer side [320]"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice and the transforms [0]")
    parser.add_argument("--out", metavar="DIR", help="folder of the files [work_dirs/NAME_browse]")


def run(args: argparse.Namespace) -> None:
    """Draw and write."""
    from pathlib import Path

    import numpy as np

    from cascadekit.apis import load_config
    from cascadekit.configuration import parse_options
    from cascadekit.errors import InputError
    from cascadekit.visualization import save_figure
    from cascadekit.visualization.dataset_pages import (
        dataset_page,
        draw_pictures,
        open_dataset,
        write_dataset_page,
    )

    for name, least in (("count", 1), ("columns", 1), ("size", 32)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} must be {least} or more, got {getattr(args, name)}")
    options = parse_options(args.cfg_options)
    config = load_config(args.config, data=args.data, images=args.images, options=options)
    dataset = open_dataset(config, args.split)
    if args.start is None:
        order = np.random.default_rng(args.seed).permutation(len(dataset))[: args.count]
        chosen = sorted(order.tolist())
    else:
        chosen = list(range(len(dataset)))[args.start : args.start + args.count]
    if not chosen:
        raise InputError(f"--start {args.start}: the data set has {len(dataset)} pictures")
    folder = Path(args.out or default_work_dir(args.config) + "_browse")
    grid, page = folder / f"{args.split}.png", folder / f"{args.split}.html"
    save_figure(draw_pictures(dataset, chosen, args.columns, args.size, args.seed), grid)
    title = f"{Path(args.config).stem}, {args.split}: {args.data or 'the data of the config'}"
    write_dataset_page(dataset_page(dataset, chosen, title, args.size, args.seed), page)
    print(f"grid: {grid}\npage: {page}")
