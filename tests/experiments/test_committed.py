"""The suite's numbers as notebooks show them."""

import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.committed import committed_tables
from cascadekit.experiments.results import Result, Results, save_results


def saved(path, arm, scores):
    """Results of seeds 0, 1, ..., with the AP of `scores`; the other columns are that, too."""
    columns = ("AP", "AP50", "AP60", "AP70", "AP80", "AP90")
    made = [
        Result(
            arm, "shapes", "small", seed, "scores", {"final": {"bbox": dict.fromkeys(columns, ap)}}
        )
        for seed, ap in enumerate(scores)
    ]
    save_results(Results(tuple(made)), path)
    return path


def test_both_tables(tmp_path):
    text = committed_tables("table1", saved(tmp_path / "r.json", "u05", (0.40, 0.42)))
    assert "| Iterative BBox | 35.4 | 57.2 |" in text  # the paper's
    assert "| FPN+ baseline | 41.0 ± 1.4 |" in text  # std of 40 and 42 with n - 1: 1.414
    assert "Not run yet:** Iterative BBox" in text


def test_no_file_yet(tmp_path):
    text = committed_tables("table1", tmp_path / "results.json")
    assert "| Cascade R-CNN | 38.9 |" in text and "is not there" in text and "± " not in text


@pytest.mark.parametrize(("arm", "data"), [("rfcn", "shapes"), ("u05", "cards")])
def test_a_file_without_them(tmp_path, arm, data):
    text = committed_tables("table1", saved(tmp_path / "r.json", arm, (0.4,)), data)
    assert f"has none of table1 on {data}" in text and "Ours" not in text


def test_mistakes(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'table1'"):
        committed_tables("tabel1", tmp_path / "results.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="no file of results"):
        committed_tables("table1", tmp_path / "x.json")
