"""Proposals of many pictures in one file, for a Fast R-CNN that makes none itself.

Ours is a safetensors file, which cannot carry code, of n pictures with R boxes altogether:

- `boxes` (R, 4) float32 xyxy, pixels of the file; picture after picture, best score first
- `scores` (R,) float32 in [0, 1]
- `ends` (n,) int64, the row of `boxes` after each picture's last
- `sizes` (n, 2) int64, (height, width) of each picture in pixels
- in its header, as json: `ids` and `names` of the pictures, and `made_by`, what made the boxes

Detectron's and detectron2's `.pkl` are read too, through a reader that runs no code.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cascadekit.errors import InputError, did_you_mean
from cascadekit.whole_file import whole_file

SUFFIX = ".safetensors"
FORMAT = {"format": "cascadekit.proposals", "version": "1"}
TENSORS = ("boxes", "scores", "ends", "sizes")

Boxes = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class PictureProposals:
    """What is stored for one picture.

    Attributes:
        image_id: the data set's id.
        name: of its file, without folders; "" if there is none.
        size: (height, width) of the file, pixels.
        boxes: (n, 4) float32 xyxy, pixels of the file; n may be 0.
        scores: (n,) float32 in [0, 1].
    """

    image_id: int | str
    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray


def write_proposals(
    path: str | os.PathLike[str], pictures: Iterable[PictureProposals], made_by: Mapping[str, Any]
) -> int:
    """Write a file of proposals; it appears under its name only when whole.

    Args:
        path: ends in .safetensors; its folder is made if needed.
        pictures: at least one; all boxes are in memory until they are written.
        made_by: what made the boxes, for people and for error messages; plain json values.

    Returns:
        R, the number of boxes.

    Raises:
        InputError: another suffix, no picture, or two of one id.
    """
    file = check_target(path)
    found = list(pictures)
    if not found:
        raise InputError(f"{file} was not written: there is no picture")
    ((image_id, count),) = Counter(p.image_id for p in found).most_common(1)
    if count > 1:
        raise InputError(f"{file} was not written: {count} pictures have the id {image_id!r}")
    best = [np.argsort(-p.scores, kind="stable") for p in found]
    boxes = [p.boxes[order].reshape(-1, 4) for p, order in zip(found, best, strict=True)]
    scores = [p.scores[order] for p, order in zip(found, best, strict=True)]
    tensors = {
        "boxes": np.concatenate(boxes).astype(np.float32),
        "scores": np.concatenate(scores).astype(np.float32),
        "ends": np.cumsum([len(b) for b in boxes]).astype(np.int64),
        "sizes": np.array([p.size for p in found], np.int64),
    }
    header = {
        **FORMAT,
        "ids": json.dumps([p.image_id for p in found]),
        "names": json.dumps([p.name for p in found]),
        "made_by": json.dumps(dict(made_by)),
    }
    from safetensors.numpy import save_file

    with whole_file(file) as passing:
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, passing, header)
    return sum(map(len, boxes))


def check_target(path: str | os.PathLike[str]) -> Path:
    """The path of a file to write.

    Args:
        path: of the file.

    Returns:
        The same, as Path.

    Raises:
        InputError: it does not end in .safetensors, or is a folder.
    """
    file = Path(path)
    if file.suffix != SUFFIX or file.is_dir():
        raise InputError(f"{file}: a file of proposals must end in {SUFFIX}")
    return file


@dataclass(frozen=True)
class _Content:
    """An opened file: `read(row)` gives a picture's boxes and scores."""

    ids: Sequence[int | str]
    names: Sequence[str] | None
    sizes: np.ndarray | None
    made_by: Mapping[str, Any]
    read: Callable[[int], Boxes]


class ProposalFile:
    """Stored proposals, one picture at a time.

    Of a safetensors file only the header is in memory; a `.pkl` is read as a whole.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open and check.

        Args:
            path: a `.safetensors` of `write_proposals`, or a `.pkl` of Detectron or detectron2.

        Raises:
            InputError: the file is missing, empty, damaged or of another kind.
        """
        self.path = Path(path)
        if not self.path.is_file():
            folder = self.path.parent
            near = [p.name for p in folder.iterdir()] if folder.is_dir() else []
            raise InputError(
                f"file of proposals not found: {self.path} (looked for {self.path.absolute()}). "
                f"Make it: cascadekit proposals CONFIG CHECKPOINT {self.path} --split train (or "
                f"val).{did_you_mean(self.path.name, near)}"
            )
        opened = _open_pickle if self.path.suffix == ".pkl" else _open_safetensors
        self._content = opened(self.path)
        self._row = {image_id: row for row, image_id in enumerate(self._content.ids)}
        if not self._row:
            raise InputError(f"{self.path} holds proposals of no picture; make it again")

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._row)

    def __reduce__(self) -> tuple[Any, ...]:
        """Other processes open the file anew."""
        return ProposalFile, (self.path,)

    @property
    def ids(self) -> tuple[int | str, ...]:
        """The pictures' ids, in the file's order."""
        return tuple(self._row)

    @property
    def made_by(self) -> dict[str, Any]:
        """What made the boxes; empty where the file does not say."""
        return dict(self._content.made_by)

    def read(
        self,
        image_id: int | str,
        name: str = "",
        size: tuple[int, int] | None = None,
        most: int | None = None,
    ) -> Boxes:
        """The proposals of one picture, best first.

        Args:
            image_id: the data set's id.
            name: of the picture's file, without folders; "" is not compared.
            size: (height, width) of the picture's file, pixels; None is not compared.
            most: the best so many; None: all.

        Returns:
            Boxes (n, 4) float32 xyxy, pixels of the file, and scores (n,) float32; n may be 0.

        Raises:
            InputError: the file has no such picture, or its boxes are those of another one.
        """
        row = self._row.get(image_id)
        if row is None:
            raise InputError(f"{self._of(image_id, name)}: {self._missing()}")
        self._check_picture(row, image_id, name, size)
        boxes, scores = self._content.read(row)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise InputError(f"{self._of(image_id, name)}: its boxes or scores are not finite")
        if size is not None and len(boxes):
            self._check_frame(boxes, image_id, name, size)
        best = np.argsort(-scores, kind="stable")[:most]
        return boxes[best], scores[best]

    def _of(self, image_id: int | str, name: str) -> str:
        return f"{self.path}, picture {image_id!r}" + (f" ({name})" if name else "")

    def _missing(self) -> str:
        data = self.made_by.get("data")
        some = ", ".join(repr(i) for i in list(self._row)[:3])
        return (
            f"no proposals are stored. The file has {len(self)} pictures, of ids {some}, ..."
            + (f", made from {data}" if data else "")
            + "; was it made from another data set or split?"
        )

    def _check_picture(
        self, row: int, image_id: int | str, name: str, size: tuple[int, int] | None
    ) -> None:
        """Raise where the stored name or size is another one."""
        names, sizes = self._content.names, self._content.sizes
        if names is not None and name and names[row] and names[row] != name:
            raise InputError(
                f"{self._of(image_id, name)}: the stored proposals are those of {names[row]}; the "
                "file was made from another data set or split"
            )
        if sizes is not None and size is not None and tuple(sizes[row].tolist()) != tuple(size):
            height, width = sizes[row].tolist()
            raise InputError(
                f"{self._of(image_id, name)}: the stored proposals belong to a picture of {width} "
                f"x {height} pixels (width x height), and this one has {size[1]} x {size[0]}"
            )

    def _check_frame(
        self, boxes: np.ndarray, image_id: int | str, name: str, size: tuple[int, int]
    ) -> None:
        """Raise where boxes leave the picture, as those of a resized one do."""
        height, width = size
        # Two pixels: other codes count the last pixel in, and round.
        if boxes.min() >= -2 and boxes[:, 2].max() <= width + 2 and boxes[:, 3].max() <= height + 2:
            return
        raise InputError(
            f"{self._of(image_id, name)}: the boxes reach from {boxes[:, :2].min():.0f} to "
            f"{boxes[:, 2].max():.0f}, {boxes[:, 3].max():.0f} in a picture of {width} x {height} "
            "pixels (width x height); they must be in pixels of the file, not of a resized picture"
        )


def _open_safetensors(file: Path) -> _Content:
    from safetensors import SafetensorError, safe_open

    try:
        handle = safe_open(file, framework="numpy")
        header, keys = handle.metadata() or {}, set(handle.keys())
    except SafetensorError as error:
        raise InputError(
            f"{file} ({file.stat().st_size} bytes) is damaged or no safetensors file ({error}); "
            "make it again, or give a .pkl of Detectron its suffix"
        ) from error
    if {k: header.get(k) for k in FORMAT} != FORMAT or not keys.issuperset(TENSORS):
        raise InputError(f"{file} holds no proposals of `cascadekit proposals`, version 1")
    ids, names, made_by = (json.loads(header[k]) for k in ("ids", "names", "made_by"))
    ends, sizes = handle.get_tensor("ends"), handle.get_tensor("sizes")
    boxes, scores = handle.get_slice("boxes"), handle.get_slice("scores")
    starts = np.concatenate([[0], ends[:-1]])
    total = [*boxes.get_shape(), *scores.get_shape()]
    if len(ids) != len(ends) or (starts > ends).any() or total != [ends[-1], 4, ends[-1]]:
        raise InputError(f"{file} is damaged: its parts do not fit together; make it again")

    def read(row: int) -> Boxes:
        start, end = int(starts[row]), int(ends[row])
        if start == end:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        return boxes[start:end], scores[start:end]

    return _Content(ids, names, sizes, made_by, read)


def _open_pickle(file: Path) -> _Content:
    """Detectron: boxes, scores, ids (older: indexes); detectron2: objectness_logits for scores."""
    from cascadekit.checkpoints.restricted_pickle import load_pickle

    content = load_pickle(file)
    keys = sorted(map(str, content)) if isinstance(content, dict) else []
    id_key = next((k for k in ("ids", "indexes") if k in keys), None)
    score_key = next((k for k in ("scores", "objectness", "objectness_logits") if k in keys), None)
    if "boxes" not in keys or id_key is None or score_key is None:
        raise InputError(
            f"{file} holds {', '.join(keys) or type(content).__name__}; proposals of Detectron "
            "have boxes, scores and ids (or indexes), those of detectron2 objectness_logits"
        )
    boxes, scores = content["boxes"], content[score_key]
    ids = [i.item() if isinstance(i, np.generic) else i for i in content[id_key]]
    if not len(ids) == len(boxes) == len(scores):
        raise InputError(
            f"{file} is damaged: {len(boxes)} pictures have boxes, {len(scores)} scores and "
            f"{len(ids)} ids"
        )
    is_logit = score_key == "objectness_logits"

    def read(row: int) -> Boxes:
        found = np.asarray(boxes[row], np.float32).reshape(-1, 4)
        values = np.asarray(scores[row], np.float32).reshape(-1)
        if len(found) != len(values):
            raise InputError(
                f"{file}, picture {ids[row]!r}: {len(found)} boxes and {len(values)} scores"
            )
        if is_logit:
            return found, 1 / (1 + np.exp(-values))
        # Detectron's x2 and y2 are the last pixel inside, ours are the border behind it.
        return found + np.array([0, 0, 1, 1], np.float32), values

    return _Content(ids, None, None, {}, read)
