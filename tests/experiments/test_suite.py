"""Jobs side by side: order, needs, crashes, other suites, and an end from outside."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cascadekit.experiments import suite
from cascadekit.experiments.suite import Job, run_jobs

TOUCH = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"


def job(folder, name, code=TOUCH, needs=(), **more):
    """A process of one line that leaves a file of its name."""
    done = folder / name
    return Job(
        label=name,
        command=("-c", code, str(done)),
        log=folder / "logs" / f"{name}.log",
        done=(done,),
        needs=tuple(folder / need for need in needs),
        **more,
    )


def order(folder):
    return (folder / "order").read_text().split()


NOTE = (
    "import pathlib, sys; p = pathlib.Path(sys.argv[1]); "
    "open(p.parent / 'order', 'a').write(p.name + ' '); p.touch()"
)


def test_all_are_run(tmp_path):
    outcome = run_jobs([job(tmp_path, name) for name in "abc"], workers=2)
    assert sorted(outcome.finished) == ["a", "b", "c"]
    assert not outcome.failed and not outcome.waiting


def test_no_jobs():
    assert run_jobs([]).finished == []


def test_what_is_done_is_skipped(tmp_path):
    (tmp_path / "a").touch()
    assert run_jobs([job(tmp_path, "a"), job(tmp_path, "b")]).finished == ["b"]


def test_one_worker_keeps_the_order(tmp_path):
    run_jobs([job(tmp_path, name, NOTE) for name in "cab"])
    assert order(tmp_path) == ["c", "a", "b"]


def test_a_job_waits_for_what_it_needs(tmp_path):
    run_jobs([job(tmp_path, "a", NOTE, needs=["b"]), job(tmp_path, "b", NOTE)])
    assert order(tmp_path) == ["b", "a"]


def test_a_crash_keeps_its_log_and_stops_only_what_needs_it(tmp_path):
    bad = job(tmp_path, "a", "print('what went wrong'); raise SystemExit(3)")
    jobs = [bad, job(tmp_path, "b", needs=["a"]), job(tmp_path, "c")]
    outcome = run_jobs(jobs, workers=2)
    assert outcome.finished == ["c"] and outcome.waiting == ["b"]
    assert "what went wrong" in outcome.failed["a"].read_text()


def test_a_process_that_leaves_no_file_has_failed(tmp_path):
    assert list(run_jobs([job(tmp_path, "a", "pass")]).failed) == ["a"]


def test_a_crashed_job_is_tried_again_next_time(tmp_path):
    run_jobs([job(tmp_path, "a", "raise SystemExit(1)")])
    assert run_jobs([job(tmp_path, "a")]).finished == ["a"]


def test_prepare_comes_before_the_start(tmp_path):
    needed = tmp_path / "plan"
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(open('plan').read())"
    prepared = job(
        tmp_path, "a", f"import os; os.chdir({str(tmp_path)!r}); {code}",
        prepare=lambda: needed.write_text("x"),
    )  # fmt: skip
    run_jobs([prepared])
    assert (tmp_path / "a").read_text() == "x"


def test_processes_have_one_thread(tmp_path):
    code = "import os, sys; open(sys.argv[1], 'w').write(os.environ['OMP_NUM_THREADS'])"
    run_jobs([job(tmp_path, "a", code)])
    assert (tmp_path / "a").read_text() == "1"


def test_a_job_that_takes_the_time_is_alone(tmp_path):
    """Each writes how many run while it does, itself among them."""
    code = (
        "import pathlib, sys, time; p = pathlib.Path(sys.argv[1]); r = p.with_suffix('.on'); "
        "r.touch(); time.sleep(0.5); n = len(list(p.parent.glob('*.on'))); r.unlink(); "
        "p.write_text(str(n))"
    )
    jobs = [job(tmp_path, name, code, alone=name == "b") for name in "bac"]
    run_jobs(jobs, workers=3)
    assert (tmp_path / "b").read_text() == "1"


def test_another_suite_has_it(tmp_path, monkeypatch):
    """Busy is no failure: it is looked for again, and found done."""
    code = f"import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); raise SystemExit({suite.BUSY})"
    outcome = run_jobs([job(tmp_path, "a", code)])
    assert not outcome.failed and not outcome.waiting


def test_another_suite_gave_it_up(tmp_path, monkeypatch):
    """Busy once, then free."""
    monkeypatch.setattr(suite, "LOOK_AGAIN", 0.0)
    code = (
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]); f = p.with_suffix('.seen')\n"
        f"if not f.exists(): f.touch(); raise SystemExit({suite.BUSY})\n"
        "p.touch()"
    )
    assert run_jobs([job(tmp_path, "a", code)]).finished == ["a"]


@pytest.mark.slow
def test_ctrl_c_ends_the_processes(tmp_path):
    """A suite in a process of its own, interrupted, leaves none of its own behind."""
    sleep = (
        "import os, pathlib, sys, time; "
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"
    )
    code = (
        "import pathlib, sys\n"
        "from cascadekit.experiments.suite import Job, run_jobs\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        f"words = [('-c', {sleep!r}, str(folder / (n + '.pid'))) for n in 'ab']\n"
        "jobs = [Job(w[2], w, folder / 'log', (folder / 'done',)) for w in words]\n"
        "run_jobs(jobs, workers=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    pids = [tmp_path / "a.pid", tmp_path / "b.pid"]
    _wait_for(lambda: all(p.is_file() and p.read_text() for p in pids))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    for pid in pids:
        _wait_for(lambda pid=pid: not _alive(int(pid.read_text())))


def _wait_for(true, most=20.0):
    end = time.time() + most
    while not true():
        assert time.time() < end, "waited too long"
        time.sleep(0.05)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
