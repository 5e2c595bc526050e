"""The report in a folder: written from results alone, complete, portable, the same each time."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.claims import CLAIMS
from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.report import public, with_costs, without_paths, write_report
from cascadekit.experiments.results import Result, Results, load_results, save_results
from cascadekit.experiments.statistics import HOLDS
from tests.experiments.made_up import joined, scores, suite

COSTS = Path(__file__).parents[2] / "docs" / "cost"
NAMES = ("table1", "cost")


def some():
    return load_experiments(NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A report written from a results.json alone."""
    place = tmp_path_factory.mktemp("made")
    save_results(suite(), place / "results.json")
    write_report(load_results(place / "results.json"), place / "out", "2 cores", COSTS, some())
    return place / "out"


def read(folder, name):
    return (folder / name).read_text(encoding="utf-8")


def anchors(text):
    """Where GitHub lets a link point in a page."""
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}


def broken_links(folder):
    found = []
    for page in sorted(folder.glob("*.md")):
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            name, _, anchor = target.partition("#")
            file = folder / (name or page.name)
            if not file.is_file() or (anchor and anchor not in anchors(read(folder, file.name))):
                found.append(f"{page.name}: {target}")
    return found


def test_its_files(folder):
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert {"index.md", "ledger.md", "results.json", *(f"{n}.md" for n in NAMES)} <= names
    assert {"figures/table1_ap.png", "figures/cost_gains.png"} <= names
    assert all(p.stat().st_size < 120_000 for p in folder.glob("figures/*"))


def test_links_resolve(folder):
    """Pages of experiments that are not in this report are not linked."""
    assert broken_links(folder) == []


def test_no_page_names_a_place_of_this_machine(folder):
    text = re.sub(r'"jpeg": "[^"]*"', "", read(folder, "results.json"))
    for page in [text, *(read(folder, p.name) for p in folder.glob("*.md"))]:
        assert str(folder.parent) not in page and without_paths(page) == page


def test_the_index(folder):
    text = read(folder, "index.md")
    for fact in ("Budget: small", "Hardware: 2 cores", "torch 2.6.0", "0.1.0 (1234567)"):
        assert fact in text
    assert "cards, fingerprint 0123456789abcdef; seeds 0, 1, 2" in text
    rows = [line for line in text.splitlines() if line.startswith("| [C")]
    assert [row.split("]")[0][3:] for row in rows] == [claim.name for claim in CLAIMS]
    assert "| complete |" in text and "## Not run" not in text


def test_a_page(folder):
    text = read(folder, "table1.md")
    assert text.startswith("# Table 1:") and "Is a cascade better" in text
    assert "| Cascade R-CNN | 38.9 | 57.8 | 53.4 | 46.9 | 35.8 | 15.8 |" in text  # the paper's
    assert "**Ours: shapes**" in text and "**Ours: cards**" in text and "±" in text
    assert "![table1_ap](figures/table1_ap.png)" in text and "(ledger.md#c9)" in text
    assert "What is different at this scale" in text and "of one process's time" in text


def test_the_ledger(folder):
    text = read(folder, "ledger.md")
    assert text.count("\n## C") == len(CLAIMS)
    assert "| the cascade beats the baseline | > 0.0 AP | +4.0 |" in text
    assert "full size: does not hold" in text  # R-FCN on a CPU, of the documentation's own numbers
    assert "Not planned on cards: FPN+ gains by a cascade" in text
    assert "No level was adjusted" in text and "Margins: " in text


def test_written_again_from_its_own_results_it_is_the_same(folder, tmp_path):
    again = tmp_path / "again"
    for costs in (None, COSTS):  # the costs are in the results, too
        results = load_results(folder / "results.json")
        write_report(results, again, "2 cores", costs, load_experiments(["table1"]))
    for name in ("table1.md", "results.json", "figures/table1_ap.png"):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_writing_twice_changes_nothing(tmp_path):
    results = suite(("shapes",), 2, ("u05", "cascade"))
    chosen = load_experiments(["table2"])
    write_report(results, tmp_path, "", None, chosen)
    before = {p: (p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file()}
    write_report(results, tmp_path, "", None, chosen)
    assert before == {p: (p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file()}


def test_partial_results_are_marked(tmp_path):
    made = suite(("shapes",), 1, ("u05", "roipool"))
    chosen = load_experiments(["table1", "table6", "table9"])
    written = write_report(made, tmp_path, "", None, chosen)
    assert [page.empty for page in written.pages] == [False, False, True]
    table1 = read(tmp_path, "table1.md")
    assert "**Partial:**" in table1 and "- cascade: scores on shapes" in table1
    assert "**Not run yet:** Iterative BBox, Integral loss, Cascade R-CNN." in table1
    nothing = read(tmp_path, "table9.md")
    assert "**Not run.**" in nothing and "| strategy (c) | 35.4 |" in nothing
    index = read(tmp_path, "index.md")
    assert "| partial |" in index and "| not run |" in index
    assert "(not run), missing: mask: scores on shapes; mask_b" in index
    assert broken_links(tmp_path) == []


def test_without_any_results(tmp_path):
    written = write_report(Results(()), tmp_path, "", None)
    assert all(page.empty for page in written.pages)
    assert written.ledger.count(HOLDS) == 0 and broken_links(tmp_path) == []
    index = read(tmp_path, "index.md")
    assert (
        index.count("| not run |") == len(CLAIMS) + len(written.pages) and "Budget: none" in index
    )
    assert "Needs:" in read(tmp_path, "ledger.md")


def test_figures_that_are_not_drawn_any_more_go(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("table1_ap.png", "mine.png"):
        (tmp_path / "figures" / name).write_bytes(b"old")
    write_report(Results(()), tmp_path, "", None, load_experiments(["table1"]))
    assert [p.name for p in (tmp_path / "figures").iterdir()] == ["mine.png"]


def test_photos_are_jpegs(tmp_path):
    chosen = load_experiments(["fig1"])
    write_report(suite(("shapes",), 1, ("u05",)), tmp_path, "", None, chosen)
    names = sorted(p.name for p in (tmp_path / "figures").iterdir())
    assert names == ["fig1_shapes_pictures.jpg", "fig1_shapes_quality.jpg"]
    assert broken_links(tmp_path) == []


def test_two_budgets_are_refused(tmp_path):
    made = joined(scores({"u05": [0.4]}), suite(("shapes",), 1, ("u06",), "smoke"))
    with pytest.raises(InputError, match="one budget, but these results are of small, smoke"):
        write_report(made, tmp_path, "", None, {})


def test_remarks(tmp_path):
    chosen = load_experiments(["table1"])
    remarks = {"C9": "Because it is small.", "table1": "Look at AP90."}
    (tmp_path / "remarks.json").write_text(json.dumps(remarks))
    write_report(scores({"u05": [0.4]}), tmp_path, "", None, chosen)
    assert "written after the results: Because it is small." in read(tmp_path, "ledger.md")
    assert "Look at AP90." in read(tmp_path, "table1.md")
    assert json.loads(read(tmp_path, "remarks.json")) == remarks
    (tmp_path / "remarks.json").write_text('{"table_1": "x"}')
    with pytest.raises(InputError, match="Did you mean 'table1'"):
        write_report(Results(()), tmp_path, "", None, chosen)
    (tmp_path / "remarks.json").write_text('["C9"]')
    with pytest.raises(InputError, match="expected a dict of texts"):
        write_report(Results(()), tmp_path, "", None, chosen)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see /home/me/data/cards/1.jpg, please", "see 1.jpg, please"),
        ("(/anywhere/x.py)", "(x.py)"),
        (r"C:\Users\me\x.png", "x.png"),
        ("https://example.org/a/b and docs/cost.md", "https://example.org/a/b and docs/cost.md"),
        ("and/or, 3 / 4 of w/h", "and/or, 3 / 4 of w/h"),
        ("", ""),
    ],
)
def test_paths_are_cut(text, clean):
    assert without_paths(text) == clean


def test_pictures_are_kept_once():
    made = suite(("shapes", "cards"), 2, ("u05", "cascade"))
    kept = public(made)
    pictures = [r for r in kept.results if r.measure == "pictures"]
    assert [(r.arm, r.data, r.seed) for r in pictures] == [
        ("u05", "shapes", 0),
        ("u05", "cards", 0),
        ("cascade", "shapes", 0),
        ("cascade", "cards", 0),
    ]
    assert [all("jpeg" in p for p in r.values) for r in pictures] == [True, True, False, False]
    assert public(kept) == kept


def test_paths_in_results_and_runs_are_cut():
    result = Result("a", "shapes", "small", 0, "errors", {"x": ["/data/me/1.jpg", 3, None]})
    kept = public(Results((result,), ({"log": "/data/me/train.log", "minutes": 1.0},)))
    assert kept.results[0].values == {"x": ["1.jpg", 3, None]}
    assert kept.runs == ({"log": "train.log", "minutes": 1.0},)


def test_costs_are_replaced_not_repeated():
    once = with_costs(Results(()), COSTS)
    assert with_costs(once, COSTS) == once and len(once.results) >= 10
    assert with_costs(once, None) == once and with_costs(once, "no/such/folder") == once
    assert replace(once, results=()) == Results(())
