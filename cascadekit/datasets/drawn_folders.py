"""Drawn pictures as KITTI, CityPersons and WiderFace folders, in the files that those come as."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import is_main_process

from cascadekit.datasets.drawn_figures import Rng
from cascadekit.datasets.drawn_scenes import Drawn, Picture, draw_crowd, draw_pavement, draw_road
from cascadekit.errors import InputError, check_word
from cascadekit.progress import track

SPLITS = ("train", "val")
VERSION = 1  # raise when the same parameters give other pictures: the cache is keyed by it
ROAD, PAVEMENT = (640, 192), (512, 256)  # a third of KITTI's size, a quarter of Cityscapes'
CROWDS = ((320, 240), (240, 320), (288, 216))
EVENTS = ("0--Parade", "1--Handshaking", "2--Demonstration")
# Least height, least visible share and most blur of the faces of each list.
EASY, MEDIUM, HARD = (40, 0.8, 0), (24, 0.5, 1), (10, 0.0, 2)
LEAST_VALID = 7  # pixels; lower faces are marked invalid
LEAST_PERSON = 12  # pixels; lower people are ignore regions
NO_SPACE = "-1 -1 -1 -1000 -1000 -1000 -10"  # KITTI's words for a box that has no place in space


@dataclass(frozen=True)
class DrawnSet:
    """What is drawn.

    Attributes:
        split: "train" or "val"; they share no picture.
        num_images: how many pictures, 1 or more; a larger set begins with the smaller one's.
        seed: of the set, 0 or more.
    """

    split: str
    num_images: int
    seed: int = 0

    def check(self, what: str) -> None:
        """Raise InputError where nothing can be drawn of it."""
        check_word(f"split of {what}", self.split, SPLITS)
        for name, number, least in (("num_images", self.num_images, 1), ("seed", self.seed, 0)):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise InputError(
                    f"{name} of {what} must be a whole number of {least} or more, got {number!r}"
                )

    def scenes(self, what: str, kind: int, draw: Callable[[Rng], Picture]) -> Iterator[Picture]:
        """The pictures, with a progress bar; `kind` keeps the random numbers of sets apart."""
        bar = track(
            range(self.num_images),
            f"Drawing {self.num_images} pictures ({what}, {self.split})",
            quiet=not is_main_process(),
        )
        for index in bar:
            place = SPLITS.index(self.split)
            yield draw(np.random.default_rng([VERSION, kind, self.seed, place, index]))


def draw_kitti(folder: Path, drawn: DrawnSet) -> None:
    """KITTI object: `training/image_2`, `training/label_2` and `ImageSets/SPLIT.txt`.

    Args:
        folder: an empty one.
        drawn: what.

    Vehicles have their truncation and occlusion; those far away are DontCare.
    """
    pictures, labels = folder / "training" / "image_2", folder / "training" / "label_2"
    stems = []
    for scene in drawn.scenes("KITTI", 0, lambda rng: draw_road(rng, *ROAD)):
        stem = f"{len(stems):06d}"
        _save(pictures / f"{stem}.png", scene.image)
        _text(labels / f"{stem}.txt", [_kitti_row(each, ROAD) for each in scene.objects])
        stems.append(stem)
    _text(folder / "ImageSets" / f"{drawn.split}.txt", stems)


def _kitti_row(each: Drawn, size: tuple[int, int]) -> str:
    box = " ".join(f"{v:.2f}" for v in _inside(each, size))
    if each.name == "DontCare":
        return f"DontCare -1 -1 -10 {box} {NO_SPACE}"
    occluded = sum(each.visible < share for share in (0.8, 0.5))
    return f"{each.name} {1 - each.inside:.2f} {occluded} -10 {box} {NO_SPACE}"


def draw_citypersons(folder: Path, drawn: DrawnSet) -> None:
    """CityPersons: `leftImg8bit/SPLIT/CITY` and a json per picture in `gtBboxCityPersons`.

    Args:
        folder: an empty one.
        drawn: what.

    People have their full and visible boxes; groups and sitting people have their own labels, and
    the smallest are ignore regions.
    """
    words = {"sitting person": "sitting person", "person group": "person group"}
    for k, scene in enumerate(
        drawn.scenes("CityPersons", 1, lambda rng: draw_pavement(rng, *PAVEMENT))
    ):
        city = ("aachen", "bremen", "ulm")[k % 3]
        stem = f"{city}/{city}_{k:06d}_000019"
        _save(folder / f"leftImg8bit/{drawn.split}/{stem}_leftImg8bit.png", scene.image)
        objects = []
        for n, each in enumerate(o for o in scene.objects if o.name != "car"):
            label = "ignore" if _height(each) < LEAST_PERSON else words.get(each.name, "pedestrian")
            objects.append(
                {
                    "instanceId": 24000 + n,
                    "label": label,
                    "bbox": _xywh(each.box),
                    "bboxVis": _xywh(each.visible_box),
                }
            )
        content = {"imgHeight": PAVEMENT[1], "imgWidth": PAVEMENT[0], "objects": objects}
        file = folder / f"gtBboxCityPersons/{drawn.split}/{stem}_gtBboxCityPersons.json"
        _text(file, [json.dumps(content)])


def draw_widerface(folder: Path, drawn: DrawnSet) -> None:
    """WiderFace: `WIDER_SPLIT/images`, its text file, and the easy, medium and hard lists of val.

    Args:
        folder: an empty one.
        drawn: what.

    Faces have blur and occlusion, the smallest are invalid; pictures without faces have the row of
    zeros. The lists are MATLAB files: scipy is needed for val.
    """
    faces: dict[str, list[Drawn]] = {}
    lines: list[str] = []

    def draw(rng: Rng) -> Picture:
        return draw_crowd(rng, *CROWDS[int(rng.integers(len(CROWDS)))])

    for k, scene in enumerate(drawn.scenes("WiderFace", 2, draw)):
        # Events one after the other, as in the real files.
        event = EVENTS[min(k * len(EVENTS) // drawn.num_images, len(EVENTS) - 1)]
        name = f"{event}/{event.replace('--', '_')}_{k:04d}"
        _save(folder / f"WIDER_{drawn.split}/images/{name}.jpg", scene.image)
        size = (scene.image.shape[1], scene.image.shape[0])
        rows = [_face_row(each, size) for each in scene.objects]
        lines += [f"{name}.jpg", str(len(rows)), *(rows or ["0 " * 10])]
        faces[name] = list(scene.objects)
    split = folder / "wider_face_split"
    _text(split / f"wider_face_{drawn.split}_bbx_gt.txt", lines)
    if drawn.split == "val":
        for subset, limits in (("easy", EASY), ("medium", MEDIUM), ("hard", HARD)):
            _write_subset(split / f"wider_{subset}_val.mat", faces, limits)


def _face_row(each: Drawn, size: tuple[int, int]) -> str:
    x, y, w, h = _xywh(_inside(each, size))
    occlusion = sum(each.visible < share for share in (0.95, 0.7))
    return f"{x} {y} {w} {h} {each.blur} 0 0 {int(_height(each) < LEAST_VALID)} {occlusion} 0 "


def _height(each: Drawn) -> float:
    return each.box[3] - each.box[1]


def _write_subset(
    file: Path, faces: Mapping[str, Sequence[Drawn]], limits: tuple[float, float, float]
) -> None:
    """The rows, from 1, of the faces within some limits; nested by event and picture."""
    try:
        from scipy.io import savemat
    except ImportError:
        raise InputError(
            "WiderFace's easy, medium and hard lists are MATLAB files; writing them needs scipy: "
            "pip install scipy, or pip install 'cascadekit[benchmarks]'"
        ) from None
    height, visible, blur = limits
    names: dict[str, list[str]] = {}
    rows: dict[str, list[np.ndarray]] = {}
    for name, objects in faces.items():
        event, stem = name.split("/")
        kept = [
            number
            for number, each in enumerate(objects, 1)
            if _height(each) >= height and each.visible >= visible and each.blur <= blur
        ]
        names.setdefault(event, []).append(stem)
        rows.setdefault(event, []).append(np.array(kept, np.int32).reshape(-1, 1))
    content = {
        "event_list": _cells(list(names)),
        "file_list": _cells([_cells(part) for part in names.values()]),
        "gt_list": _cells([_cells(part) for part in rows.values()]),
    }
    savemat(file, content)


def _cells(items: Sequence[Any]) -> np.ndarray:
    """A column of MATLAB cells."""
    column = np.empty((len(items), 1), object)
    for k, item in enumerate(items):
        column[k, 0] = item
    return column


def _inside(each: Drawn, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The part of a box in the picture of (width, height) `size`."""
    x1, y1, x2, y2 = each.box
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(size[0])), min(y2, float(size[1]))


def _xywh(box: Sequence[float]) -> list[int]:
    x1, y1, x2, y2 = (int(v) for v in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _save(file: Path, image: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if file.suffix == ".jpg" else []
    if not cv2.imwrite(str(file), image, options):
        raise OSError(f"could not write {file}")


def _text(file: Path, lines: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
