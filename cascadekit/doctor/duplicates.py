"""Pictures that are there twice, to the byte or to the eye, in one split or across two.

To the eye: the perceptual hashes (pHash, 64 bits, of the library imagehash) differ in few bits and
small grey copies look alike. Pairs are found through buckets: of two hashes that differ in at most
3 bits, cut into 4 parts, at least one part is equal (pigeonhole), so only pictures that share a
part are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from cascadekit.doctor.finding import NOTE, WARNING, Example, Finding, few, plural
from cascadekit.doctor.pictures import PictureState
from cascadekit.doctor.raw_set import RawSet

BITS = 3  # hashes may differ by, of 64
PARTS, WIDTH = BITS + 1, 16  # of a hash
ALIKE = 0.985  # least correlation of two grey copies
FLAT = 2.0  # grey levels; flatter copies all look alike, and correlate at random
MOST = 400  # comparisons per picture in one bucket; a set of one motif would be quadratic

States = Mapping[str, PictureState]
Groups = list[list[str]]


def duplicate_findings(sets: Sequence[RawSet], states: States) -> list[Finding]:
    """Look for pictures that are there twice.

    Args:
        sets: the splits.
        states: of their files; files without one are not looked at.

    Returns:
        Findings within each split, and across each two.
    """
    of: dict[str, list[RawSet]] = defaultdict(list)
    for own in sets:
        for path in dict.fromkeys(p.path for p in own.pictures):
            if path in states and not states[path].fault:
                of[path].append(own)
    found = list(_shared(of))
    paths = list(of)
    equal = same_bytes(paths, states)
    first = {path: group[0] for group in equal for path in group}
    alike = look_alike([p for p in paths if first.get(p, p) == p], states)
    for groups, name, how in ((equal, "same", "to the byte"), (alike, "alike", "to the eye")):
        found += _across(groups, of, name, how)
        found += _within(groups, of, name, how)
    return found


def _shared(of: Mapping[str, Sequence[RawSet]]) -> Iterator[Finding]:
    """The very same file in two splits."""
    met: dict[str, list[Example]] = defaultdict(list)
    for path, owners in of.items():
        roles = sorted({own.role for own in owners})
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


def _across(
    groups: Groups, of: Mapping[str, Sequence[RawSet]], name: str, how: str
) -> Iterator[Finding]:
    met: dict[str, list[Example]] = defaultdict(list)
    for group in groups:
        by_role: dict[str, str] = {}
        for path in group:
            for own in of[path]:
                by_role.setdefault(own.role, path)
        roles = sorted(by_role)
        if len(roles) > 1 and len(set(by_role.values())) > 1:
            a, b = by_role[roles[0]], by_role[roles[1]]
            examples = [Example(a, f"{roles[0]}"), Example(b, f"{roles[1]}, as {_short(a)}")]
            met[" and ".join(roles)] += examples
    for where, pairs in met.items():
        count = len(pairs) // 2
        yield Finding(
            f"split.{name}",
            WARNING,
            where,
            f"{plural(count, 'picture is', 'pictures are')} in both splits, the same {how}",
            "Take them out of one: a score on pictures that were trained on says nothing. Frames "
            "of one video, or photos of one scene, belong into one split",
            count,
            tuple(pairs[:8]),
        )


def _within(
    groups: Groups, of: Mapping[str, Sequence[RawSet]], name: str, how: str
) -> Iterator[Finding]:
    met: dict[str, list[list[str]]] = defaultdict(list)
    for group in groups:
        for role in sorted({own.role for path in group for own in of[path]}):
            own = [p for p in group if any(o.role == role for o in of[p])]
            if len(own) > 1:
                met[role].append(own)
    for role, found in met.items():
        extra = sum(len(group) - 1 for group in found)
        examples = [
            Example(path, f"as {_short(group[0])}" if path != group[0] else "")
            for group in found
            for path in group
        ]
        yield Finding(
            f"picture.{name}",
            WARNING if name == "same" else NOTE,
            role,
            f"{plural(extra, 'picture repeats', 'pictures repeat')} another of the split {how}, in "
            f"{plural(len(found), 'group')}",
            "Leave the copies out. If their boxes differ, one of the two is wrong"
            if name == "same"
            else "Look at a few: frames of one video count less than so many pictures",
            extra,
            tuple(examples[:8]),
        )


def _short(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


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
