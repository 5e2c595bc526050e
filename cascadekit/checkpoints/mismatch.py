"""Why weights do not fit a model, and what to do about it, in one message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from cascadekit.errors import InputError, did_you_mean

State = Mapping[str, Any]
_CLASS_LAYERS = ("fc_cls", "fc_reg", "conv_logits")
_WRAPPERS = ("module.", "model.", "_orig_mod.", "backbone.")


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _layer(key: str) -> str | None:
    """Which class layer a key belongs to."""
    return next((name for name in _CLASS_LAYERS if f".{name}." in f".{key}"), None)


def _class_count(key: str, value: Any) -> int | None:
    """How many classes a class layer was made for, or None where its shape does not tell.

    fc_cls has a row more for the background; fc_reg has 4 rows per class, or 4 in all.
    """
    layer = _layer(key)
    if layer is None or not isinstance(value, Tensor) or not value.ndim:
        return None
    if layer == "fc_reg":
        return None if len(value) == 4 else len(value) // 4
    return len(value) - (layer == "fc_cls")


def explain_shapes(keys: Sequence[str], state: State, own: State) -> InputError:
    """The error for weights of another shape than the model's.

    Args:
        keys: names in both, at least one.
        state: the checkpoint.
        own: the model's state dict.

    Returns:
        The error, to be raised.
    """
    shown = "; ".join(f"{k} {_shape(state[k])}, model {_shape(own[k])}" for k in keys[:4])
    more = f"; and {len(keys) - 4} more" if len(keys) > 4 else ""
    text = f"{len(keys)} weights of the checkpoint have another shape than the model's: {shown}"
    for key in keys:
        theirs = _class_count(key, state[key])
        ours = _class_count(key, own[key])
        if theirs is not None and ours is not None and theirs != ours:
            return InputError(
                f"{text}{more}. The checkpoint was made for {theirs} classes, the model has {ours}:"
                f" set num_classes={theirs} to use it as it is, or start the class layers afresh "
                "with skip_mismatched=True to train on other classes"
            )
    for key in keys:
        if _layer(key) == "fc_reg" and isinstance(state[key], Tensor) and state[key].ndim:
            agnostic = len(state[key]) == 4
            if agnostic == (len(own[key]) == 4):
                continue  # their widths differ, not what they are for
            boxes = "one box for all classes" if agnostic else "a box for each class"
            return InputError(
                f"{text}{more}. The checkpoint has {boxes}: "
                f"set model.roi_head.bbox_head.class_agnostic={agnostic}"
            )
    return InputError(f"{text}{more}. Use the config the checkpoint was trained with")


def explain_keys(missing: Sequence[str], unexpected: Sequence[str], own: State) -> InputError:
    """The error for a checkpoint that has not the model's keys.

    Args:
        missing: keys of the model that the checkpoint lacks.
        unexpected: keys of the checkpoint that the model lacks.
        own: the model's state dict.

    Returns:
        The error, to be raised.
    """
    text = (
        f"the checkpoint does not fit the model: {len(missing)} keys are missing"
        f"{_some(missing)}, {len(unexpected)} are unexpected{_some(unexpected)}."
    )
    for prefix in _WRAPPERS:
        if any(key.removeprefix(prefix) in own for key in unexpected if key.startswith(prefix)):
            return InputError(
                f"{text} Did you mean the same keys without {prefix!r}? Strip it: "
                f"{{k.removeprefix({prefix!r}): v for k, v in state.items()}}"
            )
        if any(key.startswith(prefix) and key.removeprefix(prefix) in unexpected for key in own):
            return InputError(f"{text} Did you mean the same keys with {prefix!r} in front?")
    hint = _config_hint(missing, unexpected)
    if not hint and unexpected:
        hint = did_you_mean(unexpected[0], missing, most=1)
    return InputError(f"{text}{hint} With strict=False what fits is loaded")


def _config_hint(missing: Iterable[str], unexpected: Iterable[str]) -> str:
    """What in the config to change, where the keys tell: stages, mask heads, kind of norm."""
    missing, unexpected = list(missing), list(unexpected)
    for part, setting in (
        ("bbox_head", "the number of stages in model.roi_head.stage_ious"),
        ("mask_head", "model.roi_head.mask_strategy ('d' has a mask head for each stage)"),
    ):
        theirs, ours = _heads(part, unexpected), _heads(part, missing)
        for which, numbers in (("checkpoint", theirs - ours), ("model", ours - theirs)):
            if numbers:
                return f" Only the {which} has roi_head.{part}.{max(numbers)}: look at {setting}."
    for theirs, ours in (("bn", "gn"), ("gn", "bn")):
        if any(f".{theirs}1." in k for k in unexpected) and any(f".{ours}1." in k for k in missing):
            return f" The checkpoint has other norms: model.backbone.norm='{theirs.upper()}'."
    return ""


def _heads(part: str, keys: Iterable[str]) -> set[int]:
    matches = (re.match(rf"roi_head\.{part}\.(\d+)\.", key) for key in keys)
    return {int(match[1]) for match in matches if match}


def _some(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    return f" ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
