"""Result records by hand, and the files of a folder of pictures."""

import json

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from cascadekit.errors import InputError
from cascadekit.prediction_files import result_entries, write_predictions
from cascadekit.structures.samples import Detections, ImageInfo, Prediction, StageTrace

CLASSES = ("cat", "dog")


def prediction(boxes, scores, labels, masks=None, size=(48, 64), path="photos/a.jpg", image_id=0):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    index = torch.arange(len(boxes))
    labels = torch.tensor(labels, dtype=torch.long)
    scores = torch.tensor(scores, dtype=torch.float32)
    found = Detections(boxes, scores, labels, index, masks)
    trace = StageTrace(boxes, boxes, torch.full((len(boxes), len(CLASSES) + 1), 1 / 3), index)
    info = ImageInfo(size, size, image_id, path)
    return Prediction(info, found, (trace, trace))


def test_boxes():
    ours = prediction([[1, 2, 11, 22.126], [0, 0, 1, 1]], [0.87654321, 0.5], [1, 0], image_id=7)
    assert result_entries(ours, CLASSES) == [
        {
            "file_name": "a.jpg",
            "image_id": 7,
            "category_id": 1,
            "category": "dog",
            "score": 0.87654,
            "bbox": [1, 2, 10, pytest.approx(20.13)],  # width and height, not corners
        },
        {
            "file_name": "a.jpg",
            "image_id": 7,
            "category_id": 0,
            "category": "cat",
            "score": 0.5,
            "bbox": [0, 0, 1, 1],
        },
    ]


def test_masks_are_in_pixels_of_the_file():
    """A mask that is all inside fills its box, 10 x 20 pixels, but for the rounded corners."""
    ours = prediction([[4, 8, 14, 28]], [0.9], [0], torch.ones(1, 4, 4))
    (entry,) = result_entries(ours, CLASSES)
    mask = coco_mask.decode(entry["segmentation"])
    assert mask.shape == (48, 64)
    assert 196 <= mask.sum() == mask[8:28, 4:14].sum()
    assert mask[9:27, 4:14].all() and mask[8:28, 5:13].all()
    json.dumps(entry)  # counts are text, not bytes


@pytest.mark.parametrize("masks", [None, torch.zeros(0, 4, 4)])
def test_nothing_found(masks):
    assert result_entries(prediction([], [], [], masks), CLASSES) == []


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "b.png", tmp_path / "a.jpg"]
    for path in paths:
        cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
    return paths


@pytest.mark.parametrize("stages", [False, True])
def test_files(files, tmp_path, stages, capsys):
    predictions = [
        prediction([[8, 8, 40, 40], [1, 1, 5, 5]], [0.9, 0.1], [0, 1], path=str(files[0])),
        prediction([], [], [], path=str(files[1]), image_id=1),
    ]
    out = tmp_path / "deep" / "out"  # made if needed
    write_predictions(iter(predictions), files, CLASSES, out, stages=stages)
    wanted = {"predictions.json", "a.png", "b.png"}
    wanted |= {"a_stages.png", "b_stages.png"} if stages else set()
    assert {path.name for path in out.iterdir()} == wanted  # and no half-written file
    entries = json.loads((out / "predictions.json").read_text())
    # The least score is for the pictures only.
    assert [(e["file_name"], e["score"]) for e in entries] == [("b.png", 0.9), ("b.png", 0.1)]
    assert "2 detections in 2 pictures" in capsys.readouterr().out
    plain, drawn = cv2.imread(str(out / "a.png")), cv2.imread(str(out / "b.png"))
    assert np.ptp(plain[10:-10, 10:-10].reshape(-1, 3), 0).max() < np.ptp(drawn)


def test_a_picture_that_went_away(files, tmp_path):
    files[1].unlink()
    predictions = [prediction([], [], [], path=str(file)) for file in files]
    with pytest.raises(InputError, match=r"a\.jpg"):
        write_predictions(predictions, files, CLASSES, tmp_path / "out")
    assert not (tmp_path / "out" / "predictions.json").exists()
