"""Data sets with one Pascal VOC xml file per picture."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascadekit.datasets.folders import SUFFIXES, Paths, each_path, file_names, files_of_split
from cascadekit.datasets.label_png import mask_box, masks_of, read_label_picture
from cascadekit.datasets.picture_dataset import PictureDataset
from cascadekit.datasets.records import Record, add_instance, picture_size, select_classes
from cascadekit.errors import InputError, did_you_mean
from cascadekit.registry import DATASETS

VOID = 255  # in mask pictures: the border of objects, and what is hard to tell


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
    places = _places(image_dir, ann_dir, None, None)
    return _classes_of([file for place in places for file in _xml_files(place.annotations)])


@dataclass(frozen=True)
class VocRows:
    """All objects of one xml file as written, those without area too.

    Attributes:
        names: N class names.
        boxes: N times xmin, ymin, xmax, ymax.
        difficult: N times whether it is marked.
    """

    names: list[str]
    boxes: list[list[float]]
    difficult: list[bool]


def read_voc_rows(file: str | os.PathLike[str]) -> VocRows:
    """Read the objects of one xml file, without its picture.

    Args:
        file: of PASCAL VOC's format.

    Returns:
        The rows in the order of the file; may be empty.

    Raises:
        InputError: it is not xml, or an object lacks its name or a number.
    """
    path = Path(file)
    return _rows(_parse(path), path)


def _rows(root: ElementTree.Element, file: Path) -> VocRows:
    items = list(root.iter("object"))
    names = [_text(item, "name", file) for item in items]
    boxes = [_corners(item, name, file) for item, name in zip(items, names, strict=True)]
    return VocRows(names, boxes, [_is_difficult(item) for item in items])


def _corners(item: ElementTree.Element, name: str, file: Path) -> list[float]:
    bndbox = item.find("bndbox")
    if bndbox is None:
        raise InputError(f"{file}: object {name!r} has no <bndbox>")
    return [_number(bndbox, tag, file) for tag in ("xmin", "ymin", "xmax", "ymax")]


@dataclass(frozen=True)
class _Place:
    """Where one part of a data set lies: folders of pictures, xml and masks, and its split file."""

    pictures: str
    annotations: str
    split: str | None
    masks: str | None


def _places(
    image_dir: Paths, ann_dir: Paths | None, split_file: Paths | None, mask_dir: Paths | None
) -> list[_Place]:
    """The parts of a data set; each argument is one path or as many as there are parts."""
    images = each_path(image_dir)
    annotations = images if ann_dir is None else each_path(ann_dir)
    splits = [None] * len(images) if split_file is None else each_path(split_file)
    masks = [None] * len(images) if mask_dir is None else each_path(mask_dir)
    if not images or not len(images) == len(annotations) == len(splits) == len(masks):
        raise InputError(
            "image_dir, ann_dir, split_file and mask_dir must be one path each, or lists of one "
            f"length, got {len(images)}, {len(annotations)} and {len(splits)} paths, and of "
            f"mask_dir {len(masks)}"
        )
    return [_Place(*paths) for paths in zip(images, annotations, splits, masks, strict=True)]


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
    """(width, height); from the picture itself where the xml has no whole size, or 0 x 0."""
    size = root.find("size")
    texts = [None, None] if size is None else [size.findtext("width"), size.findtext("height")]
    if not all(text and text.strip() for text in texts):
        return picture_size(picture)
    assert size is not None
    width, height = int(_number(size, "width", file)), int(_number(size, "height", file))
    return (width, height) if width > 0 and height > 0 else picture_size(picture)


def _read_masks(place: _Place, stem: str, size: tuple[int, int]) -> dict[int, dict[str, Any]]:
    """Masks of a picture by the number of their object, from 1; {} where it has no mask picture."""
    if place.masks is None:
        return {}
    file = Path(place.masks) / f"{stem}.png"
    if not file.is_file():
        return {}
    labels = read_label_picture(file)
    if labels.shape != size:
        raise InputError(
            f"{file} is {labels.shape[1]} x {labels.shape[0]} pixels (width x height), but its "
            f"picture has {size[1]} x {size[0]}: they must be alike"
        )
    labels[labels == VOID] = 0
    return masks_of(labels)


def _is_difficult(item: ElementTree.Element) -> bool:
    """Whether an object is marked; tools write 0, 1, true, false, Unspecified, or nothing."""
    word = (item.findtext("difficult") or "0").strip().lower()
    return word not in ("0", "", "false", "no", "unspecified")


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


def _meet(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two boxes, x1 y1 x2 y2, have any area in common."""
    wide = min(a[2], b[2]) > max(a[0], b[0])
    return wide and min(a[3], b[3]) > max(a[1], b[1])


@DATASETS.register_module()
class VOCDataset(PictureDataset):
    """Pictures with one Pascal VOC xml file each; gives the same records as `CocoDataset`.

    Objects marked `difficult` become regions that training and evaluation ignore. Boxes with
    xmax <= xmin or ymax <= ymin are dropped and counted in one line of the log. The `img_id` of a
    picture is the stem of its xml. A size that is missing, not whole or 0 x 0 is read from the
    picture. With `mask_dir`, the k-th object of an xml has the pixels of value k as its mask, or
    none where they lie outside its box; its box and area stay those of the xml. `devkit` of a
    record has the keyword arguments of `evaluation.voc_ap.VocTruth`, with all objects of the xml.
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
        mask_dir: Paths | None = None,
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
            mask_dir: folder of the mask pictures, e.g. VOC2012/SegmentationObject (or one for each
                part). Pictures without one have no masks: choose a split of ImageSets/Segmentation.

        Raises:
            InputError: a fault of the files or arguments; the message names it.
        """
        self.places = _places(image_dir, ann_dir, split_file, mask_dir)
        self.one_based = one_based
        self.masks_seen = self.masks_beside = 0
        super().__init__(pipeline, classes, keep_empty, test_mode, indices, min_size)

    @property
    def source(self) -> str:
        """What messages call this data set."""
        return ", ".join(place.split or place.annotations for place in self.places)

    def read_records(self) -> tuple[tuple[str, ...], list[Record]]:
        """Class names and records, sorted by name or in the order of the split file."""
        everything, chosen = [], []
        for place in self.places:
            pictures = file_names(place.pictures)
            files = _xml_files(place.annotations)
            everything += files
            if place.split is not None:
                files = files_of_split(place.split, place.annotations, ".xml")
            chosen += [(place, pictures, files)]
        folders = ", ".join(place.annotations for place in self.places)
        names = select_classes(_classes_of(everything), self.classes, folders)
        records = []
        for place, pictures, files in chosen:
            records += [self._read(file, place, pictures, names) for file in files]
        if 2 * self.masks_beside > self.masks_seen:
            raise InputError(
                f"{self.source}: {self.masks_beside} of {self.masks_seen} masks lie outside "
                "their boxes. The k-th object of an xml must have the pixels of value k: is "
                "mask_dir the folder SegmentationObject, not SegmentationClass?"
            )
        return names, records

    def _read(
        self, file: Path, place: _Place, pictures: dict[str, str], names: tuple[str, ...]
    ) -> Record:
        """One record.

        Args:
            file: the xml.
            place: its folders.
            pictures: file names in the folder of pictures, by lower-case name.
            names: classes in label order.

        Returns:
            What `records` describes; `instances` may be empty.
        """
        root = _parse(file)
        picture = _find_picture(root, file, pictures, place.pictures)
        width, height = _read_size(root, picture, file)
        record: Record = {
            "img_path": str(picture),
            "img_id": file.stem,
            "height": height,
            "width": width,
            "instances": [],
            "devkit": self._devkit(root, file),
        }
        masks = _read_masks(place, file.stem, (height, width))
        for k, item in enumerate(root.iter("object"), 1):
            self._add(record, item, masks.get(k), names, file)
        return record

    def _devkit(self, root: ElementTree.Element, file: Path) -> dict[str, Any]:
        """All rows as VOC counts pixels: from 1, the last one inside."""
        rows = _rows(root, file)
        shift = 0 if self.one_based else 1
        boxes = [[x1 + shift, y1 + shift, x2, y2] for x1, y1, x2, y2 in rows.boxes]
        return {"names": rows.names, "boxes": boxes, "difficult": rows.difficult}

    def _add(
        self,
        record: Record,
        item: ElementTree.Element,
        mask: dict[str, Any] | None,
        names: tuple[str, ...],
        file: Path,
    ) -> None:
        """Append an `<object>` to its record, if it is of a class that is wanted."""
        name = _text(item, "name", file)
        x1, y1, x2, y2 = _corners(item, name, file)
        if name not in names:
            return
        if x2 <= x1 or y2 <= y1:
            # Tested before the shift below, which would turn a stray click into a 1 px object.
            self.tally.empty += 1
            return
        box = [x1 - 1, y1 - 1, x2, y2] if self.one_based else [x1, y1, x2, y2]
        if mask is not None:
            self.masks_seen += 1
            if not _meet(mask_box(mask), box):
                self.masks_beside += 1
                mask = None
        instance = {
            "label": names.index(name),
            "area": None,
            "iscrowd": 0,
            "ignore": int(_is_difficult(item)),
            "segmentation": mask,
        }
        add_instance(record, box, instance, self.tally)
