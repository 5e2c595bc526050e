"""The metrics in a config: several at once, in a test of a trained detector."""

from pathlib import Path

import pytest
from mmengine import Config

from cascadekit import apis
from cascadekit.commands import run
from tests.datasets import makers

TINY = str(Path(__file__).parents[1] / "tiny.py")


@pytest.mark.slow
def test_several_metrics_of_one_pass(tmp_path, monkeypatch):
    """Every stage by KITTI's protocol, the boxes of every stage, and COCO's figures beside them."""
    monkeypatch.chdir(tmp_path)
    splits = {"train": ["000000", "000002"], "val": ["000000", "000001"]}
    data = str(makers.kitti(tmp_path / "data", splits=splits))
    without_masks = (
        "model.roi_head.mask_head=None",
        "model.roi_head.mask_pool=None",
        "train_dataloader.dataset.pipeline.2.with_masks=False",
    )
    options = ["--cfg-options", "train_cfg.max_iters=2", *without_masks]
    assert run("train", [TINY, "--data", data, "--work-dir", "run", *options], "") == 0
    config = Config.fromfile("run/tiny.py")
    kinds = ("CocoMetric", "KittiMetric", "ProposalRecallMetric", "VocMetric")
    config.test_evaluator = [dict(type=f"cascadekit.{kind}") for kind in kinds]
    config.dump("run/several.py")
    config = apis.load_config("run/several.py")
    figures = apis.evaluate(config, "run/iter_2.pth", "test", device="cpu")
    assert {name.split("/")[0] for name in figures} == {"coco", "kitti", "proposals", "voc"}
    assert "kitti/stage_1~2/AP40_car_moderate" in figures
    assert figures["proposals/stage_1/AR1000"] >= 0
    for name in ("kitti", "proposals", "voc", "summary"):
        assert Path(f"test/results.{name}.json").is_file()
