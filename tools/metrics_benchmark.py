"""Time the metrics on random data of the benchmarks' sizes; COCO's against its peers in one run.

Example:
    python tools/metrics_benchmark.py                      # all, at full size, one core
    python tools/metrics_benchmark.py coco --repeats 3     # 5,000 pictures, 500,000 detections
    python tools/metrics_benchmark.py --part 0.02          # a fiftieth, to see that it runs
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

# pictures, objects and detections in all, classes
SIZES = {
    "widerface": (3226, 39_700, 370_000, 1),
    "kitti": (3769, 17_500, 30_000, 3),
    "citypersons": (500, 4_000, 100_000, 1),
    "voc": (4952, 14_976, 200_000, 20),
    "coco": (5000, 36_800, 500_000, 80),
}
LIMIT = 30  # seconds that WiderFace and KITTI may take on one core
Images = list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


def draw(name: str, part: float) -> Images:
    """Per picture: objects (N, 4) xywh and labels, detections (D, 4) xywh, labels and scores."""
    pictures, objects, detections, classes = SIZES[name]
    pictures = max(1, round(pictures * part))
    rng = np.random.default_rng(0)
    images = []
    for _ in range(pictures):
        n = rng.poisson(objects / SIZES[name][0])
        d = rng.poisson(detections / SIZES[name][0])
        boxes = _boxes(rng, n)
        labels = rng.integers(0, classes, n)
        # Every object has a near box or two, the rest are false alarms with lower scores.
        near = np.repeat(np.arange(n), 2)[: d // 2]
        sides = np.tile(boxes[near, 2:], 2)
        hits = boxes[near] + sides * rng.normal(0, 0.07, (len(near), 4)).clip(-0.4, 0.4)
        others = _boxes(rng, d - len(near))
        found = np.concatenate([hits, others])
        scores = np.concatenate([rng.beta(4, 2, len(near)), rng.beta(1, 8, len(others))])
        own = np.concatenate([labels[near], rng.integers(0, classes, len(others))])
        images.append((boxes, labels, found, own, scores))
    return images


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    sides = 10 * 30 ** rng.random((count, 1)) * rng.uniform(0.6, 1.6, (count, 2))
    return np.concatenate([rng.uniform(0, 900, (count, 2)), sides], axis=1)


def _corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def widerface(images: Images) -> dict[str, Callable[[], Any]]:
    """Easy, medium and hard at two IoUs."""
    from cascadekit.evaluation import FaceTruth, ScoredBoxes, evaluate_widerface

    truths = [FaceTruth(b, b[:, 3] > 60, b[:, 3] > 30, b[:, 3] > 0) for b, *_ in images]
    found = [ScoredBoxes(f, s) for _, _, f, _, s in images]
    return {"cascadekit": lambda: evaluate_widerface(truths, found)}


def kitti(images: Images) -> dict[str, Callable[[], Any]]:
    """Three classes at three difficulties."""
    from cascadekit.evaluation import KittiDetections, KittiTruth, evaluate_kitti

    names = np.array(["Car", "Pedestrian", "Cyclist"])
    truths = [
        KittiTruth(names[k].tolist(), _corners(b), np.zeros(len(b)), np.arange(len(b)) % 3)
        for b, k, *_ in images
    ]
    found = [KittiDetections(names[k].tolist(), _corners(f), s) for _, _, f, k, s in images]
    return {"cascadekit": lambda: evaluate_kitti(truths, found)}


def citypersons(images: Images) -> dict[str, Callable[[], Any]]:
    """Four subsets at two IoUs."""
    from cascadekit.evaluation import PersonTruth, ScoredBoxes, evaluate_miss_rate

    truths = [PersonTruth(b, np.ones(len(b)), np.zeros(len(b), bool)) for b, *_ in images]
    found = [ScoredBoxes(f, s) for _, _, f, _, s in images]
    return {"cascadekit": lambda: evaluate_miss_rate(truths, found)}


def voc(images: Images) -> dict[str, Callable[[], Any]]:
    """Twenty classes."""
    from cascadekit.evaluation import VocDetections, VocTruth, evaluate_voc

    truths = [VocTruth([f"{i:02d}" for i in k], _corners(b), k < 0) for b, k, *_ in images]
    found = [VocDetections([f"{i:02d}" for i in k], _corners(f), s) for _, _, f, k, s in images]
    return {"cascadekit": lambda: evaluate_voc(truths, found)}


def coco(images: Images) -> dict[str, Callable[[], Any]]:
    """Ours and each peer, from loaded json to twelve figures."""
    from cascadekit.evaluation import evaluate_coco
    from cascadekit.evaluation.coco_backends import BACKENDS

    truth, results = coco_json(images)
    contestants = {"cascadekit": lambda: evaluate_coco(truth, results).ap}
    contestants["pycocotools"] = lambda: pycocotools(truth, results)
    for name in BACKENDS:
        if find_spec(name) is not None:
            step = lambda name=name: evaluate_coco(truth, results, backend=name).ap  # noqa: E731
            contestants[f"cascadekit, {name}"] = step
    return contestants


def coco_json(images: Images) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ground truth and results as json has them."""
    truth: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    truth["categories"] = [{"id": k, "name": str(k)} for k in range(1, SIZES["coco"][3] + 1)]
    results = []
    for i, (boxes, labels, found, own, scores) in enumerate(images, 1):
        truth["images"].append({"id": i, "height": 1000, "width": 1000})
        for box, k in zip(boxes.tolist(), labels.tolist(), strict=True):
            record = {"id": len(truth["annotations"]) + 1, "image_id": i, "category_id": k + 1}
            area = {"bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            truth["annotations"].append({**record, **area})
        for box, k, score in zip(found.tolist(), own.tolist(), scores.tolist(), strict=True):
            results.append({"image_id": i, "category_id": k + 1, "bbox": box, "score": score})
    return truth, results


def pycocotools(truth: dict[str, Any], results: list[dict[str, Any]]) -> float:
    """The original, as its demo calls it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = {**truth, "info": {}}
        ground.createIndex()
        evaluator = COCOeval(ground, ground.loadRes([dict(r) for r in results]), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return float(evaluator.stats[0])


TARGETS = {
    "widerface": widerface,
    "kitti": kitti,
    "citypersons": citypersons,
    "voc": voc,
    "coco": coco,
}


def main() -> None:
    """Parse the command line, measure, print."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="NAME", help=f"{', '.join(TARGETS)} [all]")
    parser.add_argument("--part", type=float, default=1, help="of the pictures [1]")
    parser.add_argument("--repeats", type=int, default=1, help="the best of so many [1]")
    args = parser.parse_args()
    if strange := sorted(set(args.targets) - set(TARGETS)):
        parser.error(f"no benchmark {strange[0]!r}")
    table = Table(title=f"seconds, {args.part:g} of the pictures, the best of {args.repeats}")
    for column in ("", "pictures", "detections", "seconds", "AP"):
        table.add_column(column, justify="left" if not column else "right")
    for name in args.targets or TARGETS:
        images = draw(name, args.part)
        detections = sum(len(scores) for *_, scores in images)
        for contestant, step in TARGETS[name](images).items():
            seconds, value = [], None
            for _ in range(args.repeats):
                start = time.perf_counter()
                value = step()
                seconds.append(time.perf_counter() - start)
            row = (str(len(images)), str(detections), f"{min(seconds):.2f}")
            figure = f"{value:.4f}" if isinstance(value, float) else ""
            table.add_row(f"{name}: {contestant}", *row, figure)
    Console(width=100).print(table)
    print(f"WiderFace and KITTI are to stay well below {LIMIT} s on one core.")


if __name__ == "__main__":
    main()
