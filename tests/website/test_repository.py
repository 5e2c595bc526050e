"""Links of the pages lead to where the site has what the repository has elsewhere."""

import pytest

from website import repository
from website.repository import (
    PAGES,
    ROOT,
    BrokenLink,
    for_site,
    line_of,
    links,
    page_of,
    place,
    prose,
    resolve,
)

TEXTS = [ROOT / name for name in PAGES if name.endswith(".md")]
TEXTS += sorted((ROOT / "docs").rglob("*.md"))
NOTEBOOKS = sorted((ROOT / "notebooks" / "src").glob("*.py"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    """Also to names in the code: a function that is renamed is seen here."""
    folder = path.parent.relative_to(ROOT).as_posix()
    for_site(path.read_text(encoding="utf-8"), "x.md", "" if folder == "." else folder)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_link_of_a_notebook_leads_somewhere(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line[2:] for line in lines if line.startswith("# "))
    for_site(text, "tutorials/x.md", "notebooks")


def test_there_are_links_into_the_code():
    found = links((ROOT / "docs" / "paper.md").read_text(encoding="utf-8"))
    assert sum("#" in link and link.startswith("../cascadekit/") for link in found) > 40


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("README.md", "index.md"),
        ("CONTRIBUTING.md", "contributing.md"),
        ("docs/zoo.md", "zoo.md"),
        ("docs/cost/table6.json", "cost/table6.json"),
        ("notebooks", "tutorials/index.md"),
        ("cascadekit/ops.py", "source/cascadekit/ops.py.md"),
        ("configs/lite", "source/configs/lite.md"),
    ],
)
def test_pages(target, page):
    assert page_of(target) == page


def test_a_notebook_is_a_tutorial_once_it_was_executed(monkeypatch, tmp_path):
    (tmp_path / "notebooks" / "src").mkdir(parents=True)
    (tmp_path / "notebooks" / "src" / "00_a.py").write_text("")
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    assert resolve("00_a.ipynb", "notebooks") == ("notebooks/00_a.ipynb", "")
    assert page_of("notebooks/00_a.ipynb") == "tutorials/index.md"
    (tmp_path / "notebooks" / "00_a.ipynb").write_text("")
    assert page_of("notebooks/00_a.ipynb") == "tutorials/00_a.md"
    with pytest.raises(BrokenLink):
        resolve("01_b.ipynb", "notebooks")


@pytest.mark.parametrize(
    ("text", "uri", "folder", "expected"),
    [
        # a page of docs/ to another one, and to its part
        ("[a](zoo.md#recipes)", "index.md", "docs", "[a](zoo.md#recipes)"),
        # a text of the root, shown among the pages
        ("[a](docs/zoo.md)", "contributing.md", "", "[a](zoo.md)"),
        # a notebook to a page
        ("[a](../docs/zoo.md)", "tutorials/00.md", "notebooks", "[a](../zoo.md)"),
        # a file, and a picture beside the page
        ("[a](../LICENSE)", "zoo.md", "docs", "[a](source/LICENSE.md)"),
        ("![a](images/stages.png)", "index.md", "docs", "![a](images/stages.png)"),
        # other machines and the page itself are left alone
        ("[a](https://x.org/y.md) [b](#c)", "zoo.md", "docs", "[a](https://x.org/y.md) [b](#c)"),
        # code is not text
        ("```\n[a](nothing.md)\n```", "zoo.md", "docs", "```\n[a](nothing.md)\n```"),
    ],
)
def test_links_are_rewritten(text, uri, folder, expected):
    assert for_site(text, uri, folder) == expected


def test_a_link_to_a_name_knows_its_line():
    path = "cascadekit/structures/boxes.py"
    text = for_site(f"[iou](../{path}#iou)", "paper.md", "docs")
    line = int(text.split("data-line=")[1].split()[0])
    assert text.startswith(f"[iou](source/{path}.md){{ data-line=")
    assert (ROOT / path).read_text().splitlines()[line - 1].startswith("def iou(")


def test_methods_and_constants_have_lines():
    lines = (ROOT / "website/repository.py").read_text().splitlines()
    assert lines[line_of("website/repository.py", "PAGES") - 1].startswith("PAGES")
    method = line_of("cascadekit/models/targets/bbox_coder.py", "DeltaCoder.encode")
    text = (ROOT / "cascadekit/models/targets/bbox_coder.py").read_text().splitlines()
    assert text[method - 1].strip().startswith("def encode(")


@pytest.mark.parametrize(
    "link",
    [
        "nothing.md",
        "../../outside.md",
        "../cascadekit/ops.py#no_such_name",
        "../cascadekit/models/targets/bbox_coder.py#DeltaCoder.nothing",
    ],
)
def test_broken_links_are_seen(link):
    with pytest.raises(BrokenLink):
        for_site(f"[a]({link})", "zoo.md", "docs")


def test_where_links_start():
    assert place("zoo.md", {}) == "docs"
    assert place("reproduction/ledger.md", {}) == "docs/reproduction"
    assert place("contributing.md", {"contributing.md": ""}) == ""


def test_fences_may_hold_fences():
    text = "a\n````\n```\nb\n```\n````\nc\n"
    assert [(is_text, piece.strip()) for is_text, piece in prose(text)] == [
        (True, "a"),
        (False, "````\n```\nb\n```\n````"),
        (True, "c"),
    ]
