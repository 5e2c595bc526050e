"""The progress bar of loops."""

import subprocess
import sys

import pytest

from cascadekit import progress


@pytest.mark.parametrize("items", [[], [3, 1, 2], range(2)])
def test_items_come_in_order(items):
    assert list(progress.track(items, "Trying")) == list(items)


def test_a_generator_may_have_no_length():
    assert list(progress.track((i for i in range(3)), "Trying")) == [0, 1, 2]
    assert list(progress.track(iter("ab"), "Trying", total=2)) == ["a", "b"]


def test_a_bar_outside_of_notebooks_and_none_inside(capsys, monkeypatch):
    code = "from cascadekit.progress import track; list(track([1, 2], 'Trying'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Trying" in done.stdout and "100%" in done.stdout
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    assert list(progress.track([1, 2], "Trying")) == [1, 2]
    assert capsys.readouterr().out == ""


def test_a_notebook_is_spared_what_the_log_tells(capsys, monkeypatch):
    from mmengine.logging import print_log

    def told():
        with progress.quiet_in_notebook():
            print_log("picture at /home/somebody", logger="current")
            print_log("but an error", logger="current", level=40)
        print_log("and what comes after", logger="current")
        return capsys.readouterr().out

    assert "picture at" in told()
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    text = told()
    assert "picture at" not in text and "an error" in text and "what comes after" in text
