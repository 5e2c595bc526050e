"""What the registered metrics of other benchmarks share: records of pictures, stages and files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from mmengine.logging import print_log

from cascadekit.errors import InputError, did_you_mean
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.structures.samples import Detections, Prediction
from cascadekit.whole_file import write_json

FINAL = "final"  # the detections that the detector reports, next to those of chosen stages


@dataclass(frozen=True)
class FoundBoxes:
    """Detections of one image without tensors, in pixels of the file.

    Attributes:
        boxes: (D, 4) float64 xyxy; D may be 0.
        scores: (D,) float64.
        labels: (D,) int64, 0..K-1.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    @property
    def boxes_xywh(self) -> np.ndarray:
        """(D, 4) float64 x, y, width, height."""
        return np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)


@dataclass(frozen=True)
class PictureRecord:
    """All that a metric keeps of one image until the end of the epoch.

    Attributes:
        image_id: the data set's.
        path: for messages.
        truth: what the data set knows, as the metric wants it.
        found: by choice of stages; `FINAL` is what the detector reports.
    """

    image_id: int | str
    path: str
    truth: Any
    found: Mapping[str, FoundBoxes]


def prediction_of(sample: Mapping[str, Any], metric: str) -> Prediction:
    """The prediction of one data sample.

    Args:
        sample: as mmengine hands it to `process`.
        metric: name of the metric, for the message.

    Returns:
        What `structures.samples.attach_predictions` put there.

    Raises:
        InputError: there is none.
    """
    prediction = sample.get("prediction")
    if not isinstance(prediction, Prediction):
        raise InputError(
            f"{metric} needs a Prediction as `prediction` in each data sample (see "
            f"structures.samples.attach_predictions), got the keys {sorted(sample)}"
        )
    return prediction


def devkit_rows(
    sample: Mapping[str, Any], metric: str, keys: Sequence[str], reader: str
) -> dict[str, Any]:
    """The annotated rows of a benchmark's own format.

    Args:
        sample: data sample of a data set in test mode.
        metric: name of the metric, for the message.
        keys: what the rows must have.
        reader: the data set that brings them, for the message.

    Returns:
        The rows by `keys`.

    Raises:
        InputError: the sample has none, or those of another benchmark.
    """
    rows = sample.get("devkit")
    if rows is None or not set(keys) <= set(rows):
        has = "none" if rows is None else f"rows with {', '.join(rows)}"
        raise InputError(
            f"{metric} needs the rows of its benchmark's annotations in each data sample, got "
            f"{has}: use {reader} with test_mode=True, or a json that `cascadekit convert-dataset` "
            "wrote from its files"
        )
    return {key: rows[key] for key in keys}


def record_of(prediction: Prediction, truth: Any, stage_table: bool) -> PictureRecord:
    """One image without tensors; with `stage_table` also what each choice of stages found."""
    found = {FINAL: _found(prediction.detections)}
    for name, detections in prediction.variants.items() if stage_table else ():
        same = detections is prediction.detections
        found[name] = found[FINAL] if same else _found(detections)
    info = prediction.info
    return PictureRecord(info.image_id, info.path or f"image {info.image_id!r}", truth, found)


def _found(detections: Detections) -> FoundBoxes:
    return FoundBoxes(
        detections.boxes.detach().double().cpu().numpy().reshape(-1, 4),
        detections.scores.detach().double().cpu().numpy(),
        detections.labels.detach().cpu().numpy(),
    )


def ordered(records: Sequence[PictureRecord]) -> list[PictureRecord]:
    """Records by image id, whichever process they came from.

    Args:
        records: of all processes; may be empty.

    Returns:
        The same, sorted: equal scores of different images rank in the order of the ids.

    Raises:
        InputError: two images share an id.
    """
    found = sorted(records, key=lambda one: (isinstance(one.image_id, str), one.image_id))
    for one, other in pairwise(found):
        if one.image_id == other.image_id:
            raise InputError(
                f"two images have the id {one.image_id!r} ({one.path!r} and {other.path!r}): the "
                "data set must give each its own img_id"
            )
    return found


def class_names(
    meta: Mapping[str, Any] | None, metric: str, records: Sequence[PictureRecord]
) -> tuple[str, ...]:
    """The class names of the data set.

    Args:
        meta: its metainfo.
        metric: name of the metric, for the message.
        records: whose labels must be among them.

    Returns:
        K names in label order.

    Raises:
        InputError: there are none, or a label is beyond them.
    """
    classes = tuple((meta or {}).get("classes") or ())
    if not classes:
        raise InputError(
            f"{metric} needs the class names: the data set's metainfo must have 'classes', got "
            f"{sorted(meta or {})}"
        )
    for record in records:
        for found in record.found.values():
            if len(found.labels) and not 0 <= found.labels.min() <= found.labels.max() < len(
                classes
            ):
                raise InputError(
                    f"{record.path}: detections have labels {found.labels.min()} to "
                    f"{found.labels.max()}, but the data set has {len(classes)} classes: compare "
                    "num_classes of the model with the data set's classes"
                )
    return classes


def only_class(classes: Sequence[str], wanted: str, metric: str) -> int:
    """The label of the class that a benchmark of one class looks at.

    Args:
        classes: of the data set.
        wanted: its name; a data set of one class may call it otherwise.
        metric: name of the metric, for the message.

    Returns:
        0..K-1.

    Raises:
        InputError: there are several classes, and none has that name.
    """
    if wanted in classes:
        return list(classes).index(wanted)
    if len(classes) == 1:
        return 0
    raise InputError(
        f"{metric} looks at the class {wanted!r}; the data set has {', '.join(classes)}."
        f"{did_you_mean(wanted, classes)}"
    )


def boxes_of_class(found: FoundBoxes, label: int) -> ScoredBoxes:
    """The detections of one class, as x, y, width and height."""
    own = found.labels == label
    return ScoredBoxes(found.boxes_xywh[own], found.scores[own])


def figures_by_stage(
    records: Sequence[PictureRecord],
    score: Callable[[list[FoundBoxes]], Mapping[str, float]],
) -> dict[str, float]:
    """Figures of the final detections, and of every choice of stages that was kept.

    Args:
        records: ordered; may be empty.
        score: detections of each image, in that order -> name -> fraction.

    Returns:
        The figures of the final detections under their names, of others as `stage_NAME/...`.
    """
    nothing = FoundBoxes(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
    names = dict.fromkeys(name for record in records for name in record.found)
    figures = dict(score([record.found[FINAL] for record in records]))
    for name in names:
        if name != FINAL:
            found = [record.found.get(name, nothing) for record in records]
            figures |= {f"stage_{name}/{key}": value for key, value in score(found).items()}
    return figures


def log_text(text: str) -> None:
    """Put a table into the log of the Runner."""
    print_log("\n" + text, logger="current")


def write_summary(
    prefix: str | None, name: str, records: Sequence[PictureRecord], figures: Mapping[str, float]
) -> None:
    """Write PREFIX.NAME.json: figures (null for nan), how many images and detections.

    Args:
        prefix: of the file; None writes nothing.
        name: of the benchmark.
        records: what was scored.
        figures: name -> fraction.
    """
    if prefix is None:
        return
    summary = {
        "images": len(records),
        "boxes": sum(len(found.scores) for r in records for found in list(r.found.values())[:1]),
        # json has no nan
        "scores": {k: None if math.isnan(v) else v for k, v in figures.items()},
    }
    write_json(f"{prefix}.{name}.json", summary)
