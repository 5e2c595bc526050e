"""Hooks that write down what detectron2's parts give; used by record_detectron2.py."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import detectron2_rules as rules
import torch
from detectron2.modeling.roi_heads import roi_heads as roi_heads_module
from detectron2.structures import Instances
from torch import Tensor, nn

Recording = dict[str, Tensor]


def predictors(model: nn.Module) -> list[nn.Module]:
    """The last layers of the box head of each stage."""
    found = model.roi_heads.box_predictor
    return list(found) if isinstance(found, nn.ModuleList) else [found]


@contextlib.contextmanager
def fixed_orders() -> Iterator[None]:
    """No shuffling of samples, and the ground truth in front of its picture's proposals."""
    shuffle, append = torch.randperm, roi_heads_module.add_ground_truth_to_proposals

    def first(truth: list[Instances], proposals: list[Instances]) -> list[Instances]:
        both = append(truth, proposals)
        counts = [len(p) for p in proposals]
        return [
            b[torch.cat([torch.arange(n, len(b)), torch.arange(n)])]
            for n, b in zip(counts, both, strict=True)
        ]

    torch.randperm = lambda n, **_: torch.arange(n)
    roi_heads_module.add_ground_truth_to_proposals = first
    try:
        yield
    finally:
        torch.randperm, roi_heads_module.add_ground_truth_to_proposals = shuffle, append


def index_of(counts: list[int]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def listen(model: nn.Module, seen: Recording, prefix: str) -> list[Callable[[], None]]:
    """Record the pyramid, the RPN's output and each stage's rois, logits, deltas, boxes."""
    stages = predictors(model)
    rois: list[tuple[Tensor, Tensor]] = []

    def pyramid(module: nn.Module, inputs: Any, maps: dict[str, Tensor]) -> None:
        for name, values in maps.items():
            seen[f"pyramid.{name}"] = rules.sample(values)

    def rpn(module: nn.Module, inputs: Any, output: Any) -> None:
        logits, deltas = output
        flat = torch.cat([x.permute(0, 2, 3, 1).flatten(1) for x in logits], 1)
        seen["rpn.logits"] = rules.sample(flat)
        wide = [x.permute(0, 2, 3, 1).reshape(len(x), -1, 4) for x in deltas]
        seen["rpn.deltas"] = rules.sample(torch.cat(wide, 1))

    def proposed(module: nn.Module, inputs: Any, output: Any) -> None:
        found = output[0]
        seen[f"{prefix}.proposals.boxes"] = torch.cat([p.proposal_boxes.tensor for p in found])
        seen[f"{prefix}.proposals.logits"] = torch.cat([p.objectness_logits for p in found])
        seen[f"{prefix}.proposals.image"] = index_of([len(p) for p in found])

    def pooled(module: nn.Module, inputs: Any) -> None:
        boxes = inputs[1]
        rois.append((torch.cat([b.tensor for b in boxes]), index_of([len(b) for b in boxes])))

    def stage(module: nn.Module, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        number = stages.index(module)
        boxes, image = rois[-1]
        key = f"{prefix}.stage{number + 1}"
        seen[f"{key}.rois"], seen[f"{key}.image"] = boxes, image
        seen[f"{key}.logits"], seen[f"{key}.deltas"] = output
        seen[f"{key}.boxes"] = module.box2box_transform.apply_deltas(output[1], boxes)

    hooks = [
        model.backbone.register_forward_hook(pyramid),
        model.proposal_generator.rpn_head.register_forward_hook(rpn),
        model.proposal_generator.register_forward_hook(proposed),
        model.roi_heads.box_pooler.register_forward_pre_hook(pooled),
        *(layer.register_forward_hook(stage) for layer in stages),
    ]
    return [hook.remove for hook in hooks]


def listen_losses(model: nn.Module, seen: Recording, prefix: str) -> Callable[[], None]:
    """Record what each stage's rois are to become; gives the function that stops it."""
    layers = predictors(model)

    def wrap(number: int, layer: nn.Module) -> None:
        original = layer.losses

        def losses(predictions: Any, proposals: list[Instances]) -> dict[str, Tensor]:
            key = f"{prefix}.stage{number + 1}"
            seen[f"{key}.labels"] = torch.cat([p.gt_classes for p in proposals])
            has = [p.gt_boxes.tensor if p.has("gt_boxes") else None for p in proposals]
            rows = [torch.zeros(len(p), 4) for p in proposals]
            seen[f"{key}.gt_boxes"] = torch.cat(
                [r if h is None else h for r, h in zip(rows, has, strict=True)]
            )
            return original(predictions, proposals)

        layer.losses = losses

    for number, layer in enumerate(layers):
        wrap(number, layer)

    def stop() -> None:
        for layer in layers:
            del layer.losses

    return stop
