"""Names of torchvision's fasterrcnn_resnet50_fpn and maskrcnn_resnet50_fpn (the first versions).

Source: the module names of torchvision.models.detection, and those of its files from before 0.13,
which torchvision renames while it loads them. Class 0 is background, with a box of its own; boxes
and masks are class-specific. The later `_v2` detectors have heads that are not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from cascadekit.checkpoints.translation import (
    NORM_EPS,
    Translation,
    background_last,
    rule,
    translate_keys,
)
from cascadekit.errors import InputError

TITLE = "torchvision"
_CONVS = {"inner_blocks": "lateral_convs", "layer_blocks": "fpn_convs"}
_RPN = {"cls_logits": "rpn_cls", "bbox_pred": "rpn_reg"}
_BOX = {
    **{"box_head.fc6": "shared_fcs.0", "box_head.fc7": "shared_fcs.1"},
    **{"box_predictor.cls_score": "fc_cls", "box_predictor.bbox_pred": "fc_reg"},
}
_MASK = {"conv5_mask": "upsample", "mask_fcn_logits": "conv_logits"}
RULES = (
    rule(r"backbone\.body\.((?:conv1|bn1|layer[1-4])\..+)", r"backbone.\1"),
    rule(
        r"backbone\.fpn\.(inner_blocks|layer_blocks)\.(\d)\.(?:0\.)?(weight|bias)",
        lambda m: f"neck.{_CONVS[m[1]]}.{m[2]}.conv.{m[3]}",
    ),
    rule(r"rpn\.head\.conv\.(?:0\.0\.)?(weight|bias)", r"rpn_head.rpn_conv.\1"),
    rule(
        r"rpn\.head\.(cls_logits|bbox_pred)\.(weight|bias)",
        lambda m: f"rpn_head.{_RPN[m[1]]}.{m[2]}",
    ),
    rule(
        r"roi_heads\.(box_head\.fc[67]|box_predictor\.(?:cls_score|bbox_pred))\.(weight|bias)",
        lambda m: f"roi_head.bbox_head.0.{_BOX[m[1]]}.{m[2]}",
    ),
    rule(r"roi_heads\.mask_head\.(\d)\.0\.(weight|bias)", r"roi_head.mask_head.0.convs.\1.conv.\2"),
    rule(
        r"roi_heads\.mask_head\.mask_fcn(\d)\.(weight|bias)",
        lambda m: f"roi_head.mask_head.0.convs.{int(m[1]) - 1}.conv.{m[2]}",
    ),
    rule(
        r"roi_heads\.mask_predictor\.(conv5_mask|mask_fcn_logits)\.(weight|bias)",
        lambda m: f"roi_head.mask_head.0.{_MASK[m[1]]}.{m[2]}",
    ),
)
_LATER = re.compile(r"roi_heads\.(?:box_head\.\d|mask_head\.\d\.1)\.|rpn\.head\.conv\.1\.")
# The weights called COCO_V1, by the hash in their files' names. torchvision runs them with an
# epsilon of 0 in the frozen norms, as they were trained.
_OFFICIAL = {
    "258fb6c6": "FasterRCNN_ResNet50_FPN_Weights",
    "bf2d0c1e": "MaskRCNN_ResNet50_FPN_Weights",
}


def recognises(names: Iterable[str]) -> bool:
    """Whether a file has torchvision's detector names."""
    return any(re.match(r"backbone\.(?:body|fpn)\.|rpn\.head\.", name) for name in names)


def translate(
    state: Mapping[str, Any], origin: str = "", norm_eps: float | None = None
) -> Translation:
    """Bring torchvision's names under ours, the background last.

    Args:
        state: module name -> tensor.
        origin: name of the file; the two that torchvision publishes are known by it.
        norm_eps: epsilon of the frozen norms the weights were used with. None: 0 for the two
            published files, else the usual 1e-5. Weights trained further from COCO_V1 need 0.

    Returns:
        The weights and the account of every name. With another epsilon than 1e-5, the one used
        here, the norms' scales make up for the difference.

    Raises:
        InputError: a `_v2` detector, two names for one layer, or a class layer of an impossible
            shape.
    """
    later = next((name for name in state if _LATER.match(name)), None)
    if later is not None:
        raise InputError(
            f"torchvision: {later!r} belongs to a _v2 detector, whose box, mask and proposal heads "
            "have convolutions with batch norm that cascadekit lacks; weights of "
            "fasterrcnn_resnet50_fpn and maskrcnn_resnet50_fpn can be used"
        )
    found = translate_keys(TITLE, state, RULES)
    weights = {name: background_last(name, value) for name, value in found.weights.items()}
    official = next((title for digest, title in _OFFICIAL.items() if digest in origin), None)
    if norm_eps is None:
        norm_eps = 0.0 if official else NORM_EPS
    notes: tuple[str, ...] = ()
    if norm_eps != NORM_EPS:
        weights = {**weights, **rescaled_norms(weights, norm_eps)}
        notes = (f"norms of epsilon {norm_eps:g} made equal to ours of {NORM_EPS:g}",)
    classes = _coco_classes(official) if official else None
    return replace(found, weights=weights, notes=notes, classes=classes)


def rescaled_norms(weights: Mapping[str, Any], eps: float) -> dict[str, torch.Tensor]:
    """Scales with which batch norms of our epsilon do what they did with another.

    Args:
        weights: our names.
        eps: the other epsilon, at least 0.

    Returns:
        Our name -> new scale, of every norm with statistics.

    Raises:
        InputError: a channel has variance 0 and `eps` is 0: it has no finite output.
    """
    scaled = {}
    for name, variance in weights.items():
        norm, _, part = name.rpartition(".")
        if part != "running_var":
            continue
        if bool((variance.double() + eps <= 0).any()):
            raise InputError(f"{name}: a channel's variance is 0, which an epsilon of 0 divides by")
        factor = ((variance.double() + NORM_EPS) / (variance.double() + eps)).sqrt()
        scale = weights[f"{norm}.weight"]
        scaled[f"{norm}.weight"] = (scale.double() * factor).to(scale.dtype)
    return scaled


def _coco_classes(official: str) -> tuple[str, ...]:
    """Names of the labels: COCO's category numbers, some of which were never used."""
    from torchvision.models import detection

    categories = getattr(detection, official).COCO_V1.meta["categories"]
    return tuple(categories[1:])  # 0 is background
