"""Weights under the names of another framework, brought under ours: what became of every key.

A translation renames and reorders; it never computes. The exceptions are named in `made`: the
statistics of frozen norms that a framework does not store.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cascadekit.errors import InputError

OURS = "cascadekit"
# Of torch's batch norm, and of every frozen norm that is compared with one.
NORM_EPS = 1e-5


@dataclass(frozen=True)
class Translation:
    """Weights under our names, and an account of the names they came under.

    Attributes:
        dialect: whose names they had, such as "detectron2"; "cascadekit" for ours.
        weights: our name -> tensor.
        sources: our name -> the name in the file.
        ignored: name in the file -> why nothing of ours needs it.
        unknown: names in the file that have no counterpart here.
        made: our name -> why it is there though the file has no such key.
        notes: sentences about what was assumed.
        classes: class names in label order, where the dialect knows them.
    """

    dialect: str
    weights: dict[str, Tensor]
    sources: dict[str, str]
    ignored: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, Tensor] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether the names were not ours already."""
        return self.dialect != OURS

    def summary(self) -> str:
        """One line: whose names, how many tensors, what was left out and why."""
        parts = [f"{len(self.sources)} of {self.total} tensors are ours under other names"]
        if self.made:
            parts.append(f"{len(self.made)} made ({', '.join(sorted(set(self.made.values())))})")
        if self.ignored:
            parts.append(f"{len(self.ignored)} ignored ({count_reasons(self.ignored)})")
        if self.unknown:
            first = ", ".join(list(self.unknown)[:3])
            parts.append(f"{len(self.unknown)} without counterpart ({first}, ...)")
        return f"{self.dialect}: " + "; ".join([*parts, *self.notes])

    @property
    def total(self) -> int:
        """Keys of the file; each is mapped, ignored or unknown."""
        return len(self.sources) + len(self.ignored) + len(self.unknown)


def count_reasons(reasons: Mapping[str, str]) -> str:
    """E.g. "momentum: 57, the classifier of ImageNet: 2", most frequent first."""
    return ", ".join(f"{why}: {n}" for why, n in Counter(reasons.values()).most_common())


@dataclass(frozen=True)
class Rule:
    """One row of a key map.

    Attributes:
        pattern: matched against the whole name in the file.
        name: our name: what `re.Match.expand` takes, or a function of the match.
    """

    pattern: re.Pattern[str]
    name: str | Callable[[re.Match[str]], str]


def rule(pattern: str, name: str | Callable[[re.Match[str]], str]) -> Rule:
    """Write a `Rule` short."""
    return Rule(re.compile(pattern), name)


def translate_keys(
    dialect: str,
    state: Mapping[str, Any],
    rules: Sequence[Rule],
    ignore: Sequence[tuple[str, str]] = (),
) -> Translation:
    """Bring every key of a state under our name by the first rule that matches.

    Args:
        dialect: name of the framework.
        state: name in the file -> tensor.
        rules: the key map.
        ignore: (pattern, why) of keys that nothing of ours needs; they are looked at first.

    Returns:
        Every key of `state` under `weights`, `ignored` or `unknown`.

    Raises:
        InputError: two keys would get the same name, or a mapped one is no tensor.
    """
    weights: dict[str, Tensor] = {}
    sources: dict[str, str] = {}
    ignored: dict[str, str] = {}
    unknown: dict[str, Any] = {}
    for key, value in state.items():
        why = next((why for pattern, why in ignore if re.fullmatch(pattern, key)), None)
        ours = None if why is not None else _renamed(key, rules)
        if why is not None:
            ignored[key] = why
        elif ours is None:
            unknown[key] = value
        elif ours in sources:
            raise InputError(
                f"{dialect}: {sources[ours]!r} and {key!r} would both become {ours!r}; the file "
                "mixes two models or two versions of names: remove one of them"
            )
        elif not isinstance(value, Tensor):
            raise InputError(f"{dialect}: {key!r} is a {type(value).__name__}, expected a tensor")
        else:
            weights[ours], sources[ours] = value, key
    return Translation(dialect, weights, sources, ignored, unknown)


def _renamed(key: str, rules: Iterable[Rule]) -> str | None:
    for row in rules:
        match = row.pattern.fullmatch(key)
        if match is not None:
            return match.expand(row.name) if isinstance(row.name, str) else row.name(match)
    return None


def background_last(name: str, value: Tensor) -> Tensor:
    """Rows of a class layer whose first class is the background, in our order.

    Args:
        name: our name; only fc_cls, fc_reg and conv_logits have classes.
        value: weight or bias, (rows, ...). `fc_cls` has K + 1 rows, background first; `fc_reg` 4 a
            class, with 4 for the background or, class-agnostic, 4 for background and 4 for all
            objects; `conv_logits` K + 1, or 1 when class-agnostic.

    Returns:
        `fc_cls`: K + 1 rows, background last. `fc_reg`: without the first 4, 4 K or 4.
        `conv_logits`: without the first, K; or the 1 as it is. Others: `value`.

    Raises:
        InputError: the layer has too few rows to hold a background.
    """
    layer = name.split(".")[-2] if "." in name else ""
    least = {"fc_cls": 2, "fc_reg": 8, "conv_logits": 1}.get(layer)
    if least is None:
        return value
    if value.ndim == 0 or len(value) < least or (layer == "fc_reg" and len(value) % 4):
        raise InputError(
            f"{name}: its source has shape {tuple(value.shape)}; expected at least {least} rows, "
            "the background's first"
        )
    if layer == "fc_cls":
        return torch.cat([value[1:], value[:1]])
    if layer == "fc_reg":
        return value[4:].clone()
    return value if len(value) == 1 else value[1:].clone()


def frozen_statistics(weights: Mapping[str, Tensor], variance: float) -> dict[str, Tensor]:
    """Running statistics for batch norms stored as a scale and a shift only.

    Args:
        weights: our names; norms are called `bn1`, `bn2`, ... and `downsample.1`.
        variance: of all channels; 1 - `NORM_EPS` makes the norm exactly scale and shift.

    Returns:
        `running_mean` (zeros) and `running_var` for each of them that has none.
    """
    made = {}
    for name, scale in weights.items():
        match = re.fullmatch(r"(.*(?:\.bn\d|\.downsample\.1))\.weight", name)
        if match is None or f"{match[1]}.running_mean" in weights:
            continue
        made[f"{match[1]}.running_mean"] = torch.zeros_like(scale)
        made[f"{match[1]}.running_var"] = torch.full_like(scale, variance)
    return made
