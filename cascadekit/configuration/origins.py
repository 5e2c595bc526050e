"""Where each value of a config came from: the file and line that set it.

mmengine runs the files of a `_base_` chain and forgets who said what. Here the same files are read
a second time, as syntax only, and merged by the same rules; nothing is executed.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cascadekit.errors import InputError, did_you_mean

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Origin:
    """A place that set a value.

    Attributes:
        file: absolute path of a config file, or a word such as "command line".
        line: counted from 1; 0 where there are no lines to speak of.
    """

    file: str
    line: int = 0

    def __str__(self) -> str:
        """`configs/x.py:12`, relative to the working directory where the file lies below it."""
        shown = self.file
        if os.path.isabs(shown):
            relative = os.path.relpath(shown)
            shown = shown if relative.startswith("..") else relative
        return f"{shown}:{self.line}" if self.line else shown


COMMAND_LINE = Origin("command line")
Origins = dict[KeyPath, Origin]


@dataclass
class _Node:
    """A value in a config file: who set it and, where it is a literal, its parts."""

    origin: Origin
    parts: dict[str | int, _Node] = field(default_factory=dict)
    is_dict: bool = False
    deletes: bool = False


def dotted(path: KeyPath) -> str:
    """`("model", "heads", 0, "type")` as "model.heads.0.type"."""
    return ".".join(str(key) for key in path)


def find_origin(origins: Mapping[KeyPath, Origin], path: KeyPath) -> Origin | None:
    """Who set the value at `path`: the nearest known ancestor's origin where it has none itself."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return None


def config_origins(path: str | os.PathLike[str]) -> Origins:
    """Read who sets what in a config file and the files it is based on.

    Args:
        path: a classic mmengine config (`_base_` as string or list); YAML and JSON bases are known
            by file only.

    Returns:
        Key path -> file and line, for containers and leaves. A leaf that is computed (a name, a
        call, an f-string) has the line it stands on; a name for a dict or list of the same file
        opens up to that literal's own lines.

    Raises:
        InputError: a base is missing, bases form a ring, or a file is not Python.
    """
    return flatten(_read(Path(os.path.abspath(Path(path).expanduser())), ()))


def flatten(nodes: Mapping[str | int, _Node], prefix: KeyPath = ()) -> Origins:
    """The origin of every node, by its path."""
    origins: Origins = {}
    for key, node in nodes.items():
        origins[(*prefix, key)] = node.origin
        origins.update(flatten(node.parts, (*prefix, key)))
    return origins


def override(origins: Origins, paths: Iterable[KeyPath], origin: Origin = COMMAND_LINE) -> None:
    """Note in place that the values at `paths` were set anew, e.g. on the command line."""
    for path in paths:
        for old in [old for old in origins if old[: len(path)] == path]:
            del origins[old]
        origins[path] = origin


def parse_python(file: Path) -> ast.Module:
    """Parse a config file, with mmengine's `{{ ... }}` placeholders in it.

    Args:
        file: Python source in UTF-8.

    Returns:
        The syntax tree; placeholders outside of quotes read None.

    Raises:
        InputError: the file is not Python; the message has file, line and the line itself.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not a text file in UTF-8 ({error})") from error
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        pass  # `{{$NAME:default}}` outside of quotes is mmengine's own syntax
    try:
        return ast.parse(re.sub(r"\{\{[^{}\n]*\}\}", "None", text))
    except SyntaxError as error:
        at = (error.text or "").strip()
        raise InputError(
            f"{Origin(str(file), error.lineno or 0)}: {error.msg}" + (f", in: {at}" if at else "")
        ) from error
    except ValueError as error:  # null bytes
        raise InputError(f"{file} is not a Python file ({error})") from error


def _read(file: Path, chain: tuple[Path, ...]) -> dict[str | int, _Node]:
    """Merged top-level variables of a file and its bases."""
    if file in chain:
        ring = " -> ".join(p.name for p in (*chain, file))
        raise InputError(f"{file} is based on itself through _base_: {ring}")
    if file.suffix != ".py":
        return _read_data(file)
    tree = parse_python(file)
    merged: dict[str | int, _Node] = {}
    for name, line in _bases(tree, file):
        # Not resolve(): like mmengine, follow `..` by name, also through symbolic links.
        base = Path(os.path.abspath(file.parent / name))
        if not base.is_file():
            near = [_relative(p, file.parent) for p in base.parent.glob("*.py")]
            raise InputError(
                f"{Origin(str(file), line)}: _base_ file {name!r} does not exist (looked for "
                f"{base}).{did_you_mean(name, near)}"
            )
        merged.update(_read(base, (*chain, file)))
    return _merge(_Reader(str(file)).variables(tree), merged)


def _read_data(file: Path) -> dict[str | int, _Node]:
    """Top-level keys of a YAML or JSON base; their lines are not known."""
    import mmengine

    content = mmengine.load(str(file))
    return {
        key: _Node(Origin(str(file)), is_dict=isinstance(content[key], dict)) for key in content
    }


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _bases(tree: ast.Module, file: Path) -> list[tuple[str, int]]:
    """Names of the base files with the lines they are on; only written out ones are seen."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and _is_name(statement.targets[0], "_base_"):
            value = statement.value
            items = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
            return [
                (item.value, item.lineno)
                for item in items
                if isinstance(item, ast.Constant)
                and isinstance(item.value, str)
                and "::" not in item.value  # another package's config: mmengine finds that one
            ]
    return []


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _merge(
    child: Mapping[str | int, _Node], base: Mapping[str | int, _Node]
) -> dict[str | int, _Node]:
    """Lay `child` over `base` as mmengine does: dicts key by key, all else as a whole."""
    merged = dict(base)
    for key, node in child.items():
        below = base.get(key)
        if below is None or not node.is_dict or node.deletes:
            merged[key] = node
        else:
            # Parts that only the base has keep its lines, also where it is opaque to us.
            merged[key] = _Node(below.origin, _merge(node.parts, below.parts), is_dict=True)
    return merged


class _Reader:
    """Turns the top-level statements of one file into nodes, in the order they would run."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.known: dict[str | int, _Node] = {}

    def variables(self, tree: ast.Module) -> dict[str | int, _Node]:
        """All top-level variables that mmengine would keep."""
        self._run(tree.body)
        return {
            name: node
            for name, node in self.known.items()
            if name != "_base_" and not str(name).startswith("__")
        }

    def _run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    self._assign(target, statement.value)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self._assign(statement.target, statement.value)
            elif isinstance(statement, ast.AugAssign):
                self._assign(statement.target, statement)
            elif isinstance(statement, ast.Delete):
                for target in statement.targets:
                    self._delete(target)
            elif isinstance(statement, ast.If | ast.For | ast.While | ast.With | ast.Try):
                # Which branch runs is not known here; the last one wins.
                for name in ("body", "orelse", "finalbody"):
                    self._run(getattr(statement, name, []))

    def _assign(self, target: ast.expr, value: ast.AST) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            for index, part in enumerate(target.elts):
                self._assign(part, values[index] if len(values) == len(target.elts) else value)
            return
        place = self._place(target)
        if place is not None:
            holder, key = place
            holder[key] = self._node(value)

    def _delete(self, target: ast.expr) -> None:
        place = self._place(target)
        if place is not None:
            holder, key = place
            holder.pop(key, None)

    def _place(self, target: ast.expr) -> tuple[dict[str | int, _Node], str | int] | None:
        """The dict of nodes and the key that `a`, `a["b"]` or `a.b` stand for."""
        if isinstance(target, ast.Name):
            return self.known, target.id
        if isinstance(target, ast.Attribute):
            key: str | int = target.attr
        elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            key = target.slice.value
        else:
            return None
        place = self._place(target.value)
        if place is None or place[1] not in place[0]:
            return None
        return place[0][place[1]].parts, key

    def _node(self, value: ast.AST) -> _Node:
        origin = Origin(self.file, value.lineno)  # type: ignore[attr-defined]
        if isinstance(value, ast.Dict):
            return self._dict(origin, list(zip(value.keys, value.values, strict=True)))
        if isinstance(value, ast.Call) and _is_name(value.func, "dict"):
            named = [
                (ast.Constant(k.arg) if k.arg is not None else None, k.value)
                for k in value.keywords
            ]
            return self._dict(origin, [*((None, item) for item in value.args), *named])
        if isinstance(value, ast.List | ast.Tuple):
            if any(isinstance(item, ast.Starred) for item in value.elts):
                return _Node(origin)  # later indices are not known
            return _Node(origin, {i: self._node(item) for i, item in enumerate(value.elts)})
        if isinstance(value, ast.Name) and value.id in self.known:
            named_node = self.known[value.id]
            return _Node(origin, named_node.parts, named_node.is_dict)
        return _Node(origin)

    def _dict(self, origin: Origin, items: list[tuple[ast.expr | None, ast.expr]]) -> _Node:
        node = _Node(origin, is_dict=True)
        for key, value in items:
            if key is None:  # **other, or dict(other)
                node.parts.update(self._node(value).parts)
            elif isinstance(key, ast.Constant) and key.value == "_delete_":
                node.deletes = isinstance(value, ast.Constant) and bool(value.value)
            elif isinstance(key, ast.Constant):
                node.parts[key.value] = self._node(value)
        return node
