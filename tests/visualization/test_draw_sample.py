import numpy as np
import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.structures.samples import ImageInfo
from cascadekit.visualization.draw_sample import IGNORED, SeenPicture, draw_sample
from tests.conftest import make_targets

SIZE = (40, 60)


def seen(boxes=(), ignored=(), labels=None, masks=False, flipped=False, size=SIZE):
    image = np.full((*size, 3), 90, np.uint8)
    labels = list(range(len(boxes))) if labels is None else labels
    targets = make_targets(boxes, labels, size, ignored, masks=masks)
    return SeenPicture(image, targets, ImageInfo(size, (80, 120), 7, "a/b.png", flipped))


def patches(figure):
    (axes,) = figure.axes
    return [p for p in axes.patches if p.get_hatch()], [
        p for p in axes.patches if not p.get_hatch()
    ]


def test_boxes_names_and_caption():
    figure = draw_sample(seen([(5, 5, 25, 25), (30, 10, 50, 30)]), ("cat", "$dog"))
    (axes,) = figure.axes
    assert axes.get_label() == "sample"
    assert [t.get_text() for t in axes.texts] == ["cat", "$dog"]
    captions = [t.get_text() for t in figure.texts]
    assert captions == ["b.png", "120 x 80 -> 60 x 40; 2 objects"]


def test_what_was_done_is_said():
    one = seen([(5, 5, 25, 25)], ignored=[(0, 0, 9, 9)], flipped=True)
    assert one.captions()[1] == "120 x 80 -> 60 x 40, flipped; 1 object, 1 to ignore"


def test_regions_to_ignore_are_hatched():
    figure = draw_sample(seen([(5, 5, 25, 25)], ignored=[(30, 0, 50, 20)]), ("cat",))
    (region,), boxes = patches(figure)
    assert region.get_bbox().extents.tolist() == [30, 0, 50, 20]
    from matplotlib.colors import to_hex

    assert to_hex(region.get_edgecolor()) == IGNORED
    assert all(to_hex(b.get_edgecolor()) != IGNORED for b in boxes)


def test_masks_are_tinted_inside_only():
    figure = draw_sample(seen([(10, 10, 20, 20)], masks=True), ("cat",))
    pixels = figure.axes[0].images[0].get_array()
    changed = (np.asarray(pixels) != 90).any(2)
    assert changed[10:20, 10:20].all() and changed.sum() == 100


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_pictures_of_few_pixels(size):
    figure = draw_sample(seen(size=size), ())
    figure.canvas.draw()


def test_no_objects_and_masks_of_none():
    assert draw_sample(seen(), ("cat",)).axes
    assert draw_sample(seen(masks=True), ("cat",)).axes


def test_a_label_without_a_name():
    with pytest.raises(InputError, match="label 3"):
        draw_sample(seen([(5, 5, 25, 25)], labels=[3]), ("cat",))
    assert torch.is_grad_enabled()


def test_long_captions_are_cut_where_it_matters_least():
    one = seen([(5, 5, 25, 25)], ignored=[(0, 0, 9, 9)], flipped=True)
    long = SeenPicture(one.image, one.targets, ImageInfo(SIZE, SIZE, 1, "x" * 90 + "_17.png"))
    name, words = (t.get_text() for t in draw_sample(long, ("cat",), size=100).figure.texts)
    assert name.startswith("...") and name.endswith("_17.png") and len(name) == 40
    assert words == "60 x 40 -> 60 x 40; 1 object, 1 to ig..."  # 40 letters have room
