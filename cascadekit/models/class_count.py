"""The number of classes: written once in a model, and handed down to its heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascadekit.errors import InputError


def with_classes(config: Mapping[str, Any], num_classes: int) -> dict[str, Any]:
    """Tell a head how many classes there are.

    Args:
        config: of the head, perhaps with a number of its own.
        num_classes: K of the model.

    Returns:
        The config with that number.

    Raises:
        InputError: the head's own number is another one.
    """
    own = config.get("num_classes", num_classes)
    if own != num_classes:
        raise InputError(
            f"{config.get('type')} is given num_classes={own}, but the model has {num_classes}. "
            "Leave it out of the head: model.num_classes (which --data sets) is handed to all heads"
        )
    return {"num_classes": num_classes, **config}
