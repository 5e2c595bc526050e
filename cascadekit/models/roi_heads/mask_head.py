"""Mask head, and the three ways to attach it to a cascade (paper section 6, Figure 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.models.initialise import kaiming, normal
from cascadekit.models.losses import mask_loss, own_class
from cascadekit.models.roi_heads.bbox_head import ConvNormReLU
from cascadekit.registry import MODELS
from cascadekit.structures.masks import crop_and_resize
from cascadekit.structures.samples import Proposals, StageOutput, Targets


@MODELS.register_module()
class MaskHead(nn.Module):
    """Convolutions, a 2x upsampling and one mask per class.

    Args:
        in_channels: channels C of the pooled features.
        num_classes: K.
        num_convs: 3x3 convolutions.
        conv_channels: their channels.
        norm_groups: groups of GroupNorm; None: no norm.
        class_agnostic: one mask for all classes instead of one each.
        target_samples: readings of the true mask per cell and axis of its target; 0: as many as
            the cell has pixels (see `crop_and_resize`).

    Source: Mask R-CNN (He et al. 2017) Figure 4 right. Parameter names follow mmdetection's
    FCNMaskHead.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        num_convs: int = 4,
        conv_channels: int = 256,
        norm_groups: int | None = None,
        class_agnostic: bool = False,
        target_samples: int = 2,
    ) -> None:
        super().__init__()
        self.target_samples = target_samples
        self.convs = nn.ModuleList()
        for _ in range(num_convs):
            self.convs.append(ConvNormReLU(in_channels, conv_channels, norm_groups))
            in_channels = conv_channels
        self.upsample = nn.ConvTranspose2d(in_channels, conv_channels, 2, stride=2)
        self.conv_logits = nn.Conv2d(conv_channels, 1 if class_agnostic else num_classes, 1)
        kaiming(self.upsample)
        normal(self.conv_logits, std=0.001)  # start undecided: a loss of log 2

    def forward(self, pooled: Tensor) -> Tensor:
        """Mask logits: (R, C, P, P) -> (R, K, 2P, 2P); R may be 0."""
        for conv in self.convs:
            pooled = conv(pooled)
        return self.conv_logits(self.upsample(pooled).relu())


def mask_stages(strategy: str, num_stages: int) -> tuple[int, ...]:
    """The stages whose positives train a mask head, by the letter of the paper's Figure 6.

    Args:
        strategy: "b": one head, first stage; "c": one head, last stage; "d": a head per stage.
        num_stages: S.

    Returns:
        Stage numbers from 0, one per mask head.

    Raises:
        InputError: another letter.

    Source: section 6.1. The text prefers (b) in one sentence and (c) in another; all released
    Detectron configs train (c), our default. detectron2 has (b), mmdetection (d).
    """
    choices = {"b": (0,), "c": (num_stages - 1,), "d": tuple(range(num_stages))}
    if strategy not in choices:
        raise InputError(f"mask_strategy must be 'b', 'c' or 'd', got {strategy!r}")
    return choices[strategy]


def positives_for_masks(stage: StageOutput, targets: Sequence[Targets]) -> Tensor:
    """(P,) int64 rows of a stage's positives whose object has a mask; P may be 0."""
    assert stage.matches is not None
    usable = stage.positive()
    for b, target in enumerate(targets):
        rows = (stage.proposals.image_index == b) & usable
        if target.masks is None:
            usable = usable & ~rows
        elif rows.any():
            usable[rows] = target.masks.known()[stage.matches.gt_index[rows]]
    return usable.nonzero()[:, 0]


def stage_mask_loss(
    head: nn.Module,
    pooled: Tensor,
    proposals: Proposals,
    labels: Tensor,
    gt_index: Tensor,
    targets: Sequence[Targets],
) -> Tensor:
    """Mask loss of the positives of one stage.

    Args:
        head: a mask head.
        pooled: (P, C, p, p) features of the positives; P may be 0, then the loss is 0.
        proposals: the P positives' input boxes.
        labels: (P,) int64, 0..K-1.
        gt_index: (P,) int64, their object's row in its image's targets.
        targets: B images' ground truth.

    Returns:
        () float32.
    """
    logits = head(pooled)  # (P, K, m, m)
    size, samples = logits.shape[-1], int(getattr(head, "target_samples", 2))
    wanted = logits.new_zeros(len(labels), size, size, dtype=torch.float32)
    for b, target in enumerate(targets):
        rows = (proposals.image_index == b).nonzero()[:, 0]
        if len(rows) and target.masks is not None:
            wanted[rows] = crop_and_resize(
                target.masks, gt_index[rows], proposals.boxes[rows], size, samples
            )
    return mask_loss(logits, wanted, labels)


def predict_masks(heads: Iterable[nn.Module], pooled: Tensor, labels: Tensor) -> Tensor:
    """Mask probabilities of final boxes, averaged over the heads (paper section 6.1, (d)).

    Args:
        heads: the mask heads, one or S.
        pooled: (D, C, p, p) features of the final boxes; D may be 0.
        labels: (D,) int64.

    Returns:
        (D, m, m) float32 in [0, 1].
    """
    each = [own_class(head(pooled), labels).float().sigmoid() for head in heads]
    return torch.stack(each).mean(0)
