"""What VGG and AlexNet share: one chain of layers, read after some of its convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from cascadekit.errors import InputError, did_you_mean
from cascadekit.models.backbones.freezing import freeze


@dataclass(frozen=True)
class Tap:
    """Where a map can be taken from a chain: after the ReLU of a convolution.

    Attributes:
        name: of the convolution, "conv4_3".
        layer: place of its ReLU in the chain.
        channels: of the map.
        stride: input pixels per pixel of the map.
        least_side: input pixels on the shorter side below which there is no map.
    """

    name: str
    layer: int
    channels: int
    stride: int
    least_side: int


def choose_taps(
    wanted: Sequence[int | str], taps: Sequence[Tap], stages: Sequence[Tap], owner: str
) -> tuple[Tap, ...]:
    """The taps that a setting names.

    Args:
        wanted: names of convolutions, or numbers of stages, in the order of the chain.
        taps: all there are, in that order.
        stages: the last one of each stage.
        owner: the backbone's class name, for the message.

    Returns:
        One for each of `wanted`.

    Raises:
        InputError: an unknown one, none, or not in that order.
    """
    by_name = {tap.name: tap for tap in taps}
    chosen = []
    for one in wanted:
        if isinstance(one, int) and 0 <= one < len(stages):
            chosen.append(stages[one])
        elif isinstance(one, str) and one in by_name:
            chosen.append(by_name[one])
        else:
            raise InputError(
                f"{owner}: out_indices has {one!r}: expected 0 to {len(stages) - 1}, or one of "
                f"{', '.join(by_name)}.{did_you_mean(str(one), list(by_name))}"
            )
    layers = [tap.layer for tap in chosen]
    if not layers or layers != sorted(set(layers)):
        raise InputError(
            f"{owner}: out_indices={tuple(wanted)} must be at least one, each once, finest first."
        )
    return tuple(chosen)


def freeze_stages(features: nn.Sequential, frozen: int, stages: Sequence[Tap], owner: str) -> None:
    """No gradient for the parameters of the first stages.

    Args:
        features: the chain.
        frozen: how many stages; -1 and 0: none.
        stages: the last tap of each stage.
        owner: the backbone's class name, for the message.

    Raises:
        InputError: more stages than there are.
    """
    if not -1 <= frozen <= len(stages):
        raise InputError(
            f"{owner}: frozen_stages={frozen} must be -1 or 0 (none), or up to {len(stages)}."
        )
    if frozen > 0:
        freeze(features[: stages[frozen - 1].layer + 1])


def run_chain(
    features: nn.Sequential, images: Tensor, taps: Sequence[Tap], owner: str
) -> tuple[Tensor, ...]:
    """Images (B, C, H, W) -> the map of each tap, in order.

    Args:
        features: the chain, up to the last tap.
        images: (B, C, H, W) float.
        taps: in the order of the chain.
        owner: the backbone's class name, for the message.

    Returns:
        One map (B, channels, ~H / stride, ~W / stride) for each tap.

    Raises:
        InputError: the images are too small to give a map.
    """
    height, width = images.shape[2:]
    least = max(tap.least_side for tap in taps)
    if min(height, width) < least:
        raise InputError(
            f"{owner}: images of {height} x {width} pixels are too small, {least} is the least for "
            f"{taps[-1].name}; pad them with data_preprocessor.pad_size_divisor=32"
        )
    maps, wanted = [], {tap.layer for tap in taps}
    x = images
    for number, layer in enumerate(features):
        x = layer(x)
        if number in wanted:
            maps.append(x)
    return tuple(maps)
