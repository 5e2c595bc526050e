"""MS-CNN's proposal network: objects of each size are found where the map's stride fits them.

Paper: A Unified Multi-scale Deep Convolutional Neural Network for Fast Object Detection (Cai et al.
2016), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit import ops
from cascadekit.models.losses import box_loss
from cascadekit.models.proposals.mscnn_branches import ProposalBranch, read_branch
from cascadekit.models.proposals.mscnn_loss import balanced_classification_loss
from cascadekit.models.targets.assigner import POSITIVE
from cascadekit.models.targets.template_assigner import TemplateGrid
from cascadekit.registry import MODELS, TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Proposals, Targets

Config = dict[str, Any]


@dataclass(frozen=True)
class MSCNNOutput:
    """What the network says of every template.

    Attributes:
        grids: T grids of A_t boxes.
        logits: T tensors (B, A_t, K+1), background last.
        deltas: T tensors (B, A_t, 4), normalised, not bounded.
    """

    grids: list[TemplateGrid]
    logits: list[Tensor]
    deltas: list[Tensor]


@dataclass(frozen=True)
class _Sample:
    """What one template trains on in one image.

    Attributes:
        logits: (n, K+1), positives first.
        labels: (n,) int64, background is K.
        deltas: (P, 4) of the positives, normalised.
        wanted: (P, 4) float32, what they should be.
    """

    logits: Tensor
    labels: Tensor
    deltas: Tensor
    wanted: Tensor


@MODELS.register_module()
class MSCNNProposals(nn.Module):
    """Templates in, proposals out; takes the place of `RPNHead`.

    Args:
        num_classes: K, handed down by the detector.
        branches: one dict a map, see `BranchSettings`; they read the LAST maps of the pyramid, as
            many as there are branches.
        in_channels: channels of these maps.
        feat_channels: of the branches' own 3x3 convolutions.
        coder: config of the `BoundedDeltaCoder`; its bounds hold in the box loss as well.
        assigner: config of the `TemplateAssigner` of training.
        sampler: config of the `NegativeSampler` of training.
        box_weight: lambda, weight of the box loss beside the class loss.
        train_cut: least score of a proposal in training, before any sigmoid.
        test_cut: likewise in inference.
        train_count: proposals kept per image BEFORE suppression in training; none are cut after.
        test_count: likewise in inference.
        nms_iou: proposals that overlap a better one more than this are dropped.
        min_size: smallest side of a proposal after clipping, pixels.

    Raises:
        InputError: a branch is faulty.

    Source: MS-CNN and the released code of its cascade. A template's score is its largest class
    logit minus that of background; all branches compete in one suppression. Differences: no dummy
    proposal where an image has none; boxes are clipped to the picture, not to the padded input.
    """

    def __init__(
        self,
        num_classes: int,
        branches: Sequence[Mapping[str, Any]],
        in_channels: int = 512,
        feat_channels: int = 512,
        coder: Config | None = None,
        assigner: Config | None = None,
        sampler: Config | None = None,
        box_weight: float = 1.0,
        train_cut: float = -8.0,
        test_cut: float = -5.0,
        train_count: int = 3000,
        test_count: int = 2000,
        nms_iou: float = 0.65,
        min_size: float = 15.0,
    ) -> None:
        super().__init__()
        self.settings = [read_branch(branch) for branch in branches]
        part = TASK_UTILS.build
        self.coder = part(
            coder or {"type": "cascadekit.BoundedDeltaCoder", "most_shift": 0.5, "most_scale": 2.0}
        )
        self.assigner = part(assigner or {"type": "cascadekit.TemplateAssigner"})
        self.sampler = part(sampler or {"type": "cascadekit.NegativeSampler"})
        self.num_classes = num_classes
        self.box_weight = box_weight
        self.train_cut, self.test_cut = train_cut, test_cut
        self.train_count, self.test_count = train_count, test_count
        self.nms_iou = nms_iou
        self.min_size = min_size
        self.branches = nn.ModuleList(
            ProposalBranch(settings, in_channels, feat_channels, num_classes)
            for settings in self.settings
        )
        # Of each template, in the order of all outputs.
        self.loss_weights = [s.loss_weight for s in self.settings for _ in s.templates]

    def forward(self, pyramid: Sequence[Tensor]) -> MSCNNOutput:
        """Score every template: maps (B, C, H, W), as many as branches or more -> `MSCNNOutput`."""
        grids, logits, deltas = [], [], []
        maps = pyramid[len(pyramid) - len(self.branches) :]
        for settings, branch, features in zip(self.settings, self.branches, maps, strict=True):
            height, width = features.shape[2:]
            for template, out in zip(settings.templates, branch(features), strict=True):
                rows = out.flatten(2).transpose(1, 2)  # (B, H * W, K+1+4)
                logits.append(rows[:, :, :-4])
                deltas.append(rows[:, :, -4:])
                grids.append(
                    TemplateGrid.around_cells(
                        template, settings.stride, height, width, features.device
                    )
                )
        return MSCNNOutput(grids, logits, deltas)

    @torch.no_grad()
    def propose(self, output: MSCNNOutput, infos: Sequence[ImageInfo]) -> Proposals:
        """The best boxes of each image, clipped to it, best first; no gradient flows back.

        Args:
            output: of `forward` on the batch.
            infos: B images' sizes.

        Returns:
            R proposals of the batch; an image may have none. Scores are the sigmoid of the largest
            class logit minus background's; of equal ones the earlier template comes first.
        """
        cut, count = (
            (self.train_cut, self.train_count)
            if self.training
            else (self.test_cut, self.test_count)
        )
        templates = torch.cat([grid.boxes for grid in output.grids])  # (A, 4)
        logits = torch.cat(output.logits, 1).float()  # (B, A, K+1)
        deltas = torch.cat(output.deltas, 1)  # (B, A, 4)
        margins = logits[:, :, :-1].amax(2) - logits[:, :, -1]  # (B, A)
        boxes, scores = [], []
        for info, margin, delta in zip(infos, margins, deltas, strict=True):
            rows = (margin >= cut).nonzero()[:, 0]
            box = self.coder.decode(templates[rows], delta[rows])
            box, margin = self._best(box_ops.clip(box, *info.size), margin[rows], count)
            boxes.append(box)
            scores.append(margin.sigmoid())
        return Proposals.from_list(boxes, scores)

    def _best(self, boxes: Tensor, margins: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Drop small boxes, keep the best `count`, suppress: all of one image."""
        size = boxes[:, 2:] - boxes[:, :2]
        fine = (size >= self.min_size).all(1) & ~box_ops.is_degenerate(boxes)
        boxes, margins = boxes[fine], margins[fine]
        order = margins.sort(descending=True, stable=True).indices[:count]
        boxes, margins = boxes[order], margins[order]
        keep = ops.nms(boxes, margins, self.nms_iou)
        return boxes[keep], margins[keep]

    def loss(
        self,
        output: MSCNNOutput,
        infos: Sequence[ImageInfo],
        targets: Sequence[Targets],
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Class and box loss, each template by itself over the batch, then added up.

        Args:
            output: of `forward` on the batch.
            infos: B images' sizes.
            targets: their ground truth; an image may have none.
            generator: source of the sampler's randomness.

        Returns:
            `rpn.loss_cls` and `rpn.loss_bbox` (times lambda), () float32.
        """
        batch = [
            self._sample(output, b, info, target, generator)
            for b, (info, target) in enumerate(zip(infos, targets, strict=True))
        ]
        share = 1 / (1 + self.sampler.ratio)
        class_losses, box_losses = [], []
        for weight, parts in zip(self.loss_weights, zip(*batch, strict=True), strict=True):
            logits = torch.cat([part.logits for part in parts])
            labels = torch.cat([part.labels for part in parts])
            deltas = torch.cat([part.deltas for part in parts]).float()
            wanted = torch.cat([part.wanted for part in parts])
            class_losses.append(weight * balanced_classification_loss(logits, labels, share))
            # The mean over coordinates, unlike in the heads behind.
            fitted = self.coder.bound_straight(deltas)
            box_losses.append(weight * box_loss(fitted, wanted, wanted.numel(), beta=1.0))
        return {
            "rpn.loss_cls": torch.stack(class_losses).sum(),
            "rpn.loss_bbox": torch.stack(box_losses).sum() * self.box_weight,
        }

    def _sample(
        self,
        output: MSCNNOutput,
        image: int,
        info: ImageInfo,
        target: Targets,
        generator: torch.Generator | None,
    ) -> list[_Sample]:
        """What each of the T templates trains on in one image."""
        assigned = self.assigner.assign(output.grids, target, info.size)
        counts = [len(grid.boxes) for grid in output.grids]
        samples = []
        for grid, logits, deltas, kind, gt_index in zip(
            output.grids,
            output.logits,
            output.deltas,
            assigned.kind.split(counts),
            assigned.gt_index.split(counts),
            strict=True,
        ):
            positive = (kind == POSITIVE).nonzero()[:, 0]
            own = gt_index[positive]
            labels = torch.full_like(kind, self.num_classes)
            labels[positive] = target.labels[own]
            negative = self.sampler.sample(kind, labels, logits[image], generator)
            rows = torch.cat([positive, negative])
            wanted = self.coder.encode(grid.boxes[positive], target.boxes[own])
            samples.append(
                _Sample(logits[image, rows], labels[rows], deltas[image, positive], wanted)
            )
        return samples
