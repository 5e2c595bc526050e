"""A prediction of two objects whose boxes grow from stage to stage."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from cascadekit.structures.samples import Detections, ImageInfo, Prediction, StageTrace, Targets

IMAGE = np.full((100, 150, 3), 90, np.uint8)
CLASSES = ("cat", "dog")
TRUTH = torch.tensor([[10.0, 10, 60, 60], [80, 20, 130, 70]])


def prediction(heights=(20, 30, 40, 50), scores=(0.9, 0.6), masks=False, labels=(0, 1)):
    """At each step the boxes are `height` of 50 pixels tall: IoU height / 50.

    The trace has a third roi in front that became nothing, so rows must go through roi_index.
    """
    steps = []
    for height in heights:
        boxes = TRUTH.clone()
        boxes[:, 3] = boxes[:, 1] + height
        steps.append(torch.cat([torch.tensor([[0.0, 0, 5, 5]]), boxes]))
    probabilities = torch.tensor([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1], [0.2, 0.6, 0.2]])
    index = torch.tensor([-1, 0, 1])
    stages = tuple(StageTrace(a, b, probabilities, index) for a, b in pairwise(steps))
    found = Detections(
        steps[-1][1:],
        torch.tensor(scores),
        torch.tensor(labels),
        torch.tensor([1, 2]),
        torch.ones(2, 8, 8) if masks else None,
    )
    return Prediction(ImageInfo((100, 150), (100, 150)), found, stages)


def targets(boxes=TRUTH, labels=(0, 1)):
    return Targets(boxes, torch.tensor(labels, dtype=torch.long), torch.zeros(0, 4))


def nothing():
    """A prediction without any roi."""
    none = torch.zeros(0, 4)
    stage = StageTrace(none, none, torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    empty = torch.zeros(0, dtype=torch.long)
    found = Detections(none, torch.zeros(0), empty, empty)
    return Prediction(ImageInfo((100, 150), (100, 150)), found, (stage,))
