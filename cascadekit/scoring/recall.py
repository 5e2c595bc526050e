"""Recall of anybody's boxes, classes not looked at: COCO results, or a file of proposals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cascadekit.datasets.coco import read_coco_json
from cascadekit.datasets.proposal_files import ProposalFile
from cascadekit.errors import InputError
from cascadekit.evaluation.coco_records import group_truths, index_truth
from cascadekit.evaluation.recall import BoxRecall, box_recall
from cascadekit.scoring.coco import read_coco_results
from cascadekit.scoring.scored import Scored, Scorer
from cascadekit.scoring.truth_files import Place
from cascadekit.visualization.metric_plots import Line, Panel

LIMITS = (100, 1000)
CURVE = np.linspace(0.5, 1, 51)
STORED = (".safetensors", ".pkl")


def open_recall(place: Place) -> Scorer:
    """Read ground truth: a COCO json; crowds and ignored objects do not count.

    Args:
        place: the json; a split has no meaning.

    Returns:
        What scores a json of results, or proposals of `cascadekit proposals` or Detectron.

    Raises:
        InputError: it cannot be read.
    """
    data = read_coco_json(str(place.path))
    index = index_truth(data)
    truths: list[list[list[float]]] = [[] for _ in index.images]
    areas: list[list[float]] = [[] for _ in index.images]
    for (image, _), records in group_truths(data, index, "bbox").items():
        for record in records:
            if not record["ignore"]:
                x, y, w, h = record["bbox"]
                truths[image].append([x, y, x + w, y + h])
                areas[image].append(record["area"])

    def score(source: str, draws: bool) -> Scored:
        stored = Path(source).suffix in STORED
        boxes = (_stored if stored else _results)(source, list(index.images))
        recall = box_recall(boxes, truths, areas, LIMITS)
        return Scored(
            metric="recall",
            source=source,
            num_images=len(truths),
            num_detections=sum(map(len, boxes)),
            figures=recall.as_dict,
            main=f"AR{LIMITS[-1]}",
            lower_is_better=False,
            kind="recall-iou",
            panels=_panels(recall),
        )

    return score


def _stored(source: str, ids: list[Any]) -> list[np.ndarray]:
    file = ProposalFile(source)
    return [file.read(image_id, most=max(LIMITS))[0] for image_id in ids]


def _results(source: str, ids: list[Any]) -> list[np.ndarray]:
    """Boxes of each image, best score first."""
    found: dict[Any, list[tuple[float, list[float]]]] = {image_id: [] for image_id in ids}
    for k, entry in enumerate(read_coco_results(source)):
        if entry.get("image_id") not in found:
            raise InputError(
                f"{source}: results[{k}] has image_id {entry.get('image_id')!r}, which is not "
                f"among the {len(ids)} images of the ground truth"
            )
        try:
            x, y, w, h = map(float, entry["bbox"])
            score = float(entry["score"])
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{source}: results[{k}] needs bbox [x, y, width, height] and score, got "
                f"{str(entry)[:80]}"
            ) from None
        found[entry["image_id"]].append((-score, [x, y, x + w, y + h]))
    boxes = []
    for part in found.values():
        best = sorted(part, key=lambda one: one[0])[: max(LIMITS)]
        boxes.append(np.array([box for _, box in best], np.float64).reshape(-1, 4))
    return boxes


def _panels(recall: BoxRecall) -> tuple[Panel, ...]:
    return tuple(
        Panel(
            f"the best {limit} boxes per image",
            tuple(
                Line(
                    f"{size}: AR {100 * recall.average(limit, size):.1f}",
                    CURVE,
                    np.array([recall.recall(iou, limit, size) for iou in CURVE]),
                )
                for size in recall.overlaps[limit]
                if len(recall.overlaps[limit][size])
            ),
        )
        for limit in recall.overlaps
    )
