"""Tables from made-up results: the paper's cells, ours, gains, and what is marked."""

from dataclasses import replace

from cascadekit.experiments.experiment import Experiment, Row
from cascadekit.experiments.layout_tables import tables
from cascadekit.experiments.readout import View
from tests.experiments.made_up import scores

ROWS = (
    Row("base", "a", {"scores": "final/bbox"}),
    Row("better", "b", {"scores": "final/bbox"}, beside="base"),
)
EXPERIMENT = Experiment(
    *("x", "X", "Table 0", "Why?", ROWS, ("table",)),
    columns={"AP": "AP", "AP50": "AP50"},
    paper={"base": (34.9, 57.0), "better": (38.9, None), "paper's alone": (1.0, 2.0)},
    data=("shapes", "cards"),
)


def cells(results, experiment=EXPERIMENT, data=("shapes",), plan=None):
    return tables(experiment, View(results, data, plan))


def test_the_papers_table_comes_first():
    (paper,) = cells(scores({}))
    assert paper.title == "Paper: Table 0" and paper.header == ("", "AP", "AP50")
    assert paper.rows == (
        ("base", "34.9", "57.0"),
        ("better", "38.9", ""),
        ("paper's alone", "1.0", "2.0"),
    )


def test_ours_in_the_same_layout():
    # Base 40, 42, 44: std 2. Better by 2, 4, 3: mean 3, std 1; alone 42, 46, 47: std 2.6.
    results = scores({"a": [0.40, 0.42, 0.44], "b": [0.42, 0.46, 0.47]})
    _, ours = cells(results)
    assert ours.title == "Ours: shapes"
    assert ours.header == ("", "AP", "AP50", "AP gain", "paper's")
    assert ours.rows == (
        ("base", "42.0 ± 2.0", "-", "", ""),
        ("better", "45.0 ± 2.6", "-", "+3.0 ± 1.0", "+4.0"),
    )
    assert ours.notes == (
        "3 seeds; ± is their standard deviation.",
        "Gain in AP over base, of the same seed.",
    )


def test_partial_results_are_marked():
    _, ours = cells(scores({"a": [0.40, 0.42, 0.44], "b": [0.42]}))
    assert ours.rows[1] == ("better", "42.0", "-", "+2.0", "+4.0")
    assert "**Fewer seeds than the others:** better (1 seed)." in ours.notes
    _, ours = cells(scores({"a": [0.40]}))
    assert ours.rows == (("base", "40.0", "-", "", ""), ("better", "-", "-", "-", "+4.0"))
    assert ours.notes[:2] == ("One seed, so no spread is known.", "**Not run yet:** better.")


def test_a_data_set_without_results_has_no_table():
    assert len(cells(scores({"a": [0.4]}), data=("shapes", "cards"))) == 2


def test_rows_that_are_not_planned_are_no_rows():
    _, ours = cells(scores({"a": [0.4]}), plan={"a": ["shapes"], "b": ["cards"]})
    assert [row[0] for row in ours.rows] == ["base"] and len(ours.header) == 3


def test_ratios():
    cost = replace(EXPERIMENT, gain="ratio", scale=1.0, digits=3, columns={"s": "AP"}, paper={})
    (ours,) = cells(scores({"a": [0.5, 0.5], "b": [0.6, 0.7]}), cost)
    # 1.2 and 1.4: mean 1.3, std .14.
    assert ours.rows[1] == ("better", "0.650 ± 0.071", "x 1.30 ± 0.14", "")


def test_gains_over_several_rows_are_named():
    rows = (*ROWS, Row("best", "b", {"scores": "final/bbox"}, beside="better"))
    _, ours = cells(scores({"a": [0.4], "b": [0.5]}), replace(EXPERIMENT, rows=rows))
    assert ours.notes[-1] == "Gain in AP, of the same seed: better over base; best over better."


def test_another_column_counts():
    """Cells stay where the paper has them; gains are in the column that the file names."""
    columns = {"AP50": "AP50", "AP": "AP"}
    paper = {"base": (57.0, 34.9), "better": (None, 38.9)}
    chosen = replace(EXPERIMENT, columns=columns, counts="AP", paper=paper)
    _, ours = cells(scores({"a": [0.4], "b": [0.42]}), chosen)
    assert ours.header == ("", "AP50", "AP", "AP gain", "paper's")
    assert ours.rows[1] == ("better", "-", "42.0", "+2.0", "+4.0")
    assert ours.notes[-1] == "Gain in AP over base, of the same seed."
