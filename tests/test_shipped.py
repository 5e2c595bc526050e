"""The small model that comes with the package: there, small, safe, and as good as its card says."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open

import cascadekit
from cascadekit.apis import evaluate, load_config, load_shipped, predict
from cascadekit.checkpoints import read_trained
from cascadekit.commands import run
from cascadekit.datasets.shapes import CLASSES, draw_scene

FOLDER = Path(cascadekit.__file__).parent / "shipped"
WEIGHTS = FOLDER / "cascade_mask_shapes_tiny.safetensors"
CARD = (FOLDER / "cascade_mask_shapes_tiny.md").read_text()
CONFIG = "configs/shapes/cascade_mask_shapes_tiny.py"


@pytest.fixture
def shapes_picture(tmp_path):
    path = tmp_path / "shapes.png"
    Image.fromarray(draw_scene("val", 0).image[..., ::-1]).save(path)
    return path


def card_scores():
    """Row of the card -> its numbers, in points."""
    rows = re.findall(r"^\| (\S+) +\|((?: +[\d.]+ \|)+)$", CARD, flags=re.M)
    return {name: [float(n) for n in numbers.split("|") if n.strip()] for name, numbers in rows}


def test_the_file_is_small_and_names_its_classes():
    assert WEIGHTS.stat().st_size <= 8_000_000
    state, classes = read_trained("shipped")
    assert classes == CLASSES
    with safe_open(WEIGHTS, "pt") as file:  # no pickle: nothing in it can run
        assert set(file.keys()) == set(state)


def test_it_detects_at_once(shapes_picture):
    detector, config = load_shipped("cpu")
    assert not detector.training and next(detector.parameters()).dtype == torch.float32
    assert config.model.roi_head.stage_ious == (0.5, 0.6, 0.7)
    (found,) = predict(detector, [shapes_picture])
    assert len(found.detections.boxes) > 0 and len(found.stages) == 3
    assert found.detections.boxes.min() >= 0 and found.detections.boxes.max() <= 192


def test_predict_from_a_folder_without_configs(shapes_picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [CONFIG, "shipped", str(shapes_picture), "--out", "seen", "--device", "cpu"]
    assert run("predict", words, "") == 0
    assert (tmp_path / "seen" / "predictions.json").is_file()


def test_another_config_is_told(shapes_picture, capsys):
    words = ["configs/lite/cascade_mask_lite.py", "shipped", str(shapes_picture)]
    assert run("predict", [*words, "--device", "cpu"], "") == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.slow
def test_its_scores_are_those_of_the_card(tmp_path):
    scores = evaluate(load_config(CONFIG), "shipped", tmp_path, device="cpu")
    told = card_scores()
    assert len(told) >= 4
    for stage, (box, box50, box75, box90, *_) in told.items():
        names = ("AP", "AP50", "AP75", "AP90")
        for name, expected in zip(names, (box, box50, box75, box90), strict=True):
            key = f"coco/stage_{stage}/bbox_{name}"
            assert 100 * scores[key] == pytest.approx(expected, abs=0.3), key
