import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader, load_from_local
from torch import nn
from torch.utils.data import Dataset

from cascadekit.checkpoints import (
    download,
    load_checkpoint_file,
    require_resumable,
    safe_load,
    safe_runner_loading,
    save_weights,
)
from cascadekit.errors import InputError


class Bomb:
    """Pickles into a call that creates a file when it is read without care."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


class Steal:
    """Pickles into `getattr(HistoryBuffer, "__init__")`, the first step to any global."""

    def __reduce__(self):
        return (getattr, (HistoryBuffer, "__init__"))


class OldStyle:
    """Pickles into `os.system(...)`, a module torch blocks altogether."""

    def __reduce__(self):
        import os

        return (os.system, ("true",))


class TinyModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.norm = nn.BatchNorm1d(1)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        values = self.norm(self.layer(torch.stack(inputs)))
        return {"loss": values.square().mean() + values.mean()}


class FourPoints(Dataset):
    # Numpy values, as many data sets keep them, must survive saving and resuming.
    metainfo = {"classes": ("a", "b"), "scale": np.float32(0.5), "mean": np.array([1.0, 2.0])}  # noqa: RUF012

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"inputs": torch.tensor([float(index), 1.0])}


class NoteEverything(Hook):
    """Puts what other hooks keep over a resume into the message hub."""

    def after_train_epoch(self, runner):
        runner.message_hub.update_info("best_score", np.float64(0.25))
        runner.message_hub.update_info("keep", {"names": ["a"], "flag": np.bool_(True)})


def make_runner(folder: Path, epochs: int, resume: bool = False, load_from=None) -> Runner:
    return Runner(
        model=TinyModel(),
        work_dir=str(folder),
        train_dataloader={
            "dataset": FourPoints(),
            "batch_size": 2,
            "num_workers": 0,
            "sampler": {"type": "DefaultSampler", "shuffle": True},
        },
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9}},
        param_scheduler=[
            {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 3},
            {"type": "MultiStepLR", "milestones": [1, 2], "by_epoch": True},
        ],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        custom_hooks=[NoteEverything()],
        randomness={"seed": 3},
        log_level="ERROR",
        resume=resume,
        load_from=load_from,
        experiment_name=f"{folder.parent.name}_{epochs}_{resume}",
    )


@pytest.fixture
def trained(tmp_path) -> Path:
    make_runner(tmp_path / "run", epochs=1).train()
    return tmp_path / "run"


def test_a_runner_checkpoint_opens_with_all_it_holds(trained):
    checkpoint = load_checkpoint_file(trained / "epoch_1.pth")
    assert {"meta", "state_dict", "message_hub", "optimizer", "param_schedulers"} <= set(checkpoint)
    losses = checkpoint["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(losses, HistoryBuffer)
    assert len(losses.data[0]) == 2  # four points, two a step
    assert losses.mean() == pytest.approx(float(losses.data[0].mean()))
    assert checkpoint["message_hub"]["runtime_info"]["best_score"] == 0.25
    assert checkpoint["meta"]["dataset_meta"]["mean"].tolist() == [1.0, 2.0]
    # The version numbers that torch's own modules look for survive too.
    assert checkpoint["state_dict"]._metadata["norm"]["version"] == 2


def test_resume_goes_on_where_the_run_stopped(trained):
    first = torch.load(trained / "epoch_1.pth", weights_only=False)  # our own file, just written
    with safe_runner_loading():
        runner = make_runner(trained, epochs=2, resume=True)
        runner.load_or_resume()
        assert (runner.epoch, runner.iter) == (1, 2)
        for key, value in first["state_dict"].items():
            assert torch.equal(runner.model.state_dict()[key], value)
        runner.train()
    second = load_checkpoint_file(trained / "epoch_2.pth")
    assert second["meta"]["iter"] == 4
    assert len(second["message_hub"]["log_scalars"]["train/loss"].data[0]) == 4
    momentum = second["optimizer"]["state"][0]["momentum_buffer"]
    assert not torch.equal(momentum, first["optimizer"]["state"][0]["momentum_buffer"])


def test_runner_resume_refuses_code_and_does_not_run_it(trained, tmp_path):
    target = tmp_path / "owned"
    checkpoint = load_checkpoint_file(trained / "epoch_1.pth")
    checkpoint["meta"]["gift"] = Bomb(target)
    torch.save(checkpoint, trained / "epoch_1.pth")
    with safe_runner_loading():
        runner = make_runner(trained, epochs=2, resume=True)
        with pytest.raises(InputError, match=r"epoch_1\.pth was not opened"):
            runner.train()
    assert not target.exists()
    # The same file through mmengine's own loader does run it: this test can fail.
    load_from_local(str(trained / "epoch_1.pth"), "cpu")
    assert target.exists()


def test_runner_load_from_refuses_code_and_does_not_run_it(tmp_path):
    target = tmp_path / "owned"
    torch.save({"state_dict": TinyModel().state_dict(), "x": Bomb(target)}, tmp_path / "w.pth")
    with safe_runner_loading():
        runner = make_runner(tmp_path / "run", epochs=1, load_from=str(tmp_path / "w.pth"))
        with pytest.raises(InputError, match="was not opened"):
            runner.load_or_resume()
    assert not target.exists()


def test_runner_loads_safetensors_too(tmp_path):
    model = TinyModel()
    save_weights(model.state_dict(), tmp_path / "w.safetensors")
    with safe_runner_loading():
        runner = make_runner(tmp_path / "run", epochs=1, load_from=str(tmp_path / "w.safetensors"))
        runner.load_or_resume()
    assert torch.equal(runner.model.layer.weight, model.layer.weight)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("open-mmlab://resnet50", "cannot be loaded from"),  # may unpickle a cached file freely
        ("torchvision://resnet50", r"model\.backbone\.weights"),  # mmengine's choice of weights
        ("pavi://x", "cannot be loaded from"),
        ("s3://bucket/x.pth", "cannot be loaded from"),
    ],
)
def test_other_schemes_of_mmengine_are_closed(name, match):
    with safe_runner_loading(), pytest.raises(InputError, match=match):
        CheckpointLoader.load_checkpoint(name, "cpu")


def test_loaders_of_mmengine_come_back(tmp_path):
    before = dict(CheckpointLoader._schemes)
    with pytest.raises(InputError, match="no checkpoint file"), safe_runner_loading():
        CheckpointLoader.load_checkpoint(str(tmp_path / "none.pth"), "cpu")
    assert dict(CheckpointLoader._schemes) == before


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (Bomb, r"pathlib\S*Path\S*, and"),  # a call
        (
            Steal,
            r"getattr\(.*__init__.*\), and",
        ),  # reading attributes, which mmengine's list allows
        (OldStyle, r"posix\.system, and|nt\.system, and"),  # a module torch never allows
    ],
)
def test_refused_files_name_what_they_asked_for(tmp_path, thing, named):
    torch.save(
        {"w": torch.ones(1), "x": thing(tmp_path / "t") if thing is Bomb else thing()},
        tmp_path / "w.pth",
    )
    with pytest.raises(InputError, match=f"was not opened: besides weights it holds ({named})"):
        load_checkpoint_file(tmp_path / "w.pth")
    assert not (tmp_path / "t").exists()


def test_a_plain_pickle_that_calls_is_refused(tmp_path):
    # Not made by torch.save: the format Detectron and old Caffe2 models come in.
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"x": Bomb(tmp_path / "t")}, protocol=2))
    with pytest.raises(InputError):
        load_checkpoint_file(tmp_path / "w.pth")
    assert not (tmp_path / "t").exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _fill(path: Path) -> None:
    path.write_bytes(b"<html>404 not found</html>")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")


def _list_inside(path: Path) -> None:
    torch.save([torch.ones(1)], path)


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("suffix", "spoil", "match"),
    [
        (".pth", _cut, "is cut off"),
        (".pth", _fill, "is not a checkpoint"),  # an error page saved under the file's name
        (".pth", _empty, "is empty"),
        (".pth", _other_zip, "is damaged or is not a checkpoint"),
        (".pth", _list_inside, "holds a list"),
        (".pth", _remove, r"no checkpoint file .*Did you mean 'weights2\.pth'"),
        (".safetensors", _cut, "is damaged or is not a safetensors file"),
        (".safetensors", _fill, "is damaged or is not a safetensors file"),
        (".safetensors", _empty, "is empty"),
    ],
)
def test_unreadable_files(tmp_path, suffix, spoil, match):
    (tmp_path / "weights2.pth").touch()
    path = save_weights({"w": torch.ones(64, 64)}, tmp_path / f"weights{suffix}")
    spoil(path)
    with pytest.raises(InputError, match=match):
        load_checkpoint_file(path)


def test_folder_and_foreign_suffix(tmp_path):
    (tmp_path / "epoch_1.pth").touch()
    with pytest.raises(InputError, match=r"is a folder; .*epoch_1\.pth"):
        load_checkpoint_file(tmp_path)
    (tmp_path / "w.ckpt").write_bytes(b"x")
    with pytest.raises(InputError, match=r"suffix '\.ckpt'"):
        load_checkpoint_file(tmp_path / "w.ckpt")


def test_plain_values_and_numpy_values_are_read(tmp_path):
    content = {
        "state_dict": OrderedDict(w=torch.ones(2)),
        "scalar": np.int64(3),
        "array": np.arange(3, dtype=np.float32),
        "words": np.array(["a", "bc"]),
        "rest": (slice(1, 2), None, {1, 2}, b"raw", 1.5),
    }
    torch.save(content, tmp_path / "w.pth")
    read = load_checkpoint_file(tmp_path / "w.pth")
    assert read["scalar"] == 3
    assert read["array"].tolist() == [0, 1, 2]
    assert read["words"].tolist() == ["a", "bc"]
    assert read["rest"] == content["rest"]


def test_weights_alone_cannot_be_resumed(tmp_path, trained):
    path = save_weights({"w": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"lacks meta, message_hub, optimizer"):
        require_resumable(path)
    assert require_resumable(trained / "epoch_1.pth")["meta"]["epoch"] == 1


def test_download_without_network_says_where_to_put_the_file(tmp_path, monkeypatch):
    def offline(url, dst, hash_prefix=None, progress=True):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(safe_load.torch.hub, "download_url_to_file", offline)
    with pytest.raises(InputError) as caught:
        download("https://example.org/a/net-0676ba61.pth")
    assert "https://example.org/a/net-0676ba61.pth" in str(caught.value)
    assert str(tmp_path / "checkpoints" / "net-0676ba61.pth") in str(caught.value)


def test_download_checks_the_hash_and_uses_the_cache(tmp_path, monkeypatch):
    asked = []

    def fetch(url, dst, hash_prefix=None, progress=True):
        asked.append(hash_prefix)
        save_weights({"w": torch.ones(1)}, dst)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(safe_load.torch.hub, "download_url_to_file", fetch)
    with safe_runner_loading():
        for _ in range(2):
            read = CheckpointLoader.load_checkpoint("https://example.org/net-0676ba61.pth", "cpu")
    assert read["w"].tolist() == [1.0]
    assert asked == ["0676ba61"]
