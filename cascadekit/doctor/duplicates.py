"""Pictures that are there twice, to the byte or to the eye, in one split or across two.

To the eye: the perceptual hashes (pHash, 64 bits, of the library imagehash) differ in few bits and
small grey copies look alike. Pairs are found through buckets: of two hashes that differ in at most
3 bits, cut into 4 parts, at least one part is equal (pigeonhole), so only pictures that share a
part are compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from cascadekit.doctor.finding import MOST_EXAMPLES, NOTE, WARNING, Example, Finding, few, plural
from cascadekit.doctor.pictures import PictureState
from cascadekit.doctor.raw_set import RawPicture, RawSet

BITS = 3  # hashes may differ by, of 64
PARTS, WIDTH = BITS + 1, 16  # of a hash
ALIKE = 0.985  # least correlation of two grey copies
FLAT = 2.0  # grey levels; flatter copies all look alike, and correlate at random
MOST = 400  # comparisons per picture in one bucket; a set of one motif would be quadratic

States = Mapping[str, PictureState]
Groups = list[list[str]]
Owners = dict[str, dict[str, RawPicture]]  # path -> role -> its entry there


def duplicate_findings(sets: Sequence[RawSet], states: States) -> list[Finding]:
    """Look for pictures that are there twice.

    Args:
        sets: the splits.
        states: of their files; files without one are not looked at.

    Returns:
        Findings within each split, and across each two.
    """
    of: Owners = defaultdict(dict)
    for own in sets:
        for picture in own.pictures:
            if picture.path in states and not states[picture.path].fault:
                of[picture.path].setdefault(own.role, picture)
    found = list(_shared(of))
    paths = list(of)
    equal = same_bytes(paths, states)
    first = {path: group[0] for group in equal for path in group}
    alike = look_alike([p for p in paths if first.get(p, p) == p], states)
    for groups, name, how in ((equal, "same", "to the byte"), (alike, "alike", "to the eye")):
        found += _across(groups, of, name, how)
        found += _within(groups, of, name, how)
    return found


def _shared(of: Owners) -> Iterator[Finding]:
    """The very same file in two splits."""
    met: dict[str, list[Example]] = defaultdict(list)
    for path, owners in of.items():
        roles = sorted(owners)
        if len(roles) > 1:
            met[" and ".join(roles)].append(Example(path, f"in {' and '.join(roles)}"))
    for where, examples in met.items():
        yield Finding(
            "split.shared",
            WARNING,
            where,
            f"{plural(len(examples), 'file is', 'files are')} in both splits",
            "Validate on pictures that were not trained on: the scores are too good otherwise",
            len(examples),
            few(examples),
        )


def _across(groups: Groups, of: Owners, name: str, how: str) -> Iterator[Finding]:
    met: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for group in groups:
        by_role: dict[str, str] = {}
        for path in group:
            for role in of[path]:
                by_role.setdefault(role, path)
        roles = sorted(by_role)
        if len(roles) > 1 and len(set(by_role.values())) > 1:
            met[" and ".join(roles)].append((by_role[roles[0]], by_role[roles[1]]))
    for where, pairs in met.items():
        first, second = where.split(" and ")
        both = [(of[a][first], of[b][second]) for a, b in pairs]
        examples = [
            _example(picture, role)
            for pair in both
            for picture, role in zip(pair, (first, second), strict=True)
        ]
        yield Finding(
            f"split.{name}",
            WARNING,
            where,
            f"{plural(len(pairs), 'picture is', 'pictures are')} in both splits, the same {how}"
            f"{_disagreement(both)}",
            "Take them out of one: a score on pictures that were trained on says nothing. Frames "
            "of one video, or photos of one scene, belong into one split",
            len(pairs),
            tuple(examples[:MOST_EXAMPLES]),
        )


def _within(groups: Groups, of: Owners, name: str, how: str) -> Iterator[Finding]:
    met: dict[str, list[list[RawPicture]]] = defaultdict(list)
    for group in groups:
        for role in sorted({role for path in group for role in of[path]}):
            own = [of[path][role] for path in group if role in of[path]]
            if len(own) > 1:
                met[role].append(own)
    for role, found in met.items():
        pairs = [(group[0], other) for group in found for other in group[1:]]
        examples = [_example(picture) for group in found for picture in group]
        yield Finding(
            f"picture.{name}",
            WARNING if name == "same" else NOTE,
            role,
            f"{plural(len(pairs), 'picture repeats', 'pictures repeat')} another of the split "
            f"{how}, in {plural(len(found), 'group')}{_disagreement(pairs)}",
            "Leave the copies out. If their boxes differ, one of the two is wrong"
            if name == "same"
            else "Look at a few: frames of one video count less than so many pictures",
            len(pairs),
            tuple(examples[:MOST_EXAMPLES]),
        )


def _contents(picture: RawPicture) -> Counter[str | None]:
    return Counter(o.label for o in picture.objects if not o.region)


def _disagreement(pairs: Sequence[tuple[RawPicture, RawPicture]]) -> str:
    """How many of the pairs are annotated with other classes."""
    other = sum(_contents(a) != _contents(b) for a, b in pairs)
    return f"; {other} of them with other objects" if other else ""


def _example(picture: RawPicture, role: str = "") -> Example:
    """A picture with its boxes and classes, so that two can be compared."""
    listed = ", ".join(f"{count} {label}" for label, count in _contents(picture).items())
    boxes = tuple(o.box for o in picture.objects if o.box is not None)
    return Example(picture.path, f"{role}: {listed}" if role else listed, boxes)


def same_bytes(paths: Iterable[str], states: States) -> Groups:
    """Groups of two or more files that are equal to the byte, in the order of the paths."""
    by_digest: dict[bytes, list[str]] = defaultdict(list)
    for path in paths:
        if states[path].digest:
            by_digest[states[path].digest].append(path)
    return [group for group in by_digest.values() if len(group) > 1]


def look_alike(paths: Sequence[str], states: States) -> Groups:
    """Groups of two or more pictures that look alike.

    Args:
        paths: no two of them equal to the byte.
        states: of the files.

    Returns:
        Groups in the order of the paths. A picture may be alike to the first of its group through
        others; flat pictures are alike to none.
    """
    kept = [path for path in paths if _comparable(states[path])]
    place = {path: k for k, path in enumerate(kept)}
    leader = {path: path for path in kept}

    def root(path: str) -> str:
        while leader[path] != path:
            leader[path] = leader[leader[path]]
            path = leader[path]
        return path

    for bucket in _buckets(kept, states):
        for i, path in enumerate(bucket):
            for other in bucket[max(0, i - MOST) : i]:
                if root(path) != root(other) and _alike(states[path], states[other]):
                    a, b = sorted((root(path), root(other)), key=place.__getitem__)
                    leader[b] = a
    groups: dict[str, list[str]] = defaultdict(list)
    for path in kept:
        groups[root(path)].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _comparable(state: PictureState) -> bool:
    return state.look is not None and state.tiny is not None and float(np.std(state.tiny)) >= FLAT


def _buckets(paths: Sequence[str], states: States) -> Iterator[list[str]]:
    """Pictures whose hashes share a part."""
    for part in range(PARTS):
        buckets: dict[int, list[str]] = defaultdict(list)
        for path in paths:
            look = states[path].look
            assert look is not None
            buckets[(look >> (part * WIDTH)) & ((1 << WIDTH) - 1)].append(path)
        yield from (bucket for bucket in buckets.values() if len(bucket) > 1)


def _alike(a: PictureState, b: PictureState) -> bool:
    """Whether hashes and grey copies agree."""
    assert a.look is not None and b.look is not None and a.tiny is not None and b.tiny is not None
    if (a.look ^ b.look).bit_count() > BITS:
        return False
    return float(np.corrcoef(a.tiny, b.tiny)[0, 1]) >= ALIKE
