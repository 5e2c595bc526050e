import base64
import io

import pytest
from PIL import Image

from cascadekit.datasets import CocoDataset
from cascadekit.errors import InputError
from cascadekit.visualization import DatasetBrowser
from tests.doctor import makers
from tests.visualization.test_dataset_pages import PIPELINE


@pytest.fixture
def dataset(tmp_path):
    return CocoDataset(str(makers.coco(tmp_path)), str(tmp_path), pipeline=PIPELINE)


def size(png):
    return Image.open(io.BytesIO(png)).size


def test_the_slider_chooses_the_picture(dataset):
    browser = DatasetBrowser(dataset, size=128)
    first = browser.picture.value
    assert "1.png" in browser.path.value and size(first)[0] >= 128
    browser.number.value = 1
    assert browser.picture.value != first and "2.png" in browser.path.value
    browser.number.value = 0
    assert browser.picture.value == first  # kept, not drawn anew


def test_draw_again_runs_the_transforms_anew(dataset):
    browser = DatasetBrowser(dataset, size=64)
    shown = set()
    for _ in range(8):
        browser.again.click()
        shown.add(browser.picture.value)
    assert len(shown) == 2  # mirrored and not


def test_only_some_pictures(dataset):
    browser = DatasetBrowser(dataset, indices=[1])
    assert browser.number.max == 0 and "2.png" in browser.path.value
    with pytest.raises(InputError, match="no picture"):
        DatasetBrowser(dataset, indices=[])


def test_a_faulty_picture_does_not_end_the_browsing(dataset, tmp_path):
    (tmp_path / "2.png").unlink()
    browser = DatasetBrowser(dataset, size=64)
    browser.number.value = 1
    assert browser.picture.value == b"" and "cannot be shown" in browser.path.value
    browser.number.value = 0
    assert browser.picture.value
    assert browser._repr_mimebundle_() is not None  # without the still, which needs all


def test_a_still_stands_in_for_the_widget(dataset):
    data = DatasetBrowser(dataset)._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert "application/vnd.jupyter.widget-view+json" in data
    wide, _ = size(base64.b64decode(data["image/png"]))
    assert wide > 2 * 280  # two pictures side by side


def test_from_a_config(tmp_path):
    browser = DatasetBrowser(makers.config(makers.coco(tmp_path)), "train", size=64)
    assert browser.classes == ("cat", "dog") and len(browser.indices) == 2
