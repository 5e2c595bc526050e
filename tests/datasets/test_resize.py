"""How large the network sees a picture: hand-worked sizes and one clear error per fault."""

import numpy as np
import pytest

from cascadekit.datasets import LoadImage, PackInputs, RandomFlip, Resize
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS
from cascadekit.structures.samples import image_infos


def loaded(height, width):
    return LoadImage()({"img": np.zeros((height, width, 3), np.uint8)})


@pytest.mark.parametrize(
    ("scale", "keep_ratio", "size", "expected"),
    [
        ((1333, 800), True, (480, 640), (800, 1067)),  # short edge: 640 * 800/480 = 1066.67
        ((1333, 800), True, (640, 480), (1067, 800)),  # the same, upright
        ((1333, 800), True, (400, 1000), (533, 1333)),  # long edge: 400 * 1.333 = 533.2
        ((800, 1333), True, (480, 640), (800, 1067)),  # order of the numbers does not matter
        ((1000, 600), True, (375, 500), (600, 800)),  # VOC
        ((100, 100), True, (10, 10), (100, 100)),
        ((30, 20), True, (1, 600), (1, 30)),  # 1 * 0.05 would round to 0
        ((30, 20), False, (480, 640), (20, 30)),  # width, height
        ([(1333, 800)], True, (480, 640), (800, 1067)),
    ],
)
def test_resize(scale, keep_ratio, size, expected):
    results = Resize(scale, keep_ratio=keep_ratio)(loaded(*size))
    assert results["img"].shape[:2] == results["img_shape"] == expected
    assert results["ori_shape"] == size
    assert results["scale_factor"] == (expected[1] / size[1], expected[0] / size[0])


def test_resize_is_bilinear():
    # 1 x 2 to 1 x 4: readings at -0.25, 0.25, 0.75, 1.25 of 0 and 100, borders repeated
    results = LoadImage()({"img": np.array([[[0] * 3, [100] * 3]], np.uint8)})
    image = Resize((4, 1), keep_ratio=False)(results)["img"]
    assert image[0, :, 0].tolist() == [0, 25, 75, 100]


def test_detectron_s_scales_of_the_resnext_152():
    """640 to 800 in steps of 32; the long edge stays within 1333."""
    np.random.seed(0)
    resize = Resize([(1333, short) for short in range(640, 801, 32)])
    shorts = {min(resize(loaded(48, 64))["img_shape"]) for _ in range(80)}
    assert shorts == {640, 672, 704, 736, 768, 800}
    assert {max(resize(loaded(30, 90))["img_shape"]) for _ in range(9)} == {1333}


def test_resize_picks_one_of_the_scales():
    np.random.seed(0)
    resize = Resize([(60, 30), (60, 40)])
    assert {resize(loaded(10, 10))["img_shape"] for _ in range(40)} == {(30, 30), (40, 40)}


def test_resize_short_sides_both_ends_included():
    np.random.seed(0)
    resize = Resize((60, 99), short_sides=(30, 32))
    assert {resize(loaded(10, 10))["img_shape"][0] for _ in range(60)} == {30, 31, 32}


def test_numpy_s_seed_repeats_the_draws():
    resize, flip, draws = Resize((99, 99), short_sides=(10, 90)), RandomFlip(0.5), []
    for _ in range(2):
        np.random.seed(3)
        results = [flip(resize(loaded(8, 8))) for _ in range(9)]
        draws.append([(r["img_shape"], r["flip"]) for r in results])
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": (1333,)}, "scale must be two whole numbers"),
        ({"scale": (1333, 0)}, "scale must be"),
        ({"scale": (1333.0, 800)}, "scale must be"),
        ({"scale": []}, "scale"),
        ({"scale": [(10, 10), (3,)]}, "scale must be"),
        ({"short_sides": (800, 640)}, "short_sides must be"),
        ({"short_sides": (640,)}, "short_sides must be"),
        ({"short_sides": (640, 800), "keep_ratio": False}, "short_sides must be"),
        ({"short_sides": (640, 800), "scale": [(9, 9), (8, 8)]}, "short_sides must be"),
        ({"multiple": 0}, "multiple of Resize must be"),
        ({"multiple": 32.0}, "multiple of Resize must be"),
        ({"multiple": True}, "multiple of Resize must be"),
        ({"multiple": 32, "keep_ratio": False}, "multiple of Resize must be"),
    ],
)
def test_resize_faults(arguments, message):
    with pytest.raises(InputError, match=message):
        Resize(**arguments)


@pytest.mark.parametrize(
    ("scale", "size", "expected"),
    [
        # 800 / 480 * 640 = 1066.7 = 33.3 * 32
        ((1312, 800), (480, 640), (800, 1056)),
        ((1312, 800), (640, 480), (1056, 800)),
        ((1312, 800), (427, 640), (800, 1184)),  # 1199.1 = 37.47 * 32
        ((1312, 800), (400, 600), (800, 1216)),  # 1200 = 37.5 * 32, which goes up
        # 600 = 18.75 * 32 and 1000 = 31.25 * 32: neither is a multiple itself
        ((1000, 600), (480, 640), (608, 800)),
        ((1000, 600), (375, 500), (608, 800)),
        # too long: 800 / 200 * 600 = 2400 is cut to 1312, the short edge stays
        ((1312, 800), (200, 600), (800, 1312)),
        ((1000, 600), (600, 200), (992, 608)),
        ((40, 10), (100, 100), (32, 32)),  # 10 would round to 0
    ],
)
def test_multiple_rounds_each_side_and_caps_the_long_one(scale, size, expected):
    results = Resize(scale, multiple=32)(loaded(*size))
    assert results["img"].shape[:2] == results["img_shape"] == expected
    # x and y have factors of their own
    assert results["scale_factor"] == (expected[1] / size[1], expected[0] / size[0])


def test_multiple_draws_a_short_side_too():
    np.random.seed(0)
    resize = Resize((96, 96), short_sides=(20, 75), multiple=32)
    assert {resize(loaded(9, 9))["img_shape"] for _ in range(60)} == {(32, 32), (64, 64)}


def test_boxes_go_there_and_back_when_the_factors_differ():
    instance = dict(bbox=[30, 40, 300, 200], label=0, iscrowd=0, ignore=0)
    results = Resize((1312, 800), multiple=32)(loaded(427, 640) | {"instances": [instance]})
    sample = PackInputs(with_masks=False)(RandomFlip(1.0)(results))["data_samples"]
    (info,) = image_infos([sample])
    assert info.size == (800, 1184)
    x, y = 1184 / 640, 800 / 427
    expected = [1184 - 300 * x, 40 * y, 1184 - 30 * x, 200 * y]
    assert sample.gt_instances.bboxes[0].tolist() == pytest.approx(expected)
    back = info.to_original(sample.gt_instances.bboxes)[0].tolist()
    assert back == pytest.approx([30, 40, 300, 200], rel=1e-5)


def test_registered():
    assert TRANSFORMS.get("Resize") is Resize
