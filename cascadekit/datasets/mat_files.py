"""Reading MATLAB files, which CityPersons and WiderFace come as; needs scipy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from cascadekit.errors import InputError, did_you_mean


def read_mat(file: str | os.PathLike[str]) -> dict[str, Any]:
    """The variables of a .mat file, as scipy has them: cells are object arrays.

    Args:
        file: its path.

    Returns:
        Name -> array, without scipy's own entries (those that begin with "__").

    Raises:
        InputError: scipy is not installed, or the file is missing or cannot be read.
    """
    try:
        from scipy.io import loadmat
    except ImportError:
        raise InputError(
            f"{os.fspath(file)} is a MATLAB file; reading it needs scipy: pip install scipy, or "
            "pip install 'cascadekit[benchmarks]'"
        ) from None
    path = Path(file)
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.mat")] if path.parent.is_dir() else []
        raise InputError(
            f"annotation file not found: {os.fspath(file)!r} (looked for {path.absolute()})."
            f"{did_you_mean(path.name, near)}"
        )
    try:
        variables = loadmat(path)
    except Exception as error:  # scipy raises whatever a damaged file happens to cause
        raise InputError(
            f"{path} is not a MATLAB file that scipy can read ({type(error).__name__}: {error}). "
            "Is the download complete? Files of MATLAB 7.3 must be saved with -v7 first"
        ) from None
    return {name: value for name, value in variables.items() if not name.startswith("__")}


def variable(variables: dict[str, Any], name: str, file: str | os.PathLike[str]) -> Any:
    """One variable of `read_mat`, or an InputError that lists those there are."""
    if name not in variables:
        raise InputError(
            f"{os.fspath(file)} has no variable {name!r}, it has: "
            f"{', '.join(sorted(variables)) or 'none'}.{did_you_mean(name, variables)}"
        )
    return variables[name]


def cells(value: Any) -> list[Any]:
    """The entries of a MATLAB cell array, in order; [] of an empty one."""
    array = np.asarray(value)
    return list(array.ravel(order="F")) if array.dtype == object else [array]


def unwrap(value: Any) -> Any:
    """What is inside cells of one entry, however deeply nested."""
    array = np.asarray(value)
    while array.dtype == object and array.size == 1:
        array = np.asarray(array.reshape(-1)[0])
    return array


def word(value: Any) -> str:
    """A MATLAB string, inside cells or not."""
    array = unwrap(value)
    return str(array.reshape(-1)[0]) if array.size else ""


def table(value: Any, columns: int, where: str) -> np.ndarray:
    """A numeric matrix with one row per object.

    Args:
        value: the matrix, inside cells or not; empty for no objects, whatever its shape.
        columns: how many it must have.
        where: file and place, for the message.

    Returns:
        (N, columns) float64; N may be 0.

    Raises:
        InputError: another number of columns, or entries that are not finite numbers.
    """
    array = unwrap(value)
    if array.size == 0:
        return np.zeros((0, columns))
    if array.ndim != 2 or array.shape[1] != columns or array.dtype.kind not in "iuf":
        raise InputError(
            f"{where} must be numbers of {columns} columns, got {array.dtype} {array.shape}"
        )
    numbers = array.astype(np.float64)
    bad = ~np.isfinite(numbers).all(1)
    if bad.any():
        raise InputError(f"{where}: row {int(bad.argmax()) + 1} has a number that is not finite")
    return numbers
