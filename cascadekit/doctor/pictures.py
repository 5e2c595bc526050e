"""Every picture of a set decoded once: whether it can be read, what it is, what it looks like."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cascadekit.progress import in_notebook

ORIENTATION = 0x0112  # EXIF's tag
TURNED = (5, 6, 7, 8)  # of its values, those that swap width and height
UPRIGHT = (0, 1)
TINY = 16  # pixels per side of the thumbnail that pictures are compared by


@dataclass(frozen=True)
class PictureState:
    """What one file is.

    Attributes:
        path: of the file.
        fault: "missing", "unreadable", "truncated" or "".
        reason: of the fault, in words.
        size: (width, height) in stored pixels; (0, 0) with a fault before the header.
        mode: Pillow's: "RGB", "L", "RGBA", "P", "CMYK", "I;16", ...
        kind: "JPEG", "PNG", ...
        orientation: EXIF's, 1 where there is none.
        digest: of the bytes; b"" where it cannot be read.
        look: perceptual hash, 64 bits; None where there is none.
        tiny: (256,) uint8 grey thumbnail, row by row; None likewise.
        decodable: OpenCV, which training reads with, has a reader for it.
    """

    path: str
    fault: str = ""
    reason: str = ""
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    kind: str = ""
    orientation: int = 1
    digest: bytes = b""
    look: int | None = None
    tiny: np.ndarray | None = None
    decodable: bool = True


def look_at(path: str) -> PictureState:
    """Decode one file.

    Args:
        path: of the file, which need not be there.

    Returns:
        What it is; this never raises for a faulty file.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        missing = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        return PictureState(path, missing, error.strerror or "cannot be opened")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(content))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return PictureState(path, "unreadable", f"not a picture ({len(content)} bytes)")
    except Image.DecompressionBombError as error:
        return PictureState(path, "unreadable", str(error))
    with picture, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _decode(path, picture, content)


def _decode(path: str, picture: Image.Image, content: bytes) -> PictureState:
    size, mode, kind = picture.size, picture.mode, picture.format or ""
    digest = hashlib.blake2b(content, digest_size=16).digest()
    try:
        orientation = int(picture.getexif().get(ORIENTATION, 1) or 1)
    except Exception:  # whatever a damaged EXIF block makes of it
        orientation = 1
    try:
        picture.load()
        grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError) as error:
        return PictureState(path, "truncated", str(error), size, mode, kind, orientation, digest)
    tiny = np.asarray(grey.resize((TINY, TINY), Image.Resampling.BOX), np.uint8).ravel()
    return PictureState(
        path=path,
        size=size,
        mode=mode,
        kind=kind,
        orientation=orientation,
        digest=digest,
        look=_look(grey),
        tiny=tiny,
        decodable=_opencv_reads(path, kind),
    )


def _opencv_reads(path: str, kind: str) -> bool:
    """Whether training, which decodes with OpenCV, can; the common kinds need no second look."""
    return kind in ("JPEG", "PNG", "BMP", "TIFF", "PPM") or bool(cv2.haveImageReader(path))


def _look(grey: Image.Image) -> int | None:
    """The perceptual hash; None without the library that makes it."""
    try:
        import imagehash
    except ImportError:
        return None
    bits = imagehash.phash(grey).hash.ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def look_at_all(paths: Sequence[str], workers: int | None = None) -> dict[str, PictureState]:
    """Decode many files, with a progress bar; each path once.

    Args:
        paths: may hold a path several times; may be empty.
        workers: threads; None: as many as cores, at most 8. Decoding runs outside Python's lock.

    Returns:
        State by path.
    """
    once = list(dict.fromkeys(paths))
    if not once:
        return {}
    threads = workers or min(os.cpu_count() or 1, 8)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        disable=in_notebook(),  # it would be a widget that can stall a notebook
    )
    found: dict[str, PictureState] = {}
    with bar, ThreadPoolExecutor(threads) as pool:
        task = bar.add_task("Pictures", total=len(once))
        for state in pool.map(look_at, once):
            found[state.path] = state
            bar.advance(task)
    return found
