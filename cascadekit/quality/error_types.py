"""What each detection of one picture is: correct, or wrong in one of five ways."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cascadekit.quality.records import Truth
from cascadekit.structures.boxes import cover, iou
from cascadekit.structures.samples import Detections

KINDS = ("correct", "localisation", "classification", "both", "duplicate", "background")
CORRECT, LOCALISATION, CLASSIFICATION, BOTH, DUPLICATE, BACKGROUND = range(6)
UNCOUNTED = 6  # on an ignored object or a crowd
FLOOR = 0.1  # IoU below which a detection has nothing to do with an object


@dataclass(frozen=True)
class ImageErrors:
    """The detections of one image at one IoU threshold; D detections, N counted objects.

    Attributes:
        kinds: (D,) int64, a number of `KINDS`, or `UNCOUNTED`.
        targets: (D,) int64, row in `truth.counted()` of the object that the detection found or
            should have found; -1 for background and the uncounted.
        found_by: (N,) int64, the detection that found each object, or -1.
    """

    kinds: Tensor
    targets: Tensor
    found_by: Tensor


def classify_detections(
    found: Detections, truth: Truth, threshold: float, floor: float = FLOOR
) -> ImageErrors:
    """Say of each detection whether it is correct, and if not, why.

    A detection is, by the first of these that holds,

    - correct: the best so far of its class on an object (COCO's matching: the best score first,
      each to the free object that it overlaps most, from `threshold` on);
    - uncounted: on an ignored object of its class by IoU, or on a crowd by the share that the
      crowd covers, from `threshold` on;
    - duplicate: on an object of its class that a better detection found;
    - classification: on an object of another class;
    - localisation: IoU of `floor` or more with an object of its class;
    - uncounted: IoU (or share) of `floor` or more with an ignored object or crowd of any class and
      less than that with all others, as it may be right;
    - both: IoU of `floor` or more with an object of another class;
    - background.

    As the best score goes first, what a detection is does not depend on those below it: leaving
    out low scores afterwards is the same as before.

    Args:
        found: D detections, best first; D may be 0.
        truth: of the same image, pixels of the file; it may have no objects.
        threshold: IoU that makes a detection right.
        floor: IoU that makes it a failed attempt; below it is background.

    Returns:
        The kinds, and which object is found by which detection.

    Source: the five kinds are those of TIDE (Bolya et al. 2020). We differ: a tight box of the
    wrong class is a classification error also when it touches an object of its class, and an
    ignored object takes any number of detections (in COCO one).
    """
    counted = truth.counted()
    overlaps = iou(found.boxes.double(), counted.boxes.double())  # (D, N)
    same = found.labels[:, None] == counted.labels[None, :]
    found_by = _match(overlaps * same, threshold)
    own, own_row = _best(overlaps * same)
    other, other_row = _best(overlaps * ~same)
    on_own, on_any = _on_ignored(found, truth)
    kinds = torch.full((len(found),), BACKGROUND)
    # From the last rule to the first, so that the first has the last word.
    kinds[other >= floor] = BOTH
    kinds[(on_any >= floor) & (other < floor)] = UNCOUNTED
    kinds[own >= floor] = LOCALISATION
    kinds[other >= threshold] = CLASSIFICATION
    kinds[own >= threshold] = DUPLICATE
    kinds[on_own >= threshold] = UNCOUNTED
    taken = found_by >= 0
    kinds[found_by[taken]] = CORRECT
    targets = torch.full((len(found),), -1)
    by_other = (kinds == CLASSIFICATION) | (kinds == BOTH)
    by_own = (kinds == LOCALISATION) | (kinds == DUPLICATE)
    targets[by_other], targets[by_own] = other_row[by_other], own_row[by_own]
    targets[found_by[taken]] = torch.nonzero(taken)[:, 0]
    return ImageErrors(kinds, targets, found_by)


def _match(overlaps: Tensor, threshold: float) -> Tensor:
    """Detection of each object, or -1; rows of (D, N) overlaps choose in their order."""
    free = overlaps.clone()
    found_by = torch.full((overlaps.shape[1],), -1)
    if overlaps.shape[1] == 0:
        return found_by
    for row in torch.nonzero((overlaps >= threshold).any(1))[:, 0].tolist():
        best = int(free[row].argmax())
        if free[row, best] >= threshold:
            found_by[best] = row
            free[:, best] = 0
    return found_by


def _best(overlaps: Tensor) -> tuple[Tensor, Tensor]:
    """The largest of each row of (D, N) and its column; 0 and -1 where there is none."""
    if overlaps.shape[1] == 0:
        return overlaps.new_zeros(len(overlaps)), torch.full((len(overlaps),), -1)
    best, column = overlaps.max(1)
    return best, column


def _on_ignored(found: Detections, truth: Truth) -> tuple[Tensor, Tensor]:
    """(D,) how far each detection lies on ignored objects: of its own class, and of any."""
    ignored = truth.ignored
    boxes, regions = found.boxes.double(), truth.boxes[ignored].double()
    inside = torch.where(truth.crowd[ignored], cover(boxes, regions), iou(boxes, regions))
    same = found.labels[:, None] == truth.labels[ignored][None, :]
    return _best(inside * same)[0], _best(inside)[0]
