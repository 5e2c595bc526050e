"""`--tta`: test-time augmentation with any config."""

from __future__ import annotations

from pathlib import Path

from mmengine import Config

from cascadekit.configuration import read_config
from cascadekit.errors import InputError

SETTINGS = Path(__file__).parent / "configs" / "_base_" / "test_time_aug.py"
KEYS = ("tta_model", "tta_views")


def choose_tta(config: Config) -> None:
    """Let the model and the test pipeline of a config work on several views, in place.

    The settings are those of configs/_base_/test_time_aug.py; what the config says below
    `tta_model` and `tta_views` wins. The model becomes the `detector` of a `TestTimeAug`, and what
    follows the first step of the test pipeline becomes the `transforms` of `TestViews`.

    Args:
        config: resolved, with `model` and `test_dataloader`; the rest is left alone.

    Raises:
        InputError: the model does test-time augmentation already, or has no roi head.
    """
    kind = str(config.model.get("type", "")).rpartition(".")[2]
    if kind == "TestTimeAug":
        raise InputError("--tta: the config's model is TestTimeAug already; leave --tta out")
    if not config.model.get("roi_head"):
        raise InputError("--tta: the model has no roi_head, so there are no detections to merge")
    settings = read_config(SETTINGS)[0]
    settings.merge_from_dict({key: config[key] for key in KEYS if config.get(key)})
    loader = config.test_dataloader
    load, *plain = loader.dataset.pipeline
    pipeline = [load, {**settings.tta_views, "transforms": plain}]
    # Only top-level keys are set: what is below may be shared with a copy of the config.
    config.test_dataloader = {**loader, "dataset": {**loader.dataset, "pipeline": pipeline}}
    config.model = {**settings.tta_model, "detector": config.model}
