"""KITTI: one text file of labels per picture, or per sequence for the tracking benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascadekit.datasets.folders import SUFFIXES, file_names, files_of_split, picture_of
from cascadekit.datasets.kitti_files import KittiRow, read_kitti_labels
from cascadekit.datasets.picture_dataset import PictureDataset
from cascadekit.datasets.records import (
    Record,
    Tally,
    add_instance,
    add_region,
    check_image_dir,
    picture_size,
    select_classes,
)
from cascadekit.errors import InputError
from cascadekit.registry import DATASETS

BENCHMARK = ("Car", "Pedestrian", "Cyclist")
NAMES = (*BENCHMARK, "Van", "Truck", "Person_sitting", "Person", "Tram", "Misc")
REGION = "DontCare"
# So like a class that finding one is no mistake, and missing it neither.
NEIGHBOUR_OF = {"Van": "Car", "Person_sitting": "Pedestrian", "Person": "Pedestrian"}


def read_kitti_classes(label_dir: str) -> tuple[str, ...]:
    """Class names as `KittiDataset` chooses them by itself.

    Args:
        label_dir: folder of the label files.

    Returns:
        The benchmark's Car, Pedestrian, Cyclist where the files have any of KITTI's own names;
        otherwise all names they have, sorted.

    Raises:
        InputError: no label files there, or a faulty one.
    """
    rows = (row for file in _label_files(label_dir) for row in read_kitti_labels(file))
    return _standard_classes({row.name for row in rows})


def _label_files(label_dir: str) -> list[Path]:
    folder = Path(label_dir)
    files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    if not files:
        state = "has no .txt files" if folder.is_dir() else "not found"
        raise InputError(
            f"folder of KITTI labels {state}: {label_dir!r} (looked for {folder.absolute()}). Set "
            "label_dir to label_2 (object) or label_02 (tracking)"
        )
    return files


def _standard_classes(found: set[str]) -> tuple[str, ...]:
    own = found - {REGION}
    if own & set(NAMES) or not own:
        return BENCHMARK
    return tuple(sorted(own))


@dataclass(frozen=True)
class _Labels:
    """What becomes of each name: the label of a class, or the labels that ignore it."""

    classes: tuple[str, ...]
    ignored: Mapping[str, tuple[int, ...]]


@DATASETS.register_module()
class KittiDataset(PictureDataset):
    """Pictures of KITTI, or in its format; gives the same records as `CocoDataset`.

    Instances also have `name`, `truncated`, `occluded` as in the label file and, of tracking
    labels, `track`. Regions that training and evaluation ignore (`ignore` 1):

    - DontCare, for every class, with `iscrowd` 1: what lies inside is ignored
    - neighbours (Van for Car; Person_sitting and Person for Pedestrian), or `ignore_classes`

    Other names are left out. `devkit` of a record has all rows as written, in their order: the
    keyword arguments of `evaluation.kitti_ap.KittiTruth`.

    The `img_id` is the stem ("000123"), or of tracking SEQUENCE/FRAME ("0004/000123"). Boxes count
    pixels from 0 and are taken as they are. Sizes are read from the pictures.
    """

    def __init__(
        self,
        image_dir: str,
        label_dir: str,
        split_file: str | None = None,
        pipeline: Sequence[Any] = (),
        classes: Sequence[str] | None = None,
        ignore_classes: Sequence[str] | None = None,
        keep_empty: bool = False,
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        min_size: float = 0,
    ) -> None:
        """Read and check the labels.

        Args:
            image_dir: folder of the pictures, e.g. training/image_2; for tracking, of folders of
                pictures, e.g. training/image_02.
            label_dir: folder of the label files, training/label_2 or training/label_02.
            split_file: text file with one stem (tracking: sequence) a line; None takes all.
            pipeline: transforms, built or as config dicts.
            classes: the names to use, in label order; None: see `read_kitti_classes`.
            ignore_classes: names whose objects are regions to ignore; of the class that they are
                neighbours of, else of all. None: the neighbours of `classes`; () for none.
            keep_empty: in training, keep pictures in which nothing can be learned.
            test_mode: keep every picture, and hand the records on for evaluation.
            indices: use the first (or with a negative number the last) so many pictures, or those
                listed.
            min_size: in training, drop pictures whose shorter side is less, pixels.

        Raises:
            InputError: a fault of the files or arguments; the message names it.
        """
        self.image_dir = image_dir
        self.label_dir = label_dir
        self.split_file = split_file
        self.ignore_classes = ignore_classes
        super().__init__(pipeline, classes, keep_empty, test_mode, indices, min_size)

    @property
    def source(self) -> str:
        """What messages call this data set."""
        return self.split_file or self.label_dir

    def read_records(self) -> tuple[tuple[str, ...], list[Record]]:
        """Class names and records, sorted by name or in the order of the split file."""
        check_image_dir(self.image_dir)
        files = _label_files(self.label_dir)
        tracking = (Path(self.image_dir) / files[0].stem).is_dir()
        # Of all files, also those outside the split, so that all splits have the same labels.
        rows = {file.stem: read_kitti_labels(file, tracking) for file in files}
        labels = self._labels({row.name for part in rows.values() for row in part})
        if self.split_file is not None:
            files = files_of_split(self.split_file, self.label_dir, ".txt")
        records: list[Record] = []
        if tracking:
            for file in files:
                records += self._sequence(file, rows[file.stem], labels)
        else:
            pictures = file_names(self.image_dir)
            for file in files:
                picture = picture_of(file.stem, pictures, self.image_dir, file)
                records.append(_record(picture, file.stem, rows[file.stem], labels, self.tally))
        return labels.classes, records

    def _labels(self, found: set[str]) -> _Labels:
        known = (*NAMES, *sorted(found - {REGION, *NAMES}))
        standard = _standard_classes(found) if self.classes is None else self.classes
        names = select_classes(known, standard, self.label_dir)
        wanted = self.ignore_classes
        if wanted is None:
            wanted = [n for n, of in NEIGHBOUR_OF.items() if of in names and n not in names]
        elif len(wanted):
            wanted = select_classes(known, wanted, f"{self.label_dir} (ignore_classes)")
        both = sorted(set(wanted) & set(names))
        if both:
            raise InputError(f"{both[0]!r} is in classes and in ignore_classes: choose one")
        everything = tuple(range(len(names)))
        ignored = {REGION: everything}
        for name in wanted:
            of = NEIGHBOUR_OF.get(name)
            ignored[name] = (names.index(of),) if of in names else everything  # type: ignore[arg-type]
        return _Labels(names, ignored)

    def _sequence(self, file: Path, rows: list[KittiRow], labels: _Labels) -> list[Record]:
        """Records of one tracking sequence: all pictures of its folder."""
        folder = str(Path(self.image_dir) / file.stem)
        pictures = file_names(folder)
        by_frame: dict[int, list[KittiRow]] = {}
        for row in rows:
            assert row.frame is not None
            by_frame.setdefault(row.frame, []).append(row)
        stems = sorted({Path(n).stem for n in pictures.values() if n.lower().endswith(SUFFIXES)})
        frames = {}
        for stem in stems:
            if not stem.isdecimal():
                raise InputError(f"{folder}: pictures must be named by frame, got {stem!r}")
            frames[int(stem)] = stem
        lost = sorted(set(by_frame) - set(frames))
        if lost:
            raise InputError(f"{file} has objects in frame {lost[0]}, but {folder} has no picture")
        return [
            _record(
                picture_of(stem, pictures, folder, file),
                f"{file.stem}/{stem}",
                by_frame.get(frame, []),
                labels,
                self.tally,
            )
            for frame, stem in sorted(frames.items())
        ]


def _record(
    picture: Path, name: str, rows: Sequence[KittiRow], labels: _Labels, tally: Tally
) -> Record:
    """One record of what `records` describes; `rows` may be empty."""
    width, height = picture_size(picture)
    record: Record = {
        "img_path": str(picture),
        "img_id": name,
        "height": height,
        "width": width,
        "instances": [],
        "devkit": {
            "names": [row.name for row in rows],
            "boxes": [list(row.box) for row in rows],
            "truncated": [row.truncated for row in rows],
            "occluded": [row.occluded for row in rows],
        },
    }
    for row in rows:
        instance = {
            "area": None,
            "iscrowd": int(row.name == REGION),
            "ignore": int(row.name in labels.ignored),
            "segmentation": None,
            "name": row.name,
            "truncated": row.truncated,
            "occluded": row.occluded,
        }
        if row.track is not None:
            instance["track"] = row.track
        if row.name in labels.ignored:
            add_region(record, row.box, labels.ignored[row.name], instance, tally)
        elif row.name in labels.classes:
            label = labels.classes.index(row.name)
            add_instance(record, row.box, {**instance, "label": label}, tally)
    return record
