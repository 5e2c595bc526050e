"""Names of detectron2: box and mask detectors with FPN, base and cascade, and its ImageNet weights.

Source: the module names of detectron2's GeneralizedRCNN. Background is the last class, anchors are
ordered shape by shape and boxes class by class, as here: only names differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cascadekit.checkpoints.translation import (
    Rule,
    Translation,
    frozen_statistics,
    rule,
    translate_keys,
)

TITLE = "detectron2"
_BODY = r"(?:backbone\.bottom_up\.)?"  # ImageNet weights have no prefix
_BLOCK = rf"{_BODY}res(?P<res>[2-5])\.(?P<block>\d+)"
_RPN = {"conv": "rpn_conv", "objectness_logits": "rpn_cls", "anchor_deltas": "rpn_reg"}
_PREDICTOR = {"cls_score": "fc_cls", "bbox_pred": "fc_reg"}
IGNORE = (
    (r"pixel_(?:mean|std)", "the config has the pictures' mean and std"),
    (r"proposal_generator\.anchor_generator\..*", "the config has the anchors"),
    (r"(?:stem\.fc|linear)\.(?:weight|bias)", "the classifier of ImageNet"),
)
MADE = "statistics of frozen norms: mean 0, variance 1"


def _block(match: re.Match[str]) -> str:
    return f"backbone.layer{int(match['res']) - 1}.{match['block']}"


def _pyramid(match: re.Match[str]) -> str:
    convs = "lateral_convs" if match["kind"] == "lateral" else "fpn_convs"
    layer = "gn" if match["norm"] else "conv"
    return f"neck.{convs}.{int(match['level']) - 2}.{layer}.{match['part']}"


def _stage(match: re.Match[str]) -> str:
    return f"roi_head.bbox_head.{match['stage'] or 0}"


def _box_layer(match: re.Match[str]) -> str:
    number = int(match["number"]) - 1
    if match["layer"] == "fc":
        return f"{_stage(match)}.shared_fcs.{number}.{match['part']}"
    layer = "gn" if match["norm"] else "conv"
    return f"{_stage(match)}.shared_convs.{number}.{layer}.{match['part']}"


def _mask_conv(match: re.Match[str]) -> str:
    layer = "gn" if match["norm"] else "conv"
    return f"roi_head.mask_head.0.convs.{int(match['number']) - 1}.{layer}.{match['part']}"


def rules(norm: str) -> tuple[Rule, ...]:
    """The key map.

    Args:
        norm: "bn" or "gn", the kind of the backbone's norms, which detectron2's names do not tell.

    Returns:
        One rule for each kind of layer.
    """
    return (
        rule(rf"{_BODY}stem\.conv1\.weight", "backbone.conv1.weight"),
        rule(rf"{_BODY}stem\.conv1\.norm\.(.+)", rf"backbone.{norm}1.\1"),
        rule(rf"{_BLOCK}\.(conv[123])\.weight", lambda m: f"{_block(m)}.{m[3]}.weight"),
        rule(rf"{_BLOCK}\.conv([123])\.norm\.(.+)", lambda m: f"{_block(m)}.{norm}{m[3]}.{m[4]}"),
        rule(rf"{_BLOCK}\.shortcut\.weight", lambda m: f"{_block(m)}.downsample.0.weight"),
        rule(rf"{_BLOCK}\.shortcut\.norm\.(.+)", lambda m: f"{_block(m)}.downsample.1.{m[3]}"),
        rule(rf"{_BLOCK}\.conv2_offset\.(.+)", lambda m: f"{_block(m)}.conv2.conv_offset.{m[3]}"),
        rule(
            r"backbone\.fpn_(?P<kind>lateral|output)(?P<level>[2-5])\.(?P<norm>norm\.)?"
            r"(?P<part>weight|bias)",
            _pyramid,
        ),
        rule(
            rf"proposal_generator\.rpn_head\.({'|'.join(_RPN)})\.(weight|bias)",
            lambda m: f"rpn_head.{_RPN[m[1]]}.{m[2]}",
        ),
        rule(
            r"roi_heads\.box_head\.(?:(?P<stage>\d)\.)?(?P<layer>fc|conv)(?P<number>\d)\."
            r"(?P<norm>norm\.)?(?P<part>weight|bias)",
            _box_layer,
        ),
        rule(
            r"roi_heads\.box_predictor\.(?:(?P<stage>\d)\.)?(cls_score|bbox_pred)\.(weight|bias)",
            lambda m: f"{_stage(m)}.{_PREDICTOR[m[2]]}.{m[3]}",
        ),
        rule(
            r"roi_heads\.mask_head\.mask_fcn(?P<number>\d)\.(?P<norm>norm\.)?(?P<part>weight|bias)",
            _mask_conv,
        ),
        rule(
            r"roi_heads\.mask_head\.deconv\.(weight|bias)",
            r"roi_head.mask_head.0.upsample.\1",
        ),
        rule(
            r"roi_heads\.mask_head\.predictor\.(weight|bias)",
            r"roi_head.mask_head.0.conv_logits.\1",
        ),
    )


def recognises(names: Iterable[str]) -> bool:
    """Whether a file has detectron2's module names."""
    known = r"backbone\.(?:bottom_up|fpn_lateral\d)\.|proposal_generator\.|res2\.0\.conv1\."
    return any(re.match(known, name) for name in names)


def translate(state: Mapping[str, Any]) -> Translation:
    """Bring detectron2's names under ours.

    Args:
        state: module name -> tensor.

    Returns:
        The weights and the account of every name.

    Raises:
        InputError: two names for one layer.
    """
    has_statistics = any(n.endswith("norm.running_mean") for n in state)
    # Group norms come in all parts at once (the zoo's "gn" models). A backbone whose norms have no
    # statistics beside a pyramid without norms is an early file: a scale and a shift.
    has_groups = not has_statistics and any(
        re.match(r"backbone\.fpn_lateral\d\.norm\.", n) for n in state
    )
    found = translate_keys(TITLE, state, rules("gn" if has_groups else "bn"), IGNORE)
    # detectron2 gives early files a variance of 1, not 1 - epsilon as Caffe2's.
    made = {} if has_groups else frozen_statistics(found.weights, 1.0)
    return replace(found, weights={**found.weights, **made}, made=dict.fromkeys(made, MADE))
