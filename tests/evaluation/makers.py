"""Data samples with detections, as a Runner's evaluator gets them."""

from __future__ import annotations

import torch
from mmengine.evaluator import Evaluator

from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Prediction,
    StageTrace,
    Targets,
    attach_predictions,
    make_data_sample,
)

NOTHING = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, 4))


def detections(*rows):
    """Each row is (x1, y1, x2, y2, score, label); none is fine."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    return Detections(
        table[:, :4].float(),
        table[:, 4].float(),
        table[:, 5].long(),
        torch.arange(len(table)),
    )


def sample(image_id, found, instances=(), devkit=None, variants=None, stages=()):
    """One image of 200 x 400 pixels."""
    info = ImageInfo((200, 400), (200, 400), image_id, f"{image_id}.jpg")
    prediction = Prediction(info, found, tuple(stages), variants or {})
    data_sample = make_data_sample(info, NOTHING, instances)
    if devkit is not None:
        data_sample.set_metainfo({"devkit": devkit})
    return attach_predictions([data_sample], [prediction])[0]


def stage(inputs, outputs, scores):
    """A stage of R rois and one class; scores are those of the class."""
    probability = torch.tensor(scores, dtype=torch.float32).reshape(-1, 1)
    return StageTrace(
        torch.tensor(inputs, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(outputs, dtype=torch.float32).reshape(-1, 4),
        torch.cat([probability, 1 - probability], 1),
        torch.full((len(scores),), -1),
    )


def evaluate(metric, samples, classes):
    """What the evaluator of one process reports."""
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = {"classes": classes}
    for element in samples:
        evaluator.process([element])
    return evaluator.evaluate(len(samples))


def evaluate_apart(make, samples, classes):
    """The same from two processes: what each kept, in turns, as mmengine joins it."""
    parts = []
    for samples_of_one in (samples[::2], samples[1::2]):
        metric = make()
        metric.dataset_meta = {"classes": classes}
        for element in samples_of_one:
            metric.process(None, [element.to_dict()])
        parts.append(metric.results)
    joined = [record for pair in zip(*parts, strict=False) for record in pair]
    joined += parts[0][len(parts[1]) :]
    metric = make()
    metric.dataset_meta = {"classes": classes}
    return {f"{metric.prefix}/{k}": v for k, v in metric.compute_metrics(joined).items()}
