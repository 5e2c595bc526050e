"""From a record to what the detector takes: read, flip, pack (`resize.py` has the sizes).

Records keep their `instances` (and stored `proposals`) in pixels of the file; `Resize` and
`RandomFlip` change the picture and note what they did (`scale_factor`, `flip`), and `PackInputs`
moves boxes and masks once.
Randomness comes from numpy's global generator, which mmengine seeds in every worker.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from PIL import Image

from cascadekit.datasets.records import is_object
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.masks import InstanceMasks, Window, rasterise
from cascadekit.structures.samples import ImageInfo, Proposals, Targets, make_data_sample

Results = dict[str, Any]

# How a file must end; decoders fill what is missing with grey and do not complain.
_END_MARKS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}


def read_image(path: str, exif_rotation: bool = False) -> np.ndarray:
    """Read a picture of any common format.

    Args:
        path: the file.
        exif_rotation: turn the picture as its EXIF tag says. Annotations refer to stored pixels,
            so data sets leave it off; photos straight from a phone look upright with it.

    Returns:
        (H, W, 3) uint8, BGR. Grey is repeated, transparency is dropped, 16-bit is divided by 256.

    Raises:
        InputError: the file is missing, cut off, or not a picture; the message names it.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"picture cannot be read: {path} ({error.strerror})") from None
    _check_complete(content, path)
    flags = cv2.IMREAD_COLOR | (0 if exif_rotation else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # an empty buffer
        image = None
    if image is None:
        raise InputError(f"{path} ({len(content)} bytes) is not a picture that can be read")
    return image


def _check_complete(content: bytes, path: str) -> None:
    """Raise InputError when a JPEG or PNG stops before its end."""
    mark = _END_MARKS.get(content[:2])
    if mark is None or mark in content[-1024:]:
        return
    # Some cameras append data after the end mark: only a full decode can tell.
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as picture:
            warnings.simplefilter("ignore")
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path} is cut off or damaged after {len(content)} bytes ({error}); copy it again"
        ) from None


def from_array(image: np.ndarray, image_id: int | str = 0) -> Results:
    """What `LoadImage` would give for a picture that is in memory already.

    Args:
        image: (H, W, 3) uint8, RGB, as matplotlib and Pillow have it.
        image_id: a name for it.

    Returns:
        Results for the transforms after `LoadImage`, without objects.

    Raises:
        InputError: the array has another shape or type, or no pixels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(
            f"a picture must be an (H, W, 3) uint8 RGB array, got {image.shape} {image.dtype}"
        )
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    return _with_image({"img_id": image_id, "img_path": "", "instances": []}, bgr)


def _with_image(results: Results, image: np.ndarray) -> Results:
    """Note a freshly read picture and that nothing was done to it yet."""
    size = image.shape[:2]
    results.update(img=image, img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), flip=False)
    return results


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read `img_path` into `img`: (H, W, 3) uint8, BGR.

    Sets `img_shape` and `ori_shape` to (H, W), `scale_factor` (1, 1) and `flip` False. A results
    dict that already has `img` keeps it. Stored pixels are used, not turned by the EXIF tag, since
    that is what COCO and VOC boxes refer to; see `exif_rotation` of `read_image`.
    """

    def __init__(self, exif_rotation: bool = False) -> None:
        """Args: exif_rotation: turn pictures as their EXIF tag says."""
        self.exif_rotation = exif_rotation

    def transform(self, results: Results) -> Results:
        """Read, and compare with the record's `height` and `width` where it has them.

        Args:
            results: with `img_path`, or `img` (H, W, 3) uint8 BGR.

        Returns:
            The same dict with the keys the class names.

        Raises:
            InputError: the file cannot be read, or its size is not the record's.
        """
        image = results.get("img")
        if image is None:
            image = read_image(results["img_path"], self.exif_rotation)
        height, width = image.shape[:2]
        noted = (results.get("height", height), results.get("width", width))
        if noted != (height, width):
            turned = noted == (width, height)
            raise InputError(
                f"{results.get('img_path')} is {width} x {height} pixels (width x height), but its "
                f"annotation says {noted[1]} x {noted[0]}. "
                + (
                    "It was annotated turned: try LoadImage(exif_rotation=True)"
                    if turned
                    else "Were the pictures resized after they were annotated?"
                )
            )
        return _with_image(results, image)


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirror the picture left to right with probability `prob`; notes it in `flip`."""

    def __init__(self, prob: float = 0.5) -> None:
        """Check the probability.

        Args:
            prob: in [0, 1].

        Raises:
            InputError: `prob` is outside [0, 1].
        """
        if not 0 <= prob <= 1:
            raise InputError(f"prob of RandomFlip must be in [0, 1], got {prob!r}")
        self.prob = prob

    def transform(self, results: Results) -> Results:
        """Mirror `img` or leave it."""
        if np.random.random() < self.prob:
            results["img"] = cv2.flip(results["img"], 1)
            results["flip"] = not results["flip"]
        return results


def transform_boxes(boxes: np.ndarray, info: ImageInfo) -> torch.Tensor:
    """Move boxes from pixels of the file to network pixels; inverse of `info.to_original`.

    Args:
        boxes: (N, 4) xyxy, pixels of the file; N may be 0.
        info: the picture's geometry.

    Returns:
        (N, 4) float32 xyxy, network pixels, clipped to the picture.
    """
    height, width = info.size
    scale_x, scale_y = width / info.original_size[1], height / info.original_size[0]
    moved = np.asarray(boxes, np.float64).reshape(-1, 4) * (scale_x, scale_y, scale_x, scale_y)
    if info.flipped:
        moved = np.stack([width - moved[:, 2], moved[:, 1], width - moved[:, 0], moved[:, 3]], 1)
    return box_ops.clip(torch.from_numpy(moved).float(), height, width)


def transform_mask(segmentation: Any, info: ImageInfo) -> tuple[Window, np.ndarray]:
    """Draw one object's mask in network pixels.

    Polygons are scaled and mirrored as numbers and drawn once; RLE is resized to the nearest pixel.

    Args:
        segmentation: polygons or RLE in pixels of the file, or None.
        info: the picture's geometry.

    Returns:
        The window, end excluded, and its (h, w) uint8 bitmap; both of size 0 for None.
    """
    height, width = info.size
    if segmentation is None:
        return (0, 0, 0, 0), np.zeros((0, 0), np.uint8)
    if isinstance(segmentation, dict):
        return _resize_bitmap(rasterise(segmentation, *info.original_size), info)
    scale = np.array([width / info.original_size[1], height / info.original_size[0]])
    moved = []
    for polygon in segmentation:
        points = np.asarray(polygon, np.float64).reshape(-1, 2) * scale
        if info.flipped:
            points[:, 0] = width - points[:, 0]
        moved.append(points.ravel())
    return rasterise(moved, height, width)


def _resize_bitmap(crop: tuple[Window, np.ndarray], info: ImageInfo) -> tuple[Window, np.ndarray]:
    """Resize and mirror a bitmap by reading, for each new pixel, the old pixel under its centre."""
    (x1, y1, x2, y2), bitmap = crop
    (height, width), (old_height, old_width) = info.size, info.original_size
    # A centre on the border of two pixels goes to the right one, hence 2 i + 1 in whole numbers.
    x = (2 * np.arange(width) + 1) * old_width // (2 * width)
    y = (2 * np.arange(height) + 1) * old_height // (2 * height)
    if info.flipped:
        x = x[::-1]
    columns = np.flatnonzero((x >= x1) & (x < x2))
    rows = np.flatnonzero((y >= y1) & (y < y2))
    if not len(columns) or not len(rows):
        return (0, 0, 0, 0), np.zeros((0, 0), np.uint8)
    left, top = int(columns[0]), int(rows[0])
    window = (left, top, left + len(columns), top + len(rows))
    return window, bitmap[np.ix_(y[rows] - y1, x[columns] - x1)]


def _move_proposals(
    stored: tuple[np.ndarray, np.ndarray] | None, info: ImageInfo
) -> Proposals | None:
    """(n, 4) boxes in pixels of the file and (n,) scores, as one picture's proposals."""
    if stored is None:
        return None
    boxes, scores = stored
    moved = transform_boxes(boxes, info)
    # A strip at the border may vanish in float32; nothing can be pooled from it.
    solid = ~box_ops.is_degenerate(moved)
    return Proposals.from_list([moved[solid]], [torch.from_numpy(scores).float()[solid]])


@TRANSFORMS.register_module()
class PackInputs(BaseTransform):
    """Make {"inputs": (3, H, W) uint8 BGR, "data_samples": data element} of the results.

    Targets are in network pixels. Crowds and ignored objects go to `ignored_boxes`; crowds, and the
    regions of benchmarks, which have `iscrowd` too, are marked in `is_region`. Masks have one
    entry per object; an object without a usable segmentation has a window of size 0, and the mask
    loss must leave it out. Stored proposals (`LoadProposals`) are moved to network pixels likewise.
    In test mode (`test_mode` of the data set) the records of all objects go along for evaluation,
    in pixels of the file, and as `devkit` the rows of a benchmark's own format.
    """

    def __init__(self, with_masks: bool = True) -> None:
        """Args: with_masks: draw the masks; without, `Targets.masks` is None."""
        self.with_masks = with_masks

    def transform(self, results: Results) -> dict[str, Any]:
        """Pack one picture; `instances` may be empty or missing.

        Args:
            results: of the transforms before, `img` (H, W, 3) uint8 BGR.

        Returns:
            `inputs` and `data_samples`, as the class says; N and M may be 0.

        Raises:
            InputError: masks are wanted for training, but the data set has none.
        """
        test_mode = results.get("test_mode", False)
        if self.with_masks and not test_mode and not results.get("has_masks", True):
            raise InputError(
                "the data set has no masks (no object has a usable segmentation), but the pipeline "
                "asks for them: choose a config without a mask head, with "
                "PackInputs(with_masks=False)"
            )
        info = ImageInfo(
            size=results["img_shape"],
            original_size=results["ori_shape"],
            image_id=results.get("img_id", 0),
            path=str(results.get("img_path", "")),
            flipped=results["flip"],
        )
        instances = results.get("instances", [])
        image = np.ascontiguousarray(results["img"].transpose(2, 0, 1))  # (3, H, W)
        sample = make_data_sample(
            info,
            self._targets(instances, info),
            instances if test_mode else (),
            _move_proposals(results.get("proposals"), info),
        )
        if test_mode and "devkit" in results:
            sample.set_metainfo({"devkit": results["devkit"]})
        return {"inputs": torch.from_numpy(image), "data_samples": sample}

    def _targets(self, instances: Sequence[Mapping[str, Any]], info: ImageInfo) -> Targets:
        boxes = transform_boxes([i["bbox"] for i in instances], info)  # (N + M, 4)
        solid = ~box_ops.is_degenerate(boxes)  # a sliver may vanish in float32
        learn = torch.tensor([is_object(i) for i in instances], dtype=torch.bool)
        objects = (solid & learn).nonzero().flatten().tolist()
        masks = None
        if self.with_masks:
            crops = [transform_mask(instances[i]["segmentation"], info) for i in objects]
            masks = InstanceMasks.from_crops(crops, *info.size)
        labels = torch.tensor([instances[i]["label"] for i in objects], dtype=torch.int64)
        crowd = [bool(i["iscrowd"]) for i in instances]
        rest = (solid & ~learn).nonzero().flatten().tolist()
        # A region that several classes ignore is in the record once for each.
        regions = list(dict.fromkeys((tuple(boxes[i].tolist()), crowd[i]) for i in rest))
        ignored = boxes.new_tensor([box for box, _ in regions]).reshape(-1, 4)
        is_region = torch.tensor([region for _, region in regions], dtype=torch.bool)
        return Targets(boxes[objects], labels, ignored, masks, is_region)
