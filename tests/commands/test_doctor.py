"""`cascadekit doctor`: exit status, report, cleaned copies."""

import json

import pytest

from cascadekit.commands import run
from tests.doctor import makers
from tests.doctor.makers import box, image

CONFIG = "configs/lite/cascade_lite.py"


def doctor(tmp_path, *arguments):
    """Run the command; the exit status."""
    out = ["--out", str(tmp_path / "report"), "--sample", "3"]
    return run("doctor", [CONFIG, *map(str, arguments), *out], "")


def sound(root):
    """Four pictures with 20 objects of each class that fit the anchors; as many to validate on."""
    rows = [
        box(100 * i + 10 * c + k, i, c, bbox=(6 + 4 * k + 2 * c, 4 + 2 * k, 32, 32))
        for i in (1, 2, 3, 4)
        for c in (1, 2)
        for k in range(5)
    ]
    size = {"width": 96, "height": 64}
    for split, seed in (("train", 0), ("val", 50)):
        for k in range(1, 5):
            makers.noise(root / split / f"{k}.png", seed + k, (96, 64))
        images = [{**image(k), **size} for k in range(1, 5)]
        makers.coco(root / split, annotations=rows, images=images)
    return root


def test_a_sound_set_gives_0(tmp_path, capsys):
    root = sound(tmp_path / "data")
    options = ["--cfg-options", "train_cfg.max_iters=100", "train_cfg.val_interval=50"]
    options += ["train_dataloader.num_workers=0", "val_dataloader.num_workers=0"]
    options += ["train_dataloader.batch_size=2", "param_scheduler=[]"]
    status = doctor(tmp_path, "--data", root, *options, "--fail-on", "warning")
    text = capsys.readouterr().out
    assert status == 0, text
    assert "0 errors, 0 warnings" in text
    assert (tmp_path / "report/doctor.html").is_file()


def test_an_error_gives_1(tmp_path):
    file = makers.coco(tmp_path / "data")
    (tmp_path / "data/1.png").unlink()
    assert doctor(tmp_path, "--data", file) == 1
    assert (tmp_path / "report/doctor.html").is_file()


def test_warnings_give_1_if_asked_to(tmp_path):
    rows = [
        box(1, bbox=(5, 5, 40, 40)),
        box(2, 2, 2, bbox=(5, 5, 40, 40)),
        box(3, bbox=(5, 5, 0, 3)),
    ]
    file = makers.coco(tmp_path / "data", annotations=rows)
    assert doctor(tmp_path, "--data", file) == 0
    assert doctor(tmp_path, "--data", file, "--fail-on", "warning") == 1


@pytest.mark.parametrize(
    "arguments",
    [("--data", "nowhere"), ("--fix", "out.txt"), ("--sample", "0")],
)
def test_what_cannot_be_looked_at_gives_2(tmp_path, arguments, capsys):
    data = () if arguments[0] == "--data" else ("--data", makers.coco(tmp_path / "data"))
    out = ["--out", str(tmp_path / "report")]
    assert run("doctor", [CONFIG, *map(str, (*data, *arguments)), *out], "") == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("text", ["{", '{"images": [], "annotations": [], "categories": []}'])
def test_annotations_that_no_reader_takes_are_examined_all_the_same(tmp_path, text):
    (tmp_path / "ann.json").write_text(text)
    assert doctor(tmp_path, "--data", tmp_path / "ann.json") == 1
    data = json.loads((tmp_path / "report/doctor.json").read_text())
    assert data["findings"][0]["severity"] == "error"


def test_fix_writes_each_split_and_says_what_it_did(tmp_path, capsys):
    rows = [box(1), box(2, bbox=(5, 5, 0, 3))]
    train = makers.coco(tmp_path / "train", annotations=rows)
    val = makers.coco(tmp_path / "val", seed=9)
    before = train.read_bytes(), val.read_bytes()
    out = tmp_path / "clean.json"
    doctor(tmp_path, "--data", train, "--val-data", val, "--fix", out)
    assert (train.read_bytes(), val.read_bytes()) == before
    assert len(json.loads(out.read_text())["annotations"]) == 1
    assert len(json.loads((tmp_path / "clean_val.json").read_text())["annotations"]) == 2
    text = capsys.readouterr().out
    assert "box.zero_area: 1 left out" in text and "nothing was changed" in text


def test_fix_never_replaces_what_it_reads(tmp_path, capsys):
    file = makers.coco(tmp_path / "data")
    before = file.read_bytes()
    assert doctor(tmp_path, "--data", file, "--fix", file) == 2
    assert file.read_bytes() == before and "another name" in capsys.readouterr().err


def test_fix_writes_nothing_if_one_of_its_files_would_replace_what_it_reads(tmp_path, capsys):
    train = makers.coco(tmp_path / "train")
    val = makers.coco(tmp_path / "val", seed=9)
    val = val.rename(tmp_path / "val" / "clean_val.json")
    before = val.read_bytes()
    out = tmp_path / "val" / "clean.json"
    assert doctor(tmp_path, "--data", train, "--val-data", val, "--fix", out) == 2
    assert "clean_val.json would replace" in capsys.readouterr().err
    assert val.read_bytes() == before and not out.exists()
