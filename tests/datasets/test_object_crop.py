"""Crops around objects: where the window lies, which scale it has, and what becomes of a record."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from cascadekit.datasets import IgnoreSmall, LoadImage, ObjectCrop, PackInputs, RandomFlip, Resize
from cascadekit.datasets import object_crop as module
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS
from cascadekit.structures.samples import to_targets


def instance(box, label=0, iscrowd=0, ignore=0, segmentation=None):
    x1, y1, x2, y2 = box
    return {
        "bbox": list(box),
        "label": label,
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": iscrowd,
        "ignore": ignore,
        "segmentation": segmentation,
    }


def picture(*instances, height=50, width=100):
    """Each pixel's first two colours are its x and y."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(width)[None], np.arange(height)[:, None]
    return LoadImage()({"img": image, "instances": list(instances), "has_masks": True})


class Chance:
    """In the place of numpy's generator: what it gives next."""

    def __init__(self, whole=(), share=()):
        self.whole, self.share = list(whole), list(share)

    def randint(self, low, high=None):
        low, high = (0, low) if high is None else (low, high)
        value = self.whole.pop(0)
        assert low <= value < high, f"{value} is not in [{low}, {high}["
        return value

    def random(self):
        return self.share.pop(0)


def crop(results, chance, size=(40, 30), **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.np, "random", chance)
        found = ObjectCrop(size, **settings)(results)
    assert not chance.whole and not chance.share
    return found


def boxes_of(results):
    return [i["bbox"] for i in results["instances"]]


def targets_of(results, with_masks=False):
    (targets,) = to_targets([PackInputs(with_masks)(results)["data_samples"]])
    return targets


# Where the window lies: 40 x 30 in 100 x 50, around the only object.
@pytest.mark.parametrize(
    ("box", "noise", "corner"),
    [
        ((45, 20, 55, 30), (0, 0), (30, 10)),  # centre (50, 25): 20 to the left, 15 up
        ((45, 20, 55, 30), (-10, 9), (20, 19)),  # off by the noise
        ((0, 0, 10, 10), (0, 0), (0, 0)),  # moved into the picture at its corner
        ((90, 40, 100, 50), (9, 9), (60, 20)),  # and at the other
        ((30, 30, 31, 31), (0, 0), (11, 16)),  # one pixel: its centre 30.5 is rounded up
    ],
)
def test_where_the_window_lies(box, noise, corner):
    found = crop(picture(instance(box)), Chance([0, *noise]))
    assert found["img"].shape == (30, 40, 3)
    assert tuple(found["img"][0, 0, :2]) == corner
    moved = np.array(box) - np.array([*corner, *corner])
    assert boxes_of(found) == [moved.tolist()]


def test_it_is_a_picture_of_its_own():
    found = crop(picture(instance((45, 20, 55, 30))), Chance([0, 0, 0]))
    assert found["img_shape"] == found["ori_shape"] == (30, 40)
    assert (found["height"], found["width"]) == (30, 40)
    assert found["scale_factor"] == (1.0, 1.0) and found["flip"] is False


@pytest.mark.parametrize(
    ("size", "shape", "draws"),
    [
        ((100, 50), (50, 100), [0]),  # exactly as large: nothing is cut, nothing drawn
        ((200, 80), (50, 100), [0]),  # larger in both directions: left as it is
        ((200, 20), (20, 100), [0, 0]),  # cut in height alone
    ],
)
def test_pictures_that_are_smaller_than_the_window(size, shape, draws):
    found = crop(picture(instance((10, 20, 20, 30))), Chance(draws), size)
    assert found["img_shape"] == shape


def test_without_objects_it_lies_anywhere():
    """Also where all there is are regions; a whole picture has 61 x 21 places."""
    for regions in ((), (instance((0, 0, 9, 9), iscrowd=1, ignore=1),)):
        found = crop(picture(*regions), Chance([60, 20]), scales=(8, 64))
        assert tuple(found["img"][0, 0, :2]) == (60, 20)  # the last of them
        assert found["img_shape"] == (30, 40)


def test_a_picture_without_instances():
    results = picture()
    del results["instances"]
    assert crop(results, Chance([0, 0]))["instances"] == []


def test_a_window_that_holds_nothing():
    """The only region lies elsewhere: no object, nothing ignored, no mask."""
    region = instance((0, 0, 9, 9), 0, 1, 1, square("rle", (0, 0, 9, 9)))
    targets = targets_of(crop(picture(region), Chance([60, 20])), with_masks=True)
    assert len(targets.boxes) == len(targets.ignored_boxes) == len(targets.masks) == 0
    assert targets.is_region.shape == (0,) and targets.labels.shape == (0,)


def test_an_ignored_object_may_be_chosen_and_a_region_may_not():
    ignored, region = instance((45, 20, 55, 30), ignore=1), instance((0, 0, 9, 9), iscrowd=1)
    found = crop(picture(region, ignored), Chance([0, 0, 0]))  # randint(1): one to choose from
    assert tuple(found["img"][0, 0, :2]) == (30, 10)


# Squares of 8, 8 * sqrt 2, 16, ... 64 pixels: seven scales; sqrt(area) is at the nearest of them.
@pytest.mark.parametrize(
    ("side", "drawn", "factor"),
    [
        (16, 2, 1.0),  # is at 16 and stays
        (16, 4, 2.0),  # one octave up
        (16, 0, 0.5),  # one octave down
        (16, 3, 2**0.5),  # half an octave
        (4, 6, 8.0),  # below the least: taken for 8, so that 4 becomes 32
        (4, 0, 1.0),
        (19, 2, 1.0),  # 361 / 256 is nearer than 512 / 361
        (20, 3, 1.0),  # 400: nearer to 512
    ],
)
def test_scales(side, drawn, factor):
    results = picture(instance((10, 10, 10 + side, 10 + side)))
    found = crop(results, Chance([0, drawn], [0.0]), (2000, 2000), scales=(8, 64))
    assert found["img_shape"] == (int(50 * factor + 0.5), int(100 * factor + 0.5))
    (box,) = boxes_of(found)
    assert box[2] - box[0] == pytest.approx(side * found["img_shape"][1] / 100)
    assert found["instances"][0]["area"] == pytest.approx((box[2] - box[0]) * (box[3] - box[1]))


def test_half_of_the_pictures_keep_their_scale():
    results = picture(instance((10, 10, 26, 26)))
    assert crop(results, Chance([0], [0.5]), (200, 200), scales=(8, 64))["img_shape"] == (50, 100)


@pytest.mark.parametrize("drawn", [0, 1, 3, 4, 6])
def test_rescaled_pixels_are_those_of_the_whole_picture_resized(drawn):
    """So that no seam or shift comes from cutting first."""
    results = picture(instance((40, 20, 56, 36)))
    before = cv2.GaussianBlur(results["img"], (0, 0), 2)
    results["img"] = before
    noise = [0, 0] if drawn else [0]  # at the least scale 25 rows are fewer than the window's
    found = crop(results, Chance([0, drawn, *noise], [0.0]), scales=(8, 64))
    factor = 2 ** ((drawn - 2) / 2)
    width, height = int(100 * factor + 0.5), int(50 * factor + 0.5)
    whole = cv2.resize(before, (width, height), interpolation=cv2.INTER_LINEAR)
    left = min(max(int(48 * width / 100 + 0.5) - 20, 0), max(width - 40, 0))
    top = min(max(int(28 * height / 50 + 0.5) - 15, 0), max(height - 30, 0))
    part = whole[top : top + 30, left : left + 40]
    assert found["img"].shape == part.shape
    assert np.abs(found["img"].astype(int) - part).max() <= 2


# What becomes of others in a window of 40 x 30 at (30, 10), by the place of their centre.
@pytest.mark.parametrize(
    ("box", "kept", "learned"),
    [
        ((32, 12, 42, 22), True, True),  # inside
        ((20, 12, 41, 22), True, True),  # centre 30.5 in the window, the rest outside
        ((20, 12, 40, 22), True, True),  # centre exactly on the left border: inside
        ((19, 12, 40, 22), True, False),  # centre 29.5 outside: a region
        ((60, 12, 80, 22), True, False),  # centre exactly on the right border: outside
        ((0, 0, 100, 50), True, True),  # larger than the window, around it
        ((10, 12, 30, 22), False, False),  # touches it from outside
        ((0, 0, 5, 5), False, False),  # elsewhere
    ],
)
def test_which_objects_stay(box, kept, learned):
    found = crop(picture(instance((45, 20, 55, 30)), instance(box, 1)), Chance([0, 0, 0]))
    assert len(found["instances"]) == 1 + kept
    if kept:
        assert found["instances"][1]["ignore"] == int(not learned)
    targets = targets_of(found)
    assert targets.labels.tolist() == ([0, 1] if learned else [0])
    assert len(targets.ignored_boxes) == int(kept and not learned)


def test_boxes_and_regions_are_cut_alike_in_the_end():
    region = instance((0, 0, 100, 12), iscrowd=1, ignore=1)
    found = crop(
        picture(instance((45, 20, 55, 30)), instance((20, 5, 90, 45), 1), region),
        Chance([0, 0, 0]),
    )
    assert boxes_of(found)[1] == [-10, -5, 60, 35]  # whole: its size is asked for later
    targets = targets_of(found)
    assert targets.boxes.tolist() == [[15, 10, 25, 20], [0, 0, 40, 30]]
    assert targets.ignored_boxes.tolist() == [[0, 0, 40, 2]] and targets.is_region.tolist() == [
        True
    ]


def test_the_record_before_is_not_changed():
    own = instance((45, 20, 55, 30))
    crop(picture(own), Chance([0, 0, 0]))
    assert own["bbox"] == [45, 20, 55, 30] and own["ignore"] == 0


def square(kind, box, height=50, width=100):
    """A box's mask, as polygon or RLE."""
    x1, y1, x2, y2 = box
    if kind == "polygon":
        return [[x1, y1, x2, y1, x2, y2, x1, y2]]
    bitmap = np.zeros((height, width), np.uint8, order="F")
    bitmap[y1:y2, x1:x2] = 1
    return coco_mask.encode(bitmap)


@pytest.mark.parametrize("kind", ["polygon", "rle"])
@pytest.mark.parametrize("flip", [0, 1])
def test_masks_are_cut_with_the_boxes(kind, flip):
    """Mirrored first or not: the mask fills the part of its box that is seen."""
    boxes = [(45, 20, 55, 30), (24, 5, 60, 15), (0, 0, 8, 8)]  # the last is not seen
    results = picture(*(instance(box, k, 0, 0, square(kind, box)) for k, box in enumerate(boxes)))
    results = RandomFlip(prob=flip)(results)
    targets = targets_of(crop(results, Chance([0, 0, 0])), with_masks=True)
    # Around (50, 25), its own mirror image: the window is at (30, 10) in both.
    second = [10, 0, 40, 5] if flip else [0, 0, 30, 5]
    assert targets.boxes.tolist() == [[15, 10, 25, 20], second]
    pairs = zip(targets.boxes.int().tolist(), targets.masks.to_bitmaps(), strict=True)
    for (x1, y1, x2, y2), bitmap in pairs:
        assert bitmap.sum() == (x2 - x1) * (y2 - y1) == bitmap[y1:y2, x1:x2].sum()


def test_a_mask_with_nothing_inside_is_none():
    """The box reaches into the window, the object in it does not."""
    odd = instance((20, 5, 60, 15), 1, 0, 0, square("rle", (20, 5, 25, 15)))
    found = crop(picture(instance((45, 20, 55, 30)), odd), Chance([0, 0, 0]))
    assert found["instances"][1]["segmentation"] is None
    assert targets_of(found, with_masks=True).masks.known().tolist() == [False, False]


def test_masks_are_rescaled():
    box = (40, 20, 56, 36)
    for kind in ("polygon", "rle"):
        results = picture(instance(box, segmentation=square(kind, box)))
        found = crop(results, Chance([0, 4], [0.0]), (2000, 2000), scales=(8, 64))
        bitmap = targets_of(found, with_masks=True).masks.to_bitmaps()[0]
        assert bitmap.shape == (100, 200) and bitmap[40:72, 80:112].sum() == 32 * 32 == bitmap.sum()


def test_flip_and_crop_in_either_order():
    """Mirrored and cut, or cut and mirrored: the same picture and boxes here, where 50 is 50."""
    one = [instance((45, 20, 55, 30)), instance((32, 12, 42, 22), 1)]
    first = crop(RandomFlip(prob=1)(picture(*one)), Chance([0, 0, 0]))
    second = RandomFlip(prob=1)(crop(picture(*one), Chance([0, 0, 0])))
    assert np.array_equal(first["img"], second["img"])
    a, b = targets_of(first), targets_of(second)
    assert a.boxes.tolist() == b.boxes.tolist() == [[15, 10, 25, 20], [28, 2, 38, 12]]


def test_resized_before():
    """Boxes of the file are twice as large in the picture that is cut."""
    results = Resize(scale=(200, 100), keep_ratio=False)(picture(instance((45, 20, 55, 30))))
    found = crop(results, Chance([0, 0, 0]))  # around (100, 50)
    assert boxes_of(found) == [[10, 5, 30, 25]]


def test_stored_proposals_move_along():
    results = picture(instance((45, 20, 55, 30)))
    boxes = np.array([[45, 20, 55, 30], [0, 0, 35, 12], [0, 0, 30, 10]], np.float64)
    results["proposals"] = (boxes, np.array([0.9, 0.5, 0.1]))
    found = crop(results, Chance([0, 0, 0]))["proposals"]
    assert found[0].tolist() == [[15, 10, 25, 20], [0, 0, 5, 2]] and found[1].tolist() == [0.9, 0.5]


def test_visible_boxes_move_along():
    own = {**instance((45, 20, 55, 30)), "visible_bbox": [45, 20, 55, 25]}
    other = {**instance((32, 12, 42, 22)), "visible_bbox": None}  # only a ratio is known
    found = crop(picture(own, other), Chance([0, 0, 0]))["instances"]
    assert found[0]["visible_bbox"] == [15, 10, 25, 15] and found[1]["visible_bbox"] is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": (40,)}, "size"),
        ({"size": (40, 0)}, "size"),
        ({"size": (40, 30.5)}, "size"),
        ({"size": (40, 30), "scales": (60, 8)}, "scales"),
        ({"size": (40, 30), "scales": (0, 8)}, "scales"),
        ({"size": (40, 30), "prob": 2}, "prob"),
    ],
)
def test_faults(settings, words):
    with pytest.raises(InputError, match=words):
        ObjectCrop(**settings)


@pytest.mark.parametrize("step", [ObjectCrop((8, 8)), IgnoreSmall(8, 8)])
def test_they_are_for_training(step):
    with pytest.raises(InputError, match="test pipeline"):
        step({**picture(), "test_mode": True})


def test_many_crops_are_what_they_should_be():
    """Unplanned draws: sizes, and that the chosen object is always there."""
    np.random.seed(0)
    for _ in range(50):
        results = picture(instance((70, 5, 90, 45)), instance((3, 3, 4, 4), 1))
        found = ObjectCrop((40, 30), (8, 64))(results)
        assert found["img"].shape[0] <= 30 and found["img"].shape[1] <= 40
        assert len(targets_of(found).boxes) + len(targets_of(found).ignored_boxes) > 0


# IgnoreSmall


@pytest.mark.parametrize(
    ("box", "scale", "small"),
    [
        ((0, 0, 20, 10), (100, 50), False),  # exactly the least height
        ((0, 0, 20, 9.9), (100, 50), True),  # too low
        ((0, 0, 4.9, 20), (100, 50), True),  # too narrow
        ((0, 0, 5, 10), (100, 50), False),  # exactly both
        ((0, 0, 20, 9.9), (200, 100), False),  # measured as the network sees it
        ((0, 0, 20, 19), (50, 25), True),
        ((0, 0, 1, 1), (100, 50), True),  # one pixel
    ],
)
def test_small_objects_become_regions(box, scale, small):
    results = Resize(scale=scale, keep_ratio=False)(picture(instance(box)))
    found = IgnoreSmall(min_width=5, min_height=10)(results)
    assert found["instances"][0]["ignore"] == int(small)
    targets = targets_of(found)
    assert len(targets.boxes) == int(not small) and len(targets.ignored_boxes) == int(small)
    assert targets.is_region.tolist() == [False] * small  # an object, and no region


def test_regions_stay_and_nothing_is_fine():
    region = instance((0, 0, 2, 2), iscrowd=1)
    found = IgnoreSmall(5, 10)(picture(region))
    assert found["instances"] == [region]
    assert IgnoreSmall(5, 10)(picture())["instances"] == []


def test_the_whole_object_is_measured_where_a_crop_cut_it():
    """40 high, 26 of it in the window: large enough."""
    results = picture(instance((45, 4, 55, 44)))
    found = IgnoreSmall(min_height=40)(crop(results, Chance([0, 0, 9])))
    assert found["instances"][0]["ignore"] == 0
    assert targets_of(found).boxes[:, 3].item() < 40


def test_the_least_size_is_not_below_0():
    with pytest.raises(InputError, match="below 0"):
        IgnoreSmall(-1)


def test_they_are_registered():
    assert {"ObjectCrop", "IgnoreSmall"} <= set(TRANSFORMS.module_dict)
