import numpy as np
import pytest
from mmengine import Config

from cascadekit.datasets import CocoDataset
from cascadekit.errors import InputError
from cascadekit.visualization.dataset_pages import (
    dataset_page,
    draw_pictures,
    open_dataset,
    see_picture,
    write_dataset_page,
)
from tests.doctor import makers
from tests.doctor.makers import box, image

PIPELINE = [
    {"type": "cascadekit.LoadImage"},
    {"type": "cascadekit.Resize", "scale": (32, 32)},
    {"type": "cascadekit.RandomFlip", "prob": 0.5},
    {"type": "cascadekit.PackInputs", "with_masks": False},
]


@pytest.fixture
def dataset(tmp_path):
    rows = [box(1), box(2, 2, 2, bbox=(0, 0, 1, 1)), box(3, 2, iscrowd=1)]
    file = makers.coco(tmp_path, annotations=rows, images=[image(1), image(2)])
    return CocoDataset(str(file), str(tmp_path), pipeline=PIPELINE)


def test_a_picture_as_the_model_sees_it(dataset):
    """64 x 48 becomes 32 x 24; the box 10..30 becomes 5..15, or is mirrored: 17..27."""
    for seed in range(6):
        seen = see_picture(dataset, 0, seed)
        assert seen.image.shape == (24, 32, 3) and seen.info.original_size == (48, 64)
        expected = [17, 5, 27, 15] if seen.info.flipped else [5, 5, 15, 15]
        assert seen.targets.boxes.tolist() == [expected]
    flips = {see_picture(dataset, 0, seed).info.flipped for seed in range(6)}
    assert flips == {True, False}


def test_colours_are_rgb(tmp_path):
    from PIL import Image

    file = makers.coco(tmp_path, images=[image(1)], annotations=[box(1)])
    Image.new("RGB", (64, 48), (255, 0, 0)).save(tmp_path / "1.png")
    seen = see_picture(CocoDataset(str(file), str(tmp_path), pipeline=PIPELINE), 0)
    assert seen.image[5, 5].tolist() == [255, 0, 0]


def test_the_same_seed_gives_the_same_and_leaves_the_generator_alone(dataset):
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    first = see_picture(dataset, 1, seed=4)
    assert np.random.random() == expected
    assert (first.image == see_picture(dataset, -1, seed=4).image).all()


@pytest.mark.parametrize("index", [2, -3])
def test_no_such_picture(dataset, index):
    with pytest.raises(InputError, match="the data set has 2"):
        see_picture(dataset, index)


def test_a_pipeline_that_does_not_pack(tmp_path):
    bare = CocoDataset(str(makers.coco(tmp_path)), str(tmp_path), pipeline=PIPELINE[:1])
    with pytest.raises(InputError, match="PackInputs"):
        see_picture(bare, 0)


def test_a_grid(dataset):
    figure = draw_pictures(dataset, [0, 1, 0], columns=2, size=64)
    assert [a.get_label() for a in figure.axes] == ["picture-0", "picture-1", "picture-2"]
    with pytest.raises(InputError):
        draw_pictures(dataset, [])


def test_a_page_is_one_file(dataset, tmp_path):
    text = dataset_page(dataset, [0, 1], "<b>x</b>", size=64)
    assert text.count("data:image/png;base64,") == 2 and "http" not in text
    assert "<b>x</b>" not in text and "2 of 2 pictures" in text
    write_dataset_page(text, tmp_path / "new/page.html")
    assert (tmp_path / "new/page.html").read_text() == text
    with pytest.raises(InputError, match=r"\.html"):
        write_dataset_page(text, tmp_path / "page.txt")
    assert dataset_page(dataset, [], "none")


def test_from_a_config(tmp_path):
    config = makers.config(makers.coco(tmp_path))
    assert len(open_dataset(config, "train")) == 2
    with pytest.raises(InputError, match="split must be"):
        open_dataset(config, "all")
    with pytest.raises(InputError, match="no val_dataloader"):
        open_dataset(config, "val")
    assert isinstance(config, Config)
