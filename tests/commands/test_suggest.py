"""`cascadekit suggest` on the tiny model."""

from pathlib import Path

import pytest

from cascadekit.apis import load_config, train
from cascadekit.commands import run

TINY = str(Path(__file__).parents[1] / "tiny.py")
ONE_STAGE = ["model.roi_head.mask_pool=None", "model.roi_head.mask_head=None"]
ONE_STAGE += ["model.roi_head.stage_ious=[0.5]"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder with weights of one iteration of one stage, and of the drawn data."""
    folder = tmp_path_factory.mktemp("suggest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASCADEKIT_DATA", str(folder / "data"))
        config = load_config(
            TINY,
            options={
                "model.roi_head.mask_pool": None,
                "model.roi_head.mask_head": None,
                "model.roi_head.stage_ious": [0.5],
                "train_cfg.max_iters": 1,
            },
        )
        for key in ("val_dataloader", "val_cfg", "val_evaluator"):
            config[key] = None
        config.default_hooks.checkpoint.interval = 1
        train(config, folder, seed=0, device="cpu")
    return folder


@pytest.fixture
def suggest(trained, tmp_path, monkeypatch):
    """Run the command in an empty folder; gives the exit status."""
    monkeypatch.setenv("CASCADEKIT_DATA", str(trained / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        start = [TINY, str(trained / "iter_1.pth"), "--device", "cpu", *arguments]
        return run("suggest", [*start, "--cfg-options", *ONE_STAGE], "")

    return call


def test_it_reports_and_writes(suggest, capsys):
    assert suggest("--plot", "shares.png", "--max-images", "2") == 0
    shown = capsys.readouterr().out
    for part in ("Suggested stages", "Forecast: cannot tell", "stage_ious=(", "shares.png"):
        assert part in shown
    file = Path("work_dirs/tiny_suggested.py")
    assert f"config: {file}" in shown
    assert len(load_config(file).model.roi_head.stage_ious) == 3
    assert Path("shares.png").read_bytes()[:4] == b"\x89PNG"


def test_it_overwrites_nothing_by_accident(suggest, capsys):
    Path("mine.py").write_text("precious")
    assert suggest("--out", "mine.py") == 2
    assert "mine.py exists" in capsys.readouterr().err
    assert Path("mine.py").read_text() == "precious"
    assert suggest("--out", "mine.py", "--overwrite", "--stages", "2") == 0
    assert len(load_config("mine.py").model.roi_head.stage_ious) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stages", "0"), "at least one stage"),
        (("--target", "2"), "target in"),
        (("--max-images", "0"), "--max-images must be 1 or more"),
        (("--out", "mine.yaml"), "ends in .py"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_faults_are_one_line(arguments, message, suggest, capsys):
    assert suggest(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error


def test_proposals_alone(suggest, trained, capsys):
    start = [TINY, str(trained / "iter_1.pth"), "val.safetensors", "--split", "val"]
    assert run("proposals", [*start, "--device", "cpu", "--cfg-options", *ONE_STAGE], "") == 0
    alone = [TINY, "--proposals", "val.safetensors", "--out", "alone.py"]
    assert run("suggest", [*alone, "--cfg-options", *ONE_STAGE], "") == 0
    shown = capsys.readouterr().out
    assert "assumed as in the paper" in shown and "proposals alone say nothing" in shown
    assert len(load_config("alone.py").model.roi_head.stage_ious) == 3
    assert suggest("--proposals", "val.safetensors") == 2  # and a checkpoint
    assert run("suggest", [TINY], "") == 2  # neither
    assert "CHECKPOINT or --proposals" in capsys.readouterr().err


def test_training_pictures_may_be_missing(suggest, capsys, monkeypatch):
    monkeypatch.setattr("cascadekit.apis.open_loader", _only_test)
    assert suggest() == 0
    told = capsys.readouterr().out
    assert "forecast without training pictures" in told and "cannot be read (not here)" in told


def _only_test(config, split="test"):
    from mmengine.registry import DefaultScope
    from mmengine.runner import Runner

    from cascadekit.errors import InputError
    from cascadekit.proposal_files import split_loader

    if split == "train":
        raise InputError("not here")
    with DefaultScope.overwrite_default_scope("cascadekit"):
        return Runner.build_dataloader(split_loader(config, split))
