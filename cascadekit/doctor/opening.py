"""A config with other data in it, even where these are too broken for a training to take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mmengine import Config

from cascadekit.apis import load_config
from cascadekit.data_choice import choose_data, dataset_config
from cascadekit.doctor.splits import read_split
from cascadekit.errors import InputError


def load_for_examination(
    path: str | os.PathLike[str],
    data: str | None = None,
    images: str | None = None,
    val_data: str | None = None,
    val_images: str | None = None,
    schedule: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """As `load_config`; annotations that it refuses are put in all the same, for `examine`.

    Args:
        path: the config file.
        data: see `load_config`.
        images: see `load_config`.
        val_data: see `load_config`.
        val_images: see `load_config`.
        schedule: see `load_config`.
        options: see `load_config`.

    Returns:
        The resolved config.

    Raises:
        InputError: the config is wrong, or there is no such data at all.
    """
    try:
        return load_config(path, data, images, val_data, val_images, schedule, options)
    except InputError:
        if data is None:
            raise
    config = load_config(path, schedule=schedule, options=options)
    chosen = dataset_config(data, images, "train", None)  # raises where nothing is there
    classes = read_split(chosen, "train").classes or ("object",)
    choose_data(config, data, images, val_data, val_images, classes)
    return config
