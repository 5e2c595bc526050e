"""Whose names a checkpoint has, told by its keys, and our names for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from cascadekit.checkpoints import caffe2, detectron2, mmdet, torchvision
from cascadekit.checkpoints.translation import OURS, Translation
from cascadekit.errors import InputError

# Where files keep their weights: mmengine and mmdetection, detectron2, Detectron.
_PLACES = ("state_dict", "model", "blobs")


def weights_in(content: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The state dict in what was read from a file.

    Args:
        content: a state dict, or a checkpoint with one below "state_dict", "model" or "blobs".
        origin: name of the file, for the message.

    Returns:
        Name -> tensor (numpy arrays become tensors) or whatever else the file has there.

    Raises:
        InputError: there are no weights in it, or an array of a type that tensors do not have.
    """
    content = _place(content)
    state = {key: _as_tensor(value, key, origin) for key, value in content.items()}
    if not any(isinstance(value, Tensor) for value in state.values()):
        keys = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise InputError(
            f"{origin} holds no weights: expected parameter names with tensors, directly or below "
            f"'state_dict', 'model' or 'blobs', found {keys}"
        )
    return state


def _place(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a file that has the weights; the file itself if it has no such part."""
    return next((content[p] for p in _PLACES if isinstance(content.get(p), Mapping)), content)


def _as_tensor(value: Any, key: str, origin: str) -> Any:
    if not isinstance(value, np.ndarray | np.generic):
        return value
    try:
        # ascontiguousarray makes a number one-dimensional; the shape is put back.
        return torch.from_numpy(np.ascontiguousarray(value).reshape(np.shape(value)))
    except TypeError as error:
        raise InputError(f"{origin}: {key!r} is an array of {value.dtype}, not a weight") from error


def classes_in(content: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The class names that mmengine, or mmdetection 2.x, left in a checkpoint.

    Args:
        content: what was read from a file.

    Returns:
        Names in label order, or None.
    """
    meta = content.get("meta")
    if not isinstance(meta, Mapping):
        return None
    data = meta.get("dataset_meta")
    data = data if isinstance(data, Mapping) else {}
    # mmdetection 2.x kept them in meta, 3.0's first releases under the old name.
    classes = data.get("classes") or data.get("CLASSES") or meta.get("CLASSES")
    if isinstance(classes, str):  # mmdetection allows one class without a tuple
        classes = (classes,)
    return tuple(map(str, classes)) if classes else None


def translate(
    state: Mapping[str, Any], origin: str = "", norm_eps: float | None = None
) -> Translation:
    """Bring weights under our names, whichever framework named them.

    Args:
        state: name -> tensor.
        origin: name of the file, for messages; torchvision's published files are known by it.
        norm_eps: for torchvision's names only, see `torchvision.translate`.

    Returns:
        The weights and what became of every key. Names that no framework is known by pass as they
        are, with `dialect` "cascadekit".

    Raises:
        InputError: weights that cannot be used, such as mmdetection's from before 2.0; the message
            names the file.
    """
    try:
        mmdet.refuse_old(state)
        if torchvision.recognises(state):
            return torchvision.translate(state, origin, norm_eps)
        if norm_eps is not None:
            raise InputError("an epsilon of the norms is known to differ in torchvision only")
        for dialect in (caffe2, detectron2, mmdet):
            if dialect.recognises(state):
                return dialect.translate(state)
    except InputError as error:
        raise InputError(f"{origin}: {error}" if origin else str(error)) from error
    return Translation(OURS, dict(state), {key: key for key in state})


def announce(translation: Translation, origin: str) -> None:
    """Say in the log that a file had another framework's names, and what became of its keys.

    Args:
        translation: of the file's weights; nothing is said of our own names.
        origin: name of the file.
    """
    if translation.is_foreign:
        print_log(f"{origin}: {translation.summary()}", logger="current")


def in_our_names(content: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """What was read from a file, with another framework's weights under our names.

    Args:
        content: of the file.
        origin: its name.

    Returns:
        `content` if its names are ours; else its `meta` if any, and `state_dict`.

    Raises:
        InputError: no weights, or weights of another framework that have no counterpart.
    """
    state = weights_in(content, origin)
    translation = translate(state, origin)
    has_arrays = any(isinstance(value, np.ndarray) for value in _place(content).values())
    if not translation.is_foreign and not has_arrays:
        return content if isinstance(content, dict) else dict(content)
    if translation.unknown:
        names = list(translation.unknown)
        raise InputError(
            f"{origin} has {translation.dialect}'s names, {len(names)} of them without counterpart "
            f"here ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}). Leave them out "
            "with tools/convert_checkpoint.py --partial, and load what it writes"
        )
    announce(translation, origin)
    meta = content.get("meta")
    return {"state_dict": translation.weights, **({"meta": meta} if meta else {})}
