"""Measure one detector: its parts one after the other, on one picture, with random weights.

Random weights find nothing, so the numbers of boxes are given: so many proposals of natural sizes
enter the first stage, and so many final boxes get a mask. All models are then compared at the same
work, as the paper's Table 6 compares them at similar numbers of proposals.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cascadekit.apis import load_config
from cascadekit.cost.pooling import counted_pooling
from cascadekit.datasets.transforms import from_array
from cascadekit.errors import InputError
from cascadekit.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, SCOPE
from cascadekit.structures.masks import InstanceMasks
from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Proposals,
    StageOutput,
    Targets,
    image_infos,
    make_data_sample,
)

OBJECTS = 10  # of the picture that the training step learns from


@dataclass(frozen=True)
class PartCost:
    """One part of a prediction.

    Attributes:
        name: such as "backbone" or "stage 2".
        gflops: 1e9 floating point operations; a multiply-add counts as two.
        seconds: the least of several measurements.
    """

    name: str
    gflops: float
    seconds: float


@dataclass(frozen=True)
class ModelCost:
    """What one detector costs on one picture.

    Attributes:
        name: of its config.
        size: (height, width) of the picture as the network sees it, padded, pixels.
        proposals: boxes that entered the first stage.
        detections: final boxes that got a mask; 0 without a mask head.
        parameters: all of them, frozen ones too.
        parts: of one prediction, in order; together they are the prediction.
        step_seconds: one training step (loss, backward, optimizer) on this one picture; None where
            it was not measured.
        predict_mb: most memory of building the model and predicting, 2**20 bytes: on a CPU of the
            process, beyond its libraries; on a GPU of tensors.
        step_mb: likewise of the training step.
        device: "cpu" or the GPU's name.
        threads: that torch used.
    """

    name: str
    size: tuple[int, int]
    proposals: int
    detections: int
    parameters: int
    parts: tuple[PartCost, ...]
    step_seconds: float | None
    predict_mb: float
    step_mb: float | None
    device: str
    threads: int

    @property
    def gflops(self) -> float:
        """Of one prediction."""
        return sum(part.gflops for part in self.parts)

    @property
    def seconds(self) -> float:
        """Of one prediction."""
        return sum(part.seconds for part in self.parts)

    @property
    def megabytes(self) -> float:
        """Parameters as float32, 2**20 bytes: what the paper's Table 6 prints as "M"."""
        return self.parameters * 4 / 2**20


class _Bench:
    """One detector on one device, and the picture it is measured on."""

    def __init__(self, config: Config, picture: tuple[int, int], device: str) -> None:
        self.device = torch.device(device)
        self.before = 0.0
        self.before = self.memory()
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope(config.get("default_scope") or SCOPE):
            self.model = MODELS.build(config.model).to(device)
            self.batch = self._picture(config, picture)
        self.config = config
        self.infos = image_infos(self.batch["data_samples"])

    def _picture(self, config: Config, picture: tuple[int, int]) -> dict[str, Any]:
        """Noise of the given height and width through the config's own test pipeline."""
        noise = np.random.default_rng(0).integers(0, 256, (*picture, 3), dtype=np.uint8)
        steps = config.test_dataloader.dataset.pipeline[1:]
        steps = [step for step in steps if not step["type"].endswith("LoadProposals")]
        sample = Compose(steps)(from_array(noise))
        batch: dict[str, Any] = self.model.data_preprocessor(pseudo_collate([sample]), False)
        return batch

    def boxes(self, count: int) -> Tensor:
        """(count, 4) xyxy boxes in the picture, sides from 16 pixels to its height, log-uniform."""
        height, width = self.infos[0].size
        generator = torch.Generator().manual_seed(0)
        side = 16 * (height / 16) ** torch.rand(count, 2, generator=generator)
        room = (torch.tensor([width, height]) - side).clamp(min=0)
        corner = room * torch.rand(count, 2, generator=generator)
        return torch.cat([corner, corner + side], 1).to(self.device)

    def proposals(self, count: int) -> Proposals:
        """`boxes` as proposals of the one picture."""
        boxes = self.boxes(count)
        return Proposals.from_list([boxes], [boxes.new_ones(count)])

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def time(self, work: Callable[[], object], repeats: int) -> float:
        """Least seconds of several runs; the first run is a rehearsal."""
        seconds = []
        for _ in range(repeats + 1):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            seconds.append(time.perf_counter() - start)
        return min(seconds[1:])

    def cost(self, name: str, work: Callable[[], object], repeats: int) -> PartCost:
        """Arithmetic and time of one part."""
        with FlopCounterMode(display=False) as counter, counted_pooling(self.model) as pooled:
            work()
        gflops = (counter.get_total_flops() + sum(pooled)) / 1e9
        return PartCost(name, gflops, self.time(work, repeats))

    def memory(self) -> float:
        """Most memory so far beyond that before the model was built, 2**20 bytes."""
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device) / 2**20
        else:
            peak = _process_peak()
        return float(peak - self.before)


def measure_cost(
    config: Config,
    name: str,
    picture: tuple[int, int] = (480, 640),
    proposals: int = 1000,
    detections: int = 100,
    repeats: int = 3,
    train: bool = True,
    device: str | None = None,
) -> ModelCost:
    """Measure a detector in this process; memory is then that of all the process did so far.

    Args:
        config: of `load_config`.
        name: for the tables.
        picture: (height, width) of the picture before the config's own resizing.
        proposals: boxes that enter the first stage.
        detections: final boxes that get a mask.
        repeats: measurements of each part, of which the least counts.
        train: also measure a training step.
        device: "cpu", "cuda"; None: a GPU if there is one.

    Returns:
        What it costs.

    Raises:
        InputError: the model has no roi head.
    """
    if config.model.get("roi_head") is None:
        raise InputError(f"{name}: the model has no roi_head, so there are no stages to measure")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    bench = _Bench(config, picture, device)
    bench.model.eval()
    with torch.no_grad():
        parts = _prediction_parts(bench, proposals, detections, repeats)
    predict_mb = bench.memory()
    step_seconds, step_mb = None, None
    if train:
        step_seconds, step_mb = _training_step(bench, repeats), bench.memory()
    height, width = bench.batch["inputs"].shape[2:]
    return ModelCost(
        name,
        (height, width),
        proposals,
        detections if bench.model.roi_head.mask_stages else 0,
        sum(parameter.numel() for parameter in bench.model.parameters()),
        parts,
        step_seconds,
        predict_mb,
        step_mb,
        torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        torch.get_num_threads(),
    )


def _prediction_parts(
    bench: _Bench, proposals: int, detections: int, repeats: int
) -> tuple[PartCost, ...]:
    """The parts of one prediction.

    What a stage adds is the difference between running the loop to it and to the one before; what
    the ensemble adds, the difference to running the last stage alone.
    """
    model, head = bench.model, bench.model.roi_head
    images, infos = bench.batch["inputs"], bench.infos
    parts = [bench.cost("backbone and neck", lambda: model.extract(images), repeats)]
    pyramid = model.extract(images)
    if model.rpn_head is not None:
        work = lambda: model.rpn_head.propose(model.rpn_head(pyramid), infos)  # noqa: E731
        parts.append(bench.cost("proposals", work, repeats))
    rois, final = bench.proposals(proposals), head.test_stages
    done = PartCost("", 0.0, 0.0)
    passes = [str(k + 1) for k in range(int(final.rpartition("~")[2]))]
    for name in dict.fromkeys([*passes, final]):
        head.test_stages = name
        upto = bench.cost(name, lambda: head(pyramid, rois, infos), repeats)
        title = "ensemble" if "~" in name else f"stage {name}"
        parts.append(PartCost(title, upto.gflops - done.gflops, upto.seconds - done.seconds))
        done = upto
    stages = head(pyramid, rois, infos)
    parts.append(bench.cost("choice of detections", lambda: _choose(head, stages, infos), repeats))
    if head.mask_stages:
        boxes = bench.boxes(detections)
        index = torch.zeros(detections, dtype=torch.long, device=boxes.device)
        parts.append(
            bench.cost("masks", lambda: head.masks_for(pyramid, boxes, index, index), repeats)
        )
    return tuple(parts)


def _choose(
    head: nn.Module, stages: Sequence[StageOutput], infos: Sequence[ImageInfo]
) -> Detections:
    """The detections of the one picture."""
    boxes, scores = head.score_boxes(stages)
    found: Detections = head.postprocess(boxes, scores, infos[0])
    return found


def _training_step(bench: _Bench, repeats: int) -> float:
    """Seconds of loss, backward and optimizer step on the picture with ten objects."""
    model, info = bench.model.train(), bench.infos[0]
    boxes = bench.boxes(OBJECTS)
    labels = torch.arange(OBJECTS, device=boxes.device) % model.num_classes
    masks = None
    if model.roi_head.mask_stages:
        bitmaps = torch.zeros(OBJECTS, *info.size)
        for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes.long().tolist(), strict=True):
            bitmap[y1:y2, x1:x2] = 1
        masks = InstanceMasks.from_bitmaps(bitmaps).to(bench.device)
    target = Targets(boxes, labels, boxes.new_zeros(0, 4), masks)
    stored = bench.proposals(2000) if model.rpn_head is None else None
    samples = [make_data_sample(info, target, proposals=stored)]
    wrapper = _optimizer(bench)

    def step() -> None:
        losses = model.loss(bench.batch["inputs"], samples)
        wrapper.update_params(sum(value for name, value in losses.items() if "loss" in name))

    return bench.time(step, repeats)


def _optimizer(bench: _Bench) -> Any:
    """The config's optimizer wrapper, with a rate too small for random weights to explode."""
    settings = bench.config.optim_wrapper.to_dict()
    settings["optimizer"]["lr"] = 1e-6
    kind, own = settings.pop("constructor"), settings.pop("paramwise_cfg", None)
    with DefaultScope.overwrite_default_scope(SCOPE):
        constructor = OPTIM_WRAPPER_CONSTRUCTORS.build(
            {"type": kind, "optim_wrapper_cfg": settings, "paramwise_cfg": own}
        )
        return constructor(bench.model)


def _process_peak() -> float:
    """Most memory that this process had, 2**20 bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage would count what the parent process had, too
        (line,) = [row for row in status.read_text().splitlines() if row.startswith("VmHWM")]
        return int(line.split()[1]) / 2**10
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measure_apart(path: str, options: dict[str, Any], settings: dict[str, Any]) -> ModelCost:
    """`measure_cost` in a process of its own, so that memory is this model's alone.

    Args:
        path: the config file.
        options: changes to it, as `load_config` takes them.
        settings: keyword arguments of `measure_cost` after `name`.

    Returns:
        What it costs.

    Raises:
        InputError: from the other process.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_file, (path, options, settings))


def _measure_file(path: str, options: dict[str, Any], settings: dict[str, Any]) -> ModelCost:
    file = Path(path)
    return measure_cost(load_config(path, options=options), file.stem, **settings)
