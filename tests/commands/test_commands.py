"""The commands on the tiny model: what they write and print."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cascadekit.commands import COMMANDS, run

TINY = str(Path(__file__).parents[1] / "tiny.py")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with drawn shapes and a run of the train command."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASCADEKIT_DATA", str(folder / "data"))
        patch.chdir(folder)
        options = ["train_cfg.max_iters=2"]
        arguments = [TINY, "--seed", "1", "--device", "cpu", "--cfg-options", *options]
        assert run("train", arguments, "cascadekit train") == 0
        yield folder


@pytest.fixture(autouse=True)
def _here(root, monkeypatch, tmp_path):
    monkeypatch.setenv("CASCADEKIT_DATA", str(root / "data"))
    monkeypatch.chdir(tmp_path)


def test_train_writes_below_work_dirs(root):
    assert (root / "work_dirs" / "tiny" / "iter_2.pth").is_file()


def test_train_resumes(root, tmp_path):
    run("train", [TINY, "--work-dir", "run", "--cfg-options", "train_cfg.max_iters=1"], "")
    run(
        "train",
        [TINY, "--work-dir", "run", "--resume", "--cfg-options", "train_cfg.max_iters=2"],
        "",
    )
    assert Path("run/last_checkpoint").read_text().endswith("iter_2.pth")
    log = "".join(file.read_text() for file in Path("run").glob("*/*.log"))
    assert len(re.findall(r"iter 1/1 ", log)) == len(re.findall(r"iter 2/2 ", log)) == 1
    assert "iter 1/2 " not in log  # not anew


def test_interrupted(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cascadekit.apis.train", interrupted)
    assert run("train", [TINY], "") == 130
    assert capsys.readouterr().err.strip().endswith("interrupted")


def test_a_bug_is_not_hidden(monkeypatch):
    """Only what a user can mend is one line; a fault of ours keeps its traceback."""

    def broken(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr("cascadekit.apis.train", broken)
    with pytest.raises(RuntimeError, match="ours"):
        run("train", [TINY], "")


def test_test_writes_results(root):
    checkpoint = str(root / "work_dirs/tiny/iter_2.pth")
    assert run("test", [TINY, checkpoint, "--no-stage-table"], "") == 0
    folder = Path("work_dirs/tiny_test")
    names = {file.name for file in folder.glob("results.*")}
    assert names == {"results.bbox.json", "results.segm.json", "results.summary.json"}
    scores = json.loads((folder / "results.summary.json").read_text())["scores"]
    assert "bbox_AP" in scores and not any("stage" in name for name in scores)


def test_predict_writes_pictures_and_json(root, capsys):
    photos = Path("photos")
    photos.mkdir()
    for name, height in (("b.jpg", 48), ("a.png", 64)):
        picture = np.random.default_rng(0).integers(0, 255, (height, 80, 3), np.uint8)
        cv2.imwrite(str(photos / name), picture)
    checkpoint = str(root / "work_dirs/tiny/iter_2.pth")
    assert run("predict", [TINY, checkpoint, "photos", "--score", "0", "--stages"], "") == 0
    written = {file.name for file in Path("predictions").iterdir()}
    assert written == {"predictions.json", "a.png", "b.png", "a_stages.png", "b_stages.png"}
    entries = json.loads(Path("predictions/predictions.json").read_text())
    assert {entry["file_name"] for entry in entries} == {"a.png", "b.jpg"}
    for entry in entries:
        width, height = 80, 48 if entry["file_name"] == "b.jpg" else 64
        x, y, w, h = entry["bbox"]
        assert 0 <= x <= x + w <= width + 0.02 and 0 <= y <= y + h <= height + 0.02
        assert entry["segmentation"]["size"] == [height, width]
    assert f"{len(entries)} detections in 2 pictures" in capsys.readouterr().out


def test_both_commands_augment(root):
    picture = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
    cv2.imwrite("a.png", picture)
    checkpoint = str(root / "work_dirs/tiny/iter_2.pth")
    few = ["--tta", "--cfg-options", "tta_views.scales=[2.0]"]
    assert run("predict", [TINY, checkpoint, "a.png", "--score", "0", "--stages", *few], "") == 0
    assert run("test", [TINY, checkpoint, *few], "") == 0
    assert Path("predictions/a_stages.png").is_file()
    augmented = json.loads(Path("predictions/predictions.json").read_text())
    assert run("predict", [TINY, checkpoint, "a.png", "--out", "plain"], "") == 0
    assert augmented and augmented != json.loads(Path("plain/predictions.json").read_text())
    scores = json.loads(Path("work_dirs/tiny_test/results.summary.json").read_text())["scores"]
    assert "segm_AP" in scores and not any("stage" in name for name in scores)


def test_config_prints_who_set_what(capsys):
    flagship = str(REPOSITORY / "configs" / "cascade_mask_r50.py")
    option = "model.num_classes=7"
    assert run("config", [flagship, "--cfg-options", option], "") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 100
    for line in lines:
        assert re.search(r" = .*  # (.+\.py:\d+|command line)$", line), line
    (chosen,) = [line for line in lines if line.startswith("model.num_classes ")]
    assert re.search(r"= 7 +# command line$", chosen)
    (stages,) = [line for line in lines if line.startswith("model.roi_head.stage_ious")]
    assert re.search(r"= \(0\.5, 0\.6, 0\.7\) +# .*configs/cascade_mask_r50\.py:\d+$", stages)
    (depth,) = [line for line in lines if line.startswith("model.backbone.depth")]
    assert re.search(r"= 50 +# .*configs/_base_/models/faster_r50_fpn\.py:\d+$", depth)


def test_the_line_it_prints_is_the_line(capsys):
    run("config", [TINY], "")
    rows = capsys.readouterr().out.splitlines()
    (row,) = [row for row in rows if row.startswith("train_cfg.max_iters")]
    file, line = re.search(r"# (.+):(\d+)$", row).groups()
    assert "max_iters=4" in Path(file).read_text().splitlines()[int(line) - 1]


def test_config_diff(capsys):
    a, b = (str(REPOSITORY / "configs" / f"{name}.py") for name in ("faster_r50", "cascade_r50"))
    assert run("config", ["--diff", a, b], "") == 0
    assert capsys.readouterr().out.splitlines() == [
        "~ model.roi_head.stage_ious  (0.5,) -> (0.5, 0.6, 0.7)"
    ]


def test_recipes(capsys):
    assert run("recipes", [], "") == 0
    different = capsys.readouterr().out
    assert run("recipes", ["--all"], "") == 0
    everything = capsys.readouterr().out
    (row,) = [line for line in different.splitlines() if "ensemble.rois" in line]
    assert row.split() == ["roi_head.ensemble.rois", "last", "own", "own"]
    # 256 anchors, 0.7 and so on are everybody's choice.
    assert "rpn_head.assigner.pos_iou" in everything and "assigner.pos_iou" not in different


def test_env(capsys):
    assert run("env", [], "") == 0
    assert "torch" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_usage_names_the_program_as_it_was_called(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(name, ["--no-such-option"], program="tools/x.py")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: tools/x.py ")


def test_a_script_as_users_start_it():
    command = [sys.executable, str(REPOSITORY / "tools" / "train.py"), "configs/cascade_r5O.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith(
        "error: no config file configs/cascade_r5O.py. Did you mean 'casc"
    )
