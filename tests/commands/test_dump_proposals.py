"""`cascadekit proposals` on the tiny model."""

from pathlib import Path

import pytest

from cascadekit.apis import load_config, train
from cascadekit.commands import run
from cascadekit.datasets import ProposalFile

TINY = str(Path(__file__).parents[1] / "tiny.py")
NO_MASKS = ["model.roi_head.mask_pool=None", "model.roi_head.mask_head=None"]


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """Weights of one iteration, without a validation."""
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    options = {key.split("=")[0]: None for key in NO_MASKS}
    config = load_config(TINY, options={**options, "train_cfg.max_iters": 1})
    for key in ("val_dataloader", "val_cfg", "val_evaluator"):
        config[key] = None
    config.default_hooks.checkpoint.interval = 1
    train(config, tmp_path / "run", seed=0, device="cpu")
    return str(tmp_path / "run" / "iter_1.pth")


def test_it_writes_and_reports(checkpoint, tmp_path, capsys):
    out = tmp_path / "val.safetensors"
    arguments = ["--split", "val", "--stage", "1", "--most", "4", "--device", "cpu"]
    options = ["--cfg-options", *NO_MASKS]
    assert run("proposals", [TINY, checkpoint, str(out), *arguments, *options], "") == 0
    assert f"12 boxes of 3 pictures: {out}" in capsys.readouterr().out
    stored = ProposalFile(out)
    assert [len(stored.read(i)[0]) for i in stored.ids] == [4, 4, 4]
    assert stored.made_by["split"] == "val" and stored.made_by["boxes"] == "after stage 1"


def test_a_fault_is_one_line(tmp_path, capsys):
    arguments = [TINY, "none.pth", str(tmp_path / "p.npz"), "--device", "cpu"]
    assert run("proposals", arguments, "") == 2
    assert capsys.readouterr().err.startswith("error: ")
