"""Stopping between two iterations, saving undisturbed, workers that leave signals alone."""

import os
import signal
import threading

import pytest

from cascadekit.engine import StopBetweenIterations, TrainingInterrupted, interruption
from cascadekit.engine.interruption import start_worker, undisturbed

pytestmark = pytest.mark.usefixtures("usual_interruptions")


def stop():
    signal.raise_signal(signal.SIGINT)


def test_a_stop_waits_for_the_iteration_under_way():
    done = []
    with pytest.raises(KeyboardInterrupt), StopBetweenIterations() as hook:
        for k in range(5):
            hook.before_train_iter(None, k)
            if k == 1:
                stop()
            done.append(k)  # forward, backward, step, other hooks
    assert done == [0, 1]


def test_a_second_stop_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), StopBetweenIterations() as hook:
        hook.before_train_iter(None, 0)
        stop()
        done.append("first")
        stop()
        done.append("second")
    assert done == ["first"]


def test_outside_of_iterations_nothing_waits():
    with pytest.raises(KeyboardInterrupt), StopBetweenIterations():
        stop()
        pytest.fail("went on")


def test_validation_is_stopped_at_once():
    with pytest.raises(KeyboardInterrupt), StopBetweenIterations() as hook:
        hook.before_train_iter(None, 0)
        hook.before_val(None)
        stop()
        pytest.fail("went on")


@pytest.mark.parametrize("place", ["before_val", "after_train"])
def test_a_stop_in_the_iteration_before(place):
    with StopBetweenIterations() as hook:
        hook.before_train_iter(None, 0)
        stop()
        with pytest.raises(KeyboardInterrupt):
            getattr(hook, place)(None)


def test_after_validation_stops_wait_again():
    with StopBetweenIterations() as hook:
        hook.before_val(None)
        hook.after_val(None)
        stop()
        with pytest.raises(KeyboardInterrupt):
            hook.before_train_iter(None, 1)


def test_ignored_interruptions_stay_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nohup
    try:
        with StopBetweenIterations() as hook:
            stop()
            hook.before_train_iter(None, 0)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_several_processes_stop_as_before(monkeypatch):
    monkeypatch.setattr(interruption, "is_distributed", lambda: True)
    with pytest.raises(KeyboardInterrupt), StopBetweenIterations() as hook:
        hook.before_train_iter(None, 0)
        stop()
        pytest.fail("went on")


def test_other_threads_leave_signals_alone():
    seen = []

    def train():
        with StopBetweenIterations() as hook, undisturbed():
            hook.before_train_iter(None, 0)
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_saving_is_not_disturbed():
    with undisturbed():
        stop()
    with pytest.raises(KeyboardInterrupt):
        stop()


def test_a_worker_ignores_interruptions():
    begun = []
    start_worker(begun.append, 3)
    stop()
    start_worker(None, 4)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert begun == [3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_worker_that_was_just_forked_ignores_them_too():
    """It has our handler until start_worker runs."""
    with StopBetweenIterations():
        child = os.fork()
        if child == 0:
            try:
                stop()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def test_what_a_notebook_shows():
    error = TrainingInterrupted("2 of 4 iterations are done")
    assert isinstance(error, KeyboardInterrupt)
    assert error._render_traceback_() == ["Training stopped: 2 of 4 iterations are done"]
