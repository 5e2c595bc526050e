"""Data sets with one Pascal VOC xml file per picture."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from cascadekit.datasets.records import (
    Record,
    Tally,
    add_instance,
    check_count,
    check_image_dir,
    is_object,
    keep_for_training,
    picture_size,
    select_classes,
)
from cascadekit.errors import InputError, did_you_mean
from cascadekit.registry import DATASETS

SUFFIXES = (".jpg", ".jpeg", ".png")

Paths = str | Sequence[str]


def read_voc_classes(image_dir: Paths, ann_dir: Paths | None = None) -> tuple[str, ...]:
    """Class names of VOC xml files, sorted, as `VOCDataset` reads them.

    Args:
        image_dir: folder of the pictures, or several.
        ann_dir: folder of the xml files, one for each; None means beside the pictures.

    Returns:
        K names from all xml files, also those outside a split, so that all splits agree.

    Raises:
        InputError: no xml file there, one that is not xml, or an object without a name.
    """
    places = _places(image_dir, ann_dir, None)
    return _classes_of([file for place in places for file in _xml_files(place.annotations)])


@dataclass(frozen=True)
class _Place:
    """Where one part of a data set lies: folders of pictures and xml files, and its split file."""

    pictures: str
    annotations: str
    split: str | None


def _places(image_dir: Paths, ann_dir: Paths | None, split_file: Paths | None) -> list[_Place]:
    """The parts of a data set; each argument is one path or as many as there are parts."""
    images = _each(image_dir)
    annotations = images if ann_dir is None else _each(ann_dir)
    splits = [None] * len(images) if split_file is None else _each(split_file)
    if not images or not len(images) == len(annotations) == len(splits):
        raise InputError(
            "image_dir, ann_dir and split_file must be one path each, or lists of one length, got "
            f"{len(images)}, {len(annotations)} and {len(splits)} paths"
        )
    return [_Place(*paths) for paths in zip(images, annotations, splits, strict=True)]


def _each(paths: Paths) -> list[str]:
    several = isinstance(paths, Sequence) and not isinstance(paths, str)
    return [os.fspath(path) for path in (paths if several else [paths])]


def _classes_of(files: Sequence[Path]) -> tuple[str, ...]:
    objects = ((item, file) for file in files for item in _parse(file).iter("object"))
    return tuple(sorted({_text(item, "name", file) for item, file in objects}))


def _xml_files(ann_dir: str) -> list[Path]:
    """All xml files of a folder, sorted by name."""
    folder = Path(ann_dir)
    files = sorted(folder.glob("*.xml")) if folder.is_dir() else []
    if not files:
        state = "has no .xml files" if folder.is_dir() else "not found"
        raise InputError(
            f"folder of VOC annotations {state}: {ann_dir!r} (looked for {folder.absolute()}). Set "
            "ann_dir to the folder of xml files, or add `--data shapes` to use drawn pictures"
        )
    return files


def _split_files(place: _Place) -> list[Path]:
    """The xml files whose stems a split file lists (a second column, as in VOC, is ignored)."""
    split_file = Path(str(place.split))
    try:
        lines = split_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        folder = split_file.parent
        near = [p.name for p in folder.glob("*.txt")] if folder.is_dir() else []
        raise InputError(
            f"split file not found: {place.split!r} (looked for {split_file.absolute()})."
            f"{did_you_mean(split_file.name, near)}"
        ) from None
    stems = [line.split()[0] for line in lines if line.strip()]
    if not stems:
        raise InputError(f"{split_file} lists no pictures; expected one name without suffix a line")
    twice = [stem for stem, count in Counter(stems).items() if count > 1]
    if twice:
        raise InputError(f"{split_file} lists {twice[0]!r} twice")
    files = [Path(place.annotations) / f"{stem}.xml" for stem in stems]
    for file in files:
        if not file.is_file():
            raise InputError(f"{split_file} lists {file.stem!r}, but there is no {file}")
    return files


def _parse(file: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not valid xml: {error}") from None


def _text(element: ElementTree.Element, tag: str, file: Path) -> str:
    """Stripped text of a child, or an InputError naming the file and the tag."""
    child = element.find(tag)
    text = "" if child is None or child.text is None else child.text.strip()
    if not text:
        raise InputError(f"{file}: <{element.tag}> has no <{tag}>, or it is empty")
    return text


def _number(element: ElementTree.Element, tag: str, file: Path) -> float:
    text = _text(element, tag, file)
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{file}: <{tag}> must be a number, got {text!r}") from None


def _read_size(root: ElementTree.Element, picture: Path, file: Path) -> tuple[int, int]:
    """(width, height); from the picture itself where the xml has no size, or 0 x 0."""
    size = root.find("size")
    if size is None:
        return picture_size(picture)
    width, height = int(_number(size, "width", file)), int(_number(size, "height", file))
    return (width, height) if width > 0 and height > 0 else picture_size(picture)


def _find_picture(
    root: ElementTree.Element, file: Path, names: dict[str, str], folder: str
) -> Path:
    """The picture of an xml file.

    Args:
        root: of the xml.
        file: the xml.
        names: file names in the folder of pictures, by lower-case name.
        folder: of pictures.

    Returns:
        Its path, in the file system's own upper and lower case.

    Raises:
        InputError: neither a picture of the xml's stem nor the one of its `filename` is there.
    """
    # The stem comes first: `filename` is what goes stale when files are renamed.
    tag = os.path.basename((root.findtext("filename") or "").strip().replace("\\", "/"))
    for name in (*(file.stem + suffix for suffix in SUFFIXES), tag):
        if name.lower() in names:
            return Path(folder) / names[name.lower()]
    raise InputError(
        f"no picture for {file}: looked in {folder!r} for {file.stem} with "
        f"{', '.join(SUFFIXES)} (any case), and for its <filename> {tag!r}."
        f"{did_you_mean(file.stem + SUFFIXES[0], names.values())}"
    )


@DATASETS.register_module()
class VOCDataset(BaseDataset):
    """Pictures with one Pascal VOC xml file each; gives the same records as `CocoDataset`.

    Objects marked `difficult` become regions that training and evaluation ignore. Boxes with
    xmax <= xmin or ymax <= ymin are dropped and counted in one line of the log. The `img_id` of a
    picture is the stem of its xml. A size missing or 0 x 0 is read from the picture.
    """

    def __init__(
        self,
        image_dir: Paths,
        ann_dir: Paths | None = None,
        split_file: Paths | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        one_based: bool = True,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Read and check the annotations.

        Args:
            image_dir: folder of the pictures, e.g. VOC2007/JPEGImages; or a list of folders, such
                as those of VOC 2007 and 2012, whose pictures come one after the other; then the
                next two are lists as well, or None.
            ann_dir: folder of the xml files, e.g. VOC2007/Annotations; None: beside the pictures.
            split_file: text file with one stem a line, e.g. VOC2007/ImageSets/Main/trainval.txt;
                None takes every xml.
            pipeline: transforms, built or as config dicts.
            classes: the names to use, in label order; None: all names in `ann_dir`, sorted, which
                for VOC is the official order. Objects of other classes are left out.
            one_based: boxes count pixels from 1 and include the last one, as the VOC devkit and
                labelImg's older versions write them: (x1 - 1, y1 - 1, x2, y2) are then our
                coordinates. False takes the numbers as they are.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: a fault of the files or arguments; the message names it.
        """
        self.places = _places(image_dir, ann_dir, split_file)
        self.classes = classes
        self.one_based = one_based
        self.keep_empty = keep_empty
        self.min_size = min_size
        self.tally = Tally()
        super().__init__(
            data_prefix={"img": ""},  # each record has its whole path
            indices=indices,
            pipeline=list(pipeline),
            test_mode=test_mode,
        )

    @property
    def source(self) -> str:
        """What messages call this data set."""
        return ", ".join(place.split or place.annotations for place in self.places)

    def load_data_list(self) -> list[Record]:
        """Records of all pictures, sorted by name or in the order of the split file."""
        everything, chosen = [], []
        for place in self.places:
            check_image_dir(place.pictures)
            files = _xml_files(place.annotations)
            everything += files
            chosen += [(place, files if place.split is None else _split_files(place))]
        folders = ", ".join(place.annotations for place in self.places)
        names = select_classes(_classes_of(everything), self.classes, folders)
        self._metainfo["classes"] = names
        self._metainfo["has_masks"] = False
        records = []
        for place, files in chosen:
            pictures = {name.lower(): name for name in sorted(os.listdir(place.pictures))}
            records += [self._read(file, place.pictures, pictures, names) for file in files]
        ((name, count),) = Counter(record["img_id"] for record in records).most_common(1)
        if count > 1:
            raise InputError(f"{self.source}: {count} pictures are named {name!r}")
        return records

    def _read(
        self, file: Path, folder: str, pictures: dict[str, str], names: tuple[str, ...]
    ) -> Record:
        """One record.

        Args:
            file: the xml.
            folder: of the pictures.
            pictures: file names in the folder of pictures, by lower-case name.
            names: classes in label order.

        Returns:
            What `records` describes; `instances` may be empty.
        """
        root = _parse(file)
        picture = _find_picture(root, file, pictures, folder)
        width, height = _read_size(root, picture, file)
        record: Record = {
            "img_path": str(picture),
            "img_id": file.stem,
            "height": height,
            "width": width,
            "instances": [],
        }
        for item in root.iter("object"):
            name = _text(item, "name", file)
            bndbox = item.find("bndbox")
            if bndbox is None:
                raise InputError(f"{file}: object {name!r} has no <bndbox>")
            x1, y1, x2, y2 = (_number(bndbox, t, file) for t in ("xmin", "ymin", "xmax", "ymax"))
            if name not in names:
                continue
            if x2 <= x1 or y2 <= y1:
                # Tested before the shift below, which would turn a stray click into a 1 px object.
                self.tally.empty += 1
                continue
            box = [x1 - 1, y1 - 1, x2, y2] if self.one_based else [x1, y1, x2, y2]
            difficult = (item.findtext("difficult") or "0").strip() not in ("0", "")
            instance = {
                "label": names.index(name),
                "area": None,
                "iscrowd": 0,
                "ignore": int(difficult),
                "segmentation": None,
            }
            add_instance(record, box, instance, self.tally)
        return record

    def filter_data(self) -> list[Record]:
        """Records to use: all in test mode, else those that training can use."""
        records = self.data_list
        if not self.test_mode:
            records = keep_for_training(records, self.keep_empty, self.min_size, self.tally)
        summary = self.tally.summary(self.source, len(records), len(self._metainfo["classes"]))
        check_count(len(records), self._indices, self.source, f" ({summary})")
        print_log(summary, logger="current")
        return records

    def prepare_data(self, idx: int) -> Any:
        """What the pipeline makes of record `idx`; an InputError of a transform passes through."""
        info = self.get_data_info(idx)
        info["test_mode"] = self.test_mode
        info["has_masks"] = False
        return self.pipeline(info)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels in picture `idx`, for mmengine's `ClassBalancedDataset`."""
        return [i["label"] for i in self.get_data_info(idx)["instances"] if is_object(i)]
