"""One thing the doctor found: how bad it is, how often it is there, where to look, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)  # the worst first
MOST_EXAMPLES = 8  # of one finding; the count says how many there are

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the file


@dataclass(frozen=True)
class Example:
    """One place where a fault is.

    Attributes:
        path: of the picture, or of an annotation file.
        what: what is wrong there, in a few words; may be "".
        boxes: to draw on the picture, pixels of the file; they may lie outside or be empty.
        size: (width, height) that the boxes refer to; (0, 0) where that is the picture's own.
    """

    path: str
    what: str = ""
    boxes: tuple[Box, ...] = ()
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Finding:
    """What is wrong, or worth knowing.

    Attributes:
        check: its name, "family.fault", for scripts.
        severity: "error": the training stops or learns something wrong; "warning": it will likely
            be worse for it; "note": worth knowing, nothing to do.
        where: "train", "val", "train and val", "config", "machine" or "checkpoint".
        what: one sentence.
        fix: what to do about it; "" where there is nothing.
        count: how often it is there.
        examples: a few of them.
        repair: what `--fix` does about it; "" if nothing.
    """

    check: str
    severity: str
    where: str
    what: str
    fix: str = ""
    count: int = 1
    examples: tuple[Example, ...] = ()
    repair: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain dicts and lists."""
        examples = [
            {"path": e.path, "what": e.what, "boxes": [list(box) for box in e.boxes]}
            for e in self.examples
        ]
        return {
            "check": self.check,
            "severity": self.severity,
            "where": self.where,
            "count": self.count,
            "what": self.what,
            "fix": self.fix,
            "repair": self.repair,
            "examples": examples,
        }


def few(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The first few examples, of as many pictures as there are."""
    chosen: list[Example] = []
    others: list[Example] = []
    seen: set[str] = set()
    for example in examples:
        (others if example.path in seen else chosen).append(example)
        seen.add(example.path)
        if len(chosen) == MOST_EXAMPLES:
            break
    return tuple([*chosen, *others][:MOST_EXAMPLES])


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors, warnings, notes; within each as they came."""
    return tuple(sorted(findings, key=lambda f: SEVERITIES.index(f.severity)))


def count_of(findings: Sequence[Finding], severity: str) -> int:
    """How many findings have a severity."""
    return sum(f.severity == severity for f in findings)


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 box", "3 boxes"."""
    return f"{count} {one if count == 1 else many or one + 's'}"
