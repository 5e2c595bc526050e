"""Write predictions: COCO results with file names, and pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cascadekit.datasets.transforms import read_image
from cascadekit.progress import track
from cascadekit.structures.masks import encode_rle, paste
from cascadekit.structures.samples import Prediction
from cascadekit.visualization import draw_detections, draw_stages, save_figure
from cascadekit.whole_file import write_json


def result_entries(prediction: Prediction, classes: Sequence[str]) -> list[dict[str, Any]]:
    """COCO result records of one picture, with the names of file and class beside the numbers.

    Args:
        prediction: D detections; D may be 0.
        classes: K names.

    Returns:
        D dicts: file_name, image_id, category_id (the label), category, score, bbox [x, y, w, h]
        in pixels of the file and, with a mask head, segmentation as RLE.
    """
    found, (height, width) = prediction.detections, prediction.info.original_size
    masks = None
    if found.mask_probs is not None:
        masks = encode_rle(paste(found.mask_probs, found.boxes, height, width))
    entries = []
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    for d, ((x1, y1, x2, y2), score, label) in enumerate(rows):
        entry = {
            "file_name": Path(prediction.info.path).name,
            "image_id": prediction.info.image_id,
            "category_id": label,
            "category": classes[label],
            "score": round(score, 5),
            "bbox": [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
        }
        if masks is not None:
            entry["segmentation"] = masks[d]
        entries.append(entry)
    return entries


def write_predictions(
    predictions: Iterable[Prediction],
    files: Sequence[Path],
    classes: Sequence[str],
    out: str | os.PathLike[str],
    score: float = 0.3,
    stages: bool = False,
) -> None:
    """Write `predictions.json` and the pictures, with a progress bar.

    Args:
        predictions: one per file, in order.
        files: the pictures.
        classes: K names.
        out: folder, made if needed.
        score: least score that is drawn.
        stages: also draw NAME_stages.png, the boxes of each stage.

    Raises:
        InputError: a picture cannot be read.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    pairs = zip(predictions, files, strict=True)
    for prediction, file in track(pairs, description="Detecting", total=len(files)):
        image = read_image(str(file))[:, :, ::-1]  # BGR to RGB
        entries += result_entries(prediction, classes)
        picture = draw_detections(image, prediction.detections, classes, score)
        save_figure(picture, folder / f"{file.stem}.png")
        if stages:
            strip = draw_stages(image, prediction, None, classes, score_threshold=score)
            save_figure(strip, folder / f"{file.stem}_stages.png")
    write_json(folder / "predictions.json", entries)
    print(f"{len(entries)} detections in {len(files)} pictures: {folder}/predictions.json")
