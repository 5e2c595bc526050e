"""What AP would be if one kind of error were mended: computed, not estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import evaluate_coco
from cascadekit.quality.error_types import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    DUPLICATE,
    LOCALISATION,
    ImageErrors,
)
from cascadekit.quality.records import Recording, Truth, to_results
from cascadekit.structures.samples import Detections

FIXES = ("localisation", "classification", "both", "duplicate", "background", "missed")
_REMOVED = {"both": BOTH, "duplicate": DUPLICATE, "background": BACKGROUND}
_MENDED = {"localisation": LOCALISATION, "classification": CLASSIFICATION}


def ap_if_fixed(
    recording: Recording, choice: str, errors: Sequence[ImageErrors], threshold: float, fix: str
) -> float:
    """AP at one IoU threshold with one kind of error mended in all detections.

    - localisation, classification: of the failed attempts at an object that no detection found,
      the best one gets the object's box, or class; the others go, as they would be duplicates.
    - both, duplicate, background: they go.
    - missed: objects that no detection found, nor failed in one of the first two ways, go.

    Args:
        recording: with the detections.
        choice: which of them, a key of `detections`.
        errors: of each image, by `classify_detections` at the same threshold.
        threshold: IoU, one of 0.5, 0.55, ..., 0.95.
        fix: one of `FIXES`.

    Returns:
        A fraction in [0, 1]; nan without objects. A class whose objects all go is left out of the
        mean.

    Raises:
        InputError: no such fix.

    Source: the idea, and the mending of each kind, is TIDE's (Bolya et al. 2020).
    """
    if fix not in FIXES:
        raise InputError(f"fix must be one of {', '.join(FIXES)}, got {fix!r}")
    images, results = [], []
    for i, (record, own) in enumerate(zip(recording.images, errors, strict=True)):
        found, truth = record.detections[choice], record.truth
        if fix in _REMOVED:
            found = found[own.kinds != _REMOVED[fix]]
        elif fix in _MENDED:
            found = _mend(found, truth.counted(), own, fix)
        else:
            truth = _without_missed(truth, own)
        images.append(replace(record, truth=truth))
        results += to_results(i, found)
    scores = evaluate_coco(replace(recording, images=tuple(images)).ground_truth(), results)
    return scores.ap_at(round(100 * threshold))


def _mend(found: Detections, objects: Truth, errors: ImageErrors, fix: str) -> Detections:
    """Detections whose errors of one kind are right, one per object that had no detection."""
    boxes, labels = found.boxes.clone(), found.labels.clone()
    keep = errors.kinds != _MENDED[fix]
    done = errors.found_by >= 0
    for row in torch.nonzero(~keep)[:, 0].tolist():  # best score first
        target = int(errors.targets[row])
        if done[target]:
            continue
        done[target] = keep[row] = True
        if fix == "localisation":
            boxes[row] = objects.boxes[target]
        else:
            labels[row] = objects.labels[target]
    return replace(found, boxes=boxes, labels=labels)[keep]


def _without_missed(truth: Truth, errors: ImageErrors) -> Truth:
    """Ground truth without the objects that nothing found or nearly found."""
    seen = errors.found_by >= 0
    near = (errors.kinds == LOCALISATION) | (errors.kinds == CLASSIFICATION)
    seen[errors.targets[near]] = True
    keep = torch.ones(len(truth.boxes), dtype=torch.bool)
    keep[torch.nonzero(~truth.ignored)[:, 0]] = seen
    return _rows(truth, keep)


def _rows(truth: Truth, keep: Tensor) -> Truth:
    return Truth(
        truth.boxes[keep],
        truth.labels[keep],
        truth.areas[keep],
        truth.crowd[keep],
        truth.ignored[keep],
    )
