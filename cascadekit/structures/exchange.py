"""Detections as other libraries have them: COCO records, a pandas table, supervision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cascadekit.errors import InputError
from cascadekit.structures.masks import encode_rle, paste

if TYPE_CHECKING:
    from cascadekit.structures.samples import Detections


def to_coco(
    found: Detections, image_id: int | str = 0, size: tuple[int, int] | None = None
) -> list[dict[str, Any]]:
    """COCO results, as `evaluate_coco` and pycocotools' `loadRes` take them.

    Args:
        found: D detections; D may be 0.
        image_id: written into each record.
        size: (height, width) of the picture, pixels; needed where there are masks.

    Returns:
        D dicts: image_id, category_id (the label, from 0), bbox [x, y, w, h], score and, with
        masks, segmentation (RLE).

    Raises:
        InputError: there are masks and no size.
    """
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    records: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "category_id": label,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for (x1, y1, x2, y2), score, label in rows
    ]
    if found.mask_probs is not None:
        masks = encode_rle(paste(found.mask_probs, found.boxes, *_known(size)))
        for record, mask in zip(records, masks, strict=True):
            record["segmentation"] = mask
    return records


def to_pandas(found: Detections, classes: Sequence[str] | None = None) -> Any:
    """A pandas DataFrame with one row per detection; masks are left out.

    Args:
        found: D detections; D may be 0.
        classes: K names; None: no column of names.

    Returns:
        Columns x1, y1, x2, y2, score, label and, where known, name.

    Raises:
        InputError: pandas is not installed.
    """
    pandas = _library("pandas")
    corners = {c: found.boxes[:, i].cpu().numpy() for i, c in enumerate(("x1", "y1", "x2", "y2"))}
    labels = found.labels.cpu().numpy()
    table: dict[str, Any] = {**corners, "score": found.scores.cpu().numpy(), "label": labels}
    if classes is not None:
        table["name"] = [classes[label] for label in labels]
    return pandas.DataFrame(table)


def to_supervision(
    found: Detections,
    classes: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
) -> Any:
    """Detections of the `supervision` library, for its annotators, trackers and zones.

    Args:
        found: D detections; D may be 0.
        classes: K names, put into `data["class_name"]`.
        size: (height, width) of the picture, pixels; needed where there are masks.

    Returns:
        A `supervision.Detections`.

    Raises:
        InputError: supervision is not installed, or there are masks and no size.
    """
    supervision = _library("supervision")
    labels = found.labels.cpu().numpy()
    masks = None
    if found.mask_probs is not None:
        pasted = paste(found.mask_probs, found.boxes, *_known(size))
        masks = pasted.to_bitmaps().cpu().numpy() > 0
    names = {} if classes is None else {"class_name": _names(classes, labels)}
    return supervision.Detections(
        xyxy=found.boxes.cpu().numpy().reshape(-1, 4),
        mask=masks,
        confidence=found.scores.cpu().numpy(),
        class_id=labels,
        data=names,
    )


def _names(classes: Sequence[str], labels: Any) -> Any:
    import numpy as np

    return np.array([classes[label] for label in labels], dtype=str)


def _known(size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None:
        raise InputError("masks need the picture's size: give size=(height, width)")
    return size


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise InputError(f"{name} is not installed: pip install {name}") from None
