"""Layout of the stage table."""

from __future__ import annotations

import math

from cascadekit.evaluation.stage_table import (
    COLUMNS,
    compute_stage_table,
    percent,
    stage_table_markdown,
    stage_table_text,
    text_table,
)

TRUTH = {
    "images": [{"id": 1}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100]}],
    "categories": [{"id": 1, "name": "thing"}],
}


def found(height):
    """One detection of IoU height / 100."""
    return [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 100, height], "score": 0.9}]


# IoU 0.62 passes 3 thresholds, 0.77 six, 0.93 nine, 0.97 all ten.
RESULTS = {"1~3": found(97), "3": found(93), "1": found(62), "1~2": found(77), "2": found(77)}


def test_rows_and_columns_are_those_of_the_paper():
    table = compute_stage_table(TRUTH, RESULTS)
    assert COLUMNS == ("AP", "AP50", "AP60", "AP70", "AP75", "AP80", "AP90")
    lines = stage_table_text(table).splitlines()
    assert lines[0] == "box AP by stage (%)"
    assert lines[1].split() == list(COLUMNS)
    rows = [line.split() for line in lines[3:]]
    assert rows == [
        ["stage", "1", "30.0", "100.0", "100.0", "0.0", "0.0", "0.0", "0.0"],
        ["stage", "2", "60.0", "100.0", "100.0", "100.0", "100.0", "0.0", "0.0"],
        ["stage", "3", "90.0", "100.0", "100.0", "100.0", "100.0", "100.0", "100.0"],
        ["stages", "1~2", "60.0", "100.0", "100.0", "100.0", "100.0", "0.0", "0.0"],
        ["stages", "1~3", "100.0", "100.0", "100.0", "100.0", "100.0", "100.0", "100.0"],
    ]
    # Aligned to the right: all number lines end in the same column.
    assert len({len(line) for line in lines[1:]}) == 1
    assert all(ord(letter) < 128 for line in lines for letter in line)


def test_markdown_marks_the_best_of_each_column():
    lines = stage_table_markdown(compute_stage_table(TRUTH, RESULTS)).splitlines()
    assert lines[0].startswith("| box AP by stage (%) | AP | AP50 |")
    assert lines[1] == "|---|" + "---:|" * 7
    assert lines[2] == "| stage 1 | 30.0 | **100.0** | **100.0** | 0.0 | 0.0 | 0.0 | 0.0 |"
    assert lines[-1].startswith("| stages 1~3 | **100.0** |")


def test_no_ground_truth_prints_dashes():
    table = compute_stage_table({**TRUTH, "annotations": []}, {"1": found(90)})
    assert stage_table_markdown(table).splitlines()[-1] == "| stage 1 |" + " - |" * 7
    assert stage_table_text(table).splitlines()[-1].split() == ["stage", "1", *"-------"]


def test_empty_table():
    assert stage_table_text(compute_stage_table(TRUTH, {})).splitlines()[0] == "box AP by stage (%)"
    assert len(stage_table_markdown(compute_stage_table(TRUTH, {})).splitlines()) == 2


def test_percent_and_markup():
    assert [percent(v) for v in (0.4567, 1.0, math.nan)] == ["45.7", "100.0", "-"]
    # A class may be called like rich's markup, and a long name is not cut.
    name = "[red]" + "x" * 200
    assert name in text_table("title", ("class", "AP"), [(name, "1.0")])


def test_a_notebook_gets_the_text_too(monkeypatch):
    # There rich would display the table and return nothing.
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert text_table("title", ("class", "AP"), [("star", "1.0")]).endswith("star    1.0")
