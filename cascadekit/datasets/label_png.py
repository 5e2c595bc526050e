"""One label picture per image, as microscopy sets come: a pixel's value is the object it is of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as coco_mask

from cascadekit.datasets.folders import file_names, picture_of
from cascadekit.datasets.picture_dataset import PictureDataset
from cascadekit.datasets.records import Record, add_instance, check_image_dir, picture_size
from cascadekit.errors import InputError, did_you_mean
from cascadekit.registry import DATASETS

CLASSES = ("object",)


def read_label_picture(file: str | Path) -> np.ndarray:
    """The numbers of a label picture.

    Args:
        file: a one-channel picture of 8, 16 or 32 bits, or one with a palette, whose indices count.

    Returns:
        (H, W) int64, 0 for background.

    Raises:
        InputError: the file is missing or damaged, or has colours instead of numbers.
    """
    try:
        with Image.open(file) as picture:
            mode, labels = picture.mode, np.asarray(picture)
    except FileNotFoundError:
        raise InputError(f"label picture not found: {file}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{file} is not a picture that can be read: {error}") from None
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise InputError(
            f"{file} must have one channel of whole numbers (0 background, else the object's), got "
            f"mode {mode} {labels.shape}: save the labels as a 16-bit grey PNG, not as colours"
        )
    return labels.astype(np.int64)


def runs_by_label(labels: np.ndarray) -> dict[int, list[int]]:
    """Run lengths of every object's mask, all from one pass over the picture.

    Args:
        labels: (H, W) whole numbers, 0 for background.

    Returns:
        Object number, rising -> counts of COCO's uncompressed RLE: column by column, background
        first, H * W in sum.
    """
    flat = labels.ravel(order="F")
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]]) if flat.size else np.zeros(0, int)
    ends = np.r_[starts[1:], flat.size]
    values = flat[starts]
    order = np.argsort(values, kind="stable")  # runs of one object together, in their order
    order = order[values[order] != 0]
    numbers, sizes = np.unique(values[order], return_counts=True)
    stops = np.cumsum(sizes)
    found = {}
    for number, size, stop in zip(numbers.tolist(), sizes, stops, strict=True):
        part = order[stop - size : stop]
        edges = np.stack([starts[part], ends[part]], 1).ravel()
        found[number] = np.diff(edges, prepend=0, append=flat.size).tolist()
    return found


def masks_of(labels: np.ndarray) -> dict[int, dict[str, Any]]:
    """Every object's mask.

    Args:
        labels: (H, W) whole numbers, 0 for background.

    Returns:
        Object number, rising -> compressed RLE {"size": [H, W], "counts": str}; may be empty.
    """
    height, width = labels.shape
    masks = {}
    for number, counts in runs_by_label(labels).items():
        rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        masks[number] = {"size": [height, width], "counts": rle["counts"].decode("ascii")}
    return masks


def mask_box(mask: dict[str, Any]) -> list[float]:
    """Corners x1, y1, x2, y2 of the pixels of a mask, the last ones included."""
    x, y, w, h = coco_mask.toBbox(mask).tolist()
    return [x, y, x + w, y + h]


@DATASETS.register_module()
class LabelPNGDataset(PictureDataset):
    """Pictures with a label picture each; gives the same records as `CocoDataset`, with masks.

    Every number but 0 is one object; its mask is exact to the pixel (RLE), in one piece or not, its
    box is tight around it, and `instance_id` is its number. There is one class. The `img_id` is the
    stem.
    """

    def __init__(
        self,
        image_dir: str,
        label_dir: str,
        split: str | None = None,
        index_file: str | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Read and check the label pictures.

        Args:
            image_dir: folder of the pictures, of any common format.
            label_dir: folder of the label pictures, one .png of the same stem each.
            split: which pictures of `index_file`; None takes all.
            index_file: json with a list `images` of dicts with `id` (the stem) and `split`; None
                takes every label picture.
            pipeline: transforms, built or as config dicts.
            classes: one name, to call the objects; None: "object".
            keep_empty: in training, keep pictures without an object.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: a fault of the files or arguments; the message names it.
        """
        self.image_dir = image_dir
        self.label_dir = label_dir
        self.split = split
        self.index_file = index_file
        super().__init__(pipeline, classes, keep_empty, test_mode, indices, min_size)

    @property
    def source(self) -> str:
        """What messages call this data set."""
        return self.label_dir if self.split is None else f"{self.label_dir} ({self.split})"

    def read_records(self) -> tuple[tuple[str, ...], list[Record]]:
        """The class and the records, sorted by name or in the order of the index."""
        names = CLASSES if self.classes is None else tuple(self.classes)
        if isinstance(self.classes, str) or len(names) != 1:
            raise InputError(
                f"label pictures have one class: classes must be a list of one name to call it, "
                f"got {self.classes!r}"
            )
        stems = self._stems()
        pictures = file_names(self.image_dir)
        return names, [self._record(stem, pictures) for stem in stems]

    def _stems(self) -> list[str]:
        if self.index_file is not None:
            return list(read_index(self.index_file, self.split))
        if self.split is not None:
            raise InputError(
                f"split is {self.split!r}, but index_file, which says the splits, is not set"
            )
        check_image_dir(self.label_dir)
        files = sorted(Path(self.label_dir).glob("*.png"))
        if not files:
            raise InputError(f"folder of label pictures has no .png files: {self.label_dir!r}")
        return [file.stem for file in files]

    def _record(self, stem: str, pictures: dict[str, str]) -> Record:
        file = Path(self.label_dir) / f"{stem}.png"
        picture = picture_of(stem, pictures, self.image_dir, file)
        width, height = picture_size(picture)
        labels = read_label_picture(file)
        if labels.shape != (height, width):
            raise InputError(
                f"{file} is {labels.shape[1]} x {labels.shape[0]} pixels (width x height), but its "
                f"picture {picture} is {width} x {height}: they must be alike"
            )
        record: Record = {
            "img_path": str(picture),
            "img_id": stem,
            "height": height,
            "width": width,
            "instances": [],
        }
        for number, mask in masks_of(labels).items():
            instance = {
                "label": 0,
                "area": float(coco_mask.area(mask)),
                "iscrowd": 0,
                "ignore": 0,
                "segmentation": mask,
                "instance_id": number,
            }
            add_instance(record, mask_box(mask), instance, self.tally)
        return record


def read_index(index_file: str | Path, split: str | None = None) -> dict[str, str | None]:
    """The pictures of an index.

    Args:
        index_file: json with a list `images` of dicts with `id` and, where it has splits, `split`.
        split: only these; None takes all.

    Returns:
        Stem -> its split or None, in the order of the file; not empty.

    Raises:
        InputError: the file is missing or faulty, or has no such split.
    """
    path = Path(index_file)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"index not found: {path} (looked for {path.absolute()})") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not json: {error}") from None
    images = data.get("images") if isinstance(data, dict) else None
    if not isinstance(images, list):
        raise InputError(f"{path} has no list 'images' of dicts with id and split")
    found: dict[str, str | None] = {}
    for k, image in enumerate(images):
        if not isinstance(image, dict) or "id" not in image:
            raise InputError(f"{path}: images[{k}] has no 'id': {str(image)[:80]}")
        if str(image["id"]) in found:
            raise InputError(f"{path} lists {image['id']!r} twice")
        found[str(image["id"])] = image.get("split")
    known = sorted({s for s in found.values() if s is not None})
    if split is not None and split not in known:
        raise InputError(
            f"{path} has no split {split!r}, it has: {', '.join(known) or 'none'}."
            f"{did_you_mean(split, known)}"
        )
    chosen = {stem: s for stem, s in found.items() if split in (None, s)}
    if not chosen:
        raise InputError(f"{path} lists no pictures")
    return chosen
