"""What a built site would fetch from elsewhere: nothing may be."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

# Attributes that a browser follows by itself; an <a href> is followed by people only.
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
    "link": "href",
}
NOT_FETCHED = {"canonical", "next", "prev", "alternate", "author", "license"}  # of <link rel>
OUTSIDE = re.compile(r"^(?:https?:)?//", re.I)
IN_STYLE = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""", re.I)


class _Page(HTMLParser):
    """Collects the addresses that opening a page fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag fetches."""
        values = dict(attrs)
        self._in_style = tag == "style"
        self.addresses += IN_STYLE.findall(values.get("style") or "")
        if tag == "link" and (values.get("rel") or "") in NOT_FETCHED:
            return
        if "mermaid" in (values.get("class") or "").split():  # the theme loads it from a server
            self.addresses.append("//mermaid")
        address = values.get(FETCHED.get(tag, "")) or ""
        if OUTSIDE.match(address):
            self.addresses.append(address)

    def handle_data(self, data: str) -> None:
        """Note what a style fetches."""
        if self._in_style:
            self.addresses += IN_STYLE.findall(data)
            self._in_style = False


def outside_of_page(html: str) -> list[str]:
    """Addresses of other machines that opening a page fetches from."""
    page = _Page()
    page.feed(html)
    return page.addresses


def outside_resources(site: Path) -> list[str]:
    """The same for all pages and style sheets of a folder.

    Args:
        site: folder of a built site.

    Returns:
        "FILE: ADDRESS" for each, sorted; empty if the site needs no network.
    """
    found = set()
    for file in site.rglob("*"):
        if file.suffix not in (".html", ".css"):
            continue
        text = file.read_text(encoding="utf-8")
        addresses = outside_of_page(text) if file.suffix == ".html" else IN_STYLE.findall(text)
        found |= {f"{file.relative_to(site)}: {address}" for address in addresses}
    return sorted(found)
