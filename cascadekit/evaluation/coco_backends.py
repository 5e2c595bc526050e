"""Other evaluators of COCO's protocol, written in C++ and Rust: the same figures, sooner.

Each takes whole tables and gives COCOeval's two arrays; which figures are read off them is not
theirs. Both are installed by the extra `fast-coco`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from pycocotools.cocoeval import Params

from cascadekit.errors import InputError, check_word

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class CocoTables:
    """Ground truth and detections, checked and complete; ids are 0, 1, ... (of records 1, 2, ...).

    Attributes:
        images: id, height, width.
        categories: id, name.
        annotations: id, image_id, category_id, bbox or segmentation, area, iscrowd, ignore.
        results: the same with score in place of the last two.
    """

    images: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    results: list[dict[str, Any]]

    def dicts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Two COCO dicts, of ground truth and of detections.

        Ids count from 1, since both evaluators take an image or class of id 0 for none.
        """
        images = [{**image, "id": image["id"] + 1} for image in self.images]
        categories = [{**one, "id": one["id"] + 1} for one in self.categories]
        parts = []
        for records in (self.annotations, self.results):
            moved = [
                {
                    "iscrowd": 0,
                    **record,
                    "image_id": record["image_id"] + 1,
                    "category_id": record["category_id"] + 1,
                }
                for record in records
            ]
            parts.append({"images": images, "categories": categories, "annotations": moved})
        return parts[0], parts[1]


def check_backend(backend: str) -> None:
    """Check the name of a back end, and that it is there.

    Args:
        backend: "pycocotools" or a key of `BACKENDS`.

    Raises:
        InputError: another name, or its package is not installed.
    """
    check_word("backend", backend, ("pycocotools", *BACKENDS))
    if find_spec(backend) is None:
        package = backend.replace("_", "-")
        raise InputError(
            f"backend {backend!r} needs the package {package}: pip install {package} (or "
            "cascadekit[fast-coco]), or leave it out"
        )


def _faster_coco_eval(tables: CocoTables, params: Params) -> Arrays:
    """faster-coco-eval, in C++."""
    from faster_coco_eval import COCO, COCOeval_faster

    class HonoursIgnore(COCOeval_faster):
        """The parent overwrites `ignore` by `iscrowd`, as pycocotools does."""

        def _prepare(self) -> None:
            marks = {key: record["ignore"] for key, record in self.cocoGt.anns.items()}
            super()._prepare()
            for key, record in self.cocoGt.anns.items():
                record["ignore"] = marks[key]

    truth, found = (COCO(part, use_deepcopy=False) for part in tables.dicts())
    evaluator = HonoursIgnore(truth, found, params.iouType, print_function=_say_nothing)
    evaluator.params.maxDets = params.maxDets
    evaluator.evaluate()
    evaluator.accumulate()
    return np.asarray(evaluator.eval["precision"]), np.asarray(evaluator.eval["recall"])


def _say_nothing(*_: object) -> None:
    """In place of print."""


def _hotcoco(tables: CocoTables, params: Params) -> Arrays:
    """The Rust evaluator."""
    from hotcoco import COCO, COCOeval

    odd = next((a for a in tables.annotations if a["ignore"] and not a["iscrowd"]), None)
    if odd is not None:
        raise InputError(
            f"backend 'hotcoco' cannot ignore an object that is no crowd (annotation {odd['id']} "
            "has ignore 1): choose 'pycocotools' or 'faster_coco_eval'"
        )
    truth, found = (COCO(part) for part in tables.dicts())
    evaluator = COCOeval(truth, found, params.iouType)
    evaluator.params.maxDets = params.maxDets
    evaluator.evaluate()
    evaluator.accumulate()
    return np.asarray(evaluator.eval["precision"]), np.asarray(evaluator.eval["recall"])


BACKENDS: Mapping[str, Callable[[CocoTables, Params], Arrays]] = {
    "faster_coco_eval": _faster_coco_eval,
    "hotcoco": _hotcoco,
}
