"""Every config that ships: read, checked, short, explained, built, and (the small ones) run."""

import ast
from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate

from cascadekit.apis import load_config
from cascadekit.configuration import diff_configs, read_config
from cascadekit.data_choice import choose_data
from cascadekit.models.roi_heads.stage_settings import iou_thresholds
from cascadekit.registry import DATASETS, MODELS

ROOT = Path(__file__).parents[1] / "configs"
# `experiments/*.py` say what to compare; the configs that they train are below `experiments/small`.
LEAVES = sorted(
    p
    for p in ROOT.rglob("*.py")
    if "_base_" not in p.relative_to(ROOT).parts and p.parent != ROOT / "experiments"
)
BLOCKS = sorted((ROOT / "_base_").rglob("*.py"))
LITE, SHAPES = ([p for p in LEAVES if p.parent.name == name] for name in ("lite", "shapes"))
SLOW = [pytest.param(p, id=p.stem, marks=pytest.mark.slow) for p in LITE]


def named(paths):
    """Parameters with readable ids."""
    return [pytest.param(p, id=p.relative_to(ROOT).with_suffix("").as_posix()) for p in paths]


def test_there_are_configs():
    assert len(LEAVES) >= 13 and len(BLOCKS) >= 10 and len(LITE) >= 4 and SHAPES


@pytest.mark.parametrize("path", named(LEAVES))
def test_it_resolves_and_every_name_in_it_exists(path):
    config = load_config(path)
    assert config.default_scope == "cascadekit"
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        assert config[loader].dataset.pipeline
    # One pass less over each picture where there is nothing to draw.
    masks = (config.model.roi_head or {}).get("mask_head") is not None
    assert config.train_dataloader.dataset.pipeline[-1].with_masks == masks


@pytest.mark.parametrize("path", named(LEAVES))
def test_it_is_short(path):
    assert len(path.read_text().splitlines()) <= 30
    assert len(read_config(path)[0].pretty_text.splitlines()) <= 300


@pytest.mark.parametrize("path", named(LEAVES))
def test_its_header_says_how_to_run_it(path):
    header = ast.get_docstring(ast.parse(path.read_text()))
    assert f"tools/train.py {path.relative_to(ROOT.parent).as_posix()}" in header
    assert "Command: " in header and "Hardware: " in header


@pytest.mark.parametrize("path", named(BLOCKS))
def test_blocks_are_plain(path):
    """No import and no `_base_`, so that both of mmengine's config styles can use them."""
    tree = ast.parse(path.read_text())
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert "_base_" not in names
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)}
    assert calls <= {"dict"}
    assert path.stem.replace("1x", "x1").isidentifier()


@pytest.mark.parametrize("path", named(BLOCKS))
def test_types_in_blocks_carry_their_scope(path):
    """Under another project's default_scope a bare name would be looked up there."""
    mmengines = {
        *("IterBasedTrainLoop", "ValLoop", "TestLoop", "OptimWrapper", "AmpOptimWrapper"),
        *("SGD", "AdamW", "LinearLR", "MultiStepLR", "CosineAnnealingLR"),
        *("IterTimerHook", "LoggerHook", "ParamSchedulerHook", "CheckpointHook"),
        *("DistSamplerSeedHook", "Visualizer", "LocalVisBackend", "TensorboardVisBackend"),
    }
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in ("type", "constructor"):
                    kind = keyword.value.value
                    assert kind.startswith(("cascadekit.", "mmengine.")) or kind in mmengines


@pytest.mark.parametrize("path", named(LEAVES))
def test_it_builds(path):
    config = load_config(path, options={"model.backbone.weights": None})
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        model = MODELS.build(config.model)
    if path.stem.endswith("_step1"):  # proposals only
        assert model.roi_head is None and model.rpn_head is not None
    else:
        stages = len(iou_thresholds(config.model.roi_head.stage_ious))
        assert len(model.roi_head.bbox_head) == stages
        # Rows of tables and arms of experiments have names of their own.
        if not {"paper", "experiments"} & set(path.relative_to(ROOT).parts):
            assert stages == (3 if "cascade" in path.stem else 1)
        assert bool(model.roi_head.mask_stages) == ("mask" in path.stem)
    assert all(p.device.type == "meta" for p in model.parameters())


def changes(a, b):
    """Keys in which two configs differ."""
    text = diff_configs(load_config(ROOT / f"{a}.py"), load_config(ROOT / f"{b}.py"))
    return {line.split()[1] for line in text.splitlines()}


IOUS = "model.roi_head.stage_ious"
DEPTH = {"model.backbone.depth", "model.backbone.weights"}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # A cascade is its plain detector with more stages, and nothing else.
        ("faster_r50", "cascade_r50", {IOUS}),
        ("faster_r101", "cascade_r101", {IOUS}),
        ("lite/faster_lite", "lite/cascade_lite", {IOUS}),
        # The mask strategy is the recipe's.
        ("mask_r50", "cascade_mask_r50", {IOUS}),
        # Written out, as it is by default.
        ("lite/mask_lite", "lite/cascade_mask_lite", {IOUS, "model.roi_head.mask_strategy"}),
        (
            "shapes/mask_shapes",
            "shapes/cascade_mask_shapes",
            {IOUS, "model.roi_head.mask_strategy"},
        ),
        ("mscnn/kitti_base", "mscnn/kitti_cascade", {IOUS, "model.roi_head.test_stages"}),
        ("mscnn/citypersons_base", "mscnn/citypersons_cascade", {IOUS}),
        ("mscnn/widerface_base", "mscnn/widerface_cascade", {IOUS}),
        ("fast_r50", "cascade_fast_r50", {IOUS}),
        ("cascade_r50", "cascade_r101", DEPTH),
        ("cascade_mask_r50", "cascade_mask_r101", DEPTH),
    ],
)
def test_pairs_differ_in_what_they_are_about(a, b, expected):
    assert changes(a, b) == expected


@pytest.mark.parametrize("name", ["faster_r50", "cascade_r50"])
def test_masks_only_add(name):
    """mask_* is the box detector with a branch: nothing of the boxes differs."""
    masked = name.replace("faster", "mask").replace("cascade", "cascade_mask")
    branch = ("model.roi_head.mask_", "train_dataloader.dataset.pipeline.3.with_masks")
    assert all(key.startswith(branch) for key in changes(name, masked))


@pytest.mark.parametrize("data", ["kitti", "citypersons", "widerface"])
def test_the_second_step_of_mscnn_starts_from_the_first(data):
    differ = ("load_from", "model.backbone.frozen_stages", "model.rpn_head.sampler.choose")
    differ += ("model.rpn_head.box_weight", "model.roi_head")
    differ += ("train_cfg.", "optim_wrapper.", "param_scheduler")
    assert all(
        key.startswith(differ) for key in changes(f"mscnn/{data}_step1", f"mscnn/{data}_base")
    )
    states = []
    for step in ("step1", "cascade"):
        config = load_config(ROOT / f"mscnn/{data}_{step}.py")
        with torch.device("meta"):
            states.append(MODELS.build(config.model).state_dict())
    assert config.load_from == f"work_dirs/{data}_step1/iter_10000.pth"
    first, second = ({name: value.shape for name, value in state.items()} for state in states)
    assert first.items() <= second.items()
    assert all(name.startswith("roi_head.") for name in second.keys() - first.keys())


@pytest.mark.parametrize("path", named(SHAPES) + SLOW)
def test_a_small_one_learns_and_predicts(path, tmp_path, monkeypatch):
    """One step on two small pictures: finite losses, and a gradient for all that is trained."""
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path))
    config = load_config(path, options={"model.backbone.weights": None})
    choose_data(config, "shapes")
    source = config.train_dataloader.dataset
    source.update(num_images=2, image_size=128)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    dataset = DATASETS.build(source)
    batch = model.data_preprocessor(pseudo_collate([dataset[0], dataset[1]]), True)
    losses = model.loss(batch["inputs"], batch["data_samples"])
    assert all(value.isfinite() for value in losses.values())
    sum(value for name, value in losses.items() if "loss" in name).backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert [n for n, p in trained.items() if p.grad is None] == []
    model.eval()
    with torch.no_grad():
        predictions = model.predict(batch["inputs"], batch["data_samples"])
    assert len(predictions) == 2
    assert all(len(p.stages) == len(config.model.roi_head.stage_ious) for p in predictions)
