"""Region proposal network: score and shift every anchor, keep the best (Ren et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.errors import InputError, check_word
from cascadekit.models.initialise import normal
from cascadekit.models.losses import box_loss, objectness_loss
from cascadekit.models.proposals.anchor_sampling import (
    AnchorSample,
    assign_anchors,
    cells_inside,
    inside,
    sample_anchors,
)
from cascadekit.models.proposals.proposal_selection import (
    SelectionRule,
    per_level,
    select_proposals,
)
from cascadekit.models.proposals.rpn_output import RPNOutput
from cascadekit.models.targets.bounded_coder import BoundedDeltaCoder
from cascadekit.registry import MODELS, TASK_UTILS
from cascadekit.structures.samples import ImageInfo, Proposals, Targets

Config = dict[str, Any]
Numbers = float | Sequence[float]
# Before NMS, for all levels or for each; after it, None: all.
Counts = tuple[int | Sequence[int], int | None]

OBJECTNESS = ("sigmoid", "softmax")
AVERAGES = ("sampled", "at_least_one", "batch", "positives")


@MODELS.register_module()
class RPNHead(nn.Module):
    """Anchors in, proposals out; one 3x3 convolution shared by all levels, or one for each.

    Args:
        in_channels: channels C of each level.
        feat_channels: channels of the 3x3 convolution.
        anchors: config of the anchor generator; its strides say how many levels L there are.
        coder: config of the delta coder.
        assigner: config of the assigner of training.
        sampler: config of the sampler of training.
        levels: numbers of the maps of the pyramid that are read; None: the first L.
        shared: one set of layers for all levels, which then have equally many anchors a cell; else
            one set for each, `rpn_conv.0`, `rpn_conv.1` and so on.
        objectness: "sigmoid": one logit an anchor; "softmax": two, for background and object in
            this order, of which we go on with the difference: its sigmoid is the softmax.
        sample_per_level: sample anchors, and average losses, on each level alone, and add up.
        allowed_border: anchors that leave the picture by this many pixels or more (right and
            below: that reach it) are not trained on; -1: all are. Detectron and mmdetection: 0.
        border_share: instead, anchors that leave it by more than this share of their own width or
            height are not trained on. Caffe: 0.25.
        pad_size_divisor: nor are anchors of cells that begin beyond the picture padded to a
            multiple of this, where other pictures of the batch are larger; None: they are. Matters
            only where anchors may leave the picture. mmdetection: 32, its preprocessor's.
        beta: smooth-L1 transition. Detectron: 1/9; Caffe: 1; detectron2: 0.
        box_loss_average: "sampled": the box loss is divided by the anchors sampled;
            "at_least_one": likewise, but no positives of an image count as one, and so do no
            negatives, in both losses (mmdetection); "batch": by as many as the sampler would take
            from all images if it could, in both losses (detectron2); "positives": by the
            coordinates of the positives (Caffe).
        loss_weight: of both losses. FPN+: 0.25 for each level.
        nms_iou: proposals that overlap a better one of their level more than this are dropped.
        train_proposals: proposals kept before NMS, per level or (a list) of each level, and per
            image after it (None: all), in training.
        test_proposals: likewise in inference.
        score_threshold: least objectness of a proposal, for all levels or for each.
        train_score_threshold: that of training; None: the same.
        min_size: sides of a proposal must be longer than this, pixels, for all levels or for each.

    Raises:
        InputError: an unknown word, or not as many numbers as levels.

    Source: Detectron's FPN RPN (NMS per level, best of all levels together). Its training keeps
    the best 2000 of the whole batch, we keep them per image as mmdetection does. The released Caffe
    models cut by objectness and count before NMS only.
    """

    def __init__(
        self,
        in_channels: int,
        feat_channels: int = 256,
        anchors: Config | None = None,
        coder: Config | None = None,
        assigner: Config | None = None,
        sampler: Config | None = None,
        levels: Sequence[int] | None = None,
        shared: bool = True,
        objectness: str = "sigmoid",
        sample_per_level: bool = False,
        allowed_border: int | None = 0,
        border_share: float | None = None,
        pad_size_divisor: int | None = None,
        beta: float = 1 / 9,
        box_loss_average: str = "sampled",
        loss_weight: float = 1.0,
        nms_iou: float = 0.7,
        train_proposals: Counts = (2000, 2000),
        test_proposals: Counts = (1000, 1000),
        score_threshold: Numbers = 0.0,
        train_score_threshold: Numbers | None = None,
        min_size: Numbers = 0.0,
    ) -> None:
        super().__init__()
        part = TASK_UTILS.build
        self.anchors = part(anchors or {"type": "cascadekit.AnchorGenerator"})
        self.coder = part(coder or {"type": "cascadekit.DeltaCoder", "stds": (1.0, 1.0, 1.0, 1.0)})
        self.assigner = part(assigner or _assigner())
        self.sampler = part(
            sampler or {"type": "cascadekit.RandomSampler", "num": 256, "pos_fraction": 0.5}
        )
        self.levels = None if levels is None else tuple(levels)
        self.objectness = objectness
        self.sample_per_level = sample_per_level
        self.allowed_border = allowed_border
        self.border_share = border_share
        self.pad_size_divisor = pad_size_divisor
        self.beta = beta
        self.box_loss_average = box_loss_average
        self.loss_weight = loss_weight
        self.nms_iou = nms_iou
        self.train_proposals = train_proposals
        self.test_proposals = test_proposals
        self.score_threshold = score_threshold
        self.train_score_threshold = train_score_threshold
        self.min_size = min_size
        self._check()
        self._make_layers(in_channels, feat_channels, shared)

    def _check(self) -> None:
        check_word("objectness", self.objectness, OBJECTNESS)
        check_word("box_loss_average", self.box_loss_average, AVERAGES)
        if self.box_loss_average == "batch" and not hasattr(self.sampler, "num"):
            raise InputError("box_loss_average='batch' needs a sampler with a number, `num`")
        count = len(self.anchors.strides)
        if self.levels is not None and len(self.levels) != count:
            raise InputError(f"levels={self.levels}: the anchors have {count} strides")
        for training in (True, False):
            self.selection_rule(training)  # raises where numbers do not fit the levels

    def _make_layers(self, in_channels: int, feat_channels: int, shared: bool) -> None:
        counts = self.anchors.num_anchors
        if shared and len(set(counts)) > 1:
            raise InputError(
                f"levels have {counts} anchors a cell, so they cannot share layers: set "
                "shared=False, or give equally many `sizes` to each level"
            )
        outputs = 2 if self.objectness == "softmax" else 1
        convs, scores, deltas = [], [], []
        for count in counts[:1] if shared else counts:
            convs.append(nn.Conv2d(in_channels, feat_channels, 3, padding=1))
            scores.append(nn.Conv2d(feat_channels, count * outputs, 1))
            deltas.append(nn.Conv2d(feat_channels, count * 4, 1))
        for layer in (*convs, *scores, *deltas):
            normal(layer, std=0.01)
        self.shared = shared
        self.rpn_conv = convs[0] if shared else nn.ModuleList(convs)
        self.rpn_cls = scores[0] if shared else nn.ModuleList(scores)
        self.rpn_reg = deltas[0] if shared else nn.ModuleList(deltas)

    def selection_rule(self, training: bool) -> SelectionRule:
        """Which boxes become proposals, in training or in inference."""
        levels = len(self.anchors.strides)
        before, after = self.train_proposals if training else self.test_proposals
        scores = self.score_threshold
        if training and self.train_score_threshold is not None:
            scores = self.train_score_threshold
        return SelectionRule(
            before=tuple(int(n) for n in per_level("proposals before NMS", before, levels)),
            after=after,
            scores=per_level("score_threshold", scores, levels),
            sizes=per_level("min_size", self.min_size, levels),
            nms_iou=self.nms_iou,
        )

    def forward(self, pyramid: Sequence[Tensor]) -> RPNOutput:
        """Score every anchor: maps (B, C, H, W), at least L -> `RPNOutput` of L levels."""
        numbers = range(len(self.anchors.strides)) if self.levels is None else self.levels
        read = [pyramid[number] for number in numbers if number < len(pyramid)]
        logits, deltas = [], []
        for number, level in enumerate(read):
            hidden = _layer(self.rpn_conv, number)(level).relu()
            logits.append(self._logits(_layer(self.rpn_cls, number)(hidden)))
            delta = _layer(self.rpn_reg, number)(hidden).permute(0, 2, 3, 1)  # (B, H, W, A * 4)
            deltas.append(delta.unflatten(3, (-1, 4)).flatten(1, 3))  # (B, H * W * A, 4)
        maps = tuple((level.shape[2], level.shape[3]) for level in read)
        return RPNOutput(self.anchors.grid_anchors(maps, pyramid[0].device), logits, deltas, maps)

    def _logits(self, scores: Tensor) -> Tensor:
        """Map (B, A or A * 2, H, W) -> (B, H * W * A)."""
        scores = scores.permute(0, 2, 3, 1).flatten(1)
        if self.objectness == "sigmoid":
            return scores
        background, foreground = scores.float().unflatten(1, (-1, 2)).unbind(-1)
        return foreground - background

    def propose(self, output: RPNOutput, infos: Sequence[ImageInfo]) -> Proposals:
        """The best boxes of each image, clipped to it, best first; no gradient flows back.

        Args:
            output: of `forward` on the batch.
            infos: B images' sizes.

        Returns:
            R proposals of the batch; an image may have none.
        """
        return select_proposals(output, self.coder, infos, self.selection_rule(self.training))

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
            `rpn.loss_cls` and `rpn.loss_bbox`, () float32, averaged as `box_loss_average` says.
        """
        anchors = torch.cat(output.anchors)  # (A, 4)
        groups = [len(anchors)]
        if self.sample_per_level:
            groups = [len(level) for level in output.anchors]
        moved_to = partial(self.anchors.moved_to, maps=output.maps)
        images = []  # B lists of a sample for each group
        for info, target in zip(infos, targets, strict=True):
            usable = self._inside(anchors, info)
            if self.pad_size_divisor is not None:
                usable &= self._of_own_cells(output.maps, info).to(usable.device)
            assigned = assign_anchors(
                self.assigner, anchors, usable.nonzero()[:, 0], target, moved_to
            )
            images.append(
                sample_anchors(
                    anchors, assigned, target, groups, self.sampler, self.coder, generator
                )
            )
        losses = [
            self._group_loss(logits, deltas, samples)
            for logits, deltas, samples in zip(
                torch.cat(output.logits, 1).split(groups, 1),
                torch.cat(output.deltas, 1).split(groups, 1),
                zip(*images, strict=True),
                strict=True,
            )
        ]
        cls, bbox = (torch.stack(parts).sum() for parts in zip(*losses, strict=True))
        return {
            "rpn.loss_cls": self.loss_weight * cls,
            "rpn.loss_bbox": self.loss_weight * bbox,
        }

    def _group_loss(
        self, logits: Tensor, deltas: Tensor, samples: Sequence[AnchorSample]
    ) -> tuple[Tensor, Tensor]:
        """Objectness and box loss of logits (B, a), deltas (B, a, 4) on the samples of B images."""
        labels = torch.cat([sample.labels for sample in samples])  # (n,)
        count = len(labels)
        if self.box_loss_average == "batch":
            count = self.sampler.num * len(samples)
        elif self.box_loss_average == "at_least_one":
            positives = [len(sample.positives) for sample in samples]
            negatives = [len(s.rows) - p for s, p in zip(samples, positives, strict=True)]
            count = sum(max(number, 1) for number in (*positives, *negatives))
        fitted = torch.cat([deltas[b, sample.positives] for b, sample in enumerate(samples)])
        if isinstance(self.coder, BoundedDeltaCoder):
            fitted = self.coder.bound_straight(fitted.float())
        coordinates = 4 * len(fitted) if self.box_loss_average == "positives" else count
        own = torch.cat([logits[b, sample.rows] for b, sample in enumerate(samples)])
        wanted = torch.cat([sample.deltas for sample in samples])
        return (
            objectness_loss(own, labels, count),
            box_loss(fitted, wanted, coordinates, self.beta),
        )

    def _inside(self, anchors: Tensor, info: ImageInfo) -> Tensor:
        """(A,) bool: anchors that training may use, wherever their cells are."""
        return inside(anchors, info, self.allowed_border, self.border_share)

    def _of_own_cells(self, maps: Sequence[tuple[int, int]], info: ImageInfo) -> Tensor:
        """(A,) bool: anchors of cells that belong to the picture, not to larger ones beside it."""
        divisor = self.pad_size_divisor or 1
        height, width = (-(-side // divisor) * divisor for side in info.size)
        return cells_inside(maps, self.anchors.strides, self.anchors.num_anchors, (height, width))


def _assigner() -> Config:
    return {
        "type": "cascadekit.IoUAssigner",
        "pos_iou": 0.7,
        "neg_iou": 0.3,
        "best_match_iou": 0.3,
    }


def _layer(layers: nn.Module, level: int) -> nn.Module:
    """The layer of a level: its own, or the one that all share."""
    return layers[level] if isinstance(layers, nn.ModuleList) else layers
