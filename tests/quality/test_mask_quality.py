"""Masks and their boxes, on rectangles whose IoU is seen at once."""

import math

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.quality.ap_curves import compute_ap_curves
from cascadekit.quality.mask_quality import (
    MaskRecording,
    _rle,
    compute_mask_quality,
    mask_quality_table,
    plot_mask_quality,
    record_masks,
)
from cascadekit.structures.samples import Detections, ImageInfo, Prediction

SIZE = (20, 20)


def rectangle(width, height):
    """A polygon from (0, 0)."""
    return [[0, 0, width, 0, width, height, 0, height]]


def truth(image_id=0, label=0, **more):
    """An object of 10 x 10 pixels whose mask is all of its box."""
    record = {"image_id": image_id, "category_id": label, "bbox": [0, 0, 10, 10], "area": 100}
    mask = _rle(rectangle(10, 10), SIZE)
    return {**record, "iscrowd": 0, "ignore": 0, "segmentation": mask, **more}


def found(box_height, mask_height, image_id=0, label=0, score=0.9):
    """A detection 10 pixels wide: box IoU and mask IoU are the heights over 10."""
    mask = _rle(rectangle(10, mask_height), SIZE)
    box = [0, 0, 10, box_height]
    record = {"image_id": image_id, "category_id": label, "bbox": box, "score": score}
    return {**record, "segmentation": mask}


def recording(truths, results, images=1):
    sizes = [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in range(images)]
    categories = [{"id": k, "name": name} for k, name in enumerate("ab")]
    data = {"images": sizes, "annotations": truths, "categories": categories}
    return MaskRecording(data, tuple(results), (), ("a", "b"))


def curve(truths, results, images=1):
    return compute_mask_quality({"it": recording(truths, results, images)}).curves[0]


def test_the_detection_with_the_best_box_counts():
    # Boxes of IoU 0.8 and 0.6 on one object: the first counts, whose mask has 0.7.
    own = curve([truth()], [found(6, 10, score=0.99), found(8, 7)])
    assert (own.objects, own.found) == (1, 1)
    assert own.box_iou == pytest.approx(0.8) and own.mask_iou == pytest.approx(0.7)
    assert own.tight == 0.0
    assert own.by_box.count.tolist() == [0] * 6 + [1] + [0] * 3  # 0.80 to 0.85


@pytest.mark.parametrize(
    "result",
    [
        found(4, 10),  # its box is too loose
        found(10, 10, label=1),  # another class
        found(10, 10, score=0.2),  # a low score
        found(10, 10, image_id=1),  # another picture
    ],
)
def test_what_is_not_found(result):
    own = curve([truth()], [result], images=2)
    assert (own.objects, own.found) == (1, 0)
    assert math.isnan(own.box_iou) and math.isnan(own.mask_iou) and math.isnan(own.tight)


def test_ignored_objects_do_not_count():
    own = curve([truth(ignore=1), truth(iscrowd=1)], [found(10, 10)])
    assert (own.objects, own.found) == (0, 0)


def test_means_over_objects():
    results = [found(10, 10, 0), found(6, 8, 1)]
    own = curve([truth(0), truth(1)], results, images=2)
    assert own.box_iou == pytest.approx(0.8) and own.mask_iou == pytest.approx(0.9)
    assert own.tight == 1.0


@pytest.mark.parametrize(
    "given",
    [{}, {"empty": recording([], [], images=0)}, {"some": recording([truth()], [found(8, 7)])}],
)
def test_plot_and_table(given):
    result = compute_mask_quality(given)
    plot_mask_quality(result).canvas.draw()
    assert len(mask_quality_table(result).rows) == len(given)


class Detector(torch.nn.Module):
    """Finds the same in every picture; its mask is all of the box."""

    classes = ("a", "b")

    def __init__(self, masks=True):
        super().__init__()
        self.masks = masks

    def data_preprocessor(self, batch, training):
        return batch

    def predict(self, inputs, samples):
        probs = torch.ones(1, 14, 14) if self.masks else None
        box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
        own = Detections(box, torch.tensor([0.9]), torch.zeros(1).long(), torch.zeros(1), probs)
        return [Prediction(ImageInfo(SIZE, SIZE), own, ()) for _ in samples]


class Sample:
    def __init__(self, **record):
        self.metainfo = {"instances": [{"bbox": [0, 0, 10, 10], "label": 0, **record}]}


def loader(count=3, **record):
    record = {"segmentation": rectangle(10, 10)} | record
    return [{"inputs": None, "data_samples": [Sample(**record)]} for _ in range(count)]


@pytest.mark.parametrize(("limit", "images"), [(None, 3), (2, 2), (9, 3)])
def test_recording(limit, images):
    own = record_masks(Detector(), loader(), limit)
    assert [image["id"] for image in own.ground_truth["images"]] == list(range(images))
    assert len(own.predictions) == len(own.results) == images and own.classes == ("a", "b")
    for kind in ("bbox", "segm"):
        scores = compute_ap_curves({"it": own.scored}, rounds=0, iou_type=kind)
        assert scores.curves[0].ap["AP"] == pytest.approx(1.0)


def test_masks_given_as_rle():
    rle = _rle(rectangle(10, 10), SIZE)
    own = record_masks(Detector(), loader(1, segmentation=rle))
    assert own.ground_truth["annotations"][0]["segmentation"] == rle


@pytest.mark.parametrize(
    ("detector", "record", "words"),
    [
        (Detector(masks=False), {}, "needs a mask head"),
        (Detector(), {"segmentation": None}, "an object has no mask"),
    ],
)
def test_mistakes(detector, record, words):
    with pytest.raises(InputError, match=words):
        record_masks(detector, loader(**record))


def test_nothing_to_look_at():
    own = record_masks(Detector(), [])
    assert own.results == () and own.ground_truth["images"] == []
