"""Views of a picture: which, in what order, and what of it lies where."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from cascadekit.datasets import test_views as views_module
from cascadekit.datasets.transforms import from_array
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS
from cascadekit.structures.samples import image_infos

PACK = {"type": "PackInputs"}
RESIZE = {"type": "Resize", "scale": (60, 40)}


def make_views(image, transforms=(RESIZE, PACK), instances=(), **settings):
    views = TRANSFORMS.build({"type": "TestViews", "transforms": list(transforms), **settings})
    record = {**from_array(image), "instances": list(instances), "test_mode": True}
    return views(record)


def noise(height=20, width=30):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_order_sizes_and_what_is_noted():
    views = make_views(noise(), scales=(0.5, 1.25))
    infos = image_infos(views["data_samples"])
    # 20 x 30 becomes 40 x 60; times 0.5 and 1.25.
    assert [(*i.size, i.flipped) for i in infos] == [
        (40, 60, False),
        (40, 60, True),
        (20, 30, False),
        (20, 30, True),
        (50, 75, False),
        (50, 75, True),
    ]
    assert {i.original_size for i in infos} == {(20, 30)}
    assert [tuple(x.shape) for x in views["inputs"]] == [(3, *i.size) for i in infos]
    factors = [s.metainfo["scale_factor"] for s in views["data_samples"]]
    assert factors[::2] == [(2.0, 2.0), (1.0, 1.0), (2.5, 2.5)]


def test_the_first_view_is_the_plain_pipeline():
    image = noise()
    views = make_views(image, scales=(2.0,), flip=False)
    plain = from_array(image)
    for transform in (RESIZE, PACK):
        plain = TRANSFORMS.build(transform)(plain)
    assert len(views["inputs"]) == 2
    assert torch.equal(views["inputs"][0], plain["inputs"])


def test_pixels_come_from_the_file_and_not_from_another_view():
    image = noise()
    # The first view is a third of the size; the next is the file's, untouched; then a half.
    small = {"type": "Resize", "scale": (10, 7), "keep_ratio": False}
    views = make_views(image, (small, PACK), scales=(3.0, 1.5))
    assert tuple(views["inputs"][0].shape) == (3, 7, 10)
    bgr = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1)
    exact = make_views(image, (PACK,), scales=())["inputs"]
    assert torch.equal(exact[0], bgr) and torch.equal(exact[1], bgr.flip(2))
    assert tuple(views["inputs"][2].shape) == (3, 21, 30)  # int(7 * 3.0 + 0.5)
    half = cv2.resize(image[:, :, ::-1], (15, 11), interpolation=cv2.INTER_LINEAR)
    assert torch.equal(views["inputs"][4], torch.from_numpy(half).permute(2, 0, 1))
    for straight, mirrored in zip(views["inputs"][::2], views["inputs"][1::2], strict=True):
        assert torch.equal(straight.flip(2), mirrored)


@pytest.mark.parametrize(("flip", "scales", "count"), [(False, (), 1), (True, (), 2)])
def test_few_views(flip, scales, count):
    assert len(make_views(noise(), scales=scales, flip=flip)["inputs"]) == count


def test_one_pixel():
    views = make_views(noise(1, 1), (PACK,), scales=(0.1, 3))
    assert [tuple(x.shape[1:]) for x in views["inputs"][::2]] == [(1, 1), (1, 1), (3, 3)]


def test_a_strip_keeps_its_last_pixel():
    views = make_views(noise(1, 50), (PACK,), scales=(0.2,), flip=False)
    assert tuple(views["inputs"][1].shape) == (3, 1, 10)


def test_only_the_first_view_carries_the_objects():
    triangle = [[2, 2, 12, 2, 2, 12]]
    thing = {"bbox": [2, 2, 12, 12], "label": 1, "area": 50, "segmentation": triangle}
    thing |= {"iscrowd": False, "ignore": False}
    first, *others = make_views(noise(), scales=(0.5,), instances=[thing])["data_samples"]
    assert first.gt_instances.bboxes.tolist() == [[4, 4, 24, 24]]
    assert first.metainfo["instances"] == [thing]
    for other in others:
        assert len(other.gt_instances.bboxes) == 0 and not other.metainfo["instances"]


def test_stored_proposals_move_with_their_view():
    views = TRANSFORMS.build({"type": "TestViews", "transforms": [RESIZE, PACK], "scales": (0.5,)})
    stored = (np.array([[2.0, 2, 12, 12]], np.float32), np.array([0.75], np.float32))
    samples = views({**from_array(noise()), "proposals": stored})["data_samples"]
    assert [s.proposals.bboxes.tolist()[0] for s in samples] == [
        [4, 4, 24, 24],  # twice as large
        [36, 4, 56, 24],  # 60 - 24, 60 - 4
        [2, 2, 12, 12],
        [18, 2, 28, 12],
    ]


def test_a_batch_is_a_list_of_views():
    batch = pseudo_collate([make_views(noise(20, w), scales=(2.0,)) for w in (30, 20, 40)])
    assert len(batch["inputs"]) == len(batch["data_samples"]) == 4
    assert [len(view) for view in batch["inputs"]] == [3] * 4
    sizes = [[info.size for info in image_infos(view)] for view in batch["data_samples"]]
    assert sizes[0] == sizes[1] == [(40, 60), (40, 40), (30, 60)]
    assert sizes[2] == [(80, 120), (80, 80), (60, 120)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transforms": []}, "transforms is empty"),
        ({"transforms": [PACK], "scales": (0.5, 0)}, "numbers above 0, got 0"),
        ({"transforms": [PACK], "scales": ("1",)}, "numbers above 0, got '1'"),
    ],
)
def test_faults(settings, message):
    with pytest.raises(InputError, match=message):
        views_module.TestViews(**settings)
