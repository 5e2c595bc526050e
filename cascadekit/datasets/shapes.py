"""A data set that is drawn on first use: shapes whose boxes are hard to place.

Six classes of large, overlapping, turned shapes, whose boxes are set by thin tips, horns and teeth
that fade into a background of like colour, lines and loose fragments. What an object is can be
seen at a glance; where exactly it ends cannot. That is the case a cascade is made for. Masks and
boxes are exact: those of the visible pixels.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import is_main_process
from pycocotools import mask as coco_mask

from cascadekit.datasets.coco import CocoDataset
from cascadekit.datasets.drawn_cache import cached_folder
from cascadekit.datasets.shape_outlines import OUTLINES, Outline, place
from cascadekit.datasets.shape_painting import Part, background, shadow, surface
from cascadekit.errors import InputError, did_you_mean
from cascadekit.progress import track
from cascadekit.registry import DATASETS

CLASSES = tuple(OUTLINES)
SPLITS = ("train", "val")
VERSION = 1  # raise when the same parameters give other pictures: the cache is keyed by it
SUPERSAMPLING = 4  # coverage is counted on this many sub-pixels per side
MARGIN = 3  # pixels between an object and the picture's border
LEAST_WIDTH = 2.0  # pixels, of shafts and teeth: thinner ones would break up in the mask


def _check(split: str, num_images: int, image_size: int, difficulty: float, seed: int) -> None:
    """Raise InputError for a parameter that no picture can be drawn with."""
    if split not in SPLITS:
        raise InputError(
            f"split of the shapes must be 'train' or 'val', got {split!r}."
            f"{did_you_mean(str(split), SPLITS)}"
        )
    for name, number, least in (
        ("num_images", num_images, 1),
        ("image_size", image_size, 64),
        ("seed", seed, 0),
    ):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise InputError(
                f"{name} of the shapes must be a whole number of {least} or more, got {number!r}"
            )
    if not isinstance(difficulty, int | float) or not 0 <= difficulty <= 1:
        raise InputError(f"difficulty of the shapes must be in [0, 1], got {difficulty!r}")


@dataclass(frozen=True)
class Scene:
    """One drawn picture.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        masks: (N, H, W) bool, the visible pixels of each object, back to front; N is 1 to 5.
        labels: (N,) int64, index into `CLASSES`.
        boxes: (N, 4) int64 xyxy pixels, the exact bounds of each mask, end excluded.
    """

    image: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray


def _coverage(outline: Outline, size: int) -> np.ndarray:
    """(size, size) float32 in [0, 1]: the share of each pixel that the outline covers."""
    points = np.concatenate(outline)
    left, top = np.floor(points.min(0)).astype(int) - 1
    right, bottom = np.ceil(points.max(0)).astype(int) + 1
    canvas = np.zeros(((bottom - top) * SUPERSAMPLING, (right - left) * SUPERSAMPLING), np.uint8)
    for polygon in outline:
        # -0.5: OpenCV's whole numbers are pixel centres, ours are pixel borders.
        local = (polygon - (left, top)) * SUPERSAMPLING - 0.5
        cv2.fillPoly(canvas, [np.round(local * 256).astype(np.int32)], 255, shift=8)
    alpha = np.zeros((size, size), np.float32)
    small = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    alpha[top:bottom, left:right] = small.astype(np.float32) / 255
    return alpha


def _propose(rng: np.random.Generator, size: int, difficulty: float) -> tuple[int, np.ndarray]:
    """A random object somewhere in the picture: label, and coverage (size, size)."""
    label = int(rng.integers(len(CLASSES)))
    length = rng.uniform(0.25, 0.7) * size
    thin = np.clip(difficulty + rng.uniform(-0.15, 0.15), 0, 1)
    outline = list(OUTLINES.values())[label](rng, float(thin), 2 * LEAST_WIDTH / length)
    polygons = place(outline, length, rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.0))
    extent = np.concatenate(polygons).max(0)
    corner = MARGIN + rng.uniform(0, 1, 2) * (size - 2 * MARGIN - extent)
    return label, _coverage([polygon + corner for polygon in polygons], size)


def _arrange(
    rng: np.random.Generator, size: int, difficulty: float
) -> tuple[list[int], list[np.ndarray], list[np.ndarray]]:
    """Place 1 to 5 objects back to front so that enough of each can be seen.

    A candidate that would hide too much of another is given up before anything is drawn, so no
    object is ever visible without being annotated.

    Args:
        rng: source of all randomness.
        size: side of the picture, pixels.
        difficulty: in [0, 1]; more lets objects hide more of each other.

    Returns:
        Labels, coverages (size, size) float32 and visible masks (size, size) bool; 1 to 5 each.
    """
    most_hidden = 0.25 + 0.35 * difficulty
    wanted = int(rng.integers(1, 6))
    labels: list[int] = []
    alphas: list[np.ndarray] = []
    visible: list[np.ndarray] = []
    whole: list[int] = []
    for _ in range(8 * wanted):
        if len(labels) == wanted:
            break
        label, alpha = _propose(rng, size, difficulty)
        mask = alpha >= 0.5
        left = [seen & ~mask for seen in visible]
        shares = [seen.sum() / area for seen, area in zip(left, whole, strict=True)]
        if any(share < 1 - most_hidden for share in shares):
            continue
        labels.append(label)
        alphas.append(alpha)
        visible = [*left, mask]
        whole.append(int(mask.sum()))
    return labels, alphas, visible


def _bounds(mask: np.ndarray) -> Part:
    """Least rows and columns that hold all of a (H, W) bool mask, which must not be empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def draw_scene(
    split: str, index: int, image_size: int = 192, difficulty: float = 0.5, seed: int = 0
) -> Scene:
    """Draw one picture; the same arguments give the same picture, however many there are.

    Masks come from whole-number arithmetic and are the same on every machine; a colour may differ
    by one level where another processor rounds a sine differently.

    Args:
        split: "train" or "val"; they share no picture.
        index: of the picture, from 0.
        image_size: side of the picture, pixels.
        difficulty: in [0, 1]; scales contrast, clutter, occlusion and the thinness of tips.
        seed: of the set.

    Returns:
        The picture and its exact annotation.

    Raises:
        InputError: an argument is out of range.
    """
    _check(split, index + 1, image_size, difficulty, seed)
    rng = np.random.default_rng([VERSION, seed, SPLITS.index(split), index])
    hue, value = rng.uniform(0, 1), rng.uniform(0.45, 0.75)
    canvas = background(rng, image_size, hue, value, difficulty)
    labels, alphas, masks = _arrange(rng, image_size, difficulty)
    drop = max(image_size // 64, 1)
    for alpha in alphas:
        shift = (int(rng.integers(-drop, drop + 1)), int(rng.integers(0, drop + 1)))
        dark = shadow(alpha, shift, 2 * drop + 1)
        canvas *= 1 - float(rng.uniform(0.15, 0.3)) * dark[..., None]
        part = _bounds(alpha > 0)
        paint = surface(rng, image_size, part, hue, value, difficulty)
        canvas[part] += (paint - canvas[part]) * alpha[part][..., None]
    grain = rng.standard_normal(canvas.shape[:2], np.float32) * float(1.5 + 5 * difficulty)
    canvas += grain[..., None]
    bounds = [_bounds(mask) for mask in masks]
    boxes = [[x.start, y.start, x.stop, y.stop] for y, x in bounds]
    return Scene(
        np.clip(np.round(canvas), 0, 255).astype(np.uint8),
        np.stack(masks),
        np.array(labels, np.int64),
        np.array(boxes, np.int64),
    )


def draw_shapes(
    folder: str | os.PathLike[str],
    split: str,
    num_images: int,
    image_size: int = 192,
    difficulty: float = 0.5,
    seed: int = 0,
) -> None:
    """Draw pictures and write them as PNG files with COCO annotations, with a progress bar.

    Args:
        folder: an existing folder; gets `images/000000.png` ... and `annotations.json`.
        split: "train" or "val".
        num_images: how many.
        image_size: side of the pictures, pixels.
        difficulty: in [0, 1].
        seed: of the set.
    """
    images = Path(folder) / "images"
    images.mkdir()
    data: dict[str, list[dict[str, Any]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)],
    }
    bar = track(
        range(num_images), f"Drawing {num_images} shapes ({split})", quiet=not is_main_process()
    )
    for index in bar:
        scene = draw_scene(split, index, image_size, difficulty, seed)
        name = f"{index:06d}.png"
        if not cv2.imwrite(str(images / name), scene.image):
            raise OSError(f"could not write {images / name}")
        image = {"id": index + 1, "file_name": name, "width": image_size, "height": image_size}
        data["images"].append(image)
        for k in range(len(scene.labels)):
            number = len(data["annotations"]) + 1
            data["annotations"].append({"id": number, "image_id": index + 1, **_annotate(scene, k)})
    (Path(folder) / "annotations.json").write_text(json.dumps(data), encoding="utf-8")


def _annotate(scene: Scene, k: int) -> dict[str, Any]:
    """COCO keys of object `k`; its mask as RLE, exact to the pixel."""
    rle = coco_mask.encode(np.asfortranarray(scene.masks[k].astype(np.uint8)))
    x1, y1, x2, y2 = scene.boxes[k].tolist()
    return {
        "category_id": int(scene.labels[k]) + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": int(scene.masks[k].sum()),
        "iscrowd": 0,
        "segmentation": {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")},
    }


def cached_shapes(
    split: str, num_images: int, image_size: int, difficulty: float, seed: int, root: str | None
) -> Path:
    """Folder of a drawn set; draws it when it is not there yet.

    Args:
        split: "train" or "val".
        num_images: how many pictures.
        image_size: side of the pictures, pixels.
        difficulty: in [0, 1].
        seed: of the set.
        root: folder to keep sets in; None: $CASCADEKIT_DATA, else ~/.cache/cascadekit/data.

    Returns:
        A folder whose name has all of the arguments but `root`.

    Raises:
        InputError: the folder cannot be written.
    """
    name = f"shapes-v{VERSION}-{split}-{num_images}x{image_size}px-d{difficulty:g}-seed{seed}"
    return cached_folder(
        name,
        "the shapes",
        root,
        lambda folder: draw_shapes(folder, split, num_images, image_size, difficulty, seed),
    )


@DATASETS.register_module()
class ShapesDataset(CocoDataset):
    """Drawn shapes, kept on disk as an ordinary COCO set and read as one."""

    def __init__(
        self,
        split: str = "train",
        num_images: int = 600,
        image_size: int = 192,
        difficulty: float = 0.5,
        seed: int = 0,
        root: str | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Draw the set if this machine does not have it, and read it.

        Args:
            split: "train" or "val"; they share no picture.
            num_images: how many pictures; a larger set begins with the smaller one's.
            image_size: side of the pictures, pixels, at least 64.
            difficulty: in [0, 1]; scales contrast, clutter, occlusion and the thinness of tips.
            seed: of the set.
            root: folder to keep sets in; None: $CASCADEKIT_DATA, else ~/.cache/cascadekit/data.
            pipeline: transforms, built or as config dicts.
            classes: a subset of star, burst, arrow, double_arrow, crescent, comb in label order.
            keep_empty: in training, keep pictures without an object of `classes`.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels; here so that
                a data set can be swapped without touching the rest of a config.

        Raises:
            InputError: an argument is out of range, or the folder cannot be written.
        """
        _check(split, num_images, image_size, difficulty, seed)
        folder = cached_shapes(split, num_images, image_size, difficulty, seed, root)
        super().__init__(
            ann_file=str(folder / "annotations.json"),
            image_dir=str(folder / "images"),
            pipeline=pipeline,
            classes=classes,
            keep_empty=keep_empty,
            test_mode=test_mode,
            indices=indices,
            min_size=min_size,
        )
