"""What tools and notebooks call: load a config, build, train, evaluate, predict."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from cascadekit import config_path
from cascadekit.checkpoints import (
    SHIPPED,
    load_weights,
    read_trained,
    require_resumable,
    safe_runner_loading,
)
from cascadekit.configuration import Origins, apply_options, check_config, read_config
from cascadekit.data_choice import choose_data, classes_of
from cascadekit.engine import DetectionRunner, Reporter
from cascadekit.errors import InputError, did_you_mean
from cascadekit.inference import draw_example as draw_example
from cascadekit.inference import image_files as image_files
from cascadekit.inference import predict as predict
from cascadekit.inference import read_picture as read_picture
from cascadekit.progress import quiet_in_notebook
from cascadekit.proposal_files import dump_proposals as dump_proposals
from cascadekit.proposal_files import split_loader
from cascadekit.registry import MODELS, SCOPE
from cascadekit.training import train_until_stopped, training_screen
from cascadekit.tta_choice import choose_tta

SCHEDULE_KEYS = ("train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr")


def load_config(
    path: str | os.PathLike[str],
    data: str | None = None,
    images: str | None = None,
    val_data: str | None = None,
    val_images: str | None = None,
    schedule: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """Read a config, put other data or another schedule into it, and check every name in it.

    Args:
        path: the config file.
        data: what to train on: "shapes", "coco", a COCO json or a folder of VOC xml files.
        images: folder of its pictures; None: beside the annotations.
        val_data: what to validate on, likewise.
        val_images: folder of its pictures.
        schedule: name of a file in configs/_base_/schedules, or a path.
        options: changes as `--cfg-options` has them, e.g. {"model.roi_head.stage_loss": "avg"};
            they come last.

    Returns:
        The resolved config.

    Raises:
        InputError: a file, key, type or data set that is not there, with what was meant.
    """
    config, origins = read_config(path)
    if schedule is not None:
        _choose_schedule(config, origins, schedule)
    classes = None
    if data is None and val_data is not None:  # labels are the training set's, whatever comes here
        classes = classes_of(config.train_dataloader.dataset)
    with quiet_in_notebook():
        choose_data(config, data, images, val_data, val_images, classes)
    apply_options(config, origins, options or {})
    check_config(config, origins)
    return config


def _choose_schedule(config: Config, origins: Origins, name: str) -> None:
    """Replace optimizer, learning rate schedule and length by those of another file."""
    folder = Path(__file__).parent / "configs" / "_base_" / "schedules"
    path = Path(name) if name.endswith(".py") else folder / f"{name}.py"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.py"))
        raise InputError(
            f"no schedule named {name!r}: {folder} has {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )
    chosen, chosen_origins = read_config(path)
    for key in SCHEDULE_KEYS:
        config.pop(key, None)
        if key in chosen:
            config[key] = chosen[key]
    origins.update({k: v for k, v in chosen_origins.items() if k and k[0] in SCHEDULE_KEYS})


def build_detector(config: Config) -> torch.nn.Module:
    """Build the model of a config, backbone weights loaded, ready to train.

    Args:
        config: of `load_config`.

    Returns:
        The detector on the CPU, in training mode.

    Raises:
        InputError: the backbone's weights cannot be had.
    """
    detector = _build(config)
    detector.init_weights()
    return detector


def _build(config: Config) -> torch.nn.Module:
    """The model of a config; outside of a Runner nothing else says what an unscoped name means."""
    with DefaultScope.overwrite_default_scope(config.get("default_scope") or SCOPE):
        detector: torch.nn.Module = MODELS.build(config.model)
    return detector


def model_shapes(config: Config) -> dict[str, torch.Tensor]:
    """Names and shapes of a detector's weights, without the memory for them.

    Args:
        config: of `load_config`.

    Returns:
        The state dict, on the device "meta".
    """
    with torch.device("meta"):
        return dict(_build(config).state_dict())


def load_detector(
    config: Config | str | os.PathLike[str],
    checkpoint: str | os.PathLike[str],
    device: str | None = None,
    tta: bool = False,
) -> torch.nn.Module:
    """Build a detector and load its trained weights, for `predict`.

    Args:
        config: of `load_config`, or a path.
        checkpoint: a file a training wrote, or "shipped": the weights that come with the package;
            its classes set the model's class count.
        device: "cpu", "cuda", "cuda:1"; None: a GPU if there is one.
        tta: test-time augmentation, see `choose_tta`.

    Returns:
        The detector in evaluation mode, with `classes` (names, or None) and `test_pipeline`.

    Raises:
        InputError: the checkpoint cannot be read or fits another model, or there is no such device.
    """
    _check_device(device)
    config = config.copy() if isinstance(config, Config) else load_config(config)
    state, classes = _open_trained(config, checkpoint)
    if tta:
        choose_tta(config)
    detector = _build(config)
    load_weights(detector, state)
    detector.classes = classes
    detector.test_pipeline = config.test_dataloader.dataset.pipeline
    return detector.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()


def load_shipped(device: str | None = None) -> tuple[torch.nn.Module, Config]:
    """The small Cascade Mask R-CNN that comes with the package, for drawn shapes of 192 pixels.

    It is there to look at and to try things with, offline and at once; shipped/*.md is its card.

    Args:
        device: as in `load_detector`.

    Returns:
        The detector, as of `load_detector`, and its config: configs/shapes/
        cascade_mask_shapes_tiny.py.

    Raises:
        InputError: there is no such device.
    """
    config = load_config(config_path("shapes/cascade_mask_shapes_tiny"))
    return load_detector(config, SHIPPED, device), config


def _open_trained(
    config: Config, checkpoint: str | os.PathLike[str]
) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """Weights and class names of a checkpoint; the model's class count is set to theirs."""
    state, classes = read_trained(checkpoint)
    if classes:
        config.model.num_classes = len(classes)
    return state, classes


def _place(config: Config, device: str | None, launcher: str) -> None:
    """Choose device and communication back end before the Runner looks for them."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        if torch.cuda.is_available():  # the driver was asked before us
            raise InputError("--device cpu: CUDA is in use in this process already; start afresh")
    else:
        _check_device(device)
        if device is not None and ":" in device:
            os.environ["CUDA_VISIBLE_DEVICES"] = device.split(":")[1]
    if launcher != "none" and not torch.cuda.is_available():
        config.env_cfg.dist_cfg.backend = "gloo"
    config.launcher = launcher


def _check_device(device: str | None) -> None:
    """Raise where a GPU is asked for and there is none."""
    if device not in (None, "cpu") and not torch.cuda.is_available():
        raise InputError(f"--device {device}: no CUDA device was found; leave it out or give cpu")


def open_loader(config: Config, split: str = "test") -> DataLoader:
    """All pictures of a data set once, read as at test time, with their ground truth.

    Args:
        config: of `load_config`.
        split: "train", "val" or "test": the data set of that loader.

    Returns:
        A data loader for `quality.collect` and for `predict`-like loops.

    Raises:
        InputError: the config has no such data set, or it cannot be read.
    """
    scope = DefaultScope.overwrite_default_scope(config.get("default_scope") or SCOPE)
    with scope, quiet_in_notebook():
        loader: DataLoader = Runner.build_dataloader(split_loader(config, split))
    return loader


def train(
    config: Config,
    work_dir: str | os.PathLike[str],
    resume: bool = False,
    amp: bool = False,
    launcher: str = "none",
    seed: int | None = None,
    device: str | None = None,
    progress: str | Reporter | None = "auto",
) -> DetectionRunner:
    """Train with mmengine's Runner: checkpoints, log, curves and the resolved config in `work_dir`.

    Args:
        config: of `load_config`.
        work_dir: folder of the run.
        resume: go on from the last checkpoint in `work_dir`.
        amp: mixed precision.
        launcher: "none", "pytorch" (torchrun) or "slurm".
        seed: for all random numbers; None: another one each time, or that of the run resumed.
        device: "cpu", "cuda:0"; None: a GPU if there is one.
        progress: "widget" in a notebook, "text" for lines of the log, None for warnings only;
            "auto": the first of them that can be had. Or a reporter of one's own.

    Returns:
        The Runner, finished.

    Raises:
        InputError: data, weights or a loss went wrong; the message says what.
        TrainingInterrupted: a KeyboardInterrupt, after the state was saved for `resume`. Ctrl-C
            and a notebook's stop button wait for the iteration under way; twice, they do not.
    """
    config = config.copy()
    _place(config, device, launcher)
    config.work_dir = str(work_dir)
    config.resume = resume
    config.randomness = {"seed": seed}
    if amp:
        if not torch.cuda.is_available():
            raise InputError("--amp: mixed precision needs a GPU, and none was found; leave it out")
        config.optim_wrapper = {**config.optim_wrapper, "type": "AmpOptimWrapper"}
    _check_resume(config)
    with safe_runner_loading(), training_screen(progress) as reporter:
        runner = DetectionRunner.from_cfg(config)
        stopped = train_until_stopped(runner, reporter)
        if stopped is not None:
            # A notebook keeps the frames of the last error, and they would keep loader processes.
            del runner
            gc.collect()
            raise stopped
    return runner


def _check_resume(config: Config) -> None:
    """Fail before anything is built when there is nothing, or nothing usable, to resume from."""
    pointer = Path(config.work_dir) / "last_checkpoint"
    if not config.resume:
        return
    if not pointer.is_file():
        print_log(f"nothing to resume in {config.work_dir}: starting anew", logger="current")
        config.resume = False
        return
    checkpoint = require_resumable(pointer.read_text().strip())
    if config.randomness.seed is None:  # the order of the pictures hangs on it
        config.randomness.seed = checkpoint["meta"].get("seed")
    # mmengine would resume from the weights that the run started with.
    config.load_from = None


def evaluate(
    config: Config,
    checkpoint: str | os.PathLike[str],
    work_dir: str | os.PathLike[str],
    data: str | None = None,
    images: str | None = None,
    stage_table: bool = True,
    launcher: str = "none",
    device: str | None = None,
    tta: bool = False,
) -> dict[str, float]:
    """Score a checkpoint on the config's test set, or on other data.

    Args:
        config: of `load_config`.
        checkpoint: trained weights.
        work_dir: folder for the results: COCO result json and a summary json.
        data: test on this instead (see `load_config`).
        images: folder of its pictures.
        stage_table: also score every stage and ensemble, as in the paper's Table 2, from the same
            pass; not with `tta`, which merges one choice of stages only.
        launcher: as in `train`.
        device: as in `train`.
        tta: test-time augmentation, see `choose_tta`.

    Returns:
        Metric name -> fraction in [0, 1].

    Raises:
        InputError: data or checkpoint cannot be used.
    """
    config = config.copy()
    _place(config, device, launcher)
    state, classes = _open_trained(config, checkpoint)
    choose_data(config, val_data=data, val_images=images, classes=classes)
    config.work_dir = str(work_dir)
    stage_table = stage_table and not tta
    own = config.test_evaluator  # one metric or several
    for metric in own if isinstance(own, list) else [own]:
        metric.outfile_prefix = str(Path(work_dir) / "results")
        metric.stage_table = stage_table
    _keep_test(config)
    if tta:
        choose_tta(config)
    with safe_runner_loading():
        runner = DetectionRunner.from_cfg(config)
        detector = getattr(runner.model, "module", runner.model)
        load_weights(detector, state)
        if detector.roi_head is not None:
            detector.roi_head.all_variants = stage_table
        metrics: dict[str, float] = runner.test()
    return metrics


def _keep_test(config: Config) -> None:
    """Take out of a config what only training and validation need."""
    for key in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        config[key] = None
    for key in ("val_dataloader", "val_cfg", "val_evaluator"):
        config[key] = None
    config.pop("auto_scale_lr", None)
    config.model.backbone.pop("weights", None)  # the checkpoint has them
    config.load_from = None  # the Runner would load it over the checkpoint
