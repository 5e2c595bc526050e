"""A training as it runs, in a notebook: a bar, the losses, what each stage does to its boxes."""

from __future__ import annotations

import base64
import io
import re
import textwrap
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from html import escape, unescape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from cascadekit.visualization.training_plot import (
    KIND_COLORS,
    KIND_NAMES,
    SCORES,
    TrainingHistory,
    plot_training,
)

if TYPE_CHECKING:
    from cascadekit.engine.progress import TrainingReport

PAUSE = 2.0  # seconds between two drawings of the plot, at the least
SHARE = 0.02  # of the time may go into drawing
COLUMNS = {"loss_cls": "class loss", "loss_bbox": "box loss", "loss_mask": "mask loss"}
CELL = "padding:0 10px 0 0;text-align:right;white-space:nowrap"


class TrainingProgress(widgets.VBox):  # type: ignore[misc]
    """The live picture of a training; a reporter of `engine.progress`.

    Args:
        clock: gives seconds; the plot is drawn at most every two of them, and never takes more than
            a fiftieth of the training's time.
        width: of the plot, pixels.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, width: int = 960) -> None:
        self.history, self.width, self._clock = TrainingHistory(), width, clock
        self._next_drawing, self._began, self._done = 0.0, clock(), 0
        self._handle: Any = None
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(flex="0 0 240px"))
        self.status = widgets.HTML("reading data and weights")
        self.losses = widgets.HTML()
        self.scores = widgets.HTML()
        self.plot = widgets.Image(format="png", layout=widgets.Layout(max_width="100%"))
        self.plot.layout.display = "none"  # until there is one
        tables = widgets.HBox(
            [self.losses, self.scores], layout=widgets.Layout(flex_flow="row wrap")
        )
        super().__init__([widgets.HBox([self.bar, self.status]), tables, self.plot])
        self.add_class("cascadekit-training")

    def show(self) -> None:
        """Display it in the cell under way, so that its end replaces the still picture too."""
        from IPython.display import display

        self._handle = display(self, display_id=True)

    def start(self, done: int, total: int) -> None:
        """The training begins, or goes on after `done` iterations."""
        self.history.total, self._done = total, done
        self.bar.max, self.bar.value = max(total, 1), done
        self.status.value = f"iteration {done} of {total}"

    def report(self, report: TrainingReport) -> None:
        """Some iterations later."""
        self.history.add(report)
        self.bar.max, self.bar.value = max(report.total, 1), report.iteration
        left = (report.total - report.iteration) * report.seconds
        self.status.value = (
            f"iteration <b>{report.iteration}</b> of {report.total} · {spell_seconds(left)} left · "
            f"{report.seconds:.2f} s each · learning rate {report.learning_rate:.1e}"
        )
        self.losses.value = losses_table(report)
        if self._clock() >= self._next_drawing:
            self._draw()

    def validated(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Scores are there."""
        self.history.add_scores(iteration, metrics)
        self.scores.value = scores_table(self.history)
        self._draw()

    def ended(self, how: str) -> None:
        """Show the end; also to who only sees the still picture."""
        kind = how.partition(":")[0]
        self.bar.bar_style = {"finished": "success", "stopped": "warning"}.get(kind, "danger")
        if how == "finished":
            new = f"{self.bar.value - self._done} of " if self._done else ""
            took = spell_seconds(self._clock() - self._began)
            how = f"finished: {new}{self.bar.value} iterations in {took}"
        self.status.value = escape(how)
        self._draw()
        if self._handle is not None:
            self._handle.update(self)

    def to_png(self) -> bytes:
        """The plots as one PNG file."""
        plain = unescape(re.sub("<.*?>", "", self.status.value))
        figure = plot_training(self.history, textwrap.shorten(plain, 110), self.width)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=figure.dpi)
        return stream.getvalue()

    def _draw(self) -> None:
        began = self._clock()
        if self.history.reports or self.history.validations:
            figure = plot_training(self.history, width=self.width)
            stream = io.BytesIO()
            figure.savefig(stream, format="png", dpi=figure.dpi)
            self.plot.value = stream.getvalue()
            self.plot.layout.display = None
        took = self._clock() - began
        self._next_drawing = self._clock() + max(PAUSE, took / SHARE)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live widget, with a still picture for whatever shows the notebook without it."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        data = {**data, "image/png": base64.b64encode(self.to_png()).decode()}
        return (data, *rest) if rest else data


def losses_table(report: TrainingReport) -> str:
    """HTML of the losses, a row for each part of the detector, with its IoUs."""
    parts: dict[str, dict[str, float]] = {}
    for name, value in report.losses.items():
        part, dot, what = name.partition(".")
        if dot and what in COLUMNS:
            parts.setdefault(part, {})[what] = value
    columns = [c for c in COLUMNS if any(c in row for row in parts.values())]
    heads = [COLUMNS[c] for c in columns] + ["IoU before → after" if report.ious else ""]
    rows = [_row(["", *heads], "th")]
    for part, values in parts.items():
        number = part.removeprefix("stage")
        name = f"stage {number}" if number != part else {"rpn": "proposals"}.get(part, part)
        cells = [f"{values[c]:.3f}" if c in values else "" for c in columns]
        pair = report.ious.get(int(number)) if number.isdigit() else None
        cells.append(f"{pair[0]:.3f} → {pair[1]:.3f}" if pair else "")
        rows.append(_row([escape(name), *cells]))
    whole = f"{report.losses['loss']:.3f}" if "loss" in report.losses else ""
    return f"loss <b>{whole}</b><table>{''.join(rows)}</table>"


def scores_table(history: TrainingHistory, most: int = 6) -> str:
    """HTML of the last validations' AP in percent; empty without one."""
    if not history.validations:
        return ""
    last = list(history.validations.items())[-most:]
    kinds = [kind for kind in KIND_COLORS if any(kind in scores for _, scores in last)]
    heads = [f"{KIND_NAMES[kind]} {score}" for kind in kinds for score in SCORES]
    rows = [_row(["after", *heads], "th")]
    for iteration, scores in last:
        found = [scores.get(kind, {}).get(score) for kind in kinds for score in SCORES]
        cells = ["" if value is None else f"{100 * value:.1f}" for value in found]
        rows.append(_row([str(iteration), *cells]))
    return f"validation, %<table>{''.join(rows)}</table>"


def _row(cells: list[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f'<{tag} style="{CELL}">{cell}</{tag}>' for cell in cells) + "</tr>"


def spell_seconds(seconds: float) -> str:
    """E.g. "40 s", "3 min 20 s", "2:05:00 h"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{timedelta(seconds=whole)} h"
