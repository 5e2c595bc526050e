"""From a data set in its own format to the benchmark's files of detections, command by command."""

import json
from pathlib import Path

import pytest

from cascadekit.commands import run
from tests.datasets import makers

TINY = str(Path(__file__).parents[1] / "tiny.py")
BOXES = (
    "model.roi_head.mask_head=None",
    "model.roi_head.mask_pool=None",
    "train_dataloader.dataset.pipeline.2.with_masks=False",
)


def kitti(root):
    return makers.kitti(root, splits={"train": ["000000", "000002"], "val": ["000000", "000001"]})


def cities(root):
    for split in ("train", "val"):
        makers.city_pictures(root, split)
        makers.city_folder(root, split)
    return root


def faces(root):
    for split in ("train", "val"):
        makers.wider_pictures(root, split)
        makers.wider_text(root / f"wider_face_split/wider_face_{split}_bbx_gt.txt")
    return root


def voc(root):
    return makers.voc(root, {"train": ["a", "b"], "val": ["a", "b"]})


# maker, options, files of the submission (None: none), classes
CYCLES = {
    "kitti": (kitti, BOXES, ["000000.txt", "000001.txt"], 3),
    "citypersons": (cities, BOXES, None, 1),
    "widerface": (faces, BOXES, sorted(f"{name}.txt" for name in makers.FACES), 1),
    "voc": (voc, BOXES, ["comp4_det_val_cat.txt", "comp4_det_val_dog.txt"], 2),
    "labels": (makers.label_set, (), None, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CYCLES)
def test_cycle(tmp_path, monkeypatch, kind):
    make, options, files, classes = CYCLES[kind]
    monkeypatch.chdir(tmp_path)
    data = str(make(tmp_path / "data"))
    more = ["--cfg-options", "train_cfg.max_iters=2", *options]
    assert run("train", [TINY, "--data", data, "--work-dir", "run", *more], "") == 0
    # What a training wrote into its folder knows the data.
    checkpoint = "run/iter_2.pth"
    arguments = ["run/tiny.py", checkpoint, "--no-stage-table", "--work-dir", "test"]
    assert run("test", arguments, "") == 0
    summary = json.loads(Path("test/results.summary.json").read_text())
    assert len(summary["classes"]) == classes and summary["detections"] > 0
    if kind == "labels":
        assert summary["objects"] == 3 and Path("test/results.segm.json").is_file()
        return
    out = "out.json" if kind == "citypersons" else "out"
    words = [kind, "test/results.bbox.json", out, "--detections-of", f"{data}:val"]
    assert run("convert-dataset", [*words, "--split", "val"], "") == 0
    if kind == "citypersons":
        entries = json.loads(Path(out).read_text())
        assert len(entries) == summary["detections"]
        assert {e["category_id"] for e in entries} == {1}
        assert {e["image_id"] for e in entries} <= {1, 2, 3}
        return
    written = sorted(p.relative_to(out).as_posix() for p in Path(out).rglob("*.txt"))
    assert written == files
