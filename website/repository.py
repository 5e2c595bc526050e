"""Where a file of the repository is found on the site, and how links between them are rewritten.

Pages are written for people who read them in the repository: links go from file to file. On the
site a page of docs/ is itself, a notebook is a tutorial, and any other file that a page links to
gets a page with its text.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "notebooks": "tutorials/index.md",
}
LINK = re.compile(r"(?<!\\)(\]\()([^()\s]+)(\))")
FENCE = re.compile(r"^ *(`{3,}|~{3,})", re.M)
OUTSIDE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//|#)")


class BrokenLink(ValueError):
    """A link to a file or a name that is not there."""


def place(uri: str, origins: dict[str, str]) -> str:
    """The folder of the repository that links of a page start from.

    Args:
        uri: of the page on the site.
        origins: uri -> folder, for pages that are not in docs/.

    Returns:
        A path relative to the root, "" for the root itself.
    """
    if uri in origins:
        return origins[uri]
    return posixpath.join("docs", posixpath.dirname(uri)).rstrip("/")


def resolve(link: str, folder: str) -> tuple[str, str]:
    """A link as a path in the repository and what follows its #.

    Args:
        link: as written, to a file of the repository.
        folder: where it starts from.

    Returns:
        The path relative to the root without an ending slash, and the name ("" for none).

    Raises:
        BrokenLink: the path leaves the repository, or nothing is there.
    """
    path, _, name = link.partition("#")
    target = posixpath.normpath(posixpath.join(folder, path))
    there = (ROOT / target).exists() or (_is_notebook(target) and _source_of(target).exists())
    if target.startswith("..") or not there:
        raise BrokenLink(f"{link} (from {folder or 'the root'}): no such file")
    return target, name


def _is_notebook(target: str) -> bool:
    return target.startswith("notebooks/") and target.endswith(".ipynb")


def _source_of(target: str) -> Path:
    """The source of a notebook, which is there before it has been executed."""
    return ROOT / "notebooks" / "src" / f"{Path(target).stem}.py"


def page_of(target: str) -> str:
    """The site's uri for a path of the repository."""
    if target in PAGES:
        return PAGES[target]
    if _is_notebook(target):
        executed = (ROOT / target).exists()
        return f"tutorials/{Path(target).stem}.md" if executed else PAGES["notebooks"]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"source/{target}.md"


def line_of(target: str, name: str) -> int:
    """The line where a function, class, method or constant of a Python file begins.

    Args:
        target: path of the file, relative to the root.
        name: such as "CascadeRCNN.loss".

    Returns:
        The line, from 1.

    Raises:
        BrokenLink: it has no such name.
    """
    body = ast.parse((ROOT / target).read_text(encoding="utf-8")).body
    line = 0
    for part in name.split("."):
        found = [node for node in body if part in _names(node)]
        if not found:
            raise BrokenLink(f"{target} has no {name}")
        line, body = found[0].lineno, getattr(found[0], "body", [])
    return line


def _names(node: ast.stmt) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def prose(markdown: str) -> list[tuple[bool, str]]:
    """A page cut into what is text and what is fenced code: (is text, piece) in order."""
    pieces, start, fence = [], 0, ""
    for match in FENCE.finditer(markdown):
        mark = match[1]
        if not fence:
            pieces.append((True, markdown[start : match.start()]))
            start, fence = match.start(), mark
        elif mark[0] == fence[0] and len(mark) >= len(fence):
            end = markdown.find("\n", match.end())
            end = len(markdown) if end < 0 else end
            pieces.append((False, markdown[start:end]))
            start, fence = end, ""
    pieces.append((not fence, markdown[start:]))
    return pieces


def links(markdown: str) -> list[str]:
    """Links of a page to files, as written: no addresses, no anchors of the page itself."""
    text = "".join(piece for is_text, piece in prose(markdown) if is_text)
    return [m[2] for m in LINK.finditer(text) if not OUTSIDE.match(m[2])]


def for_site(markdown: str, uri: str, folder: str) -> str:
    """A page with its links as the site has them.

    Args:
        markdown: as it is in the repository.
        uri: of the page on the site.
        folder: of the repository that its links start from.

    Returns:
        The same text; links to a line of code carry `data-line`, which the site's last step turns
        into an anchor (the anchors of lines are made after links are checked).

    Raises:
        BrokenLink: a link leads nowhere.
    """

    def rewrite(match: re.Match[str]) -> str:
        if OUTSIDE.match(match[2]):
            return match[0]
        target, name = resolve(match[2], folder)
        page = page_of(target)
        address = posixpath.relpath(page, posixpath.dirname(uri) or ".")
        if page.startswith("source/") and name:
            return f"]({address}){{ data-line={line_of(target, name)} }}"
        return f"]({address}{'#' + name if name else ''})"

    return "".join(
        LINK.sub(rewrite, piece) if is_text else piece for is_text, piece in prose(markdown)
    )
