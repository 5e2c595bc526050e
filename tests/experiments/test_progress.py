"""What a suite says of itself."""

import io

import pytest
from rich.console import Console

from cascadekit.experiments.progress import StatusLine, SuiteProgress, duration


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "0 s"),
        (0.5, "30 s"),
        (1, "1 min"),
        (59.4, "59 min"),
        (60, "1 h 00 min"),
        (185, "3 h 05 min"),
    ],
)
def test_durations(minutes, text):
    assert duration(minutes) == text


def make(terminal=False, total=4.0, done=1.0):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=60)
    return SuiteProgress(total, 4, done, 1, 2, console), out


def test_lines_of_a_log():
    progress, out = make()
    progress.start("a long name of a job that would not fit into one line of sixty letters")
    progress.finish(
        "a long name of a job that would not fit into one line of sixty letters", 1.0, 3
    )
    lines = out.getvalue().splitlines()
    assert lines[0] == "1 of 4 jobs are done"
    assert lines[1].startswith("[2/4] a long name") and ": 3 min; " in lines[1]
    assert len(lines) == 2


def test_time_left_goes_by_the_weights_of_this_session():
    progress, _ = make()
    assert progress.left() == ""  # nothing to judge by yet
    progress.began -= 600  # ten minutes
    progress.finish("a", 1.0, None)
    assert progress.left() == "20 min left"  # 2 of 3 are left
    progress.finish("b", 2.0, None)
    assert progress.left() == "0 s left"


def test_a_crash_is_told(tmp_path):
    progress, out = make()
    progress.start("a")
    progress.fail("a", 1.0, 3, tmp_path / "a.log")
    assert "a: FAILED (exit status 3)" in out.getvalue() and "a.log" in out.getvalue()
    assert out.getvalue().splitlines()[1].startswith("[1/4]")  # not counted as done


def test_bars_of_a_terminal():
    progress, out = make(terminal=True)
    progress.start("job a")
    progress.drop("job a")  # another suite has it
    progress.start("job b")
    progress.finish("job b", 1.0, None)
    progress.stop()
    assert "2 of 4 jobs" in out.getvalue() and "job b: 0 s" in out.getvalue()


def test_a_status_line_is_written_over_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    line = StatusLine()
    for text in ("step 1", "step 1", "on"):
        line.show(text)
    line.end("done")
    # Written once each, and padded so that nothing of a longer text stays.
    assert capsys.readouterr().out == "\rstep 1\ron    \rdone\n"


def test_a_status_line_in_a_log_has_the_end_alone(capsys):
    line = StatusLine()
    line.show("step 1")
    line.end("done")
    assert capsys.readouterr().out == "done\n"


def test_a_status_line_is_one_output_of_a_notebook(capsys, monkeypatch):
    from IPython import display

    shown = []

    class Handle:
        def update(self, text):
            shown[-1] = text.data

    def show(text, display_id):
        shown.append(text.data)
        return Handle()

    monkeypatch.setattr(display, "display", show)
    monkeypatch.setattr("cascadekit.experiments.progress.in_notebook", lambda: True)
    line = StatusLine()
    line.show("step 1")
    line.end("done")
    assert shown == ["done"] and capsys.readouterr().out == ""
