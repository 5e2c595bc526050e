"""Names of Caffe2's Detectron: the authors' Cascade R-CNN `.pkl`, its baselines, ImageNet weights.

Source: the blob names that Detectron and zhaoweicai/Detectron-Cascade-RCNN give their layers. Stage
1 of a cascade has the names of the baseline (`fc6_w`), later stages a number (`fc6_2_w`). Class 0
is background, with a box of its own. Batch norms are a scale and a shift without statistics.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cascadekit.checkpoints.translation import (
    NORM_EPS,
    Translation,
    background_last,
    frozen_statistics,
    rule,
    translate_keys,
)

TITLE = "Detectron (Caffe2)"
_KIND = {"w": "weight", "b": "bias"}
# The four of a norm; `riv`, the "inverse", is the variance.
_NORM = {
    **{"s": "weight", "gamma": "weight", "b": "bias", "beta": "bias"},
    **{"rm": "running_mean", "running_mean": "running_mean"},
    **{"riv": "running_var", "running_var": "running_var"},
}
_NORM_PARTS = "|".join(_NORM)
_LAYERS = {
    **{"conv_rpn_fpn2": "rpn_head.rpn_conv", "rpn_cls_logits_fpn2": "rpn_head.rpn_cls"},
    **{"rpn_bbox_pred_fpn2": "rpn_head.rpn_reg"},
    "conv5_mask": "roi_head.mask_head.0.upsample",
    "mask_fcn_logits": "roi_head.mask_head.0.conv_logits",
}
_HEAD = {"fc6": "shared_fcs.0", "fc7": "shared_fcs.1", "cls_score": "fc_cls", "bbox_pred": "fc_reg"}


def _stage(number: str | None) -> str:
    return f"roi_head.bbox_head.{int(number or 1) - 1}"


def _block(match: re.Match[str]) -> str:
    """`backbone.layer1.0.` of `res2_0_branch2a...` and the like."""
    return f"backbone.layer{int(match['res']) - 1}.{match['block']}."


def _block_conv(match: re.Match[str]) -> str:
    branch = match["branch"]
    layer = "downsample.0" if branch == "1" else f"conv{'abc'.index(branch[1]) + 1}"
    return f"{_block(match)}{layer}.weight"


def _block_norm(match: re.Match[str]) -> str:
    branch = match["branch"]
    layer = "downsample.1" if branch == "1" else f"{match['norm']}{'abc'.index(branch[1]) + 1}"
    return f"{_block(match)}{layer}.{_NORM[match['part']]}"


def _pyramid(match: re.Match[str]) -> str:
    convs = "lateral_convs" if match["inner"] else "fpn_convs"
    layer = "conv" if match["kind"] else "gn"
    part = _KIND[match["kind"]] if match["kind"] else _NORM[match["part"]]
    return f"neck.{convs}.{int(match['res']) - 2}.{layer}.{part}"


def _box_conv(match: re.Match[str]) -> str:
    layer = "conv" if match["kind"] else "gn"
    part = _KIND[match["kind"]] if match["kind"] else _NORM[match["part"]]
    number = int(match["number"]) - 1
    return f"{_stage(match['stage'])}.shared_convs.{number}.{layer}.{part}"


def _mask_conv(match: re.Match[str]) -> str:
    layer = "conv" if match["kind"] else "gn"
    part = _KIND[match["kind"]] if match["kind"] else _NORM[match["part"]]
    return f"roi_head.mask_head.0.convs.{int(match['number']) - 1}.{layer}.{part}"


_BRANCH = r"res(?P<res>[2-5])_(?P<block>\d+)_branch(?P<branch>1|2[abc])"
_CONV_OR_GN = r"(?:_(?P<kind>[wb])|_gn_(?P<part>[sb]))"
RULES = (
    rule(r"conv1_w", "backbone.conv1.weight"),
    rule(rf"res_conv1_bn_({_NORM_PARTS})", lambda m: f"backbone.bn1.{_NORM[m[1]]}"),
    rule(r"conv1_gn_([sb])", lambda m: f"backbone.gn1.{_NORM[m[1]]}"),
    rule(rf"{_BRANCH}_w", _block_conv),
    rule(rf"{_BRANCH}_(?P<norm>bn|gn)_(?P<part>{_NORM_PARTS})", _block_norm),
    # fpn_inner_res5_2_sum is the coarsest level's lateral convolution; the others say so.
    rule(
        rf"fpn_(?P<inner>inner_)?res(?P<res>[2-5])_\d+_sum(?(inner)(?:_lateral)?){_CONV_OR_GN}",
        _pyramid,
    ),
    rule(
        rf"({'|'.join(_LAYERS)})_([wb])",
        lambda m: f"{_LAYERS[m[1]]}.{_KIND[m[2]]}",
    ),
    rule(
        rf"({'|'.join(_HEAD)})(?:_([2-9]))?_([wb])",
        lambda m: f"{_stage(m[2])}.{_HEAD[m[1]]}.{_KIND[m[3]]}",
    ),
    rule(rf"head_conv(?P<number>\d)(?:_(?P<stage>[2-9]))?{_CONV_OR_GN}", _box_conv),
    rule(rf"_(?:\[mask\]|mask)_fcn(?P<number>\d){_CONV_OR_GN}", _mask_conv),
)
IGNORE = (
    (r".*_momentum", "momentum of the optimizer"),
    (r"(?:fc1000|pred|linear)_[wb]", "the classifier of ImageNet"),
    # A leftover of the first Caffe models; Detectron's own networks do not read it.
    (r"conv1_b", "a bias that Detectron does not use"),
)
MADE = "statistics of frozen norms: mean 0, variance 1"


def recognises(names: Iterable[str]) -> bool:
    """Whether a file has Caffe2's blob names."""
    return any(re.fullmatch(r"conv1_w|res2_0_branch2a_w|conv_rpn_fpn2_w", n) for n in names)


def translate(state: Mapping[str, Any]) -> Translation:
    """Bring Detectron's blobs under our names, the background last.

    Args:
        state: blob name -> tensor.

    Returns:
        The weights and the account of every blob.

    Raises:
        InputError: two blobs for one layer, or a class layer of an impossible shape.
    """
    found = translate_keys(TITLE, state, RULES, IGNORE)
    weights = {name: background_last(name, value) for name, value in found.weights.items()}
    # Without batch norms `downsample.1` is a group norm, which has no statistics.
    has_batch_norm = any("_bn_" in name for name in state)
    # A scale and a shift exactly: variance + epsilon is 1.
    made = frozen_statistics(weights, 1 - NORM_EPS) if has_batch_norm else {}
    return replace(found, weights={**weights, **made}, made=dict.fromkeys(made, MADE))
