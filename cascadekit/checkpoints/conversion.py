"""Writing weights of one framework under the names of another, with an account of every key."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor

from cascadekit.checkpoints.mismatch import explain_keys, explain_shapes
from cascadekit.checkpoints.mmdet import to_mmdet
from cascadekit.checkpoints.safe_load import SAFETENSORS
from cascadekit.checkpoints.translation import Translation, count_reasons
from cascadekit.checkpoints.weights import save_weights
from cascadekit.errors import InputError

_Rows = Iterator[tuple[str, str, str]]


@dataclass(frozen=True)
class Conversion:
    """What a file becomes.

    Attributes:
        found: the file's weights under our names.
        to: "cascadekit" or "mmdet".
        weights: what is to be written, target name -> tensor.
        sources: target name -> name in the file.
        made: target name -> why it is there though the file has no such key.
        missing: our names that the model has and the file lacks.
        extra: our names that the file has and the model lacks.
        mismatched: our names in both, of different shape.
        homeless: our names that mmdetection has no layer for.
        problem: why the file does not fit the model, or None.
    """

    found: Translation
    to: str
    weights: dict[str, Tensor]
    sources: dict[str, str]
    made: dict[str, str]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    homeless: tuple[str, ...] = ()
    problem: InputError | None = None

    @property
    def is_partial(self) -> bool:
        """Whether something of the file, or of the model, is left out."""
        left = (self.missing, self.extra, self.mismatched, self.homeless, self.found.unknown)
        return any(left)


def convert(
    found: Translation, to: str = "cascadekit", shapes: Mapping[str, Tensor] | None = None
) -> Conversion:
    """Bring weights under other names.

    Args:
        found: of `read_translation`.
        to: "cascadekit" or "mmdet".
        shapes: state dict of the model they are for, on any device; None: not compared.

    Returns:
        What can be written, and what is left out.
    """
    weights = found.weights
    missing, extra, mismatched, problem = (), (), (), None
    if shapes is not None:
        # Step counters of batch norms are no weights; frozen norms have none.
        missing = tuple(
            k for k in shapes if k not in weights and not k.endswith("num_batches_tracked")
        )
        extra = tuple(k for k in weights if k not in shapes)
        mismatched = tuple(
            k for k, v in weights.items() if k in shapes and v.shape != shapes[k].shape
        )
        if mismatched:
            problem = explain_shapes(mismatched, weights, shapes)
        elif missing or extra:
            problem = explain_keys(missing, extra, shapes)
        left = {*extra, *mismatched}
        weights = {k: v for k, v in weights.items() if k not in left}
    if to == "cascadekit":
        return Conversion(
            found,
            to,
            weights,
            {k: v for k, v in found.sources.items() if k in weights},
            {k: v for k, v in found.made.items() if k in weights},
            *(missing, extra, mismatched),
            problem=problem,
        )
    theirs = to_mmdet(weights)
    by_name = {k: found.sources.get(ours, ours) for k, ours in theirs.sources.items()}
    made = {k: found.made[ours] for k, ours in theirs.sources.items() if ours in found.made}
    return Conversion(
        found,
        to,
        theirs.weights,
        {k: v for k, v in by_name.items() if k not in made},
        {**made, **theirs.made},
        *(missing, extra, mismatched),
        tuple(theirs.unknown),
        problem,
    )


def halved(done: Conversion) -> Conversion:
    """The same with 16-bit floats where there are many: half the file.

    Vectors (biases, a norm's statistics) stay as they are: they are few, and a variance may be too
    small for 16 bits. What loads them turns them back.
    """
    weights = {
        name: value.half() if value.dtype == torch.float32 and value.ndim > 1 else value
        for name, value in done.weights.items()
    }
    return replace(done, weights=weights)


def _summary(done: Conversion) -> _Rows:
    """(what, count, remark) rows of the table."""
    found = done.found
    yield "read", str(found.total), f"names of {found.dialect}"
    yield "mapped", str(len(done.sources)), f"names of {_title(done.to)}"
    yield "made", str(len(done.made)), count_reasons(done.made)
    yield "ignored", str(len(found.ignored)), count_reasons(found.ignored)
    yield "unknown", str(len(found.unknown)), _some(found.unknown)
    yield "missing", str(len(done.missing)), _some(done.missing)
    yield "not in the model", str(len(done.extra)), _some(done.extra)
    yield "of another shape", str(len(done.mismatched)), _some(done.mismatched)
    yield "not in mmdetection", str(len(done.homeless)), _some(done.homeless)


def _title(to: str) -> str:
    return "mmdetection" if to == "mmdet" else to


def _keys(done: Conversion) -> _Rows:
    """(what, name in the file, target name, reason or shape) rows of every key."""
    found = done.found
    for target, source in done.sources.items():
        yield "mapped", source, f"{target} {_shape(done.weights[target])}"
    for target, why in done.made.items():
        yield "made", "", f"{target} ({why})"
    for key, why in found.ignored.items():
        yield "ignored", key, why
    for key in found.unknown:
        yield "unknown", key, "no counterpart"
    for key in done.missing:
        yield "missing", "", key
    for key in done.extra:
        yield "not in the model", found.sources.get(key, ""), key
    for key in done.mismatched:
        text = f"{key} {_shape(found.weights[key])}"
        yield "of another shape", found.sources.get(key, ""), text
    for key in done.homeless:
        yield "not in mmdetection", found.sources.get(key, ""), key


def _shape(value: Tensor) -> str:
    return f"({', '.join(map(str, value.shape))})"


def _some(keys: Iterable[str]) -> str:
    keys = list(keys)
    return ", ".join(keys[:2]) + (", ..." if len(keys) > 2 else "")


def format_account(done: Conversion, verbose: bool = False) -> str:
    """Lay out what became of a file's keys.

    Args:
        done: of `convert`.
        verbose: also a row for every key.

    Returns:
        An aligned table; rows that count nothing are left out, except for "mapped".
    """
    blocks = []
    if verbose:
        blocks.append(_table(("", "in the file", "becomes"), _keys(done)))
    rows = [row for row in _summary(done) if row[1] != "0" or row[0] == "mapped"]
    blocks.append(_table(("tensors", "", ""), rows))
    blocks += [f"note: {note}" for note in done.found.notes]
    return "\n\n".join(blocks)


def _table(heads: Iterable[str], rows: Iterable[tuple[str, str, str]]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    text = StringIO()
    Console(file=text, width=400).print(table)  # names are long, and are not to be cut
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def write(done: Conversion, path: str | os.PathLike[str], partial: bool = False) -> str:
    """Write the weights, with the class names where they are known.

    Args:
        done: of `convert`.
        path: ends in .safetensors, .pth or .pt.
        partial: write though something is left out.

    Returns:
        What was written, in a sentence.

    Raises:
        InputError: something is left out and `partial` is False, nothing is left to write, or the
            suffix is another. Nothing has been written then.
    """
    if not done.weights:
        raise done.problem or InputError("no key of the file has a counterpart: nothing to write")
    if done.is_partial and not partial:
        raise InputError(f"{_why(done)}. With --partial what fits is written")
    classes = done.found.classes
    if Path(path).suffix == SAFETENSORS:
        notes = {"classes": json.dumps(classes)} if classes else None
        file = save_weights(done.weights, path, notes)
    else:
        # Where mmengine and mmdetection 3.x look for class names, and where 2.x does.
        meta = {"dataset_meta": {"classes": classes}, "CLASSES": classes} if classes else {}
        file = save_weights({"state_dict": done.weights, "meta": meta}, path)
    size = file.stat().st_size / 1e6
    named = f", {len(classes)} class names" if classes else ""
    return f"wrote {file}: {len(done.weights)} tensors{named}, {size:.1f} MB"


def _why(done: Conversion) -> str:
    """What is left out, most important first."""
    if done.found.unknown:
        return (
            f"{len(done.found.unknown)} keys of {done.found.dialect} have no counterpart here "
            f"({_some(done.found.unknown)})"
        )
    if done.problem is not None:
        return str(done.problem).removesuffix(" With strict=False what fits is loaded").rstrip(".")
    return f"mmdetection has no layer for {len(done.homeless)} weights ({_some(done.homeless)})"
