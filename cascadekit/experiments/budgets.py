"""Budgets: how an arm's config is cut to what may be spent on it.

smoke: seconds, only to see that everything runs. small: minutes on two cores, all arms of a
comparison alike. full: the paper's setting, for a machine with GPUs.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from mmengine import Config
from mmengine.registry import DefaultScope

from cascadekit.apis import load_config
from cascadekit.errors import check_word
from cascadekit.experiments.arms import Arm
from cascadekit.experiments.data import DRAWN, DataSet, put_data
from cascadekit.registry import DATASETS, SCOPE

BUDGETS = ("smoke", "small", "full")
SMOKE_IMAGES = 6
SMOKE_SIDE = 64
SMOKE_ITERATIONS = 2
# Of trainings here: a checkpoint each so many iterations, from which an interrupted one goes on.
CHECKPOINT_INTERVAL = 100


def arm_config(arm: Arm, data: DataSet, budget: str) -> Config:
    """The resolved config of an arm on a data set.

    Args:
        arm: the detector.
        data: what it is trained and tested on; with "coco" the config's own.
        budget: one of `BUDGETS`.

    Returns:
        A config, ready for `train`; all budgets but "full" without validation during training.

    Raises:
        InputError: another budget, or data that cannot be read.
    """
    check_word("budget", budget, BUDGETS)
    if budget == "full":
        return load_config(arm.full, options=dict(arm.full_options))
    config = deepcopy(_small_config(arm.small))
    put_data(config, data)
    if budget == "smoke":
        _cut(config)
    _train_here(config, 1 if budget == "smoke" else CHECKPOINT_INTERVAL)
    return config


@cache
def _small_config(path: Path) -> Config:
    """Read once: a suite asks for the same few files some hundred times."""
    return load_config(path)


def _train_here(config: Config, interval: int) -> None:
    """Settings of runs in the background on a CPU: no curves, no validation, exact resume."""
    config.default_hooks.checkpoint.update(interval=interval, max_keep_ckpts=2)
    config.custom_hooks = [*config.custom_hooks, {"type": "cascadekit.KeepRandomState"}]
    config.vis_backends = [{"type": "LocalVisBackend"}]
    config.visualizer.vis_backends = config.vis_backends
    config.train_cfg.pop("val_interval", None)
    for key in ("val_dataloader", "val_cfg", "val_evaluator"):
        config[key] = None


def _cut(config: Config) -> None:
    """Few and small pictures, two iterations, and no download."""
    config.train_cfg.max_iters = SMOKE_ITERATIONS
    config.param_scheduler = []
    config.train_dataloader.batch_size = 2
    config.model.backbone.weights = None
    for key in ("train_dataloader", "test_dataloader"):
        dataset = config[key].dataset
        if str(dataset.type).endswith("ShapesDataset"):
            dataset.update(num_images=SMOKE_IMAGES, image_size=SMOKE_SIDE)
        elif str(dataset.type).endswith(DRAWN):
            dataset.num_images = SMOKE_IMAGES
        else:
            dataset.indices = min(SMOKE_IMAGES, _pictures(dataset))
        for step in dataset.pipeline:
            _shrink(step)
    rpn = config.model.get("rpn_head")
    if rpn is not None and "branches" in rpn:
        rpn.update(train_count=40, test_count=40)
    elif rpn is not None:
        rpn.update(train_proposals=(40, 20), test_proposals=(40, 20))


def _pictures(dataset: Any) -> int:
    """How many pictures a data set of files has."""
    with DefaultScope.overwrite_default_scope(SCOPE):
        built = DATASETS.build({**dataset.to_dict(), "pipeline": [], "indices": None})
    return len(built)


def _shrink(step: Any) -> None:
    if step.get("scale") is not None:
        step["scale"] = (2 * SMOKE_SIDE, SMOKE_SIDE)
