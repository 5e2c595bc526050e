"""Prune the fully connected layers of an ImageNet VGG or AlexNet for the box heads of a cascade.

The paper's VGG-16 and AlexNet detectors have fc6 and fc7 of 2048 units instead of 4096, pruned by
magnitude (Han et al. 2015), with a copy for each stage; the authors' pruning code was not released.
Han et al. remove connections and train again, several times over. We remove whole units, once:

- the magnitude of a unit is the L2 norm of its incoming weights, without the bias;
- fc6 keeps its `units` largest, in their order, so that the pooled map is flattened as before;
- fc7 loses the columns of the fc6 units that went, then keeps its `units` largest by what is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cascadekit.errors import InputError

_FEATURES, _CLASSIFIER = "features.", "classifier."


@dataclass(frozen=True)
class KeptUnits:
    """What became of one layer.

    Attributes:
        rows: (units,) int64, ascending: the units kept.
        of: how many there were.
        share: of the layer's squared weights, 0..1, how much the rows and columns kept hold.
    """

    rows: Tensor
    of: int
    share: float


@dataclass(frozen=True)
class PrunedFC:
    """The weights of a detector's backbone and box heads, cut from a classifier's.

    Attributes:
        state: `backbone.features.*` and `roi_head.bbox_head.{stage}.shared_fcs.{0, 1}.*`; the heads
            share memory.
        fc6: what is left of the first layer.
        fc7: what is left of the second.
        roi_size: side P of the pooled map (C, P, P) that fc6 takes; 7 for VGG, 6 for AlexNet.
        stages: how many box heads were written.
    """

    state: dict[str, Tensor]
    fc6: KeptUnits
    fc7: KeptUnits
    roi_size: int
    stages: int

    def table(self) -> str:
        """A few lines for people: what was kept, and what the box heads must look like."""
        lines = [f"{'layer':<5}  {'units kept':<13}  of its squared weights"]
        for name, kept in (("fc6", self.fc6), ("fc7", self.fc7)):
            units = f"{len(kept.rows)} of {kept.of}"
            lines.append(f"{name:<5}  {units:<13}  {kept.share:.1%}")
        lines.append(
            f"box heads: {self.stages}, each with roi_size={self.roi_size}, num_fcs=2, "
            f"fc_channels={len(self.fc6.rows)}"
        )
        return "\n".join(lines)


def prune_fc(state: Mapping[str, Any], units: int = 2048, stages: int = 3) -> PrunedFC:
    """Cut box heads out of an ImageNet network; the rule is at the top of this file.

    Args:
        state: torchvision's keys, `features.N.*` and `classifier.N.*` (fc6 and fc7 are classifier.0
            and .3 in VGG, .1 and .4 in AlexNet).
        units: of fc6 and of fc7.
        stages: box heads to write, 1 or more.

    Returns:
        The detector's weights, each of the dtype it had, and what was kept.

    Raises:
        InputError: keys are missing, shapes do not fit each other, or `units` or `stages` is out of
            range.
    """
    if stages < 1:
        raise InputError(f"stages={stages}: write 1 box head or more, one for each stage")
    (weight6, bias6), (weight7, bias7) = _fully_connected(state)
    roi_size = _roi_size(state, weight6)
    smallest = min(len(weight6), len(weight7))
    if not 1 <= units <= smallest:
        raise InputError(f"units={units}: expected 1 to {smallest}, what the classifier has")

    rows6 = _largest(weight6, units)
    narrow7 = weight7[:, rows6]
    rows7 = _largest(narrow7, units)
    kept6, kept7 = weight6[rows6], narrow7[rows7]

    backbone = {f"backbone.{k}": v for k, v in state.items() if k.startswith(_FEATURES)}
    layers = {
        "0.weight": kept6,
        "0.bias": bias6[rows6],
        "1.weight": kept7,
        "1.bias": bias7[rows7],
    }
    heads = {
        f"roi_head.bbox_head.{stage}.shared_fcs.{name}": value
        for stage in range(stages)
        for name, value in layers.items()
    }
    fc6 = KeptUnits(rows6, len(weight6), _energy(kept6) / _energy(weight6))
    fc7 = KeptUnits(rows7, len(weight7), _energy(kept7) / _energy(weight7))
    return PrunedFC({**backbone, **heads}, fc6, fc7, roi_size, stages)


def _norms(weight: Tensor) -> Tensor:
    """(units,) float64: the L2 norm of each row."""
    return torch.linalg.vector_norm(weight, dim=1, dtype=torch.float64)


def _energy(weight: Tensor) -> float:
    """Sum of squares."""
    return _norms(weight).square().sum().item()


def _largest(weight: Tensor, units: int) -> Tensor:
    """The rows of largest norm, ascending; of equal ones the first."""
    order = torch.sort(_norms(weight), descending=True, stable=True).indices
    return order[:units].sort().values


def _fully_connected(state: Mapping[str, Any]) -> tuple[tuple[Tensor, Tensor], ...]:
    """(weight, bias) of fc6 and fc7: the first two layers of the classifier; InputError."""
    numbers = sorted(
        int(number)
        for key in state
        if key.startswith(_CLASSIFIER) and key.endswith(".weight")
        if (number := key.removeprefix(_CLASSIFIER).removesuffix(".weight")).isdigit()
    )
    layers = [
        (state.get(f"{_CLASSIFIER}{n}.weight"), state.get(f"{_CLASSIFIER}{n}.bias"))
        for n in numbers[:2]
    ]
    fits = len(layers) == 2 and all(
        isinstance(weight, Tensor)
        and isinstance(bias, Tensor)
        and weight.ndim == 2
        and bias.shape == weight.shape[:1]
        for weight, bias in layers
    )
    if not fits:
        found = ", ".join(list(state)[:3]) or "nothing"
        raise InputError(
            "expected an ImageNet VGG or AlexNet under torchvision's keys, with fc6 and fc7 as the "
            f"first two of classifier.N.weight and .bias, found {found}, ..."
        )
    (weight6, _), (weight7, _) = layers
    if weight7.shape[1] != len(weight6):
        raise InputError(
            f"classifier.{numbers[1]}.weight {tuple(weight7.shape)} does not take the "
            f"{len(weight6)} units of classifier.{numbers[0]}.weight {tuple(weight6.shape)}"
        )
    return tuple(layers)


def _roi_size(state: Mapping[str, Any], weight6: Tensor) -> int:
    """P of the map (C, P, P) that fc6 takes, C from the last convolution; InputError."""
    channels = [
        (int(key.split(".")[1]), len(value))
        for key, value in state.items()
        if key.startswith(_FEATURES) and isinstance(value, Tensor) and value.ndim == 4
    ]
    last = max(channels, default=(0, 0))[1]
    side = math.isqrt(weight6.shape[1] // last) if last else 0
    if not last or last * side**2 != weight6.shape[1]:
        raise InputError(
            f"fc6 takes {weight6.shape[1]} numbers, which is no square map of the {last} channels "
            "of the last of the convolutions features.N.weight"
        )
    return side
