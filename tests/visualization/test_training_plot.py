"""Curves of a training."""

import numpy as np
import pytest

from cascadekit.engine import TrainingReport
from cascadekit.visualization.plots import figure_pixels
from cascadekit.visualization.training_plot import (
    MOST,
    TrainingHistory,
    moving_mean,
    plot_training,
)


def report(iteration, loss=1.0, ious=None):
    return TrainingReport(iteration, 100, 0.5, 0.001, {"loss": loss}, ious or {})


def history(reports=(), validations=()):
    made = TrainingHistory(total=100)
    for each in reports:
        made.add(each)
    for iteration, metrics in validations:
        made.add_scores(iteration, metrics)
    return made


@pytest.mark.parametrize(
    ("values", "reach", "means"),
    [
        ([], 2, []),
        ([3.0], 2, [3.0]),
        ([1.0, 2.0, 6.0], 1, [1.5, 3.0, 4.0]),  # the ends have one neighbour
        ([1.0, 2.0, 6.0], 9, [3.0, 3.0, 3.0]),
        ([1.0, 2.0, 6.0], 0, [1.0, 2.0, 6.0]),
    ],
)
def test_moving_mean(values, reach, means):
    assert moving_mean(np.array(values), reach).tolist() == pytest.approx(means)


def test_many_reports_are_thinned():
    made = history(report(k) for k in range(1, 3 * MOST))
    assert len(made.reports) <= MOST
    assert made.reports[-1].iteration == 3 * MOST - 1
    iterations = [r.iteration for r in made.reports]
    assert iterations == sorted(iterations) and iterations[0] <= 4


@pytest.mark.parametrize(
    ("metrics", "kept"),
    [
        (
            {"coco/bbox_AP": 0.5, "coco/segm_AP50": 0.25},
            {"bbox": {"AP": 0.5}, "segm": {"AP50": 0.25}},
        ),
        ({"bbox_AP75": 0.5}, {"bbox": {"AP75": 0.5}}),  # without a prefix
        ({"coco/stage_1/bbox_AP": 0.5, "coco/class/ant/bbox_AP": 0.5}, None),
        ({"coco/bbox_AR100": 0.5, "accuracy": 0.5, "voc/mAP": 0.5}, None),
        ({"coco/bbox_AP": float("nan")}, None),  # no objects
        ({}, None),
    ],
)
def test_which_scores_are_kept(metrics, kept):
    made = history(validations=[(10, metrics)])
    assert made.validations == ({} if kept is None else {10: kept})


def lines(axis):
    return [line for line in axis.lines if len(line.get_xdata())]


def test_curves():
    ious = {1: (0.5, 0.6), 2: (0.6, 0.7)}
    made = history(
        [report(1, 4.0), report(2, 2.0, ious), report(3, 3.0, ious)],
        [(3, {"coco/bbox_AP": 0.5, "coco/bbox_AP50": 0.75})],
    )
    loss, iou, scores = plot_training(made, "iteration 3").axes
    assert [list(line.get_xdata()) for line in lines(loss)] == [[1, 2, 3]] * 2
    assert list(lines(loss)[0].get_ydata()) == [4, 2, 3]
    assert list(lines(loss)[1].get_ydata()) == [3, 3, 3]
    values = {
        line.get_linestyle() + line.get_color(): list(line.get_ydata()) for line in lines(iou)
    }
    assert len(values) == 4 and all(len(v) == 2 for v in values.values())
    assert {round(v[0], 6) for v in values.values()} == {0.5, 0.6, 0.7}
    assert [text.get_text() for text in iou.get_legend().texts] == ["stage 1", "stage 2", "before"]
    assert [list(line.get_ydata()) for line in lines(scores)] == [[50.0], [75.0]]
    assert {axis.get_xlim() for axis in (loss, iou, scores)} == {(0, 4.5)}  # 3 of 100 are done


@pytest.mark.parametrize(
    ("iterations", "span"),
    [
        ((1, 30), (0, 45.0)),
        ((1, 34), (0, 100)),  # a third is done: the rest is left empty
        ((80, 90), (79, 100)),  # a training that went on
        ((1, 120), (0, 120)),
    ],
)
def test_what_the_plots_span(iterations, span):
    figure = plot_training(history([report(k) for k in iterations]))
    assert {axis.get_xlim() for axis in figure.axes} == {span}


@pytest.mark.parametrize(
    "reports", [(report(1, float("nan")),), (TrainingReport(1, 9, 1.0, 0.1, {}, {}),)]
)
def test_nothing_to_draw(reports):
    figure = plot_training(history(reports))
    figure.canvas.draw()
    assert len(figure.axes) == 2 and not lines(figure.axes[0])


def test_before_the_first_report_there_is_only_a_title():
    figure = plot_training(TrainingHistory(), "reading data", width=500)
    figure.canvas.draw()
    assert not figure.axes and [text.get_text() for text in figure.texts] == ["reading data"]
    assert figure_pixels(figure) == (500, 30)


def test_loss_that_is_nought():
    figure = plot_training(history([report(1, 0.0)]))
    figure.canvas.draw()
    assert lines(figure.axes[0])
