"""Which of all scored and shifted anchors become proposals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cascadekit import ops
from cascadekit.errors import InputError
from cascadekit.models.proposals.rpn_output import RPNOutput
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.models.targets.bounded_coder import BoundedDeltaCoder
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Proposals

Coder = DeltaCoder | BoundedDeltaCoder


@dataclass(frozen=True)
class SelectionRule:
    """How many and which boxes stay; L numbers are one for each level.

    Attributes:
        before: L numbers, the best boxes of each level that NMS sees.
        after: the best boxes of an image after NMS; None: all.
        scores: L numbers, least objectness in [0, 1].
        sizes: L numbers; both sides of a box must be longer, pixels.
        nms_iou: a box that overlaps a better one of its level more than this is dropped.
    """

    before: tuple[int, ...]
    after: int | None
    scores: tuple[float, ...]
    sizes: tuple[float, ...]
    nms_iou: float


def per_level(name: str, value: float | Sequence[float], levels: int) -> tuple[float, ...]:
    """One number for each level: the same for all, or as given.

    Args:
        name: of the setting, for the message.
        value: a number, or `levels` numbers.
        levels: L.

    Returns:
        L numbers.

    Raises:
        InputError: another count, or a negative number.
    """
    numbers = (value,) * levels if isinstance(value, (int, float)) else tuple(value)
    if len(numbers) != levels or min(numbers) < 0:
        raise InputError(
            f"{name}: expected a number >= 0, or one for each of the {levels} levels of the "
            f"anchors, got {value}"
        )
    return numbers


@torch.no_grad()
def select_proposals(
    output: RPNOutput, coder: Coder, infos: Sequence[ImageInfo], rule: SelectionRule
) -> Proposals:
    """The best boxes of each image, clipped to it, best first; no gradient flows back.

    Args:
        output: of the network on the batch.
        coder: decodes its deltas.
        infos: B images' sizes.
        rule: which boxes stay.

    Returns:
        R proposals of the batch; an image may have none.

    Source: as in mmdetection, the best of each level are counted before small ones are dropped; the
    released Caffe code drops them first, and clips to the padded picture.
    """
    boxes, scores, levels = [], [], []
    for number, (anchors, logits, deltas) in enumerate(
        zip(output.anchors, output.logits, output.deltas, strict=True)
    ):
        most = torch.sym_min(rule.before[number], logits.shape[1])
        score, index = logits.float().sigmoid().topk(most, dim=1)  # (B, n)
        delta = deltas.gather(1, index[:, :, None].expand(-1, -1, 4))  # (B, n, 4)
        box = coder.decode(anchors[index].flatten(0, 1), delta.flatten(0, 1))
        boxes.append(box.view(*index.shape, 4))
        scores.append(score)
        levels.append(torch.full_like(index[0], number))
    level = torch.cat(levels)  # (n,), the same in all images
    chosen = [
        _best(box, score, level, info, rule)
        for box, score, info in zip(torch.cat(boxes, 1), torch.cat(scores, 1), infos, strict=True)
    ]
    return Proposals.from_list([box for box, _ in chosen], [score for _, score in chosen])


def _best(
    boxes: Tensor, scores: Tensor, levels: Tensor, info: ImageInfo, rule: SelectionRule
) -> tuple[Tensor, Tensor]:
    """Of one image's (n, 4) boxes drop the poor and the small, suppress within each level."""
    boxes = box_ops.clip(boxes, *info.size)
    fine = ~box_ops.is_degenerate(boxes)
    if any(rule.sizes):
        smallest = boxes.new_tensor(rule.sizes)[levels]
        fine &= ((boxes[:, 2:] - boxes[:, :2]) > smallest[:, None]).all(1)
    if any(rule.scores):
        fine &= scores >= scores.new_tensor(rule.scores)[levels]
    boxes, scores, levels = boxes[fine], scores[fine], levels[fine]
    keep = ops.batched_nms(boxes, scores, levels, rule.nms_iou)[: rule.after]
    return boxes[keep], scores[keep]
