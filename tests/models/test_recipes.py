"""Recipes fill in what a config leaves out, and nothing else."""

import inspect

import pytest
import torch

from cascadekit.models.recipes import RECIPES, fill_in, side_by_side
from cascadekit.registry import MODELS, TASK_UTILS


def part(name):
    return MODELS.get(f"cascadekit.{name}") or TASK_UTILS.get(f"cascadekit.{name}")


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_argument_exists(recipe):
    for name, arguments in RECIPES[recipe].items():
        assert set(arguments) <= set(inspect.signature(part(name)).parameters)


def test_recipes_set_the_same_arguments():
    """Otherwise one of them would leave a difference to a class's default."""
    shapes = [{name: sorted(RECIPES[r][name]) for name in RECIPES[r]} for r in RECIPES]
    assert shapes[0] == shapes[1] == shapes[2]


def test_the_paper_is_the_default():
    """A part that is built without a recipe (in another project) follows the paper."""
    for name, arguments in RECIPES["paper"].items():
        parameters = inspect.signature(part(name)).parameters
        for key, value in arguments.items():
            default = parameters[key].default
            if default is None and isinstance(value, dict):
                continue  # a part of its own: the next test
            assert default == value, (name, key)


@pytest.mark.parametrize(
    ("owner", "key", "attribute"),
    [
        ("CascadeRoIHead", "flow", "flow"),
        ("CascadeRoIHead", "ensemble", "ensemble"),
        ("RPNHead", "assigner", "assigner"),
        ("RPNHead", "coder", "coder"),
    ],
)
def test_the_paper_is_the_default_of_nested_parts(tiny, owner, key, attribute):
    config = RECIPES["paper"][owner][key]
    detector = tiny()
    bare = detector.roi_head if owner == "CascadeRoIHead" else detector.rpn_head
    if owner == "RPNHead":
        bare = MODELS.build({"type": "cascadekit.RPNHead", "in_channels": 8})
    assert vars(getattr(bare, attribute)) == vars(TASK_UTILS.build(config))


def test_what_is_written_wins_also_inside_parts():
    config = {
        "type": "cascadekit.CascadeRoIHead",
        "beta": 0.5,
        "flow": {"clip_boxes": False},
        "box_pool": {"type": "cascadekit.PyramidRoIAlign", "output_size": 3},
        "mask_pool": {"type": "cascadekit.PyramidRoIAlign", "sampling_ratio": 4},
    }
    filled = fill_in(config, "detectron2")
    assert filled["beta"] == 0.5
    assert filled["flow"]["clip_boxes"] is False and filled["flow"]["gt_stages"] == "first"
    assert filled["box_pool"]["sampling_ratio"] == 0
    assert filled["mask_pool"]["sampling_ratio"] == 4
    assert config["flow"] == {"clip_boxes": False}  # the config itself is not changed


def test_a_part_of_another_kind_is_left_alone():
    assigner = {"type": "cascadekit.OtherAssigner", "pos_iou": 0.4}
    filled = fill_in({"type": "cascadekit.RPNHead", "assigner": assigner}, "mmdet")
    assert filled["assigner"] == assigner
    pool = {"type": "theirs.PyramidRoIAlign"}
    assert fill_in({"type": "x", "box_pool": pool}, "mmdet")["box_pool"] == pool


def test_unknown_recipe():
    with pytest.raises(ValueError, match=r"recipe must be one of .* Did you mean 'mmdet'"):
        fill_in({}, "mmdett")


@pytest.mark.parametrize(
    ("recipe", "flow", "ensemble", "weights"),
    [
        ("paper", ("all", False, True, False), ("last", "probabilities"), (1, 0.5, 0.25)),
        ("mmdet", ("all", False, False, True), ("own", "logits"), (1, 0.5, 0.25)),
        ("detectron2", ("first", True, True, True), ("own", "probabilities"), (1 / 3,) * 3),
    ],
)
def test_a_detector_follows_its_recipe(tiny, batch, recipe, flow, ensemble, weights):
    detector = tiny(recipe=recipe)
    head = detector.roi_head
    rules = head.flow
    assert flow == (rules.gt_stages, rules.keep_refined_gt, rules.drop_empty, rules.clip_boxes)
    assert (head.ensemble.rois, head.ensemble.average) == ensemble
    assert head.stage_loss == pytest.approx(weights)
    assert len(head.mask_head) == (3 if recipe == "mmdet" else 1)
    data = detector.data_preprocessor(batch(), True)
    losses = detector.loss(data["inputs"], data["data_samples"])
    assert all(value.isfinite() for value in losses.values())
    sum(value for name, value in losses.items() if "loss" in name).backward()
    with torch.no_grad():
        assert len(detector.eval().predict(data["inputs"], data["data_samples"])) == 2


def test_side_by_side():
    rows = dict(side_by_side())
    assert rows["roi_head.mask_strategy"] == ("c", "d", "b")
    assert rows["roi_head.flow.clip_boxes"] == (False, True, True)
    assert rows["rpn_head.assigner.best_match_iou"] == (0.3, 0.3, 0.0)
    assert not [key for key in rows if key.endswith(".type")]
