"""What a mistake looks like: one message that says what to do, status 2, no traceback."""

import json
import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import cascadekit
from cascadekit.apis import load_config, train
from cascadekit.commands import run

TINY = str(Path(__file__).parents[1] / "tiny.py")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with drawn shapes, a checkpoint of the tiny model, and a small COCO set."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASCADEKIT_DATA", str(folder / "data"))
        options = {"train_cfg.max_iters": 1, "val_dataloader": None, "val_cfg": None}
        config = load_config(TINY, options={**options, "val_evaluator": None})
        train(config, folder / "run")
        shutil.copy(folder / "run" / "iter_1.pth", folder / "good.pth")
        yield folder


@pytest.fixture(autouse=True)
def _here(root, tmp_path, monkeypatch):
    """Every command runs in an empty folder that has `configs`, as a user's does."""
    (tmp_path / "configs").symlink_to(Path(cascadekit.__file__).parent / "configs")
    (tmp_path / "good.pth").symlink_to(root / "good.pth")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CASCADEKIT_DATA", str(root / "data"))


@pytest.fixture
def fails(capfd):
    """Run a command that must fail; gives the message, which is checked to be one."""

    def call(command, *arguments):
        capfd.readouterr()
        status = run(command, [str(a) for a in arguments], program=f"cascadekit {command}")
        err = capfd.readouterr().err
        message = err[err.index("error: ") :].strip()
        assert status == 2
        assert err.count("error: ") == 1
        assert "Traceback" not in err
        return message

    return call


@pytest.fixture
def coco(tmp_path):
    """A COCO set of one class in the working folder; `coco(faulty)` may spoil the json's dict."""

    def write(change=lambda data: None, picture=True):
        if picture:
            cv2.imwrite("0.png", np.full((64, 64, 3), 99, np.uint8))
        polygon = [8, 8, 40, 8, 40, 40, 8, 40]
        box = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [8, 8, 32, 32], "area": 1024}
        data = {
            "images": [{"id": 0, "file_name": "0.png", "width": 64, "height": 64}],
            "annotations": [{**box, "segmentation": [polygon]}],
            "categories": [{"id": 1, "name": "cat"}],
        }
        change(data)
        Path("mine.json").write_text(json.dumps(data))
        return "mine.json"

    return write


def evil(path):
    """A pickle that would run a command when opened."""

    class Bomb:
        def __reduce__(self):
            return (os.system, ("touch exploded",))

    torch.save({"state_dict": {"x": torch.zeros(1)}, "more": Bomb()}, path)


@pytest.mark.parametrize("command", ["train", "test", "predict", "config"])
def test_unknown_config(command, fails):
    more = {"test": ["good.pth"], "predict": ["good.pth", "."], "train": [], "config": []}
    cv2.imwrite("a.png", np.zeros((8, 8, 3), np.uint8))
    message = fails(command, "configs/cascade_r5O.py", *more[command])
    assert message.startswith("error: no config file configs/cascade_r5O.py.")
    assert "Did you mean 'cascade_r50.py'" in message


def test_unknown_key(fails):
    Path("mine.py").write_text(f"_base_ = {TINY!r}\nmodel = dict(neck=dict(out_chanels=8))\n")
    message = fails("train", "mine.py")
    assert message.startswith(
        "error: mine.py:2: model.neck.out_chanels: FPN has no argument 'out_chanels'. "
        "Did you mean 'out_channels'"
    )


def test_misspelt_key_at_the_top(fails):
    Path("mine.py").write_text(f"_base_ = {TINY!r}\ntrain_dataloder = dict(batch_size=8)\n")
    assert "mine.py:2: train_dataloder: unknown key. Did you mean 'train_dataloader'?" in fails(
        "train", "mine.py"
    )


def test_unregistered_type(fails):
    Path("mine.py").write_text(f"_base_ = {TINY!r}\nmodel = dict(neck=dict(type='FPM'))\n")
    message = fails("train", "mine.py")
    assert "mine.py:2: model.neck.type: no model 'FPM' is registered. Did you mean 'FPN'" in message


def test_faulty_python(fails):
    Path("mine.py").write_text("model = dict(\n")
    assert fails("train", "mine.py").startswith("error: ")
    assert "mine.py:1" in fails("config", "mine.py")


def test_wrong_class_count(fails):
    message = fails("train", TINY, "--cfg-options", "model.num_classes=3")
    assert "model.num_classes is 3, but the train data set" in message
    assert "has 6 classes (star, burst" in message
    assert "Set model.num_classes=6" in message


def test_missing_annotations(fails):
    message = fails("train", TINY, "--data", "nowhere/train.json")
    assert message.startswith("error: annotation file not found: 'nowhere/train.json'")
    assert str(Path("nowhere/train.json").absolute()) in message
    assert "--data shapes" in message


def test_malformed_json(fails, coco):
    text = Path(coco()).read_text()
    Path("mine.json").write_text(text[:50])
    assert "mine.json is not json: " in fails("train", TINY, "--data", "mine.json")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.pop("categories"), "mine.json has no list 'categories'"),
        (lambda d: d["annotations"][0].update(image_id=7), "annotation 1 has image_id 7, but no"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2]), "annotation 1 must be 4 numbers"),
        (lambda d: d["annotations"].clear(), "mine.json leaves no picture to use"),
    ],
)
def test_faulty_annotations(change, expected, fails, coco):
    assert expected in fails("train", TINY, "--data", coco(change))


# Slow: torch waits 5 s for a worker whose iterator is collected.
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_unreadable_picture_while_training(workers, fails, coco):
    file = coco(picture=False)
    Path("0.png").write_text("this is not a picture")
    options = [f"train_dataloader.{key}={workers}" for key in ("num_workers", "persistent_workers")]
    message = fails("train", TINY, "--data", file, "--cfg-options", *options)
    path = Path("0.png").absolute().name
    assert path in message and "is not a picture that can be read" in message
    # torch would hand on the traceback of the worker process.
    assert "\n" not in message


def test_missing_picture(fails, coco):
    assert "0.png (No such file or directory)" in fails(
        "train", TINY, "--data", coco(picture=False)
    )


@pytest.mark.parametrize("command", ["test", "predict"])
def test_checkpoint_of_another_shape(command, fails):
    cv2.imwrite("a.png", np.zeros((64, 64, 3), np.uint8))
    more = ["a.png"] if command == "predict" else []
    option = "model.roi_head.bbox_head.fc_channels=32"
    message = fails(command, TINY, "good.pth", *more, "--cfg-options", option)
    assert "weights of the checkpoint have another shape than the model's" in message
    assert "(16, 128), model (32, 128)" in message
    assert "Use the config the checkpoint was trained with" in message


@pytest.mark.parametrize("command", ["test", "predict"])
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("god.pth", "no checkpoint file god.pth. Did you mean 'good.pth'?"),
        ("evil.pth", "evil.pth was not opened: besides weights it holds"),
        ("plain.pkl", "plain.pkl holds no weights: expected parameter names with tensors"),
        ("empty.pth", "empty.pth is empty"),
        ("half.pth", "half.pth is cut off"),
        ("run", "run is a folder; give a checkpoint file"),
    ],
)
def test_faulty_checkpoint(command, file, expected, fails):
    cv2.imwrite("a.png", np.zeros((64, 64, 3), np.uint8))
    evil("evil.pth")
    Path("plain.pkl").write_bytes(pickle.dumps({"a": 1}))
    Path("empty.pth").touch()
    content = Path("good.pth").read_bytes()
    Path("half.pth").write_bytes(content[: len(content) // 2])
    Path("run").mkdir()
    assert expected in fails(command, TINY, file, *(["a.png"] if command == "predict" else []))
    assert not Path("exploded").exists()


def test_a_faulty_checkpoint_is_not_resumed_from(fails):
    Path("run").mkdir()
    evil("run/iter_1.pth")
    Path("run/last_checkpoint").write_text("run/iter_1.pth")
    message = fails("train", TINY, "--work-dir", "run", "--resume")
    assert "iter_1.pth was not opened" in message
    assert not Path("exploded").exists()


def test_a_faulty_checkpoint_is_not_started_from(fails):
    evil("evil.pth")
    assert "evil.pth was not opened" in fails("train", TINY, "--cfg-options", "load_from=evil.pth")
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("optim_wrapper.optimizer.lr", "is not KEY=VALUE"),
        ("optim_wrapper.optimzer.lr=1", "Did you mean 'optim_wrapper.optimizer'"),
        ("train_dataloader.batch_sise=1", "Did you mean 'train_dataloader.batch_size'"),
        ("model.num_classes.x=1", "model.num_classes is 6, so nothing below it can be set"),
        ("model.roi_head.stage_ious=[0.5", "the brackets in"),
    ],
)
@pytest.mark.parametrize("command", ["train", "config"])
def test_faulty_option(command, option, expected, fails):
    message = fails(command, TINY, "--cfg-options", option)
    assert "--cfg-options" in message and expected in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "shape",
            "--data shape: expected shapes or coco, a COCO annotation file (.json), a folder (",
        ),
        ("shape", "Did you mean 'shapes'?"),
        ("no/such/folder", "there is no such file or folder"),
    ],
)
def test_unknown_data(name, expected, fails):
    assert expected in fails("train", TINY, "--data", name)


def test_a_folder_without_annotations(fails):
    Path("photos").mkdir()
    assert "photos" in (message := fails("train", TINY, "--data", "photos"))
    assert "--data photos: photos has no data in a format known here (it has: nothing)" in message


def test_a_folder_of_pictures_that_is_not_there(fails, coco):
    message = fails("train", TINY, "--data", coco(), "--images", "pictrues")
    assert message.startswith("error: folder of pictures not found: 'pictrues'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("command", ["train", "test", "predict"])
def test_no_gpu(command, fails):
    cv2.imwrite("a.png", np.zeros((64, 64, 3), np.uint8))
    more = {"test": ["good.pth"], "predict": ["good.pth", "a.png"], "train": []}[command]
    assert "--device cuda: no CUDA device was found" in fails(
        command, TINY, *more, "--device", "cuda"
    )


def test_nothing_to_predict(fails):
    Path("empty").mkdir()
    assert "empty holds no picture" in fails("predict", TINY, "good.pth", "empty")
    assert "gone.png: no such picture or folder" in fails("predict", TINY, "good.pth", "gone.png")


def test_unknown_schedule(fails):
    assert "Did you mean 'lite'" in fails("train", TINY, "--schedule", "lte")


def test_diff_needs_two(fails):
    assert "--diff needs two configs" in fails("config", TINY, "--diff")


def test_classes_that_the_test_data_lacks(fails, coco):
    message = fails("test", TINY, "good.pth", "--data", coco())
    assert "class 'star' is not in mine.json, which has: cat" in message


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("model.roi_head.mask_strategy=e", "must be 'b', 'c' or 'd', got 'e'"),
        ("model.roi_head.loss_scaling=x", "must be one of loss, gradient, loss_only, got 'x'"),
        ("model.roi_head.delta_stds=[[1,1,1,1]]", "delta_stds: 1 entries for 2 stages"),
        ("train_dataloader.dataset.split=trian", "Did you mean 'train'"),
        ("train_dataloader.dataset.num_images=0", "num_images of the shapes must be"),
    ],
)
def test_values_that_no_part_takes(option, expected, fails):
    assert expected in fails("train", TINY, "--cfg-options", option)
