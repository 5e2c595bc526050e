"""COCO's matching and accumulation, by the protocol of pycocotools' COCOeval to the last bit.

Source: pycocotools; overlaps are computed by its compiled functions. Its loops in Python visit
every detection for every threshold, size and limit. Here a detection that overlaps no object by the
lowest threshold is not looked at (it can match nothing), pictures without a class are not visited,
and precision is made to fall by whole arrays; tests compare every number with COCOeval's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.cocoeval import Params

from cascadekit.evaluation.coco_records import Grouped

# What is known of one class in one picture at one size: `dtScores` (D,) float64 falling,
# `dtMatches` and `dtIgnore` (T, D) bool, `gtIgnore` (G,) bool.
Entry = dict[str, np.ndarray]
SHAPE = {"bbox": "bbox", "segm": "segmentation"}


def match_all(truths: Grouped, found: Grouped, params: Params) -> list[Entry | None]:
    """Match every class of every picture.

    Args:
        truths: of `group_truths`.
        found: of `group_results`.
        params: COCOeval's: `imgIds` and `catIds` are 0, 1, 2, ...

    Returns:
        Entries by class, size and picture, in that order, as COCOeval has them; None where there is
        neither object nor detection.
    """
    images, sizes = len(params.imgIds), len(params.areaRng)
    entries: list[Entry | None] = [None] * (len(params.catIds) * sizes * images)
    for image, label in dict.fromkeys((*truths, *found)):
        objects, boxes = truths.get((image, label), []), found.get((image, label), [])
        if not objects and not boxes:
            continue
        for a, entry in enumerate(_match_pair(objects, boxes, params)):
            entries[(label * sizes + a) * images + image] = entry
    return entries


def _match_pair(
    objects: list[dict[str, Any]], boxes: list[dict[str, Any]], params: Params
) -> list[Entry]:
    """Entries of one class in one picture, one for each size."""
    scores = np.array([d["score"] for d in boxes], np.float64)
    best = np.argsort(-scores, kind="stable")[: params.maxDets[-1]]
    boxes, scores = [boxes[i] for i in best], scores[best]
    area = np.array([d["area"] for d in boxes], np.float64)
    crowd = [g["iscrowd"] for g in objects]
    overlaps, near = np.zeros((0, 0)), np.zeros(0, int)
    if objects and boxes:
        shape = SHAPE[params.iouType]
        overlaps = coco_mask.iou([d[shape] for d in boxes], [g[shape] for g in objects], crowd)
        near = np.flatnonzero(overlaps.max(1) >= params.iouThrs[0])
    entries = []
    for low, high in params.areaRng:
        ignore = [bool(g["ignore"] or not low <= g["area"] <= high) for g in objects]
        order = np.argsort(ignore, kind="stable")  # ignored ones last
        matched = np.zeros((len(params.iouThrs), len(boxes)), bool)
        spared = np.repeat(((area < low) | (area > high))[None], len(params.iouThrs), 0)
        if len(near):
            ignored, crowded = [ignore[g] for g in order], [crowd[g] for g in order]
            table = overlaps[np.ix_(near, order)].tolist()
            for t, threshold in enumerate(params.iouThrs.tolist()):
                for row, g in _match(table, ignored, crowded, threshold):
                    matched[t, near[row]] = True
                    spared[t, near[row]] = ignored[g]
        flags = np.array(ignore, bool)[order] if objects else np.zeros(0, bool)
        entries.append(
            {"dtScores": scores, "dtMatches": matched, "dtIgnore": spared, "gtIgnore": flags}
        )
    return entries


def _match(
    overlaps: list[list[float]], ignored: list[bool], crowd: list[int], threshold: float
) -> list[tuple[int, int]]:
    """Pairs of detection and object at one threshold.

    Args:
        overlaps: a row per detection, best score first, an entry per object, ignored ones last.
        ignored: of each object.
        crowd: of each object; a crowd may be taken again.
        threshold: the least overlap.

    Returns:
        (row, object) of each detection that matches.
    """
    pairs, taken = [], [False] * len(ignored)
    least = min(threshold, 1 - 1e-10)
    for row, values in enumerate(overlaps):
        best, chosen = least, -1
        for g, value in enumerate(values):
            if taken[g] and not crowd[g]:
                continue
            if chosen > -1 and not ignored[chosen] and ignored[g]:
                break  # an object that counts is never given up for one that does not
            if value >= best:
                best, chosen = value, g
        if chosen > -1:
            taken[chosen] = True
            pairs.append((row, chosen))
    return pairs


def accumulate(entries: Sequence[Entry | None], params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of all classes.

    Args:
        entries: of `match_all`.
        params: likewise.

    Returns:
        Precision (T, 101, K, A, M) and recall (T, K, A, M) as COCOeval has them, -1 without
        objects. Of smaller limits on detections only those of all sizes are filled in.
    """
    images, sizes = len(params.imgIds), len(params.areaRng)
    shape = (len(params.catIds), sizes, len(params.maxDets))
    precision = -np.ones((len(params.iouThrs), len(params.recThrs), *shape))
    recall = -np.ones((len(params.iouThrs), *shape))
    for k in range(shape[0]):
        for a in range(sizes):
            start = (k * sizes + a) * images
            some = [e for e in entries[start : start + images] if e is not None]
            objects = sum(int(np.count_nonzero(~e["gtIgnore"])) for e in some)
            if not objects:
                continue
            joined = _join(some)
            for m, most in enumerate(params.maxDets):
                if a == 0 or most == params.maxDets[-1]:
                    found, points = _curve(joined, objects, most, params.recThrs)
                    recall[:, k, a, m], precision[:, :, k, a, m] = found, points
    return precision, recall


def _join(entries: Sequence[Entry]) -> Entry:
    """One class at one size in all pictures, with the rank of each detection in its picture."""
    return {
        "scores": np.concatenate([e["dtScores"] for e in entries]),
        "rank": np.concatenate([np.arange(len(e["dtScores"])) for e in entries]),
        "matched": np.concatenate([e["dtMatches"] for e in entries], axis=1),
        "ignored": np.concatenate([e["dtIgnore"] for e in entries], axis=1),
    }


def _curve(
    joined: Entry, objects: int, most: int, recalls: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Recall (T,) that is reached, and precision (T, 101) at `recalls`."""
    kept = np.flatnonzero(joined["rank"] < most)
    # Stable: of equal scores the first picture's goes first.
    order = kept[np.argsort(-joined["scores"][kept], kind="stable")]
    matched, counted = joined["matched"][:, order], ~joined["ignored"][:, order]
    true = np.cumsum(matched & counted, axis=1).astype(np.float64)  # (T, D)
    false = np.cumsum(~matched & counted, axis=1).astype(np.float64)
    reached = true / objects
    precision = true / (false + true + np.spacing(1))
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    points = np.zeros((len(true), len(recalls)))
    for t, row in enumerate(reached):
        places = np.searchsorted(row, recalls, side="left")
        inside = places < len(order)
        points[t, inside] = falling[t, places[inside]]
    last = reached[:, -1] if len(order) else np.zeros(len(true))
    return last, points
