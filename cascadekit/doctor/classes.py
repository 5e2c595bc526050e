"""Whether the classes of splits and config fit each other, and how often each is there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from mmengine import Config

from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Example, Finding, few, plural
from cascadekit.doctor.raw_set import RawSet
from cascadekit.quality.tables import Table

FEW = 20  # objects to learn a class from; below, its AP is chance
UNEVEN = 10.0  # times as many objects of the commonest class as of the rarest


def class_findings(config: Config, sets: Sequence[RawSet]) -> list[Finding]:
    """Compare classes.

    Args:
        config: of `load_config`.
        sets: the splits, the training set first.

    Returns:
        What does not fit, and what is rare.
    """
    sets = [own for own in sets if own.labels]
    found = list(_count(config, sets))
    for own in sets:
        found += [*_spelling(own), *_unwanted(own)]
    train = [own for own in sets if own.role == "train"]
    for own in sets:
        if train and own.role != "train":
            found += _agreement(train[0], own)
    return [*found, *_balance(train)] if train else found


def counts(sets: Sequence[RawSet]) -> Counter[str]:
    """Objects of each class, regions to ignore left out."""
    return Counter(
        o.label for own in sets for p in own.pictures for o in p.objects if o.label and not o.region
    )


def _count(config: Config, sets: Sequence[RawSet]) -> Iterator[Finding]:
    wanted = config.model.get("num_classes")
    for own in sets:
        if wanted is not None and wanted != len(own.labels):
            yield Finding(
                "class.count",
                ERROR,
                own.role,
                f"model.num_classes is {wanted}, but {own.source} has {len(own.labels)} classes: "
                f"{', '.join(own.labels[:8])}{', ...' if len(own.labels) > 8 else ''}",
                f"--cfg-options model.num_classes={len(own.labels)}, or name the data with --data, "
                "which sets it",
            )


def _spelling(own: RawSet) -> Iterator[Finding]:
    """Names that differ in case, blanks or marks only."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in own.classes:
        groups["".join(c for c in name.lower() if c.isalnum()) or name].append(name)
    numbers = counts([own])
    for names in groups.values():
        if len(names) > 1:
            listed = " and ".join(f"{name!r} ({numbers[name]} objects)" for name in names)
            yield own.finding(
                "class.spelling",
                WARNING,
                f"classes that differ in spelling only: {listed}",
                fix="Rename one in the annotations if they are the same",
                examples=few(_first(own, name) for name in names),
            )


def _first(own: RawSet, name: str) -> Example:
    """One object of a class, if there is one."""
    for picture in own.pictures:
        for item in picture.objects:
            if item.label == name:
                return picture.example(item, what=name)
    return Example(own.source, f"no {name}")


def _unwanted(own: RawSet) -> Iterator[Finding]:
    left = {n: c for n, c in counts([own]).items() if n not in own.labels}
    if left:
        names = ", ".join(f"{count} {name}" for name, count in left.items())
        yield own.finding(
            "class.left_out",
            NOTE,
            f"objects of classes that the config does not choose become background: {names}",
            count=sum(left.values()),
        )


def _agreement(train: RawSet, own: RawSet) -> Iterator[Finding]:
    where = f"train and {own.role}"
    if own.labels != train.labels:
        only = sorted(set(own.labels) ^ set(train.labels))
        detail = f"only in one: {', '.join(only[:8])}" if only else "the same in another order"
        yield Finding(
            "class.differ",
            ERROR,
            where,
            f"the splits have other classes, so that labels mean other things: {detail}",
            "Give both data sets the same `classes`, or both names with --data and --val-data, "
            "which fixes them to those of the training",
        )
    learned, asked = counts([train]), counts([own])
    strange = sorted(n for n in asked if n in own.labels and not learned[n])
    if strange:
        yield Finding(
            "class.not_learned",
            ERROR,
            where,
            f"{own.role} has objects of classes without any in train: {', '.join(strange)}",
            "Split anew, so that every class is in both",
            len(strange),
            few(_first(own, name) for name in strange),
        )
    unseen = sorted(n for n in train.labels if learned[n] and not asked[n])
    if unseen and asked:
        yield Finding(
            "class.not_measured",
            WARNING,
            where,
            f"{plural(len(unseen), 'class', 'classes')} with no object in {own.role}: "
            f"{', '.join(unseen[:10])}. The AP cannot be told",
            "Split anew, so that every class is in both",
            len(unseen),
        )


def _balance(sets: Sequence[RawSet]) -> Iterator[Finding]:
    numbers = counts(sets)
    names = list(dict.fromkeys(name for own in sets for name in own.labels))
    never = [name for name in names if not numbers[name]]
    if never:
        yield Finding(
            "class.unused",
            WARNING,
            "train",
            f"{plural(len(never), 'class', 'classes')} without an object to learn: "
            f"{', '.join(never[:10])}",
            "Take them out of the categories: an output each that nothing trains",
            len(never),
        )
    rare = [name for name in names if 0 < numbers[name] < FEW]
    if rare:
        listed = ", ".join(f"{name} ({numbers[name]})" for name in rare[:10])
        yield Finding(
            "class.rare",
            WARNING,
            "train",
            f"{plural(len(rare), 'class', 'classes')} with fewer than {FEW} objects: {listed}",
            "Annotate more of them",
            len(rare),
            few(_first(sets[0], name) for name in rare),
        )
    present = [(numbers[name], name) for name in names if numbers[name]]
    if len(present) > 1 and max(present)[0] > UNEVEN * min(present)[0]:
        (least, rarest), (most, commonest) = min(present), max(present)
        yield Finding(
            "class.balance",
            WARNING,
            "train",
            f"{most / least:.0f} times as many {commonest} ({most}) as {rarest} ({least})",
            "AP counts every class alike. mmengine.ClassBalancedDataset(oversample_thr=...) around "
            "the data set shows pictures of rare classes more often",
            len(present),
        )


def class_table(sets: Sequence[RawSet]) -> Table:
    """Objects and pictures of each class in each split."""
    names = list(dict.fromkeys(name for own in sets for name in own.classes))
    roles = list(dict.fromkeys(own.role for own in sets))
    header = ["class"]
    columns = []
    for role in roles:
        own = [s for s in sets if s.role == role]
        objects, pictures = counts(own), Counter[str]()
        for picture in (p for s in own for p in s.pictures):
            pictures.update({o.label for o in picture.objects if o.label and not o.region})
        header += [f"{role}: objects", f"{role}: pictures"]
        columns += [objects, pictures]
    rows = [(name, *(str(column[name]) for column in columns)) for name in names]
    return Table("Classes", tuple(header), tuple(rows), ("Regions to ignore are not counted.",))
