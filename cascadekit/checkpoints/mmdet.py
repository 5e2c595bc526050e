"""Names of mmdetection 2.x and 3.x: Faster, Mask, Cascade and Cascade Mask R-CNN; both directions.

Source: the module names of mmdetection's two-stage detectors, which ours follow. What differs: a
lone box or mask head has no number there, and a cascade has a mask head for each stage. Both
versions name alike; before 2.0 the background was class 0 and heads had other names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from cascadekit.checkpoints.translation import Translation, rule, translate_keys
from cascadekit.errors import InputError

TITLE = "mmdetection"
_NUMBERED = r"\d+\.(?:conv|gn)\.(?:weight|bias)"
_BOX = rf"(?:shared_convs\.{_NUMBERED}|(?:shared_fcs\.\d+|fc_cls|fc_reg)\.(?:weight|bias))"
_MASK = rf"(?:convs\.{_NUMBERED}|(?:upsample|conv_logits)\.(?:weight|bias))"
_COMMON = (
    # mmdetection 1.x and mmcv before 1.0 had the offsets of a deformable convolution beside it.
    rule(r"(backbone\..+\.conv\d)_offset\.(weight|bias)", r"\1.conv_offset.\2"),
    rule(r"backbone\..+", r"\g<0>"),
    rule(rf"neck\.(?:lateral_convs|fpn_convs)\.{_NUMBERED}", r"\g<0>"),
    rule(r"rpn_head\.rpn_(?:conv|cls|reg)\.(?:weight|bias)", r"\g<0>"),
    rule(rf"roi_head\.bbox_head\.\d+\.{_BOX}", r"\g<0>"),
    rule(rf"roi_head\.mask_head\.\d+\.{_MASK}", r"\g<0>"),
)
RULES = (
    *_COMMON,
    rule(rf"roi_head\.bbox_head\.({_BOX})", r"roi_head.bbox_head.0.\1"),
    rule(rf"roi_head\.mask_head\.({_MASK})", r"roi_head.mask_head.0.\1"),
)


def recognises(names: Iterable[str]) -> bool:
    """Whether a file has names of mmdetection that are not ours as well."""
    names = list(names)
    lone = any(re.match(r"roi_head\.(?:bbox|mask)_head\.(?!\d)", name) for name in names)
    return lone or any(re.match(r"backbone\..+\.conv\d_offset\.", name) for name in names)


def refuse_old(names: Iterable[str]) -> None:
    """Refuse a two-stage detector from before mmdetection 2.0.

    Args:
        names: keys of the file.

    Raises:
        InputError: it is one; the message says what differs and what helps.
    """
    names = list(names)
    old = next((n for n in names if re.match(r"(?:bbox|mask)_head\.", n)), None)
    if old is None or not any(n.startswith("rpn_head.") for n in names):
        return
    raise InputError(
        f"the weights are of mmdetection before 2.0 ({old!r} instead of 'roi_head.{old}'): there "
        "the background was the first class and boxes were a pixel wider, so that they cannot be "
        "used as they are. Rewrite the file with tools/model_converters/upgrade_model_version.py "
        "of mmdetection 2.x, then convert that"
    )


def translate(state: Mapping[str, Any]) -> Translation:
    """Bring mmdetection's names under ours: lone heads become stage 1.

    Args:
        state: module name -> tensor.

    Returns:
        The weights and the account of every name.

    Raises:
        InputError: a lone head beside numbered ones.
    """
    return translate_keys(TITLE, state, RULES)


def to_mmdet(state: Mapping[str, Any]) -> Translation:
    """Bring our names under mmdetection's.

    A single stage loses its number. The one mask head of a cascade, strategies (b) and (c), is
    copied to all stages: mmdetection averages the stages' masks, and those of equal heads are
    equal to one.

    Args:
        state: our name -> tensor.

    Returns:
        `weights` and `sources` by mmdetection's names; `unknown` holds what it has no layer for.

    Raises:
        InputError: a value is no tensor.
    """
    found = translate_keys("cascadekit", state, _COMMON)
    boxes = _numbers(found.weights, "bbox")
    masks = _numbers(found.weights, "mask")
    weights: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    made: dict[str, str] = {}
    for name, value in found.weights.items():
        target = name
        if name.startswith("roi_head.bbox_head.") and boxes == {0}:
            target = name.replace("bbox_head.0.", "bbox_head.", 1)
        if name.startswith("roi_head.mask_head.") and masks == {0}:
            if len(boxes) > 1:
                for stage in sorted(boxes - {0}):
                    copy = name.replace("mask_head.0.", f"mask_head.{stage}.", 1)
                    weights[copy] = value.clone()
                    made[copy] = "the one mask head copied to every stage"
            else:
                target = name.replace("mask_head.0.", "mask_head.", 1)
        weights[target], sources[target] = value, found.sources[name]
    return Translation("cascadekit", weights, sources, {}, found.unknown, made)


def _numbers(names: Iterable[str], kind: str) -> set[int]:
    """Stages that have a head of a kind."""
    matches = (re.match(rf"roi_head\.{kind}_head\.(\d+)\.", name) for name in names)
    return {int(match[1]) for match in matches if match}
