"""Files that belong together: pictures by their stem, and the split files that list stems."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cascadekit.datasets.records import check_image_dir
from cascadekit.errors import InputError, did_you_mean

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

Paths = str | Sequence[str]


def each_path(paths: Paths) -> list[str]:
    """One path, or several, as a list of strings."""
    several = isinstance(paths, Sequence) and not isinstance(paths, str)
    return [os.fspath(path) for path in (paths if several else [paths])]


def file_names(folder: str) -> dict[str, str]:
    """Names in a folder of pictures by their lower-case form, which is how they are looked up.

    Args:
        folder: of pictures.

    Returns:
        "a.jpg" -> "A.JPG"; may be empty.

    Raises:
        InputError: no such folder.
    """
    check_image_dir(folder)
    return {name.lower(): name for name in sorted(os.listdir(folder))}


def picture_of(stem: str, names: Mapping[str, str], folder: str, owner: str | Path) -> Path:
    """The picture of a stem.

    Args:
        stem: file name without suffix.
        names: of `file_names`.
        folder: that they are in.
        owner: the file that asks, for the message.

    Returns:
        Its path, in the file system's own upper and lower case.

    Raises:
        InputError: no picture of that stem.
    """
    for suffix in SUFFIXES:
        if (stem + suffix).lower() in names:
            return Path(folder) / names[(stem + suffix).lower()]
    raise InputError(
        f"no picture for {owner}: looked in {folder!r} for {stem} with {', '.join(SUFFIXES)} "
        f"(any case).{did_you_mean(stem + SUFFIXES[0], names.values())}"
    )


def text_lines(file: str | os.PathLike[str], what: str, remedy: str) -> list[str]:
    """Lines of a text file.

    Args:
        file: its path.
        what: what to call it in a message, e.g. "split file".
        remedy: what to do when it is missing, a whole sentence or "".

    Returns:
        Lines without their ends; blank ones too, so that numbers are those of an editor.

    Raises:
        InputError: the file is missing or is not text.
    """
    path = Path(file)
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file ({error}); expected a {what}") from None
    except OSError:
        folder = path.parent
        near = [p.name for p in folder.glob(f"*{path.suffix}")] if folder.is_dir() else []
        raise InputError(
            f"{what} not found: {os.fspath(file)!r} (looked for {path.absolute()})."
            f"{' ' if remedy else ''}{remedy}{did_you_mean(path.name, near)}"
        ) from None


def read_stems(split_file: str | os.PathLike[str]) -> list[str]:
    """The pictures that a split file lists: the first word of each line.

    Args:
        split_file: text file with one stem a line; a second column, as VOC's files of one class
            have, is ignored, and so are blank lines.

    Returns:
        Stems in the order of the file, at least one.

    Raises:
        InputError: the file is missing, lists nothing, or lists a picture twice.
    """
    lines = text_lines(split_file, "split file", "")
    stems = [line.split()[0] for line in lines if line.strip()]
    if not stems:
        raise InputError(f"{split_file} lists no pictures; expected one name without suffix a line")
    twice = [stem for stem, count in Counter(stems).items() if count > 1]
    if twice:
        raise InputError(f"{split_file} lists {twice[0]!r} twice")
    return stems


def files_of_split(split_file: str | os.PathLike[str], folder: str, suffix: str) -> list[Path]:
    """The annotation files of a split.

    Args:
        split_file: see `read_stems`.
        folder: of the annotation files.
        suffix: ".xml" or ".txt".

    Returns:
        One path per stem, in the order of the split file.

    Raises:
        InputError: a fault of the split file, or it lists a file that is not there.
    """
    files = [Path(folder) / f"{stem}{suffix}" for stem in read_stems(split_file)]
    for file in files:
        if not file.is_file():
            raise InputError(f"{split_file} lists {file.stem!r}, but there is no {file}")
    return files
