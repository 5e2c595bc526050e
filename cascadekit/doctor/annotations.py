"""What is wrong with boxes, masks and pictures as they are annotated."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from cascadekit.doctor.finding import NOTE, WARNING, Example, Finding, few, plural
from cascadekit.doctor.object_faults import OBJECT_FAULTS, Size, faults_of, overlap
from cascadekit.doctor.raw_set import RawObject, RawPicture, RawSet

MANY_EMPTY = 0.5  # share of pictures without objects, from which on it looks like a slip
WHOLE = 0.95  # share of the picture that a box covers, to be called the whole picture
MANY_WHOLE = 0.25  # share of objects that are the whole picture: a classifier's data set?
CLOSE = 0.9  # IoU from which on two boxes of one class look like one object twice
ALIKE = 1  # pixels: boxes are the same object if they are equal when rounded to this

Sizes = Mapping[str, Size]  # path -> (width, height) of the file, where it could be read


def annotation_findings(own: RawSet, sizes: Sizes) -> list[Finding]:
    """Look at every object of a set.

    Args:
        own: the set.
        sizes: of the files; where one is not there, what the annotations say is taken.

    Returns:
        One finding for each fault that is there.
    """
    met: dict[str, list[Example]] = defaultdict(list)
    for picture in own.pictures:
        size = size_of(picture, sizes)
        for item in picture.objects:
            for fault in faults_of(item, size)[0]:
                met[fault.check].append(_example(picture, item, size))
    found = [
        own.finding(
            fault.check,
            fault.severity,
            plural(len(met[fault.check]), fault.one, fault.many),
            fix=fault.fix,
            count=len(met[fault.check]),
            examples=few(met[fault.check]),
            repair=fault.repair,
        )
        for fault in OBJECT_FAULTS
        if met[fault.check]
    ]
    return [*found, *_duplicates(own), *_empty(own), *_whole(own, sizes), *_regions(own)]


def size_of(picture: RawPicture, sizes: Sizes) -> Size:
    """Width and height that the boxes of a picture are held against."""
    return picture.size if picture.size != (0, 0) else sizes.get(picture.path, (0, 0))


def _example(picture: RawPicture, item: RawObject, size: Size) -> Example:
    numbers = "no box" if item.box is None else "[" + ", ".join(f"{v:g}" for v in item.box) + "]"
    boxes = () if item.box is None else (item.box,)
    return Example(picture.path, f"{item.key} ({item.label}) {numbers}", boxes, size)


def duplicate_objects(picture: RawPicture) -> tuple[list[RawObject], list[RawObject]]:
    """Objects that are there twice.

    Args:
        picture: with any objects.

    Returns:
        Those that repeat an earlier one, box and class; and those that have an earlier one's box
        and another class. Regions to ignore are not looked at.
    """
    same, other = [], []
    seen: dict[tuple[int, ...], RawObject] = {}
    for item in picture.objects:
        if item.box is None or item.region:
            continue
        first = seen.setdefault(_place(item), item)
        if first is not item:
            (same if first.label == item.label else other).append(item)
    return same, other


def close_pairs(picture: RawPicture) -> list[tuple[RawObject, RawObject]]:
    """Objects of one class whose boxes nearly agree, but are not equal.

    Objects are sorted by their left side and compared with the next ones only: of two boxes with
    an IoU of 0.9 the left sides differ by at most a tenth of the width.

    Args:
        picture: with any objects.

    Returns:
        The earlier and the later one of each pair.
    """
    found = []
    items = [(k, o) for k, o in enumerate(picture.objects) if o.box is not None and not o.region]
    items.sort(key=lambda one: one[1].box[0])  # type: ignore[index]
    for place, (k, first) in enumerate(items):
        assert first.box is not None
        reach = first.box[0] + (1 - CLOSE) * (first.box[2] - first.box[0])
        for j, other in items[place + 1 :]:
            assert other.box is not None
            if other.box[0] > reach:
                break
            if other.label != first.label or _place(first) == _place(other):
                continue
            if overlap(first.box, other.box) >= CLOSE:
                found.append((first, other) if k < j else (other, first))
    return found


def _place(item: RawObject) -> tuple[int, ...]:
    """A box in whole pixels; equal boxes are the same object."""
    return () if item.box is None else tuple(round(v / ALIKE) for v in item.box)


def _duplicates(own: RawSet) -> Iterator[Finding]:
    same, other, close = [], [], []
    for picture in own.pictures:
        twice, double = duplicate_objects(picture)
        same += [picture.example(o, what=f"{o.label}, again") for o in twice]
        other += [picture.example(o, what=f"{o.label}, with the box of another") for o in double]
        close += [picture.example(*pair, what=f"{pair[0].label}") for pair in close_pairs(picture)]
    for check, examples, what, fix, repair in (
        (
            "object.duplicate",
            same,
            "annotated twice (same box and class)",
            "Keep one of each: in evaluation only one of the two can be found",
            "the later one left out",
        ),
        (
            "object.nearly_duplicate",
            close,
            f"annotated twice, it seems (same class, IoU of {CLOSE:g} or more)",
            "Look at them: some tools paste a copy a few pixels aside. Keep one of each",
            "",
        ),
        (
            "object.two_classes",
            other,
            "annotated with two classes (same box)",
            "Decide for one class: a detector of exclusive classes cannot learn both",
            "",
        ),
    ):
        if examples:
            yield own.finding(
                check,
                WARNING,
                f"{plural(len(examples), 'object is', 'objects are')} {what}",
                fix=fix,
                count=len(examples),
                examples=few(examples),
                repair=repair,
            )


def _empty(own: RawSet) -> Iterator[Finding]:
    empty = [p for p in own.pictures if not any(not o.region for o in p.objects)]
    if not empty or not own.pictures:
        return
    share = len(empty) / len(own.pictures)
    regions = sum(1 for p in empty if p.objects)
    text = f"{plural(len(empty), 'picture')} of {len(own.pictures)} without an object to learn"
    if regions:
        text += f" ({regions} of them with regions to ignore only)"
    yield own.finding(
        "picture.empty",
        WARNING if share > MANY_EMPTY else NOTE,
        text,
        fix="In training they are left out; keep_empty=True of the data set keeps them, which "
        "teaches background. If objects are in them, the annotations are not complete",
        count=len(empty),
        examples=few(p.example() for p in empty),
    )


def _whole(own: RawSet, sizes: Sizes) -> Iterator[Finding]:
    whole, objects = [], 0
    for picture in own.pictures:
        width, height = size_of(picture, sizes)
        for item in picture.objects:
            if item.box is None or item.region or not width:
                continue
            objects += 1
            x1, y1, x2, y2 = item.box
            if (x2 - x1) >= WHOLE * width and (y2 - y1) >= WHOLE * height:
                whole.append(picture.example(item))
    if whole:
        much = len(whole) > MANY_WHOLE * objects
        yield own.finding(
            "box.whole_picture",
            WARNING if much else NOTE,
            f"{plural(len(whole), 'box', 'boxes')} of {objects} cover the whole picture",
            fix="Look at them: where nobody drew a box, some tools export the whole picture",
            count=len(whole),
            examples=few(whole),
        )


def _regions(own: RawSet) -> Iterator[Finding]:
    """Regions to ignore; one that several classes ignore is in the set once for each."""
    examples, names = [], Counter[str | None]()
    for picture in own.pictures:
        once = {(o.box or o.key): o for o in picture.objects if o.region}
        examples += [picture.example(o) for o in once.values()]
        names.update(o.label for o in picture.objects if o.region)
    if examples:
        kinds = ", ".join(f"{count} for {name}" for name, count in names.most_common(5))
        yield own.finding(
            "object.regions",
            NOTE,
            f"{plural(len(examples), 'region')} to ignore, neither learned nor background: {kinds}",
            count=len(examples),
            examples=few(examples),
        )
