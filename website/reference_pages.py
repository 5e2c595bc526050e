"""The reference: a page for each room of the package, written from the docstrings."""

from __future__ import annotations

import ast
import json

from website.repository import ROOT

PACKAGE = ROOT / "cascadekit"
BASICS = "cascadekit"  # the page of the modules that are in no room
INTRODUCTION = """# Reference

What each room of the package offers, from its docstrings. The rooms and who may use whom:
[architecture](../architecture.md). Boxes are (x1, y1, x2, y2) in float32 pixels of the resized
picture before padding, unless a docstring says otherwise; the letters of shapes are those of
[cascadekit.structures.samples](structures.md).

| room | |
|---|---|
"""


def rooms() -> dict[str, list[str]]:
    """Names of pages and the modules on them, packages before what is in them.

    Returns:
        "structures" -> ["cascadekit.structures", "cascadekit.structures.boxes", ...]; the modules
        that are in no room are on the page "cascadekit".
    """
    found: dict[str, list[str]] = {BASICS: ["cascadekit"]}
    for path in sorted(PACKAGE.rglob("*.py"), key=lambda p: (p.parent.parts, p.stem)):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "configs" in parts or parts[-1] == "__main__" or len(parts) == 1:
            continue
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if len(parts) == 1:
            continue
        in_room = (PACKAGE / parts[1]).is_dir()
        found.setdefault(parts[1] if in_room else BASICS, []).append(".".join(parts))
    return {name: sorted(modules) for name, modules in sorted(found.items())}


def room_page(name: str, modules: list[str]) -> str:
    """The page of a room: mkdocstrings fills it in."""
    blocks = "\n\n".join(f"::: {module}{_options(module)}" for module in modules)
    title = "cascadekit" if name == BASICS else f"cascadekit.{name}"
    return f"# {title}\n\n{blocks}\n"


def _options(module: str) -> str:
    """Of a package only what it defines itself: what it hands on is told in its own module."""
    path = ROOT.joinpath(*module.split("."), "__init__.py")
    if not path.is_file():
        return ""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    defined = [n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    shown = [name for name in defined if not name.startswith("_")]
    return f"\n    options:\n      members: {json.dumps(shown or False)}"


def index_page(found: dict[str, list[str]]) -> str:
    """The list of rooms, each with the first line of its docstring."""
    rows = "".join(f"| [{name}]({name}.md) | {_summary(name)} |\n" for name in found)
    return INTRODUCTION + rows


def _summary(name: str) -> str:
    if name == BASICS:
        return "Files of no room: `import cascadekit`, the API, kernels, registry, errors."
    text = (PACKAGE / name / "__init__.py").read_text(encoding="utf-8")
    return text.split('"""')[1].strip().splitlines()[0] if '"""' in text else ""
