"""What a reporter is told of a training."""

from types import SimpleNamespace

import pytest
import torch

from cascadekit.engine import ReportProgress


class Listener:
    """A reporter that keeps all it is told."""

    def __init__(self):
        self.told = []

    def start(self, done, total):
        self.told.append(("start", done, total))

    def report(self, report):
        self.told.append(report)

    def validated(self, iteration, metrics):
        self.told.append(("validated", iteration, metrics))

    def ended(self, how):
        self.told.append(("ended", how))

    @property
    def reports(self):
        return [entry for entry in self.told if not isinstance(entry, tuple)]


class Training:
    """A run of a hook: a clock that we move, and iterations that we give the outputs of."""

    def __init__(self, every, total=10, done=0):
        self.now, self.listener = 100.0, Listener()
        wrapper = SimpleNamespace(get_lr=lambda: {"lr": [0.01, 0.1]})
        self.runner = SimpleNamespace(iter=done, max_iters=total, optim_wrapper=wrapper)
        self.hook = ReportProgress(self.listener, every, clock=lambda: self.now)
        self.hook.before_train(self.runner)

    def step(self, seconds=0.5, **outputs):
        self.now += seconds
        values = {name.replace("__", "."): value for name, value in outputs.items()}
        self.hook.after_train_iter(self.runner, self.runner.iter, outputs=values)
        self.runner.iter += 1


def test_each_iteration_is_reported():
    run = Training(every=0)
    loss = torch.tensor(2.0, requires_grad=True)
    run.step(loss=loss, rpn__loss_cls=torch.tensor(0.5), stage1__iou_before=torch.tensor(0.6))
    run.step(seconds=1.5, loss=3.0, stage1__iou_before=0.5, stage1__iou_after=0.75)
    first, second = run.listener.reports
    assert run.listener.told[0] == ("start", 0, 10)
    assert (first.iteration, first.total, first.seconds, first.learning_rate) == (1, 10, 0.5, 0.01)
    assert first.losses == {"loss": 2.0, "rpn.loss_cls": 0.5}
    assert first.ious == {}  # half a pair is none
    assert (second.iteration, second.seconds) == (2, 1.0)  # the mean of 0.5 and 1.5
    assert second.losses == {"loss": 3.0} and second.ious == {1: (0.5, 0.75)}


def test_reports_are_means_over_what_they_have_not_told_yet():
    run = Training(every=1.0)
    run.step(loss=8.0)  # the first comes at once
    run.step(loss=1.0, stage2__iou_before=0.5, stage2__iou_after=0.6)  # 0.5 s later: kept
    run.step(loss=2.0)  # 1 s later; without a positive in stage 2
    assert [r.iteration for r in run.listener.reports] == [1, 3]
    assert run.listener.reports[-1].losses == {"loss": 1.5}
    assert run.listener.reports[-1].ious == {2: (pytest.approx(0.5), pytest.approx(0.6))}


def test_the_last_iteration_is_always_reported():
    run = Training(every=60.0, total=3)
    for loss in (1.0, 2.0, 4.0):
        run.step(loss=loss)
    assert [(r.iteration, r.losses["loss"]) for r in run.listener.reports] == [(1, 1.0), (3, 3.0)]


def test_validation_is_told_and_its_time_is_nobodys_iteration():
    run = Training(every=0, done=4)
    run.step(loss=1.0)
    run.hook.after_val_epoch(run.runner, {"coco/bbox_AP": 0.25})
    run.now += 100
    run.hook.after_val(run.runner)
    run.step(loss=1.0)
    start, first, validated, second = run.listener.told
    assert start == ("start", 4, 10) and (first.iteration, second.iteration) == (5, 6)
    assert validated == ("validated", 5, {"coco/bbox_AP": 0.25})
    assert second.seconds == 0.5


@pytest.mark.parametrize("outputs", [None, {}])
def test_another_projects_model_says_nothing(outputs):
    run = Training(every=0)
    run.hook.after_train_iter(run.runner, 0, outputs=outputs)
    assert run.listener.reports[0].losses == {} and run.listener.reports[0].ious == {}


def test_losses_are_fetched_for_reports_only():
    fetched = []

    class Loss(torch.Tensor):
        def __float__(self):
            fetched.append(1)
            return super().__float__()

    run = Training(every=100.0, total=50)
    for _ in range(5):
        run.step(loss=torch.tensor(1.0).as_subclass(Loss))
    assert len(fetched) == 1  # of the first iteration


def test_it_is_found_by_its_name():
    from cascadekit.registry import HOOKS

    hook = HOOKS.build(dict(type="cascadekit.ReportProgress", reporter=Listener(), every=0))
    assert isinstance(hook, ReportProgress)
