"""Files that are written whole or not at all: readers never see half of one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cascadekit.errors import InputError


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file beside its place and put it there when the block ends well.

    If the block raises, what stood at `path` before still does, and nothing else is left.

    Args:
        path: of the file; its folders are made. Two processes may write the same file: the one
            that ends last stays.

    Yields:
        Path: to write to; in the same folder, hidden, its ending `.part`.

    Raises:
        InputError: the system refuses to write there: no permission, no space left, a folder.
    """
    target = Path(path)
    passing = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = _usual_mode(passing)
        try:
            yield passing
            passing.chmod(mode)  # some writers let nobody else read their files
            os.replace(passing, target)
        finally:
            passing.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error}") from error


def _usual_mode(path: Path) -> int:
    """Permissions of a new file there; asking for the umask would mean setting it."""
    path.touch()
    mode = path.stat().st_mode
    path.unlink()
    return mode


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text in UTF-8, whole or not at all.

    Args:
        path: of the file; its folders are made.
        text: what UTF-8 has no bytes for (of file names in other encodings) is written as `?`.

    Raises:
        InputError: as `whole_file`.
    """
    with whole_file(path) as passing:
        passing.write_text(text, encoding="utf-8", errors="replace")


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = None) -> None:
    """Write what json can hold, whole or not at all.

    Args:
        path: of the file; its folders are made.
        value: dicts, lists, strings, finite numbers, booleans and None.
        indent: spaces per level, and a line end at the end; None: one line.

    Raises:
        InputError: as `whole_file`.
        ValueError: nan or infinity, which json does not have; nothing is written.
    """
    text = json.dumps(value, indent=indent, allow_nan=False)
    write_text(path, text if indent is None else text + "\n")
