"""`cascadekit convert` on files as other frameworks write them."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cascadekit.apis import load_config, load_detector, model_shapes, train
from cascadekit.checkpoints import load_checkpoint_file, save_weights, to_mmdet
from cascadekit.commands import run

REPOSITORY = Path(__file__).parents[2]
TINY = str(Path(__file__).parents[1] / "tiny.py")


@pytest.fixture(scope="module")
def state():
    """Weights of the tiny detector: two stages, one mask head, six classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shapes = model_shapes(load_config(TINY))
        return {name: torch.randn(value.shape) for name, value in shapes.items()}


def test_shapes_take_no_memory(state):
    shapes = model_shapes(load_config(TINY))
    assert len(shapes) > 20 and all(value.device.type == "meta" for value in shapes.values())
    assert shapes["roi_head.bbox_head.1.fc_cls.weight"].shape == (7, 16)


def test_there_and_back(state, tmp_path, capsys):
    """To mmdetection's names, where each stage has a mask head, and back to ours."""
    meta = {"dataset_meta": {"classes": tuple("abcdef")}}
    ours = str(save_weights({"state_dict": state, "meta": meta}, tmp_path / "ours.pth"))
    theirs, back = str(tmp_path / "theirs.pth"), str(tmp_path / "back.safetensors")
    assert run("convert", [ours, theirs, "--to", "mmdet", "--config", TINY], "") == 0
    out = capsys.readouterr().out
    assert "the one mask head copied to every stage" in out and "6 class names" in out
    written = load_checkpoint_file(theirs)["state_dict"]
    copies = [name for name in written if ".mask_head.1." in name]
    assert len(written) == len(state) + len(copies) and copies

    assert run("convert", [theirs, back, "--config", TINY], "") == 2
    assert "mask_head.1: look at model.roi_head.mask_strategy" in capsys.readouterr().err
    assert not Path(back).exists()
    assert run("convert", [theirs, back, "--config", TINY, "--partial"], "") == 0
    read = load_checkpoint_file(back)
    assert set(read) == set(state)
    for name, value in state.items():
        assert torch.equal(read[name], value)
    detector = load_detector(TINY, back, device="cpu")
    assert detector.classes == tuple("abcdef")


@pytest.fixture
def lone(tmp_path):
    """A Mask R-CNN's weights under mmdetection's names, and ours."""
    options = {"model.roi_head.stage_ious": (0.5,)}
    config = load_config(TINY, options=options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = {name: torch.rand(v.shape) / 9 for name, v in model_shapes(config).items()}
    theirs = to_mmdet(ours).weights
    assert "roi_head.mask_head.upsample.bias" in theirs
    meta = {"CLASSES": tuple("abcdef")}
    return config, ours, save_weights({"state_dict": theirs, "meta": meta}, tmp_path / "m.pth")


def test_a_file_of_mmdetection_detects_as_it_is(lone):
    config, ours, file = lone
    detector = load_detector(config, file, device="cpu")
    assert detector.classes == tuple("abcdef")
    for name, value in detector.state_dict().items():
        assert torch.equal(value, ours[name]), name


def test_a_training_starts_from_a_file_of_mmdetection(lone, tmp_path, monkeypatch):
    config, ours, file = lone
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    config.load_from = str(file)
    config.train_cfg.max_iters = 1
    config.optim_wrapper.optimizer.update(lr=0.0, weight_decay=0.0)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    train(config, tmp_path / "run", seed=0, device="cpu")
    trained = load_checkpoint_file(tmp_path / "run" / "iter_1.pth")["state_dict"]
    for name, value in ours.items():
        assert torch.equal(trained[name], value), name
    log = "".join(path.read_text() for path in (tmp_path / "run").glob("*/*.log"))
    assert f"m.pth: mmdetection: {len(ours)} of {len(ours)} tensors are ours" in log


def test_verbose_and_options(state, tmp_path, capsys):
    ours = str(save_weights(state, tmp_path / "ours.pth"))
    arguments = [ours, str(tmp_path / "x.pth"), "--config", TINY, "--verbose"]
    assert run("convert", [*arguments, "--cfg-options", "model.num_classes=9"], "") == 2
    captured = capsys.readouterr()
    assert "made for 6 classes, the model has 9" in captured.err
    for name in state:
        assert name in captured.out


def test_a_hostile_file(tmp_path, capsys):
    file = tmp_path / "w.pkl"
    file.write_bytes(b"cposix\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR.")
    assert run("convert", [str(file), str(tmp_path / "x.pth")], "") == 2
    assert "w.pkl was not opened: it asks for posix.system" in capsys.readouterr().err
    assert not (tmp_path / "owned").exists()


def test_an_epsilon(tmp_path, capsys):
    norm = {
        "backbone.body.bn1.weight": torch.tensor([1.0]).numpy(),
        "backbone.body.bn1.running_var": torch.tensor([1e-5]).numpy(),
    }
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(norm))
    target = tmp_path / "x.safetensors"
    assert run("convert", [str(tmp_path / "w.pkl"), str(target), "--norm-eps", "0"], "") == 0
    assert "note: norms of epsilon 0" in capsys.readouterr().out
    scale = load_checkpoint_file(target)["backbone.bn1.weight"]
    assert scale.tolist() == pytest.approx([2**0.5])


def test_unused_classes(tmp_path, capsys):
    state = {
        "roi_heads.box_predictor.cls_score.bias": torch.arange(91.0),
        "rpn.head.x": torch.ones(1),
    }
    source = tmp_path / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
    arguments = [str(save_weights(state, source)), str(tmp_path / "x.pth"), "--partial"]
    assert run("convert", arguments, "") == 0
    assert "90 class names" in capsys.readouterr().out
    assert run("convert", [*arguments, "--drop-unused"], "") == 0
    assert "80 class names" in capsys.readouterr().out
    written = load_checkpoint_file(tmp_path / "x.pth")["state_dict"]
    assert len(written["roi_head.bbox_head.0.fc_cls.bias"]) == 81


def test_the_script_explains_itself():
    script = REPOSITORY / "tools" / "convert_checkpoint.py"
    shown = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "python tools/convert_checkpoint.py model_final" in shown and "--to" in shown
