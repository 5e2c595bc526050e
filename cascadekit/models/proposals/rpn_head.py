"""Region proposal network: score and shift every anchor, keep the best (Ren et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit import ops
from cascadekit.models.initialise import normal
from cascadekit.models.losses import box_loss, objectness_loss
from cascadekit.models.targets.assigner import POSITIVE
from cascadekit.registry import MODELS, TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Proposals, Targets

Config = dict[str, Any]


@dataclass(frozen=True)
class RPNOutput:
    """What the network says of every anchor.

    Attributes:
        anchors: L tensors (A_l, 4) float32 xyxy input pixels.
        logits: L tensors (B, A_l), objectness before the sigmoid.
        deltas: L tensors (B, A_l, 4), normalised.
    """

    anchors: list[Tensor]
    logits: list[Tensor]
    deltas: list[Tensor]


@MODELS.register_module()
class RPNHead(nn.Module):
    """Anchors in, proposals out; one 3x3 convolution shared by all levels.

    Args:
        in_channels: channels C of each level.
        feat_channels: channels of the 3x3 convolution.
        anchors: config of the anchor generator.
        coder: config of the delta coder.
        assigner: config of the assigner of training.
        sampler: config of the sampler of training.
        allowed_border: anchors that leave the picture by this many pixels or more (right and
            below: that reach it) are not trained on; -1: all are. Detectron and mmdetection: 0.
        beta: smooth-L1 transition. Detectron: 1/9; Caffe: 1.
        nms_iou: proposals that overlap a better one of their level more than this are dropped.
        train_proposals: proposals kept per level before NMS and per image after it, in training.
        test_proposals: likewise in inference.
        min_size: smallest side of a proposal, pixels.

    Source: Detectron's FPN RPN (NMS per level, best of all levels together). Its training keeps
    the best 2000 of the whole batch, we keep them per image as mmdetection does. The released Caffe
    models cut by objectness instead of by number.
    """

    def __init__(
        self,
        in_channels: int,
        feat_channels: int = 256,
        anchors: Config | None = None,
        coder: Config | None = None,
        assigner: Config | None = None,
        sampler: Config | None = None,
        allowed_border: int = 0,
        beta: float = 1 / 9,
        nms_iou: float = 0.7,
        train_proposals: tuple[int, int] = (2000, 2000),
        test_proposals: tuple[int, int] = (1000, 1000),
        min_size: float = 0.0,
    ) -> None:
        super().__init__()
        part = TASK_UTILS.build
        self.anchors = part(anchors or {"type": "cascadekit.AnchorGenerator"})
        self.coder = part(coder or {"type": "cascadekit.DeltaCoder", "stds": (1.0, 1.0, 1.0, 1.0)})
        self.assigner = part(
            assigner
            or {
                "type": "cascadekit.IoUAssigner",
                "pos_iou": 0.7,
                "neg_iou": 0.3,
                "best_match_iou": 0.3,
            }
        )
        self.sampler = part(
            sampler or {"type": "cascadekit.RandomSampler", "num": 256, "pos_fraction": 0.5}
        )
        self.allowed_border = allowed_border
        self.beta = beta
        self.nms_iou = nms_iou
        self.train_proposals = train_proposals
        self.test_proposals = test_proposals
        self.min_size = min_size
        count = self.anchors.num_anchors
        self.rpn_conv = nn.Conv2d(in_channels, feat_channels, 3, padding=1)
        self.rpn_cls = nn.Conv2d(feat_channels, count, 1)
        self.rpn_reg = nn.Conv2d(feat_channels, count * 4, 1)
        for layer in (self.rpn_conv, self.rpn_cls, self.rpn_reg):
            normal(layer, std=0.01)

    def forward(self, pyramid: Sequence[Tensor]) -> RPNOutput:
        """Score every anchor: L maps (B, C, H, W) -> `RPNOutput`."""
        logits, deltas = [], []
        for level in pyramid:
            hidden = self.rpn_conv(level).relu()
            logits.append(self.rpn_cls(hidden).permute(0, 2, 3, 1).flatten(1))  # (B, H * W * A)
            delta = self.rpn_reg(hidden).permute(0, 2, 3, 1)  # (B, H, W, A * 4)
            deltas.append(delta.reshape(len(level), -1, 4))  # (B, H * W * A, 4)
        sizes = [(level.shape[2], level.shape[3]) for level in pyramid]
        return RPNOutput(self.anchors.grid_anchors(sizes, pyramid[0].device), logits, deltas)

    @torch.no_grad()
    def propose(self, output: RPNOutput, infos: Sequence[ImageInfo]) -> Proposals:
        """The best boxes of each image, clipped to it, best first; no gradient flows back.

        Args:
            output: of `forward` on the batch.
            infos: B images' sizes.

        Returns:
            R proposals of the batch; an image may have none.
        """
        before, after = self.train_proposals if self.training else self.test_proposals
        boxes, scores, levels = [], [], []
        for number, (anchors, logits, deltas) in enumerate(
            zip(output.anchors, output.logits, output.deltas, strict=True)
        ):
            score, index = logits.float().sigmoid().topk(min(before, logits.shape[1]), dim=1)
            delta = deltas.gather(1, index[:, :, None].expand(-1, -1, 4))  # (B, n, 4)
            box = self.coder.decode(anchors[index].flatten(0, 1), delta.flatten(0, 1))
            boxes.append(box.view(*index.shape, 4))
            scores.append(score)
            levels.append(torch.full_like(index, number))
        chosen = [
            self._best(box, score, level, info, after)
            for box, score, level, info in zip(
                torch.cat(boxes, 1), torch.cat(scores, 1), torch.cat(levels, 1), infos, strict=True
            )
        ]
        return Proposals.from_list([box for box, _ in chosen], [score for _, score in chosen])

    def _best(
        self, boxes: Tensor, scores: Tensor, levels: Tensor, info: ImageInfo, count: int
    ) -> tuple[Tensor, Tensor]:
        """Clip, drop empty boxes, suppress within each level, keep `count` of one image."""
        boxes = box_ops.clip(boxes, *info.size)
        fine = ~box_ops.is_degenerate(boxes, self.min_size)
        boxes, scores, levels = boxes[fine], scores[fine], levels[fine]
        keep = ops.batched_nms(boxes, scores, levels, self.nms_iou)[:count]
        return boxes[keep], scores[keep]

    def loss(
        self,
        output: RPNOutput,
        infos: Sequence[ImageInfo],
        targets: Sequence[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Objectness and box loss of a sample of anchors.

        Args:
            output: of `forward` on the batch.
            infos: B images' sizes.
            targets: their ground truth; an image may have none.
            generator: source of the sampler's randomness.

        Returns:
            `rpn.loss_cls` and `rpn.loss_bbox`, () float32, averaged over the anchors sampled.
        """
        anchors = torch.cat(output.anchors)  # (A, 4)
        logits, deltas = torch.cat(output.logits, 1), torch.cat(output.deltas, 1)
        sampled, labels, fitted, wanted = [], [], [], []
        for b, (info, target) in enumerate(zip(infos, targets, strict=True)):
            inside = self._inside(anchors, info).nonzero()[:, 0]
            assigned = self.assigner.assign(anchors[inside], target)
            rows = self.sampler.sample(assigned.kind, generator)
            positive = rows[assigned.kind[rows] == POSITIVE]
            sampled.append(logits[b, inside[rows]])
            labels.append((assigned.kind[rows] == POSITIVE).float())
            fitted.append(deltas[b, inside[positive]])
            gt_boxes = target.boxes[assigned.gt_index[positive]]
            wanted.append(self.coder.encode(anchors[inside[positive]], gt_boxes))
        return {
            "rpn.loss_cls": objectness_loss(torch.cat(sampled), torch.cat(labels)),
            "rpn.loss_bbox": box_loss(
                torch.cat(fitted), torch.cat(wanted), sum(len(s) for s in sampled), self.beta
            ),
        }

    def _inside(self, anchors: Tensor, info: ImageInfo) -> Tensor:
        """(A,) bool: anchors that training may use."""
        if self.allowed_border < 0:
            return torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
        height, width = info.size
        slack = self.allowed_border
        low = (anchors[:, :2] >= -slack).all(1)
        return low & (anchors[:, 2] < width + slack) & (anchors[:, 3] < height + slack)
