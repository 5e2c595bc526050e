"""What the pictures of a set are like, and whether training can read them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cascadekit.datasets.folders import SUFFIXES
from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Example, Finding, few, plural
from cascadekit.doctor.pictures import TURNED, UPRIGHT, PictureState
from cascadekit.doctor.raw_set import RawPicture, RawSet

States = Mapping[str, PictureState]
FLAT = 2.0  # grey levels of 255; pictures that differ less within themselves show nothing
GREY = ("1", "L", "LA")
DEEP = ("I;16", "I;16B", "I", "F")
CLEAR = ("RGBA", "LA", "PA", "RGBa", "La")


def picture_findings(own: RawSet, states: States) -> list[Finding]:
    """Look at every picture of a set.

    Args:
        own: the set.
        states: of its files; pictures without one are not looked at.

    Returns:
        One finding for each fault that is there.
    """
    pairs = [(p, states[p.path]) for p in own.pictures if p.path in states]
    files = [*_faults(own, pairs), *_sizes(own, pairs), *_kinds(own, pairs)]
    return [*files, *_listed(own), *_unlisted(own)]


Pairs = Sequence[tuple[RawPicture, PictureState]]


def _faults(own: RawSet, pairs: Pairs) -> Iterator[Finding]:
    for fault, what, fix in (
        ("missing", "not there", "Copy them, or correct --images or image_dir"),
        ("unreadable", "no pictures that can be read", "Copy them again, or leave them out"),
        ("truncated", "cut off or damaged", "Copy or download them again, or leave them out"),
    ):
        examples = [Example(s.path, s.reason) for _, s in pairs if s.fault == fault]
        if examples:
            several = plural(len(examples), "file is", "files are")
            yield own.finding(
                f"picture.{fault}",
                ERROR,
                f"{several} {what} (of {len(pairs)}): training stops there",
                fix=fix,
                count=len(examples),
                examples=few(examples),
                repair="left out",
            )


def _sizes(own: RawSet, pairs: Pairs) -> Iterator[Finding]:
    """Sizes that are not those of the annotations, and EXIF tags that turn the picture."""
    wrong, turned, tagged = [], [], []
    for picture, state in pairs:
        if state.fault or state.size == (0, 0):
            continue
        noted, stored = picture.size, state.size
        text = f"annotated {noted[0]} x {noted[1]}, file {stored[0]} x {stored[1]}"
        if noted != (0, 0) and noted != stored:
            swapped = noted == stored[::-1] and state.orientation in TURNED
            (turned if swapped else wrong).append(Example(picture.path, text))
        elif state.orientation not in UPRIGHT:
            boxes = tuple(o.box for o in picture.objects if o.box is not None)
            tagged.append(Example(picture.path, f"EXIF orientation {state.orientation}", boxes))
    for check, severity, examples, what, fix in (
        (
            "picture.size",
            ERROR,
            wrong,
            "of another size than the annotations say: training stops there",
            "Were they resized after they were annotated? Take the originals, or annotate again; "
            "widths and heights that are wrong, but boxes that fit, can be corrected in the json",
        ),
        (
            "picture.annotated_turned",
            ERROR,
            turned,
            "annotated as their EXIF tag turns them, but stored otherwise: training stops there",
            "LoadImage(exif_rotation=True) in both pipelines, or store them turned",
        ),
        (
            "picture.exif",
            WARNING,
            tagged,
            "turned by an EXIF tag, which training does not follow",
            "Look at the boxes drawn here: if they fit the stored pixels, nothing; else "
            "LoadImage(exif_rotation=True) in both pipelines",
        ),
    ):
        if examples:
            several = plural(len(examples), "picture is", "pictures are")
            yield own.finding(
                check,
                severity,
                f"{several} {what}",
                fix=fix,
                count=len(examples),
                examples=few(examples),
            )


@dataclass(frozen=True)
class PictureKind:
    """A kind of pictures that training changes on the way in.

    Attributes:
        check: its name.
        severity: see `Finding`.
        what: what such pictures are, after "pictures are".
        has: whether a sound file is one.
        fix: what to do.
    """

    check: str
    severity: str
    what: str
    has: Callable[[PictureState], bool]
    fix: str


KINDS = (
    PictureKind(
        "picture.format",
        ERROR,
        "in a format that OpenCV does not read",
        lambda s: not s.decodable,
        "Save them as JPEG or PNG",
    ),
    PictureKind(
        "picture.deep",
        WARNING,
        "of more than 8 bits",
        lambda s: s.mode in DEEP,
        "Training divides by 256: pictures of 10 or 12 bits become nearly black. Stretch them to "
        "8 bits beforehand",
    ),
    PictureKind(
        "picture.grey",
        NOTE,
        "grey",
        lambda s: s.mode in GREY,
        "Nothing: the channel is repeated. If the pictures to predict have colours, so should "
        "these",
    ),
    PictureKind(
        "picture.transparent",
        NOTE,
        "with transparency, which is dropped",
        lambda s: s.mode in CLEAR,
        "What lies under transparent pixels becomes visible: look at one with `browse`",
    ),
    PictureKind(
        "picture.cmyk",
        NOTE,
        "in CMYK",
        lambda s: s.mode in ("CMYK", "YCCK"),
        "Save them as RGB: decoders differ on CMYK",
    ),
    PictureKind(
        "picture.flat",
        NOTE,
        "of nearly one colour",
        lambda s: s.tiny is not None and float(np.std(s.tiny)) < FLAT,
        "Look at them: black frames of a video, or failed downloads?",
    ),
)


def _kinds(own: RawSet, pairs: Pairs) -> Iterator[Finding]:
    sound = [state for _, state in pairs if not state.fault]
    for kind in KINDS:
        examples = [Example(s.path, f"{s.kind}, {s.mode}") for s in sound if kind.has(s)]
        if examples:
            several = plural(len(examples), "picture is", "pictures are")
            yield own.finding(
                kind.check,
                kind.severity,
                f"{several} {kind.what} (of {len(sound)})",
                fix=kind.fix,
                count=len(examples),
                examples=few(examples),
            )


def _listed(own: RawSet) -> Iterator[Finding]:
    """One file under several ids."""
    seen: dict[str, RawPicture] = {}
    again = []
    for picture in own.pictures:
        first = seen.setdefault(picture.path, picture)
        if first is not picture:
            again.append(Example(picture.path, f"as {first.key} and as {picture.key}"))
    if again:
        yield own.finding(
            "picture.listed_twice",
            WARNING,
            f"{plural(len(again), 'picture is', 'pictures are')} listed again under another id",
            fix="Merge the entries: what one of them leaves out is background in the other",
            count=len(again),
            examples=few(again),
            repair="merged",
        )


def _unlisted(own: RawSet) -> Iterator[Finding]:
    """Pictures that lie in the folders and that no annotation mentions."""
    listed = {os.path.abspath(p.path) for p in own.pictures}
    # A split of a larger folder leaves the others out on purpose.
    if own.kind != "CocoDataset" or not listed:
        return
    folders = sorted({os.path.dirname(path) for path in listed})
    others = [
        Example(path, "not annotated")
        for folder in folders
        if Path(folder).is_dir()
        for path in sorted(os.path.join(folder, name) for name in os.listdir(folder))
        if path.lower().endswith(SUFFIXES) and path not in listed
    ]
    if others and len(others) < len(listed):
        yield own.finding(
            "picture.not_annotated",
            NOTE,
            f"{plural(len(others), 'picture')} beside the others without an entry in {own.source}",
            fix="Nothing, if that is meant",
            count=len(others),
            examples=few(others),
        )
