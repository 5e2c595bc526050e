"""How a config is cut to a budget."""

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import data_set
from tests.experiments.test_data import voc as voc  # a fixture

ARMS = load_arms()
SHAPES = data_set("shapes")


def test_smoke_is_small():
    config = arm_config(ARMS["cascade"], SHAPES, "smoke")
    assert config.train_cfg.max_iters == 2 and config.train_dataloader.batch_size == 2
    assert config.train_dataloader.dataset.num_images == 6
    assert config.test_dataloader.dataset.image_size == 64
    assert config.model.backbone.weights is None
    assert config.train_dataloader.dataset.pipeline[1].scale == (128, 64)
    assert config.model.rpn_head.test_proposals == (40, 20)


@pytest.mark.parametrize("name", ["kitti", "citypersons", "widerface"])
def test_smoke_on_a_drawn_benchmark(name):
    config = arm_config(ARMS[f"mscnn_{name}_cascade"], data_set(f"drawn-{name}"), "smoke")
    assert config.train_dataloader.dataset.num_images == 6
    assert config.test_dataloader.dataset.num_images == 6
    assert config.model.rpn_head.train_count == config.model.rpn_head.test_count == 40
    assert "train_proposals" not in config.model.rpn_head


def test_smoke_on_photos_takes_the_first(voc):
    config = arm_config(ARMS["u05"], data_set(str(voc)), "smoke")
    assert config.train_dataloader.dataset.indices == 2  # all there are
    assert config.test_dataloader.dataset.indices == 2


def test_smoke_without_a_proposal_network():
    assert arm_config(ARMS["fast"], SHAPES, "smoke").model.rpn_head is None


def test_small_trains_as_the_file_says():
    config = arm_config(ARMS["u05"], SHAPES, "small")
    assert config.train_cfg.max_iters == 300 and config.train_dataloader.batch_size == 8
    assert config.model.backbone.weights == "imagenet"
    assert config.model.num_classes == 6


@pytest.mark.parametrize("budget", ["smoke", "small"])
def test_runs_here_can_be_interrupted(budget):
    config = arm_config(ARMS["u05"], SHAPES, budget)
    assert config.custom_hooks[-1]["type"] == "cascadekit.KeepRandomState"
    assert config.train_dataloader.num_workers == 0  # or pictures would have other random numbers
    # Two, as the older one is deleted before the newer one is written whole.
    assert config.default_hooks.checkpoint.max_keep_ckpts == 2
    assert config.default_hooks.checkpoint.interval < config.train_cfg.max_iters
    assert config.val_dataloader is None and config.val_evaluator is None


def test_full_is_the_papers():
    config = arm_config(ARMS["u07"], data_set("coco"), "full")
    assert config.model.roi_head.stage_ious == (0.7,)
    assert config.train_dataloader.dataset.ann_file.endswith("instances_train2017.json")
    assert config.val_dataloader is not None


def test_another_budget():
    with pytest.raises(InputError, match="Did you mean 'small'"):
        arm_config(ARMS["u05"], SHAPES, "smal")
