"""A small project of somebody else's, in the mm style; notebook 08 trades parts with it.

Its name is "ruler". What makes it mm-style: a registry that is a child of mmengine's, with a scope
of its own, and parts that are built from configs. Only `GridProposals`, made for a detector of
ours, imports anything of ours: the type that it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine import registry as mm
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

SCOPE = "ruler"
MODELS = mm.Registry("model", parent=mm.MODELS, scope=SCOPE)


@MODELS.register_module()
class CountingNet(BaseModel):
    """Counts the objects of each class in a picture: no boxes, just numbers."""

    def __init__(
        self,
        backbone: dict[str, Any],
        neck: dict[str, Any],
        channels: int,
        num_classes: int,
        data_preprocessor: dict[str, Any],
    ) -> None:
        super().__init__(data_preprocessor)
        self.backbone, self.neck = MODELS.build(backbone), MODELS.build(neck)
        self.density = nn.Conv2d(channels, num_classes, 1)
        nn.init.constant_(self.density.bias, -7.0)  # a cell hardly ever has an object

    def forward(self, inputs: Tensor, data_samples: list[Any], mode: str = "loss") -> Any:
        """Losses, or counts (B, K) in mode "predict"."""
        finest = self.neck(self.backbone(inputs))[0]
        counts = F.softplus(self.density(finest)).sum((2, 3))  # (B, K)
        if mode != "loss":
            return counts
        labels = [sample.gt_instances.labels for sample in data_samples]
        wanted = torch.stack([own.bincount(minlength=counts.shape[1]) for own in labels])
        return {"loss_count": F.poisson_nll_loss(counts, wanted.float(), log_input=False)}


@MODELS.register_module()
class PatchBackbone(nn.Module):
    """Four plain convolutions with strides 4, 8, 16, 32; no pretrained weights."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 4, 4)
        self.layers = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(3))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) to four maps, finest first."""
        maps = [self.stem(images).relu()]
        for layer in self.layers:
            maps.append(layer(maps[-1]).relu())
        return tuple(maps)


@MODELS.register_module()
class GridProposals(nn.Module):
    """Boxes by the ruler: squares of fixed sizes all over the picture, whatever is in it.

    It has the three methods that cascadekit's `rpn_head` has, and learns nothing.
    """

    def __init__(self, sizes: Sequence[float] = (56.0, 96.0), step: float = 24.0) -> None:
        super().__init__()
        self.sizes, self.step = tuple(sizes), step

    def forward(self, pyramid: Sequence[Tensor]) -> torch.device:
        """All it needs to know of the features: where they are."""
        return pyramid[0].device

    def propose(self, device: torch.device, infos: Sequence[Any]) -> Any:
        """The same squares in every picture, cut off at its border."""
        from cascadekit.structures.samples import Proposals

        boxes = [self._squares(*info.size).to(device) for info in infos]
        return Proposals.from_list(boxes, [own.new_ones(len(own)) for own in boxes])

    def loss(self, device: Any, infos: Any, targets: Any, generator: Any = None) -> dict[str, Any]:
        """Nothing to learn."""
        return {}

    def _squares(self, height: int, width: int) -> Tensor:
        """(R, 4) xyxy, centres every `step` pixels."""
        y = torch.arange(self.step / 2, height, self.step)
        x = torch.arange(self.step / 2, width, self.step)
        centres = torch.cartesian_prod(x, y).repeat(1, 2)  # (cells, 4)
        halves = torch.tensor(self.sizes)[:, None] / 2
        offsets = torch.cat([-halves, -halves, halves, halves], 1)  # (sizes, 4)
        boxes = (centres[None] + offsets[:, None]).reshape(-1, 4)
        corner = boxes.new_tensor([width, height, width, height])
        return boxes.clamp(min=0).minimum(corner)
