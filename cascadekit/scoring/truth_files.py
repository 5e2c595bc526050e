"""Where the ground truth of a benchmark lies: splits, and COCO json with a benchmark's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascadekit.data_choice import parse_data
from cascadekit.datasets.coco import read_coco_json
from cascadekit.datasets.folders import read_stems
from cascadekit.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Place:
    """A path and, where it is named, one of its splits.

    Attributes:
        path: file or folder; it exists.
        split: name in ImageSets, or a file that lists pictures; None: everything.
    """

    path: Path
    split: str | None


def find_place(name: str, split: str | None) -> Place:
    """Take PATH[:SPLIT] apart.

    Args:
        name: what the user gave; FORMAT: before it is allowed.
        split: what `--split` says; it comes before a split in `name`.

    Returns:
        The place.

    Raises:
        InputError: there is nothing.
    """
    named = parse_data(name)
    path = Path(named.path)
    if not path.exists():
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(
            f"ground truth not found: {named.path!r} (looked for {path.absolute()})."
            f"{did_you_mean(path.name, near)}"
        )
    return Place(path, split or named.split)


def stems_of_split(split: str, folders: Sequence[Path]) -> list[str]:
    """The pictures of a split.

    Args:
        split: a file, or the name of SPLIT.txt in one of the folders.
        folders: where it may be.

    Returns:
        Stems in the order of the file.

    Raises:
        InputError: no such file, or a fault of it.
    """
    for file in (Path(split), *(folder / f"{split}.txt" for folder in folders)):
        if file.is_file():
            return read_stems(file)
    known = [file.stem for folder in folders for file in sorted(folder.glob("*.txt"))]
    raise InputError(
        f"no split {split!r}: neither a file nor {split}.txt in "
        f"{', '.join(str(folder) for folder in folders)}.{did_you_mean(split, known)}"
    )


@dataclass(frozen=True)
class JsonRows:
    """One picture of a COCO json that `cascadekit convert-dataset` wrote.

    Attributes:
        image_id: the json's.
        name: the benchmark's own name or number of it.
        stem: its path without suffix.
        rows: what `devkit` says.
    """

    image_id: int | str
    name: int | str
    stem: str
    rows: dict[str, Any]


def read_json_rows(file: Path, keys: Sequence[str], benchmark: str) -> list[JsonRows]:
    """The rows of a benchmark in a COCO json.

    Args:
        file: the json.
        keys: what the rows must have.
        benchmark: for the message.

    Returns:
        One entry per picture.

    Raises:
        InputError: no json of COCO, or a picture without such rows.
    """
    pictures = []
    for k, image in enumerate(read_coco_json(str(file))["images"]):
        rows = image.get("devkit") if isinstance(image, dict) else None
        if not isinstance(rows, dict) or not set(keys) <= set(rows):
            raise InputError(
                f"{file}: images[{k}] has no `devkit` with {', '.join(keys)}, which "
                f"{benchmark} is scored on: give {benchmark}'s own files, or write the json from "
                "them with `cascadekit convert-dataset`. A plain COCO json is scored with "
                "--metric coco"
            )
        stem = str(Path(str(image.get("file_name", image["id"]))).with_suffix("").as_posix())
        pictures.append(JsonRows(image["id"], image.get("name", image["id"]), stem, rows))
    return pictures
