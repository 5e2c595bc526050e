"""The proposal-quality report of a checkpoint, on the tiny model and drawn pictures."""

from pathlib import Path

import pytest
import torch

from cascadekit.apis import build_detector, load_config
from cascadekit.datasets.shapes import CLASSES
from cascadekit.doctor.examination import examine
from cascadekit.doctor.measured import measured_quality
from cascadekit.doctor.page import page
from tests.doctor.makers import checks

TINY = str(Path(__file__).parents[1] / "tiny.py")
BOXES = {"model.roi_head.mask_pool": None, "model.roi_head.mask_head": None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the drawn pictures go, once for all."""
    return tmp_path_factory.mktemp("measured")


@pytest.fixture
def setup(folder, monkeypatch):
    """A config with so many stages, and untrained weights of it."""
    monkeypatch.setenv("CASCADEKIT_DATA", str(folder / "data"))

    def make(*ious, classes=tuple(CLASSES)):
        config = load_config(TINY, options={**BOXES, "model.roi_head.stage_ious": list(ious)})
        torch.manual_seed(0)
        state = build_detector(config).state_dict()
        file = folder / f"{len(ious)}_{len(classes)}.pth"
        torch.save({"state_dict": state, "meta": {"dataset_meta": {"classes": classes}}}, file)
        return config, str(file)

    return make


def test_a_cascade_has_its_positives_measured(setup):
    findings, tables, plots = measured_quality(*setup(0.5, 0.6), 2, "cpu")
    assert {f.check for f in findings} == {"proposals.quality"} and len(plots) == 1
    positives = tables[1]
    assert [row[0] for row in positives.rows] == ["stage 1 (u = 0.5)", "stage 2 (u = 0.6)"]
    assert [row[-1] for row in positives.rows] == ["measured", "measured"]


def test_one_stage_gets_the_forecast(setup):
    findings, tables, _ = measured_quality(*setup(0.5), 2, "cpu")
    assert "proposals.forecast" in {f.check for f in findings}
    assert tables[-1].title == "Can a cascade help?"


def test_it_joins_the_report(setup):
    config, file = setup(0.5, 0.6)
    result = examine(config, checkpoint=file, sample=2, device="cpu")
    titles = [table.title for table in result.tables]
    assert titles.count("Expected positives per picture") == 2  # of anchors, and measured
    assert "data:image/png;base64," in page(result)


def test_other_classes_are_an_error(setup):
    config, file = setup(0.5, 0.6, classes=("a", "b", "c", "d", "e", "f"))
    findings, tables, _ = measured_quality(config, file, 2, "cpu")
    assert checks(findings)["checkpoint.data"].severity == "error" and tables == []
