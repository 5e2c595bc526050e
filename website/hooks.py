"""What the site is made of beside docs/: MkDocs calls these functions while it builds.

`python -m mkdocs` from the root of the repository, so that `website` can be imported.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website import reference_pages, tutorial_pages
from website.offline import outside_resources
from website.repository import (
    PAGES,
    ROOT,
    BrokenLink,
    for_site,
    links,
    page_of,
    place,
    resolve,
)
from website.source_pages import entries, source_page

ORIGINS: dict[str, str] = {}  # pages made here -> folder of the repository that links start from
MADE: set[str] = set()  # pages made here whose links are the site's
LINE = re.compile(r'href="([^"#]+)" data-line="(\d+)"')
NOT_RUN = """# Reproduction

The experiments have not been run for this site: `cascadekit reproduce report` writes their pages
into docs/reproduction, and the next build takes them in. What is asked, and how verdicts are made:
[experiments](../experiments.md).
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made: tutorials, reference, texts of the root, linked files."""

    def add(uri: str, content: str | bytes, origin: str | None = None) -> None:
        files.append(File.generated(config, uri, content=content))
        if origin is None:
            MADE.add(uri)
        else:
            ORIGINS[uri] = origin

    for name, uri in PAGES.items():
        if name.endswith(".md") and files.get_file_from_path(uri) is None:
            add(uri, (ROOT / name).read_text(encoding="utf-8"), "")
    add("add_a_head.md", _section(ROOT / "CONTRIBUTING.md", "Add a head"), "")
    try:
        tutorials = [tutorial_pages.tutorial(path) for path in tutorial_pages.notebook_files()]
    except BrokenLink as error:
        raise PluginError(f"a notebook: {error}") from error
    add("tutorials/index.md", tutorial_pages.index_page(tutorials))
    for each in tutorials:
        add(f"tutorials/{each.name}.md", each.markdown)
        for name, data in each.pictures.items():
            add(f"tutorials/{name}", data)
    rooms = reference_pages.rooms()
    add("reference/index.md", reference_pages.index_page(rooms))
    for name, modules in rooms.items():
        add(f"reference/{name}.md", reference_pages.room_page(name, modules))
    if files.get_file_from_path("reproduction/index.md") is None:
        add("reproduction/index.md", NOT_RUN)
    for target in _linked(files, {link for each in tutorials for link in each.links}):
        add(page_of(target), source_page(target))
    config.nav = _expand(config.nav, files, _named(config.nav))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead where the site has what the repository has elsewhere."""
    uri = page.file.src_uri
    if uri == "index.md":
        page.meta["hide"] = ["navigation"]  # it has one entry there
    if uri in MADE:
        return markdown
    try:
        return for_site(markdown, uri, place(uri, ORIGINS))
    except BrokenLink as error:
        raise PluginError(f"{uri}: {error}") from error


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to a line of code: the anchors of lines are there now."""
    return LINE.sub(r'href="\1#__codelineno-0-\2"', html)


def on_post_build(config: MkDocsConfig) -> None:
    """No page may need a network."""
    if outside := outside_resources(Path(config.site_dir)):
        raise PluginError("the site fetches from other machines:\n" + "\n".join(outside))


def _section(path: Path, heading: str) -> str:
    """A part of a page as a page of its own."""
    text = path.read_text(encoding="utf-8")
    match = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## )", text, re.M | re.S)
    if match is None:
        raise PluginError(f"{path.name} has no section {heading!r}")
    return f"# {heading}\n{match[1]}"


def _linked(files: Files, of_notebooks: set[str]) -> list[str]:
    """Files of the repository that pages link to and that are no page yet, and those in folders."""
    pages = (f for f in files.documentation_pages() if f.src_uri not in MADE)
    all_links = {(link, "notebooks") for link in of_notebooks}
    for file in pages:
        folder = place(file.src_uri, ORIGINS)
        all_links |= {(link, folder) for link in links(file.content_string)}
    found = set()
    for link, folder in all_links:
        try:
            target, _ = resolve(link, folder)
        except BrokenLink:
            continue  # said when the page is rendered
        if page_of(target).startswith("source/"):
            found.add(target)
            if (ROOT / target).is_dir():
                found.update(posixpath.join(target, name) for name in entries(target))
    return sorted(found)


def _named(nav: Any) -> set[str]:
    """Pages that the navigation names."""
    if isinstance(nav, str):
        return {nav}
    return set().union(*(_named(e) for e in (nav.values() if isinstance(nav, dict) else nav)))


def _expand(nav: Any, files: Files, named: set[str]) -> Any:
    """Wildcards of the navigation.

    Args:
        nav: as in mkdocs.yml: "folder/*" stands for all pages in it, index.md first, and "*" for
            the pages of docs/ itself that are named nowhere.
        files: of the site.
        named: pages that are named.

    Returns:
        The same with pages only.
    """
    if isinstance(nav, dict):
        return {title: _expand(entry, files, named) for title, entry in nav.items()}
    if isinstance(nav, list):
        expanded = [_expand(entry, files, named) for entry in nav]
        flat: list[Any] = []
        for written, entry in zip(nav, expanded, strict=True):
            flat += entry if isinstance(written, str) and isinstance(entry, list) else [entry]
        return flat
    if not nav.endswith("*"):
        return nav
    uris = [file.src_uri for file in files.documentation_pages()]
    if nav == "*":
        hidden = named | {"changelog.md"}
        return sorted(uri for uri in uris if "/" not in uri and uri not in hidden)
    inside = [uri for uri in uris if uri.startswith(nav[:-1])]
    return sorted(inside, key=_place_of)


def _place_of(uri: str) -> tuple[bool, list[str]]:
    """index.md first, and table10 behind table2."""
    parts = [part.zfill(4) if part.isdigit() else part for part in re.split(r"(\d+)", uri)]
    return not uri.endswith("/index.md"), parts
