"""Configs as text: one value a line with the place that set it, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cascadekit.configuration.origins import KeyPath, Origin, dotted, find_origin

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_WIDEST = 60  # longer values push their own comment to the right, not everybody's


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value that is not opened up further, with its path, in the config's order.

    Dicts open up, and so do lists with a dict or a list of dicts in them; plain lists, empty
    containers and everything else are leaves.
    """
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list | tuple) and any(_has_dict(item) for item in value):
        items = list(enumerate(value))
    if not items:
        yield path, value
    for key, item in items:
        yield from leaves(item, (*path, key))


def _has_dict(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_has_dict(item) for item in value)
    return isinstance(value, Mapping)


def _as_dict(config: Any) -> Any:
    """A plain dict of a Config; mappings are taken as they are."""
    return config.to_dict() if hasattr(config, "to_dict") else config


def _rows(config: Any) -> dict[KeyPath, str]:
    content = _as_dict(config)
    return {path: repr(value) for path, value in leaves(content)} if content else {}


def format_config(config: Any, origins: Mapping[KeyPath, Origin], color: bool = False) -> str:
    """Lay out a resolved config, one value a line.

    Args:
        config: a Config or a dict.
        origins: as `read_config` gives them; values without one get no comment.
        color: dim the comments with terminal codes.

    Returns:
        Lines `model.neck.type = 'FPN'  # configs/x.py:12`, columns aligned; "" for an empty config.
    """
    rows = _rows(config)
    name_width = max((len(dotted(path)) for path in rows), default=0)
    value_width = max((len(v) for v in rows.values() if len(v) <= _WIDEST), default=0)
    lines = []
    for path, value in rows.items():
        origin = find_origin(origins, path)
        line = f"{dotted(path):<{name_width}} = {value:<{value_width}}"
        if origin is not None:
            comment = f"# {origin}"
            line += f"  {_DIM}{comment}{_PLAIN}" if color else f"  {comment}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def diff_configs(a: Any, b: Any) -> str:
    """List the values in which two configs differ.

    Args:
        a: a Config or a dict.
        b: the one to compare it with.

    Returns:
        Lines `~ lr  0.02 -> 0.01` (changed), `- key  value` (only in a) and `+ key  value` (only in
        b), in a's order, then b's; "" if nothing differs.
    """
    left, right = _rows(a), _rows(b)
    changes: list[tuple[str, str, str]] = []
    for path, value in left.items():
        if path not in right:
            changes.append(("-", dotted(path), value))
        elif right[path] != value:
            changes.append(("~", dotted(path), f"{value} -> {right[path]}"))
    changes += [("+", dotted(path), value) for path, value in right.items() if path not in left]
    width = max((len(name) for _, name, _ in changes), default=0)
    return "\n".join(f"{sign} {name:<{width}}  {text}" for sign, name, text in changes)
