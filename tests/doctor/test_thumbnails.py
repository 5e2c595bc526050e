import base64
import io

import numpy as np
import pytest
from PIL import Image

from cascadekit.doctor.finding import MOST_EXAMPLES, Example, few, plural
from cascadekit.doctor.thumbnails import LINE, SIDE, thumbnail


def shown(path, *boxes):
    uri = thumbnail(Example(str(path), boxes=boxes))
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


@pytest.fixture
def black(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (400, 200)).save(path)
    return path


def orange(pixels):
    """(H, W) bool: pixels of a drawn line, as JPEG leaves them."""
    return np.abs(pixels.astype(int) - LINE).max(2) < 90


def test_the_whole_picture(black):
    pixels = shown(black)
    assert pixels.shape == (SIDE // 2, SIDE, 3) and pixels.max() < 10


def test_a_box_is_drawn_where_it_is(black):
    rows, columns = np.nonzero(orange(shown(black, (100.0, 50.0, 300.0, 150.0))))
    scale = SIDE / 400
    assert columns.min() == pytest.approx(100 * scale, abs=2)
    assert columns.max() == pytest.approx(300 * scale, abs=2)
    assert rows.min() == pytest.approx(50 * scale, abs=2)


@pytest.mark.parametrize(
    "box",
    [
        (100.0, 50.0, 100.0, 50.0),  # no area
        (100.0, 50.0, 101.0, 51.0),  # one pixel
        (300.0, 150.0, 100.0, 50.0),  # corners swapped
        (380.0, 150.0, 500.0, 250.0),  # reaches out
        (450.0, 50.0, 500.0, 100.0),  # outside
    ],
)
def test_faulty_boxes_are_seen(black, box):
    assert orange(shown(black, box)).any()


def test_far_away_nothing_breaks(black):
    assert shown(black, (1e6, 1e6, 2e6, 2e6)).shape[2] == 3


def test_other_files_have_none(tmp_path):
    (tmp_path / "a.xml").write_text("<a/>")
    assert thumbnail(Example(str(tmp_path / "a.xml"))) is None
    assert thumbnail(Example(str(tmp_path / "no.png"))) is None


def test_a_picture_of_one_pixel(tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    assert shown(tmp_path / "a.png", (0.0, 0.0, 1.0, 1.0)).size


def test_few_examples_of_many_pictures():
    many = [Example("a", str(k)) for k in range(20)] + [Example("b")]
    chosen = few(many)
    assert len(chosen) == MOST_EXAMPLES and {e.path for e in chosen} == {"a", "b"}
    assert few([]) == ()
    assert (plural(1, "box", "boxes"), plural(2, "box", "boxes")) == ("1 box", "2 boxes")
    assert plural(0, "file") == "0 files"
