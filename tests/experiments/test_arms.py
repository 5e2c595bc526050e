"""The list of arms, and mistakes in one."""

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import data_set
from cascadekit.experiments.experiment import load_experiments

BENCHMARKS = ("kitti", "citypersons", "widerface")
MSCNN = tuple(f"mscnn_{name}" for name in BENCHMARKS)
PAIRS = ("roipool", "rfcn", "fpn_plus", "gn", "resnet", "fast", "mask_gn", *MSCNN)
ARMS = {
    *("u05", "u06", "u07", "cascade", "cascade_avg", "same_iou", "iou_up", "statistics"),
    *("cascade2", "cascade4", "integral", "iterative", "mask", "mask_b", "mask_c", "mask_d"),
    *("suggested", *PAIRS, *(f"{name}_cascade" for name in PAIRS)),
}


def test_all_arms_are_there():
    assert set(load_arms()) == ARMS


def test_what_goes_by_what():
    arms = load_arms()
    assert arms["iterative"].trained_as == "u05"
    assert arms["fast_cascade"].needs() == "u05" and arms["suggested"].needs() == "u05"
    assert arms["cascade"].needs() is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("'x': dict(full='cascade_r50')", ["'x' has no small"]),
        ("'x': dict(small='u05')", ["'x' has no full"]),
        ("'x': dict(full='cascade_r5', small='u05')", ["no config cascade_r5.py"]),
        ("'x': dict(full='cascade_r50', smal='u05')", ["smal", "Did you mean 'small'"]),
        ("'x': dict(full='cascade_r50', small='u05', trained_as='y')", ["'x' goes by", "'y'"]),
        ("'x': dict(full='cascade_r50', small='u05', small_data=('photo',))", ["'photos'"]),
    ],
)
def test_mistakes_are_named(tmp_path, line, words):
    file = tmp_path / "arms.py"
    file.write_text(f"arms = {{{line}}}\n")
    with pytest.raises(InputError) as caught:
        load_arms(file)
    assert all(word in str(caught.value) for word in words)


def test_a_file_without_arms(tmp_path):
    with pytest.raises(InputError, match="no list of arms"):
        load_arms(tmp_path / "arms.py")
    (tmp_path / "arms.py").write_text("arm = {}\n")
    with pytest.raises(InputError, match="expected a dict called arms"):
        load_arms(tmp_path / "arms.py")


@pytest.mark.parametrize("name", sorted(ARMS))
def test_it_resolves_at_every_budget(name):
    arm = load_arms()[name]
    own = arm.small_data[0]
    for budget, data in (("smoke", own), ("small", own), ("full", "coco")):
        assert arm_config(arm, data_set(data), budget).model.type == "cascadekit.CascadeRCNN"


@pytest.mark.parametrize("data", BENCHMARKS)
def test_those_of_a_benchmark_are_trained_on_its_own_data(data):
    """In the paper's setting in two steps, both by the rules of that data set."""
    for name in (f"mscnn_{data}", f"mscnn_{data}_cascade"):
        arm = load_arms()[name]
        assert arm.small_data == (f"drawn-{data}",)
        assert arm.full_start.name == f"{data}_step1.py"
        small = arm_config(arm, data_set(f"drawn-{data}"), "small")
        kind = small.train_dataloader.dataset.type.lower()
        assert (
            kind == f"cascadekit.drawn{data}dataset" == small.test_dataloader.dataset.type.lower()
        )
        assert small.model.roi_head.skip_ignored and small.model.num_classes in (1, 3)
        steps = [step.type.split(".")[1] for step in small.train_dataloader.dataset.pipeline]
        assert steps.index("RandomFlip") < steps.index("ObjectCrop") < steps.index("IgnoreSmall")


def test_arms_that_are_compared_have_the_same_budget():
    """Pictures, batches, steps and optimizer of a row and of the one it is beside are the same."""
    arms, shapes = load_arms(), data_set("shapes")
    compared = 0
    for experiment in load_experiments().values():
        by_label = {row.label: row.arm for row in experiment.rows}
        for row in experiment.rows:
            pair = (row.arm, by_label.get(row.beside))
            if pair[0] == pair[1] or not set(pair) <= set(arms):
                continue
            own = shapes if "shapes" in arms[pair[0]].small_data else data_set(experiment.data[0])
            first, second = (arm_config(arms[name], own, "small") for name in pair)
            for key in ("train_cfg", "optim_wrapper", "param_scheduler"):
                assert first[key] == second[key], (experiment.name, row.label, key)
            for key in ("num_images", "image_size", "seed"):
                datasets = (config.train_dataloader.dataset for config in (first, second))
                one, other = (dataset.get(key) for dataset in datasets)
                assert one == other
            assert first.train_dataloader.batch_size == second.train_dataloader.batch_size
            assert first.model.roi_head.sampler == second.model.roi_head.sampler
            assert first.model.backbone == second.model.backbone
            compared += 1
    assert compared > 20


def test_arms_of_one_stage_differ_in_u_alone():
    arms, shapes = load_arms(), data_set("shapes")
    configs = [arm_config(arms[name], shapes, "small") for name in ("u05", "u06", "u07")]
    ious = [tuple(config.model.roi_head.pop("stage_ious")) for config in configs]
    assert ious == [(0.5,), (0.6,), (0.7,)]
    assert configs[0].model == configs[1].model == configs[2].model
