"""A few pictures of the val set with what a detector found on them, small enough to be kept."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import cv2
from torch import Tensor

from cascadekit.datasets.transforms import read_image
from cascadekit.quality.records import ImageRecord, Recording

COUNT = 4
MOST_OBJECTS = 6
LEAST_SCORE = 0.3
LONGEST_SIDE = 320
JPEG_QUALITY = 85


def some_pictures(
    recording: Recording, count: int = COUNT, least_score: float = LEAST_SCORE
) -> list[dict[str, Any]]:
    """The first pictures with one to six objects, so chosen by the truth and by no detector.

    Args:
        recording: of the val set.
        count: how many.
        least_score: of the detections that are kept.

    Returns:
        For each: `jpeg` (base64), `size` [height, width] of it, `truth` and `found`, lists of
        dicts with `box` (xyxy, pixels of the jpeg), `label` (name) and, found, `score` and `iou`
        with the object of the same class that it overlaps most.
    """
    chosen = [r for r in recording.images if 1 <= len(r.truth.counted().boxes) <= MOST_OBJECTS]
    return [_picture(record, recording, least_score) for record in chosen[:count]]


def _picture(record: ImageRecord, recording: Recording, least_score: float) -> dict[str, Any]:
    image = read_image(record.info.path)
    factor = min(LONGEST_SIDE / max(image.shape[:2]), 1.0)
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    truth, found = record.truth.counted(), record.detections[recording.final]
    found = found[found.scores >= least_score]
    return {
        "jpeg": base64.b64encode(coded.tobytes()).decode("ascii"),
        "size": list(image.shape[:2]),
        "truth": _rows(truth.boxes * factor, truth.labels, recording),
        "found": [
            {**row, "score": round(float(score), 4), "iou": round(_iou(box, label, truth), 4)}
            for row, score, box, label in zip(
                _rows(found.boxes * factor, found.labels, recording),
                found.scores,
                found.boxes,
                found.labels,
                strict=True,
            )
        ],
    }


def _rows(boxes: Tensor, labels: Tensor, recording: Recording) -> list[Mapping[str, Any]]:
    return [
        {"box": [round(v, 1) for v in box], "label": recording.classes[label]}
        for box, label in zip(boxes.tolist(), labels.tolist(), strict=True)
    ]


def _iou(box: Tensor, label: Tensor, truth: Any) -> float:
    """IoU with the best object of the same class; 0 where there is none."""
    from cascadekit.structures.boxes import iou

    same = truth.boxes[truth.labels == label]
    return float(iou(box[None], same).max()) if len(same) else 0.0
