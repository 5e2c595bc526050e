"""`cascadekit diagnose` on the tiny model, end to end."""

import json
from pathlib import Path

import pytest

from cascadekit.commands import run
from tests.quality.test_report import check_page

TINY = str(Path(__file__).parents[1] / "tiny.py")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with drawn shapes and a run of the train command."""
    folder = tmp_path_factory.mktemp("diagnose")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASCADEKIT_DATA", str(folder / "data"))
        patch.chdir(folder)
        options = ["--cfg-options", "train_cfg.max_iters=2", "val_dataloader=None"]
        options += ["val_cfg=None", "val_evaluator=None"]
        assert run("train", [TINY, "--seed", "1", "--device", "cpu", *options], "") == 0
        yield folder


@pytest.fixture(autouse=True)
def _here(request, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if "root" in request.fixturenames:
        folder = request.getfixturevalue("root")
        monkeypatch.setenv("CASCADEKIT_DATA", str(folder / "data"))


def checkpoint(root):
    return str(root / "work_dirs" / "tiny" / "iter_2.pth")


@pytest.mark.slow
def test_a_report(root, capsys):
    arguments = [TINY, checkpoint(root), "--device", "cpu", "--max-images", "2", "--score", "0.05"]
    assert run("diagnose", arguments, "") == 0
    page, numbers = (Path("work_dirs/tiny_report") / f"report.{end}" for end in ("html", "json"))
    printed = capsys.readouterr().out
    assert f"report: {page}" in printed and f"numbers: {numbers}" in printed
    text = check_page(page.read_text(encoding="utf-8")).text
    assert "Diagnosis of tiny" in text and "1: u = 0.5, 2: u = 0.6" in text
    read = json.loads(numbers.read_text(encoding="utf-8"))
    assert read["facts"]["Pictures"].startswith("2, with ")
    assert read["facts"]["Training pictures"] == "2"
    errors = read["sections"]["stage_errors"]["numbers"]
    assert errors["final"] == "1~2" and errors["score_threshold"] == 0.05
    skipped = {name for name, own in read["sections"].items() if own["skipped"]}
    assert skipped | {"pictures"} == {"pictures", "cascade_forecast"}


@pytest.mark.slow
def test_other_data(root):
    """A COCO json; its pictures are looked at, training samples stay the config's."""
    image = next((root / "data").glob("*-val-*/images/*.png"))
    box = {"id": 1, "image_id": 5, "category_id": 3, "bbox": [4, 4, 30, 30], "area": 900}
    names = json.loads((root / "data").glob("*-val-*/annotations.json").__next__().read_text())[
        "categories"
    ]
    data = {
        "images": [{"id": 5, "file_name": image.name, "height": 64, "width": 64}],
        "annotations": [{**box, "iscrowd": 0, "category_id": names[0]["id"]}],
        "categories": names,
    }
    Path("mine.json").write_text(json.dumps(data))
    arguments = ["--data", "mine.json", "--images", str(image.parent), "--out", "here"]
    arguments += ["--max-images", "4", "--device", "cpu"]
    assert run("diagnose", [TINY, checkpoint(root), *arguments], "") == 0
    facts = json.loads(Path("here/report.json").read_text())["facts"]
    assert facts["Data"] == "mine.json, 1 pictures"
    assert facts["Pictures"] == "1, with 1 objects that count"
    assert facts["Training pictures"] == "4"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-images", "0"], "--max-images must be 1 or more, got 0"),
        (["--score", "30"], "--score must lie in [0, 1], got 30"),
        ([], "none.pth"),
    ],
)
def test_a_fault_is_one_line(arguments, message, capsys):
    assert run("diagnose", [TINY, "none.pth", "--device", "cpu", *arguments], "") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
