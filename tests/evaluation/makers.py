"""Random ground truth and detections, and data samples as a Runner's evaluator gets them."""

from __future__ import annotations

import random

import torch
from mmengine.evaluator import Evaluator
from pycocotools import mask as coco_mask

from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.kitti_ap import KittiDetections, KittiTruth
from cascadekit.evaluation.miss_rate import PersonTruth
from cascadekit.evaluation.voc_ap import VocDetections, VocTruth
from cascadekit.evaluation.widerface_ap import FaceTruth
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


# Size of the objects: 8 to 130 pixels, so that all three sizes occur.
SIDES = (8, 20, 40, 90, 130)


def random_case(seed, crowds=True, ignored=False, masks=False):
    """Ground truth and results of a few images; scores are few, so that many are equal."""
    rng = random.Random(seed)
    images = [{"id": i, "height": 220, "width": 220} for i in rng.sample(range(50), 6)]
    truths, found = [], []
    for image in images:
        for _ in range(rng.choice((0, 1, 3, 6))):
            x, y, side = rng.randint(0, 80), rng.randint(0, 80), rng.choice(SIDES)
            box = [x, y, side, rng.choice((side, side + 5))]
            crowd = int(crowds and rng.random() < 0.2)
            record = {"bbox": box, "area": box[2] * box[3] * rng.choice((0.6, 1)), "iscrowd": crowd}
            record["ignore"] = int(crowd or (ignored and rng.random() < 0.3))
            label = rng.choice((3, 5, 9))
            truths.append({**record, "image_id": image["id"], "category_id": label})
            for _ in range(rng.choice((0, 1, 1, 3))):
                moved = [
                    box[0] + rng.choice((0, 1, 4)),
                    box[1],
                    box[2],
                    max(1, box[3] - rng.choice((0, 3))),
                ]
                found.append({"bbox": moved, "image_id": image["id"], "category_id": label})
        for _ in range(rng.choice((0, 2, 5))):
            box = [rng.randint(0, 120), rng.randint(0, 120), rng.choice(SIDES), rng.choice(SIDES)]
            found.append(
                {"bbox": box, "image_id": image["id"], "category_id": rng.choice((3, 5, 9))}
            )
    for k, record in enumerate(truths, 1):
        record["id"] = k
    for record in found:
        record["score"] = rng.choice((0.1, 0.2, 0.5, 0.5, 0.9))
    if masks:
        for record in (*truths, *found):
            x, y, w, h = record["bbox"]
            record["segmentation"] = [[x, y, x + w, y, x + w / 2, y + h]]
        for record in found:  # results have RLE
            (rle,) = coco_mask.frPyObjects(record["segmentation"], 220, 220)
            record["segmentation"] = rle
    names = [{"id": k, "name": str(k)} for k in (3, 5, 9)]
    return {"images": images, "annotations": truths, "categories": names}, found


NAMES = ("Car", "Pedestrian", "Cyclist", "Van")


class Maker:
    """Random images of each benchmark; no two scores are alike, so that no order matters."""

    def __init__(self, seed, images=12):
        self.rng = random.Random(seed)
        self.images = images

    def boxes(self, count, lowest=18, highest=90):
        r = self.rng
        return [
            [r.randint(0, 300), r.randint(0, 200), r.randint(10, 70), r.randint(lowest, highest)]
            for _ in range(count)
        ]

    def found(self, boxes):
        """A shifted copy of most boxes and some false alarms, xywh, and scores of either sign."""
        moved = [
            [x + self.rng.choice((0, 1, 3)), y, w, h + self.rng.choice((0, 2))]
            for x, y, w, h in boxes
            for _ in range(self.rng.choice((0, 1, 1, 2)))
        ]
        moved += self.boxes(self.rng.choice((0, 1, 4)))
        return moved, [self.rng.gauss(0, 2) for _ in moved]

    def kitti(self):
        truths, found = [], []
        for _ in range(self.images):
            boxes = self.boxes(self.rng.choice((0, 2, 5)))
            moved, scores = self.found(boxes)
            names = [self.rng.choice(NAMES) for _ in boxes]
            truths.append(
                KittiTruth(
                    [*names, "DontCare"],
                    [*map(corners, boxes), [0, 0, 60, 60]],
                    [self.rng.choice((0, 0.15, 0.4)) for _ in names] + [-1],
                    [self.rng.choice((0, 1, 2)) for _ in names] + [-1],
                )
            )
            labels = [self.rng.choice(NAMES[:2]) for _ in moved]
            found.append(KittiDetections(labels, [*map(corners, moved)], scores))
        return truths, found

    def persons(self):
        truths, found = [], []
        for _ in range(self.images):
            boxes = self.boxes(self.rng.choice((0, 2, 5)))
            ratios = [self.rng.choice((0.1, 0.4, 0.65, 1)) for _ in boxes]
            ignored = [self.rng.random() < 0.2 for _ in boxes]
            truths.append(PersonTruth(boxes, ratios, ignored))
            found.append(ScoredBoxes(*self.found(boxes)))
        return truths, found

    def faces(self):
        truths, found = [], []
        for _ in range(self.images):
            boxes = self.boxes(self.rng.choice((1, 2, 5)))
            hard = [self.rng.random() < 0.8 for _ in boxes]
            easy = [h and self.rng.random() < 0.5 for h in hard]
            truths.append(FaceTruth(boxes, easy, easy, hard))
            found.append(ScoredBoxes(*self.found(boxes)))
        return truths, found

    def voc(self):
        truths, found = [], []
        for _ in range(self.images):
            boxes = self.boxes(self.rng.choice((0, 2, 5)))
            names = [self.rng.choice(NAMES) for _ in boxes]
            hard = [self.rng.random() < 0.2 for _ in boxes]
            truths.append(VocTruth(names, [*map(corners, boxes)], hard))
            moved, scores = self.found(boxes)
            labels = [self.rng.choice(NAMES) for _ in moved]
            found.append(VocDetections(labels, [*map(corners, moved)], scores))
        return truths, found


def corners(box):
    x, y, w, h = box
    return [x, y, x + w, y + h]
