"""Train a small Cascade Mask R-CNN on drawn shapes, score every stage, draw how boxes tighten.

Takes some minutes on 2 CPU cores and downloads nothing. Everything lands in one folder.

Example:
    python tools/demo.py --out work_dirs/demo
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

CONFIG = "configs/shapes/cascade_mask_shapes.py"


def main() -> None:
    """Train, evaluate, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="work_dirs/demo", metavar="DIR", help="[work_dirs/demo]")
    parser.add_argument("--iters", type=int, metavar="N", help="train only this long, to try it")
    args = parser.parse_args()

    from cascadekit.apis import draw_example, evaluate, load_config, load_detector, train

    start = time.time()
    root = Path(__file__).resolve().parents[1]
    options = {"val_dataloader": None, "val_cfg": None, "val_evaluator": None}
    if args.iters:
        options["train_cfg.max_iters"] = args.iters
    config = load_config(root / CONFIG, options=options)
    print(f"1. training {CONFIG} for {config.train_cfg.max_iters} iterations")
    train(config, args.out, seed=0)
    checkpoint = (Path(args.out) / "last_checkpoint").read_text().strip()
    print("2. scoring every stage on 150 pictures it has not seen")
    evaluate(config, checkpoint, args.out)
    strip = Path(args.out) / "stages.png"
    draw_example(load_detector(config, checkpoint), config, strip, index=38)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"3. how each stage tightened the boxes: {strip}")
    print(f"done in {(time.time() - start) / 60:.1f} minutes, at most {peak:.1f} GiB of memory")
    print(f"next: python tools/predict.py {CONFIG} {checkpoint} PICTURE --stages")


if __name__ == "__main__":
    main()
