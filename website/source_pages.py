"""Pages that show files of the repository: those that other pages link to."""

from __future__ import annotations

import re

from website.repository import ROOT

LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".json": "json", ".md": "markdown"}
HEAD = "---\nsearch:\n  exclude: true\nhide:\n  - navigation\n---\n"


def source_page(target: str) -> str:
    """A file as a page with numbered lines, or a folder as a list of what is in it.

    Args:
        target: path relative to the root of the repository.

    Returns:
        Markdown.
    """
    path = ROOT / target
    if path.is_dir():
        name = target.rsplit("/", 1)[-1]
        lines = [f"- [{entry}]({name}/{entry}.md)" for entry in entries(target)]
        return f"{HEAD}# {target}/\n\n" + "\n".join(lines) + "\n"
    text = path.read_text(encoding="utf-8").rstrip()
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    language = LANGUAGES.get(path.suffix, "text")
    return f'{HEAD}# {target}\n\n{fence} {{ .{language} linenums="1" }}\n{text}\n{fence}\n'


def entries(target: str) -> list[str]:
    """Names of the text files in a folder of the repository, sorted."""
    files = (path for path in (ROOT / target).iterdir() if path.is_file())
    return sorted(path.name for path in files if path.suffix in LANGUAGES)
