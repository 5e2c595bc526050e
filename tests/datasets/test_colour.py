"""Colour jitter: pixels worked out by hand, and against Python's own colour arithmetic."""

import colorsys

import numpy as np
import pytest

from cascadekit.datasets import ColourJitter
from cascadekit.datasets.colour import change_channel, change_hue, change_saturation
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS


def pixel(*bgr):
    return np.array([[bgr]], np.uint8)


@pytest.mark.parametrize(
    ("factor", "shift", "before", "after"),
    [
        (1, 32, [0, 100, 240], [32, 132, 255]),  # 272 is too much
        (1, -32, [0, 31, 100], [0, 0, 68]),  # -32 and -1 are too little
        (1, 0.4, [7, 8, 9], [7, 8, 9]),
        (1, 0.6, [7, 8, 255], [8, 9, 255]),
        (1.5, 0, [10, 100, 200], [15, 150, 255]),
        (0.5, 0, [0, 100, 255], [0, 50, 128]),  # 127.5 goes to the even number
        (0.5, 0, [1, 3, 5], [0, 2, 2]),  # so do 0.5, 1.5 and 2.5
        (0, 0, [1, 128, 255], [0, 0, 0]),
    ],
)
def test_brightness_and_contrast(factor, shift, before, after):
    changed = change_channel(pixel(*before), factor, shift)
    assert changed.dtype == np.uint8 and changed.shape == (1, 1, 3)
    assert changed[0, 0].tolist() == after


@pytest.mark.parametrize(
    ("factor", "before", "after"),
    [
        # value 200, saturation 255 -> 127.5 -> 128: the others are 200 * (1 - 128/255) = 99.6
        (0.5, [0, 0, 200], [100, 100, 200]),
        # value 200, saturation 255 * 80/200 = 102 -> 153: 200 * (1 - 153/255) = 80
        (1.5, [120, 120, 200], [80, 80, 200]),
        (1.5, [0, 0, 200], [0, 0, 200]),  # there is no more than 255
        (0, [10, 20, 200], [200, 200, 200]),
        (1.5, [90, 90, 90], [90, 90, 90]),  # grey has none
        (0.5, [0, 0, 0], [0, 0, 0]),
    ],
)
def test_saturation(factor, before, after):
    assert change_saturation(pixel(*before), factor)[0, 0].tolist() == after


@pytest.mark.parametrize(
    ("shift", "before", "after"),
    [
        (15, [0, 0, 255], [0, 128, 255]),  # red by 30 degrees: green at half
        (30, [0, 0, 255], [0, 255, 255]),  # by 60: yellow
        (60, [0, 255, 0], [255, 0, 0]),  # green by 120: blue
        (-60, [255, 0, 0], [0, 255, 0]),  # and back
        (-18, [0, 0, 255], [0, 0, 255]),  # hue 0 goes no lower
        (-18, [0, 128, 255], [0, 0, 255]),  # 15 - 18 neither
        (18, [128, 0, 255], [0, 26, 255]),  # hue 165 (330 degrees) + 18 = 183: 3 (6 degrees)
        (15, [128, 0, 255], [0, 0, 255]),  # 180 is 0
        (18, [77, 77, 77], [77, 77, 77]),  # grey has none
    ],
)
def test_hue(shift, before, after):
    changed = change_hue(pixel(*before), shift)[0, 0].astype(int)
    assert np.abs(changed - after).max() <= 1  # 128 of 255 is not quite a half


def by_hand(bgr, shift=0.0, factor=1.0):
    """The same with Python's floats: whole steps of hue, stopped at 0; saturation in [0, 1]."""
    blue, green, red = (v / 255 for v in bgr)
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    hue = max(round(hue * 180) % 180 + shift, 0) / 180 % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, min(saturation * factor, 1), value)
    return [255 * v for v in (blue, green, red)]


@pytest.mark.parametrize(("shift", "factor"), [(0, 0.7), (0, 1.4), (11, 1), (-13, 1)])
def test_against_python_s_colorsys(shift, factor):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    changed = change_hue(image, shift) if shift else change_saturation(image, factor)
    expected = np.array([[by_hand(p, shift, factor) for p in row] for row in image.tolist()])
    # A sixth of the circle, 30 steps of hue, runs through 255: one step is 8.5
    assert np.abs(changed - expected).max() < 9
    assert np.abs(changed - expected).mean() < 1


def draw(seed, image=None, **options):
    np.random.seed(seed)
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5 if image is None else image
    return ColourJitter(**options)({"img": image.copy(), "flip": False})["img"]


def test_numpy_s_seed_repeats_the_draws():
    assert (draw(1) == draw(1)).all()
    assert len({draw(seed).tobytes() for seed in range(20)}) > 10


def test_prob_0_changes_nothing():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert all((draw(seed, image, prob=0.0) == image).all() for seed in range(5))


def test_half_of_the_pictures_get_each_change():
    """Alone, brightness leaves a picture as it is in half of the cases."""
    grey = pixel(100, 100, 100)
    only = dict(contrast=(1, 1), saturation=(1, 1), hue=0)
    shifts = [int(draw(seed, grey, **only)[0, 0, 0]) - 100 for seed in range(400)]
    changed = [s for s in shifts if s]
    assert 0.4 < len(changed) / 400 < 0.6
    assert min(changed) < -25 and max(changed) > 25
    assert -32 <= min(changed) and max(changed) <= 32


def test_contrast_comes_second_or_last():
    """Full saturation halved, contrast doubled: the order shows in the result.

    Red 200: contrast first makes it 255, of which half the saturation leaves (127, 127, 255);
    saturation first makes (100, 100, 200), and doubling that (200, 200, 255).
    """
    only = dict(brightness=0, contrast=(2, 2), saturation=(0.5, 0.5), hue=0, prob=1.0)
    found = {tuple(draw(s, pixel(0, 0, 200), **only)[0, 0].tolist()) for s in range(30)}
    assert found == {(127, 127, 255), (200, 200, 255)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prob": 1.5}, r"prob of ColourJitter must be in \[0, 1\], got 1.5"),
        ({"brightness": -1}, "brightness of ColourJitter"),
        ({"hue": 300}, "hue of ColourJitter"),
        ({"contrast": (1.5, 0.5)}, r"contrast .*must be \(least, most\), got \(1.5, 0.5\)"),
        ({"contrast": 0.5}, "contrast of ColourJitter"),
        ({"saturation": (-0.5, 1)}, "saturation of ColourJitter"),
        ({"saturation": ("a", "b")}, "saturation of ColourJitter"),
    ],
)
def test_faults(options, message):
    with pytest.raises(InputError, match=message):
        ColourJitter(**options)


def test_registered():
    assert TRANSFORMS.get("ColourJitter") is ColourJitter
