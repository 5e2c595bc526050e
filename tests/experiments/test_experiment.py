"""Files of experiments: those that ship, and what is refused."""

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.experiment import ORDER, load_experiment, load_experiments

TEXT = """
title = "T"
source = "Table 0"
question = "Why?"
arms = {"one": dict(arm="a", scores="final/bbox"), "two": dict(arm="b", cost="", beside="one")}
layout = ["table"]
columns = ["AP", "AP50"]
paper = {"one": (1.0, None)}
"""


def write(folder, text, name="table0"):
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def test_all_that_ship_are_read():
    experiments = load_experiments()
    assert tuple(experiments) == ORDER
    for experiment in experiments.values():
        assert experiment.question.endswith("?") and experiment.data
        assert experiment.name == "cost" or experiment.measures()
        # Rows that only the paper has are allowed, but not a paper without any row of ours.
        assert not experiment.paper or {r.label for r in experiment.rows} & set(experiment.paper)


def test_a_choice_keeps_the_papers_order():
    assert list(load_experiments(["table1", "fig2"])) == ["fig2", "table1"]


def test_what_a_file_says(tmp_path):
    found = load_experiment(write(tmp_path, TEXT))
    assert found.name == "table0" and found.columns == {"AP": "AP", "AP50": "AP50"}
    assert found.layout == ("table",) and found.paper == {"one": (1.0, None)}
    assert found.rows[0].reads == {"scores": "final/bbox"} and found.rows[1].beside == "one"
    assert found.measures() == {"a": ("scores",), "b": ("cost",)}


def test_the_column_in_which_rows_are_compared(tmp_path):
    assert load_experiment(write(tmp_path, TEXT)).main_column == "AP"  # the first
    assert load_experiment(write(tmp_path, TEXT + 'counts = "AP50"\n')).main_column == "AP50"
    without = TEXT.split("columns")[0]
    assert load_experiment(write(tmp_path, without)).main_column == ""


def test_given_rows_are_not_measured(tmp_path):
    text = TEXT.replace('arm="b"', 'arm="b", given=True')
    assert load_experiment(write(tmp_path, text)).measures() == {"a": ("scores",)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "T"', "", "table0.py: title is missing"),
        ("question", "qestion", "no key 'qestion' here. Did you mean 'question'"),
        ('"table"', '"tabel"', "layout must be one of .* Did you mean 'table'"),
        ('arm="a", ', "", "row 'one' names no arm"),
        ('beside="one"', 'beside="won"', "beside must be one of one, two"),
        ('"AP50"]', '"AP50"]\ncounts = "AP5"', "counts must be one of AP, AP50"),
        ("(1.0, None)", "(1.0,)", "row 'one' has 1 numbers, but there are 2 columns"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        load_experiment(write(tmp_path, TEXT.replace(old, new)))


def test_an_unknown_experiment(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'table1'"):
        load_experiments(["table_1"])
    write(tmp_path, TEXT)
    with pytest.raises(InputError, match=r"no experiment 'table'\. Did you mean 'table0'"):
        load_experiment(tmp_path / "table.py")
