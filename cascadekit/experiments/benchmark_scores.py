"""KITTI's, CityPersons' and WiderFace's own scores of a detector, by the truth of their files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from cascadekit.datasets.citypersons import CityPersonsDataset
from cascadekit.datasets.kitti import KittiDataset
from cascadekit.datasets.widerface import WiderFaceDataset
from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.kitti_ap import KittiDetections, KittiTruth, evaluate_kitti
from cascadekit.evaluation.miss_rate import PersonTruth, evaluate_miss_rate
from cascadekit.evaluation.widerface_ap import FaceTruth, evaluate_widerface
from cascadekit.structures.samples import Detections


def benchmark_scores(detector: nn.Module, loader: DataLoader) -> dict[str, float]:
    """Score a detector as the benchmark does whose data it is tested on.

    Args:
        detector: in evaluation mode.
        loader: all pictures of a KITTI, CityPersons or WiderFace set in test mode, in order.

    Returns:
        Fractions by name: AP11_car_easy, AP40_car_easy, ... (IoU 0.7 for cars, the devkit of 2017);
        MR50_Reasonable, MR75_Reasonable, ...; or AP50_easy, AP75_easy, ... nan where nothing is to
        be found.

    Raises:
        InputError: the data are of none of these benchmarks.
    """
    dataset: Any = loader.dataset
    found = list(_found(detector, loader))
    if isinstance(dataset, KittiDataset):
        names = dataset.metainfo["classes"]
        truths = [KittiTruth(**devkit) for devkit, _ in found]
        detections = [
            KittiDetections([names[k] for k in d.labels.tolist()], *_arrays(d)) for _, d in found
        ]
        return evaluate_kitti(truths, detections).as_dict()
    boxes = [_scored(detections) for _, detections in found]
    if isinstance(dataset, CityPersonsDataset):
        people = [PersonTruth(**devkit) for devkit, _ in found]
        return evaluate_miss_rate(people, boxes).as_dict()
    if isinstance(dataset, WiderFaceDataset):
        faces = [FaceTruth(**devkit) for devkit, _ in found]
        return evaluate_widerface(faces, boxes).as_dict()
    raise InputError(
        f"{type(dataset).__name__} is no set of KITTI, CityPersons or WiderFace, whose own scores "
        "were asked for"
    )


@torch.no_grad()
def _found(detector: nn.Module, loader: DataLoader) -> Iterator[tuple[dict[str, Any], Detections]]:
    """The benchmark's own rows of each picture, and what was found there."""
    for batch in loader:
        data = detector.data_preprocessor(batch, False)
        predictions = detector.predict(data["inputs"], data["data_samples"])
        for sample, prediction in zip(data["data_samples"], predictions, strict=True):
            yield sample.metainfo.get("devkit", {}), prediction.detections


def _arrays(found: Detections) -> tuple[np.ndarray, np.ndarray]:
    """(D, 4) boxes xyxy in pixels of the file, and (D,) scores, as doubles."""
    return found.boxes.double().cpu().numpy(), found.scores.double().cpu().numpy()


def _scored(found: Detections) -> ScoredBoxes:
    boxes, scores = _arrays(found)
    corner, end = boxes[:, :2], boxes[:, 2:]
    return ScoredBoxes(np.concatenate([corner, end - corner], 1), scores)
