"""Numbers of a training under way, for whoever shows them: collected here, drawn elsewhere."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from mmengine.hooks import Hook

from cascadekit.registry import HOOKS

RECENT = 50  # iterations that the time per iteration is the mean of
IOU = re.compile(r"stage(\d+)\.iou_(before|after)")


@dataclass(frozen=True)
class TrainingReport:
    """Where a training stands; means over the iterations since the last report.

    Attributes:
        iteration: iterations done, 1..total.
        total: iterations of the whole training.
        seconds: per iteration, over the last 50, validation left out.
        learning_rate: of the first parameter group.
        losses: name -> value: `loss` (the sum), `rpn.loss_cls`, `stage1.loss_bbox`, ...
        ious: stage from 1 on -> mean IoU of its positives with their objects before and after its
            regressor; a stage without positives is left out, so it may be empty.
    """

    iteration: int
    total: int
    seconds: float
    learning_rate: float
    losses: Mapping[str, float]
    ious: Mapping[int, tuple[float, float]]


class Reporter(Protocol):
    """Who shows a training: a widget, or anybody's own."""

    def start(self, done: int, total: int) -> None:
        """Training begins after `done` of `total` iterations; done > 0 where it goes on."""

    def report(self, report: TrainingReport) -> None:
        """Some iterations later."""

    def validated(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Validation after so many iterations gave these numbers."""

    def ended(self, how: str) -> None:
        """The training is over: a sentence, also when it failed or did not begin."""


@HOOKS.register_module()
class ReportProgress(Hook):
    """Tells a reporter how a training goes, about once a second.

    The losses of every iteration count, but are fetched from the device for a report only.

    Args:
        reporter: whom to tell.
        every: seconds between reports; 0: each iteration. The last iteration is always reported.
        clock: gives seconds.
    """

    priority = "LOW"

    def __init__(
        self,
        reporter: Reporter,
        every: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reporter, self.every, self.clock = reporter, every, clock
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}
        self._times: deque[float] = deque(maxlen=RECENT)
        self._began = self._told = 0.0

    def before_train(self, runner: Any) -> None:
        """Tell where the training begins."""
        self.reporter.start(runner.iter, runner.max_iters)
        self._began = self.clock()
        self._told = self._began - self.every  # the first iteration is reported at once

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Add an iteration's numbers up, and tell them when it is time."""
        now = self.clock()
        self._times.append(now - self._began)
        self._began = now
        for name, value in (outputs or {}).items():
            if "loss" in name or IOU.fullmatch(name):
                own = torch.as_tensor(value).detach()
                self._sums[name] = self._sums[name] + own if name in self._sums else own
                self._counts[name] = self._counts.get(name, 0) + 1
        if now - self._told >= self.every or runner.iter + 1 == runner.max_iters:
            self._told = now
            self._tell(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Tell the scores."""
        self.reporter.validated(runner.iter, metrics or {})

    def after_val(self, runner: Any) -> None:
        """The next iteration begins now, not before the validation."""
        self._began = self.clock()

    def _tell(self, runner: Any) -> None:
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        found: dict[int, dict[str, float]] = {}
        for name, value in means.items():
            if match := IOU.fullmatch(name):
                found.setdefault(int(match[1]), {})[match[2]] = value
        self.reporter.report(
            TrainingReport(
                runner.iter + 1,
                runner.max_iters,
                sum(self._times) / len(self._times),
                float(runner.optim_wrapper.get_lr()["lr"][0]),
                {name: value for name, value in means.items() if "loss" in name},
                {k: (v["before"], v["after"]) for k, v in sorted(found.items()) if len(v) == 2},
            )
        )
