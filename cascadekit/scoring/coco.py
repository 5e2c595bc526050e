"""COCO's json of ground truth and of results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cascadekit.datasets.coco import read_coco_json
from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import (
    THRESHOLDS,
    CocoScores,
    coco_arrays,
    coco_evaluator,
    scores_of,
)
from cascadekit.evaluation.coco_backends import check_backend
from cascadekit.evaluation.coco_resampling import CocoMatches, read_matches
from cascadekit.scoring.scored import Scored, Scorer
from cascadekit.scoring.truth_files import Place
from cascadekit.visualization.metric_plots import Line, Panel

DRAWN = (50, 60, 70, 75, 80, 90)  # IoU in percent
RECALLS = np.linspace(0, 1, 101)


def open_coco(
    place: Place,
    iou_type: str = "bbox",
    backend: str = "pycocotools",
    classwise: bool = False,
) -> Scorer:
    """Read ground truth: a COCO json.

    Args:
        place: the json; a split has no meaning.
        iou_type: "bbox" or "segm".
        backend: as for `evaluate_coco`; intervals are matched by ours in any case.
        classwise: also give AP of each class.

    Returns:
        What scores a json of results.

    Raises:
        InputError: it cannot be read, or the back end is not there.
    """
    check_backend(backend)
    truth = read_coco_json(str(place.path))

    def score(source: str, draws: bool) -> Scored:
        results = read_coco_results(source)
        evaluator = coco_evaluator(truth, results, iou_type)
        precision, recall = coco_arrays(evaluator, backend)
        scores = scores_of(evaluator.params, precision, recall, evaluator.index.names)
        matches = read_matches(evaluator, scores) if draws else None

        def figures(weights: np.ndarray | None) -> Mapping[str, float]:
            return _figures(scores, matches, weights, classwise)

        return Scored(
            metric="coco",
            source=source,
            num_images=len(evaluator.index.images),
            num_detections=len(results),
            figures=figures,
            main="AP",
            lower_is_better=False,
            kind="precision-recall",
            panels=_panels(precision, scores),
            notes=_notes(truth),
        )

    return score


def _notes(truth: Mapping[str, Any]) -> tuple[str, ...]:
    """Where we differ from the original on these very data."""
    odd = sum(1 for a in truth["annotations"] if a.get("ignore") and not a.get("iscrowd"))
    if not odd:
        return ()
    return (
        f"{odd} objects that are no crowds have ignore 1 and are ignored, as the format means it; "
        "pycocotools would count them",
    )


def _figures(
    scores: CocoScores, matches: CocoMatches | None, weights: np.ndarray | None, classwise: bool
) -> Mapping[str, float]:
    """All figures; those that no draw gives (AR1, AR10, of one class) are nan in draws."""
    own = scores.as_dict()
    if classwise:
        own |= {f"class/{name}/AP": value for name, value in scores.ap_by_class.items()}
    if weights is None or matches is None:
        return own
    return {**dict.fromkeys(own, float("nan")), **matches.figures(weights)}


def read_coco_results(source: str) -> list[dict[str, Any]]:
    """A json list of results, boxes or masks; entries are checked where they are used.

    Args:
        source: the file.

    Returns:
        Its list; may be empty.

    Raises:
        InputError: it is missing, no json, or no list.
    """
    path = Path(source)
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"file of detections not found: {source!r} (looked for {path.absolute()})"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{source} is a folder: expected a json of COCO results") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{source} is not json: {error}") from None
    if not isinstance(results, list):
        raise InputError(
            f"{source} holds a {type(results).__name__}, but COCO results are a list of "
            "detections. Is it a file of annotations?"
        )
    for k, entry in enumerate(results):
        if not isinstance(entry, dict):
            raise InputError(f"{source}: results[{k}] must be a dict, got {str(entry)[:60]}")
    return results


def _panels(precision: np.ndarray, scores: CocoScores) -> tuple[Panel, ...]:
    """Precision by recall, mean over the classes that have objects."""
    own = precision[:, :, :, 0, -1]  # (T, 101, K)
    known = (own > -1).all((0, 1))
    lines = []
    for percent in DRAWN if known.any() else ():
        curve = own[THRESHOLDS.index(percent)][:, known].mean(1)
        label = f"IoU {percent / 100:g}: AP {100 * scores.ap_at(percent):.1f}"
        lines.append(Line(label, RECALLS, curve))
    return (Panel("mean over classes", tuple(lines)),)
