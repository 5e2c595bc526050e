"""How much memory a training step will take, from the shapes alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from cascadekit.doctor.sampled import Sampled
from cascadekit.registry import MODELS, SCOPE

STATES = {"SGD": 1, "Adam": 2, "AdamW": 2}  # numbers the optimizer keeps per trained weight
FLOAT = 4


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of one training step on one device.

    Attributes:
        weights: of all parameters and buffers, with gradients and the optimizer's numbers.
        maps: saved for the backward pass by backbone, neck and proposal head.
        rois: likewise by the box heads; 0 where it cannot be told.
        parameters: how many there are.
        trained: how many of them learn.
        picture: (height, width) of the padded batch, pixels.
        batch: pictures.
    """

    weights: int
    maps: int
    rois: int
    parameters: int
    trained: int
    picture: tuple[int, int]
    batch: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.maps + self.rois


def estimate_memory(config: Config, sampled: Sampled) -> MemoryEstimate | None:
    """Run backbone, neck and heads on tensors without memory and count what they would keep.

    Left out: the losses (anchors x objects), the kernels' own space and what the framework itself
    takes, some hundred megabytes on a GPU. Mask heads are not counted.

    Args:
        config: of `load_config`.
        sampled: training pictures; the largest of them is taken.

    Returns:
        The estimate; None without pictures.
    """
    if not sampled.infos:
        return None
    batch = int(config.train_dataloader.get("batch_size", 1))
    multiple = int(config.model.get("data_preprocessor", {}).get("pad_size_divisor", 1) or 1)
    sides = (max(info.size[axis] for info in sampled.infos) for axis in (0, 1))
    height, width = (-(-side // multiple) * multiple for side in sides)
    model_config = config.model.to_dict()
    with DefaultScope.overwrite_default_scope(config.get("default_scope") or SCOPE):
        with torch.device("meta"):
            model = MODELS.build(model_config)
    model.train()
    own = {p.untyped_storage()._cdata for p in [*model.parameters(), *model.buffers()]}
    maps = _saved(lambda: _maps(model, torch.empty(batch, 3, height, width, device="meta")), own)
    try:
        rois = _saved(lambda: _heads(config, model, batch), own)
    except (KeyError, TypeError, AttributeError, RuntimeError):  # another head than a pooled one
        rois = 0
    parameters = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    optimizer = (config.get("optim_wrapper") or {}).get("optimizer") or {}
    kind = str(optimizer.get("type", "")).rsplit(".", 1)[-1]
    numbers = parameters + (1 + STATES.get(kind, 2)) * trained
    return MemoryEstimate(FLOAT * numbers, maps, rois, parameters, trained, (height, width), batch)


def _maps(model: Any, images: Tensor) -> None:
    pyramid = model.extract(images)
    if model.rpn_head is not None:
        model.rpn_head(pyramid)


def _heads(config: Config, model: Any, batch: int) -> None:
    """Every box head on as many pooled rois as a batch has."""
    settings = config.model.roi_head
    if settings is None or model.roi_head is None:
        return
    count = batch * int((settings.get("sampler") or {}).get("num", 512))
    size = int(settings.box_pool.get("output_size", 7))
    heads: nn.ModuleList = model.roi_head.bbox_head
    first = settings.bbox_head[0] if isinstance(settings.bbox_head, list) else settings.bbox_head
    for head in heads:
        head(
            torch.empty(count, first["in_channels"], size, size, device="meta", requires_grad=True)
        )


def _saved(work: Callable[[], None], own: set[int]) -> int:
    """Bytes that autograd keeps of some work, each tensor once, weights left out."""
    kept: dict[int, tuple[int, Any]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            # The storage is held, so that no other takes its place.
            kept[storage._cdata] = (storage.nbytes(), storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return sum(size for size, _ in kept.values())
