"""Stored proposals on their way from the file to the model."""

import numpy as np
import pytest
import torch

from cascadekit.datasets import (
    LoadImage,
    LoadProposals,
    PackInputs,
    PictureProposals,
    RandomFlip,
    Resize,
    write_proposals,
)
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS
from cascadekit.structures.given_proposals import stored_proposals
from cascadekit.structures.samples import image_infos

NONE = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


@pytest.fixture
def file(tmp_path):
    """Picture 1 has two boxes and one beyond the border, picture 2 has none."""
    boxes = np.array([[1, 2, 3, 4], [0, 0, 10, 5], [9, 4, 11, 6]], np.float32)
    scores = np.array([0.9, 0.6, 0.3], np.float32)
    path = tmp_path / "p.safetensors"
    pictures = [
        PictureProposals(1, "a.png", (5, 10), boxes, scores),
        PictureProposals(2, "b.png", (5, 10), *NONE),
    ]
    write_proposals(path, pictures, {})
    return str(path)


def packed(file, image_id=1, flip=0.0, size=(15, 20), most=None, shape=(5, 10)):
    """A sample of a picture of 5 x 10 (height, width), resized to `size`."""
    name = {1: "a.png", 2: "b.png"}.get(image_id, "c.png")
    results = {"img": np.zeros((*shape, 3), np.uint8), "img_id": image_id}
    results = LoadImage()({**results, "img_path": f"folder/{name}", "instances": []})
    results = LoadProposals(file, most)(results)
    results = Resize(size[::-1], keep_ratio=False)(results)
    return PackInputs(with_masks=False)(RandomFlip(flip)(results))["data_samples"]


@pytest.mark.parametrize(
    ("flip", "expected"),
    [
        # x * 2, y * 3; the third box is cut at the border
        (0.0, [[2, 6, 6, 12], [0, 0, 20, 15], [18, 12, 20, 15]]),
        # 20 - 6 and 20 - 2; the whole picture stays; 20 - 20 and 20 - 18
        (1.0, [[14, 6, 18, 12], [0, 0, 20, 15], [0, 12, 2, 15]]),
    ],
)
def test_they_move_with_the_picture(file, flip, expected):
    proposals = stored_proposals([packed(file, flip=flip)])
    assert proposals.boxes.dtype == proposals.scores.dtype == torch.float32
    assert proposals.boxes.tolist() == expected
    assert proposals.scores.tolist() == pytest.approx([0.9, 0.6, 0.3])


def test_the_way_back(file):
    sample = packed(file, flip=1.0)
    (info,) = image_infos([sample])
    boxes = info.to_original(stored_proposals([sample]).boxes)
    assert boxes.tolist() == [[1, 2, 3, 4], [0, 0, 10, 5], [9, 4, 10, 5]]


def test_the_best_so_many(file):
    assert len(stored_proposals([packed(file, most=2)])) == 2


def test_a_picture_without_proposals_in_a_batch(file):
    proposals = stored_proposals([packed(file, 2), packed(file, 1, most=1), packed(file, 2)])
    assert proposals.image_index.tolist() == [1]
    assert len(stored_proposals([packed(file, 2)])) == 0


def test_a_box_outside_of_the_picture_is_left_out(tmp_path):
    boxes = np.array([[10, 1, 11, 2], [9, 4, 10, 5]], np.float32)  # the first: beside it
    path = tmp_path / "p.safetensors"
    scores = np.array([0.9, 0.3], np.float32)
    write_proposals(path, [PictureProposals(1, "", (5, 10), boxes, scores)], {})
    proposals = stored_proposals([packed(str(path))])
    assert proposals.boxes.tolist() == [[18, 12, 20, 15]]
    assert proposals.scores.tolist() == pytest.approx([0.3])


def test_without_the_step_a_sample_has_none():
    results = LoadImage()({"img": np.zeros((5, 10, 3), np.uint8), "img_path": "a.png"})
    with pytest.raises(InputError, match=r"a\.png has no proposals"):
        stored_proposals([PackInputs(with_masks=False)(results)["data_samples"]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_id": 3}, r"picture 3 \(c\.png\): no proposals"),
        ({"shape": (10, 20)}, "this one has 20 x 10"),
    ],
)
def test_a_picture_that_does_not_fit(file, options, message):
    with pytest.raises(InputError, match=message):
        packed(file, **options)


@pytest.mark.parametrize("most", [0, -1, 1.5, True])
def test_faults(file, most):
    with pytest.raises(InputError, match="most of LoadProposals must be a whole number"):
        LoadProposals(file, most)


def test_a_missing_file_is_an_error_at_once(tmp_path):
    with pytest.raises(InputError, match=r"file of proposals not found.*cascadekit proposals"):
        LoadProposals(str(tmp_path / "none.safetensors"))


def test_registered():
    assert TRANSFORMS.get("LoadProposals") is LoadProposals
