"""Leaving classes out of a detector's last layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cascadekit.checkpoints.translation import Translation
from cascadekit.errors import InputError

UNUSED = "N/A"


def drop_unused(found: Translation) -> Translation:
    """Leave out the classes called "N/A".

    torchvision's COCO weights have a row for each of COCO's 90 category numbers, ten of which were
    never given to a category; COCO's files, and our configs for it, have the other 80.

    Args:
        found: weights under our names, with class names.

    Returns:
        The weights without those rows. Scores hardly change, but do: a softmax over fewer classes.

    Raises:
        InputError: the file has no class names, or none of them is "N/A".
    """
    names = found.classes or ()
    kept = [number for number, name in enumerate(names) if name != UNUSED]
    if len(kept) == len(names):
        what = (
            f"none of the file's classes is called {UNUSED}"
            if names
            else (
                "the file has no class names; torchvision's are known by the name of the file as "
                "published, such as fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
            )
        )
        raise InputError(f"nothing to drop: {what}")
    weights = {
        name: keep_rows(name, value, kept, len(names)) for name, value in found.weights.items()
    }
    note = f"{len(names) - len(kept)} of {len(names)} classes called {UNUSED} were left out"
    return replace(
        found,
        weights=weights,
        classes=tuple(names[number] for number in kept),
        notes=(*found.notes, note),
    )


def keep_rows(name: str, value: Tensor, kept: Sequence[int], count: int) -> Tensor:
    """The rows of some classes of a class layer.

    Args:
        name: our name; only fc_cls, fc_reg and conv_logits have classes.
        value: weight or bias, (rows, ...), background last.
        kept: labels to keep, in this order.
        count: K, classes there are.

    Returns:
        `fc_cls` with len(kept) + 1 rows, `fc_reg` with 4 each, `conv_logits` with one each;
        class-agnostic and other layers as they are.

    Raises:
        InputError: the layer has rows for another number of classes.
    """
    layer = name.split(".")[-2] if "." in name else ""
    rows = {"fc_cls": count + 1, "fc_reg": 4 * count, "conv_logits": count}.get(layer)
    if rows is None or (layer, len(value)) in (("fc_reg", 4), ("conv_logits", 1)):
        return value
    if len(value) != rows:
        raise InputError(f"{name} has {len(value)} rows, expected {rows} for {count} classes")
    index = torch.tensor(kept)
    if layer == "fc_cls":
        index = torch.cat([index, torch.tensor([count])])  # background
    if layer == "fc_reg":
        index = (4 * index[:, None] + torch.arange(4)).flatten()
    return value[index]
