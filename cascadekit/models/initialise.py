"""Initial weights of single layers; every bias starts at 0."""

from __future__ import annotations

from torch import nn

Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def normal(layer: Layer, std: float) -> None:
    """Normal weights of this standard deviation."""
    nn.init.normal_(layer.weight, std=std)
    _no_bias(layer)


def kaiming(layer: Layer) -> None:
    """He et al. 2015, for a layer in front of a ReLU; Detectron's MSRAFill."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    _no_bias(layer)


def xavier(layer: Layer) -> None:
    """Glorot & Bengio 2010, uniform; Detectron's XavierFill."""
    nn.init.xavier_uniform_(layer.weight)
    _no_bias(layer)


def _no_bias(layer: Layer) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
