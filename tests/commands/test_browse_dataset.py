"""`cascadekit browse`: a grid and a page of what the model will see."""

import pytest
from PIL import Image

from cascadekit.commands import run
from tests.doctor import makers

CONFIG = "configs/lite/cascade_lite.py"


def browse(tmp_path, *arguments):
    """Run the command; the exit status."""
    file = makers.coco(tmp_path / "data")
    out = ["--out", str(tmp_path / "out"), "--size", "64"]
    return run("browse", [CONFIG, "--data", str(file), *out, *arguments], "")


def test_grid_and_page(tmp_path, capsys):
    assert browse(tmp_path) == 0
    with Image.open(tmp_path / "out/train.png") as grid:
        assert grid.size[0] > 2 * 64
    text = (tmp_path / "out/train.html").read_text()
    assert text.count("<img") == 2 and "cascade_lite, train" in text
    assert "train.png" in capsys.readouterr().out


def test_from_one_on(tmp_path):
    assert browse(tmp_path, "--start", "1", "--count", "5") == 0
    assert (tmp_path / "out/train.html").read_text().count("<img") == 1


@pytest.mark.parametrize(
    "arguments",
    [("--count", "0"), ("--columns", "0"), ("--start", "9"), ("--split", "val")],
)
def test_bad_input_is_one_line(tmp_path, arguments, capsys):
    assert browse(tmp_path, *arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")
