"""Folders of drawn pictures, kept from one use to the next."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from cascadekit.errors import InputError


def cached_folder(name: str, what: str, root: str | None, draw: Callable[[Path], None]) -> Path:
    """A folder of drawn pictures; they are drawn when it is not there yet.

    The set is drawn in a folder of its own and then renamed, so a run that is stopped leaves no
    half set behind, and of several processes that draw at once the first one wins.

    Args:
        name: of the folder; has to say all that decides what is drawn.
        what: is drawn, for messages.
        root: folder to keep sets in; None: $CASCADEKIT_DATA, else ~/.cache/cascadekit/data.
        draw: fills an empty folder.

    Returns:
        The folder.

    Raises:
        InputError: it cannot be written.
    """
    default = os.environ.get("CASCADEKIT_DATA") or Path.home() / ".cache/cascadekit/data"
    base = Path(default if root is None else root).expanduser()
    final = base / name
    if final.is_dir():
        return final
    try:
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=base) as scratch:
            fresh = Path(scratch) / "set"  # renamed alone, so that the scratch folder can go
            fresh.mkdir()
            draw(fresh)
            try:
                fresh.rename(final)
            except OSError:
                if not final.is_dir():
                    raise
    except OSError as error:
        raise InputError(
            f"{what} cannot be written to {base}: {error}. Set root or the environment "
            "variable CASCADEKIT_DATA to a folder you can write to"
        ) from None
    return final
