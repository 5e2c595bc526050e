"""`cascadekit evaluate` from the command line, also on converted json files."""

import json

import pytest

from cascadekit.commands import run
from tests.datasets import makers as data
from tests.evaluation.makers import random_case
from tests.scoring import makers


def evaluate(*arguments):
    """Run the command; the exit status."""
    return run("evaluate", [str(a) for a in arguments], "")


def scores(folder):
    found = json.loads((folder / "scores.json").read_text())["a"]["figures"]
    return {name: entry["value"] for name, entry in found.items()}


def test_prints_and_writes(tmp_path, capsys):
    files = makers.kitti(tmp_path)
    out = tmp_path / "out"
    status = evaluate("--metric", "kitti", "--gt", files.gt, "--dt", files.dt, "--out", out)
    assert status == 0
    said = capsys.readouterr().out
    assert "KITTI 2D AP, 40 recall points (%)" in said
    assert f"written: {out}/scores.json, {out}/curves.png" in said


def test_a_fault_is_one_line(tmp_path, capsys):
    files = makers.kitti(tmp_path)
    assert evaluate("--metric", "kitti", "--gt", files.gt, "--dt", tmp_path / "no") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_backend_and_comparison(tmp_path, capsys):
    pytest.importorskip("faster_coco_eval", reason="no faster_coco_eval here")
    files = makers.coco(tmp_path, *random_case(2))
    common = ("--metric", "coco", "--gt", files.gt, "--dt", files.dt)
    assert evaluate(*common, "--out", tmp_path / "a") == 0
    assert evaluate(*common, "--out", tmp_path / "b", "--backend", "faster_coco_eval") == 0
    assert scores(tmp_path / "a") == pytest.approx(scores(tmp_path / "b"))
    capsys.readouterr()
    assert evaluate(*common, "--dt-b", files.dt, "--bootstrap", "5") == 0
    assert "Not decided on this data" in capsys.readouterr().out.splitlines()[-1]


def pictured(root, metric, files):
    """Add what the data sets' own readers need: pictures, in the folders of each layout."""
    if metric == "kitti":
        for file in files.gt.glob("*.txt"):
            data.picture(root / f"image_2/{file.stem}.png", 400, 300)
        return root
    if metric == "voc":
        for file in (root / "Annotations").glob("*.xml"):
            data.picture(root / f"JPEGImages/{file.stem}.jpg", 400, 300)
        return f"{root}:test"
    for image in json.loads(files.gt.read_text())["images"]:
        data.picture(root / f"leftImg8bit/val/a/{image['im_name']}", 400, 300)
    return files.gt


@pytest.mark.parametrize("metric", ["kitti", "citypersons", "voc"])
def test_a_converted_json_gives_the_same_figures(metric, tmp_path):
    """Rows beyond the border and without area are in the json too."""
    files = getattr(makers, metric)(tmp_path, 1, 6)
    source = pictured(tmp_path, metric, files)
    out = tmp_path / "converted.json"
    images = tmp_path / {"kitti": "image_2", "voc": "JPEGImages"}.get(metric, "leftImg8bit/val")
    assert run("convert-dataset", [metric, str(source), str(out), "--images", str(images)], "") == 0
    for name, gt in (("own", files.gt), ("json", out)):
        arguments = ("--metric", metric, "--gt", gt, "--dt", files.dt, "--out", tmp_path / name)
        assert evaluate(*arguments) == 0
    assert scores(tmp_path / "own") == scores(tmp_path / "json")


def test_plain_coco_json_is_no_ground_truth_of_kitti(tmp_path, capsys):
    files = makers.coco(tmp_path, *random_case(2))
    for metric in ("kitti", "widerface"):
        assert evaluate("--metric", metric, "--gt", files.gt, "--dt", tmp_path) == 2
        assert "A plain COCO json is scored with --metric coco" in capsys.readouterr().err
