"""What a region proposal network says of every anchor."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class RPNOutput:
    """Scores and deltas of the anchors of B images.

    Attributes:
        anchors: L tensors (A_l, 4) float32 xyxy input pixels.
        logits: L tensors (B, A_l), objectness before the sigmoid.
        deltas: L tensors (B, A_l, 4), normalised.
        maps: (height, width) of each level's map, in cells; needed by `CentreMatchAssigner`
            and where cells beyond a picture are left out.
    """

    anchors: list[Tensor]
    logits: list[Tensor]
    deltas: list[Tensor]
    maps: tuple[tuple[int, int], ...] = ()
