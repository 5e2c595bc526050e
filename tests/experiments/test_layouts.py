"""Figures from made-up results: what is drawn, and with which numbers."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.layout_curves import ap_curves, line_looks, localisation, over_seeds
from cascadekit.experiments.layout_pictures import (
    detection_grid,
    from_jpeg,
    pictures,
    shifted,
)
from cascadekit.experiments.layout_plots import gains, matrix
from cascadekit.experiments.layout_samples import histograms, spread, uncut_table
from cascadekit.experiments.layouts import FIGURES, lay_out
from cascadekit.experiments.readout import View
from cascadekit.experiments.results import Result, Results
from cascadekit.structures.boxes import iou
from tests.experiments.made_up import AP, SHARES, joined, jpeg, scores, suite
from tests.quality import makers
from tests.quality.makers import boxes_of

EXPERIMENTS = load_experiments()
NOTHING = View(Results(()), ())


@pytest.fixture(scope="module")
def view():
    return View(suite(), ("shapes", "cards"))


def texts(axis):
    return [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_page_without_results(name):
    page = lay_out(EXPERIMENTS[name], NOTHING)
    assert page.empty and not page.drawings
    assert len(page.tables) == bool(page.experiment.paper) * ("table" in page.experiment.layout)


@pytest.mark.parametrize("kind", FIGURES)
def test_every_kind_of_figure_from_one_seed(kind):
    """One seed, one data set: the least that there can be."""
    one = View(suite(("shapes",), 1), ("shapes",))
    users = [e for e in EXPERIMENTS.values() if kind in e.layout and "shapes" in e.data]
    drawn = FIGURES[kind](users[0], one)
    assert drawn and all(d.figure.axes and d.caption.endswith(".") for d in drawn)
    assert all(d.name.startswith(users[0].name) for d in drawn)


def test_ap_curves_have_the_papers_numbers_in_their_legend(view):
    (drawing,) = ap_curves(EXPERIMENTS["table1"], view)
    first, second = drawing.figure.axes
    assert (first.get_title(), second.get_title()) == ("shapes", "cards")
    labels = [text.get_text() for text in first.get_legend().get_texts()]
    assert [label.split(":")[0] for label in labels] == list(EXPERIMENTS["table1"].paper)
    assert labels[3].endswith("(38.9)")
    line = first.lines[0]
    assert line.get_xdata().tolist() == [t / 100 for t in range(50, 100, 5)]
    mean = np.mean(
        list(view.spread(EXPERIMENTS["table1"].rows[0], "AP50", "shapes").by_seed.values())
    )
    assert line.get_ydata()[0] == pytest.approx(mean)


def test_panels_are_plots_of_their_own(view):
    shapes, cards = ap_curves(EXPERIMENTS["fig8"], view)
    assert (shapes.name, cards.name) == ("fig8_shapes_ap", "fig8_cards_ap")
    assert [axis.get_title() for axis in shapes.figure.axes] == [
        f"shapes: head {h}, u = 0.{h + 4}" for h in (1, 2, 3)
    ]
    legend = shapes.figure.axes[2].get_legend().get_texts()
    assert legend[0].get_text().startswith("boxes of stage 1:")


def test_lines_without_numbers_are_left_out():
    part = View(scores({"u05": [0.4]}), ("shapes",))  # AP alone, no curve
    assert ap_curves(EXPERIMENTS["table1"], part) == []


def test_looks():
    looks = line_looks(EXPERIMENTS["fig7a"])
    other = looks["u = 0.6, cascade's proposals"]
    assert other["color"] == looks["u = 0.6"]["color"]
    assert (looks["u = 0.6"]["linestyle"], other["linestyle"]) == ("-", (0, (4, 2)))
    assert len({look["color"] for look in line_looks(EXPERIMENTS["table1"]).values()}) == 4


def test_localisation_has_the_diagonal_and_hollow_points(view):
    (drawing,) = localisation(EXPERIMENTS["fig9a"], view)
    axis = drawing.figure.axes[0]
    assert axis.lines[-1].get_xydata().tolist() == [[0, 0], [1, 1]]
    assert len(axis.lines) == 5 and axis.get_xlim() == (0.5, 1)
    # Two groups of points for each line: those with enough boxes, and those with few.
    faces = [
        dots.get_facecolor()[0].tolist() for dots in axis.collections if len(dots.get_offsets())
    ]
    assert [1.0, 1.0, 1.0, 1.0] in faces


def test_over_seeds():
    y = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan]])
    mean, low, high = over_seeds(y)
    assert mean[:2].tolist() == [2, 2] and low[:2].tolist() == [1, 2]
    assert high[0] == 3 and np.isnan([mean[2], low[2], high[2]]).all()


def test_seeds_on_other_edges_are_no_part_of_a_mean():
    def result(seed, edges):
        values = {"stage1": {"edges": edges, "mean": [0.7, 0.8], "count": [50, 50]}}
        return Result("u05", "shapes", "small", seed, "localisation", values)

    made = Results((result(0, [0.5, 0.7, 0.9]), result(1, [0.5, 0.75, 1.0])))
    (drawing,) = localisation(EXPERIMENTS["fig2"], View(made, ("shapes",)))
    assert drawing.figure.axes[0].lines[0].get_xdata() == pytest.approx([0.6, 0.8])


def test_histograms_write_shares_beside_the_papers(view):
    shapes, _ = histograms(EXPERIMENTS["fig4"], view)
    axes = shapes.figure.axes
    assert [axis.get_title() for axis in axes] == [
        f"shapes: stage {k}, u = 0.{k + 4}" for k in (1, 2, 3)
    ]
    written = texts(axes[0])
    assert [text.split("(")[1] for text in written] == ["16.7)", "8.0)", "2.9)"]
    assert float(written[0].split()[0]) == pytest.approx(SHARES[0][0], rel=0.05)
    # Bars are percent of all samples: together the share from the first edge on.
    assert sum(bar.get_height() for bar in axes[0].patches) == pytest.approx(16.7, abs=0.1)
    assert len({axis.get_ylim() for axis in axes}) == 1


def test_a_histogram_without_samples():
    empty = {"u": 0.5, "edges": [0.5, 1.0], "histogram": [0], "num_samples": 0, "share50": None}
    made = Results((Result("cascade", "shapes", "small", 0, "samples", {"stage1": empty}),))
    assert histograms(EXPERIMENTS["fig4"], View(made, ("shapes",))) == []


def test_spread_is_beside_stage_one(view):
    (drawing,) = spread(EXPERIMENTS["fig5"], view)
    axis = drawing.figure.axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axis.lines}
    assert lines["rule"] == pytest.approx([1, 1 / 2, 1 / 3])
    # .0606 .0613 .1221 .1230 over .1234 .1297 .2272 .2255, geometric: .511; stage 3: .324.
    assert lines["paper"] == pytest.approx([1, 0.511, 0.324], abs=5e-4)
    assert lines["ours, that reach u"][1] == pytest.approx(0.51, abs=0.05)
    assert lines["ours, all"][1] > lines["ours, that reach u"][1]
    (shapes, _) = uncut_table(EXPERIMENTS["fig5"], view)
    assert [row[0] for row in shapes.rows[:2]] == [
        "stage 1, that reach u",
        "stage 1, stage 1's that reach u",
    ]


def test_matrix(view):
    shapes, _ = matrix(EXPERIMENTS["fig8"], view)
    (axis,) = shapes.figure.axes
    assert len(texts(axis)) == 9 and texts(axis)[2].endswith("(36.8)")  # head 1, boxes of stage 3
    assert "stage's own regressor" in shapes.caption
    bad = replace(EXPERIMENTS["fig8"].rows[0], reads={"matrix": "stage1"})
    with pytest.raises(InputError, match="expected a path stageS/headT, got 'stage1'"):
        matrix(replace(EXPERIMENTS["fig8"], rows=(bad,)), view)


def test_gains_show_seeds_and_the_paper():
    # Two seeds gain 1 and 2 AP; the paper 4.0.
    made = scores({"roipool": [0.4, 0.4], "roipool_cascade": [0.41, 0.42]})
    (drawing,) = gains(EXPERIMENTS["table6"], View(made, ("shapes",)))
    bounds, dots, paper, zero = drawing.figure.axes[0].lines
    assert sorted(dots.get_xdata()) == pytest.approx([1, 2])
    # 1.5 -+ 6.314 x .7071 / sqrt 2
    assert bounds.get_xdata() == pytest.approx([1.5 - 3.157, 1.5 + 3.157], abs=1e-3)
    assert paper.get_xdata() == pytest.approx([3.4])
    assert zero.get_xdata() == [0, 0]


def test_pictures_of_one_arm_lend_their_pixels():
    made = suite(("shapes",), 1, ("u05", "u07", "cascade"))
    first = next(r for r in made.results if r.measure == "pictures")
    lent = [
        replace(r, values=[{k: v for k, v in p.items() if k != "jpeg"} for p in r.values])
        if r.measure == "pictures" and r is not first
        else r
        for r in made.results
    ]
    grid, quality = pictures(EXPERIMENTS["fig1"], View(Results(tuple(lent)), ("shapes",)))
    assert len(grid.figure.axes) == 12 and len(quality.figure.axes) == 5
    assert texts(grid.figure.axes[0]) == ["0.92", "0.55", "0.00"]
    assert grid.figure.axes[4].get_label() == "u = 0.7, 0"


def test_without_pixels_there_is_nothing_to_draw():
    picture = {"size": [10, 10], "truth": [], "found": []}
    made = Results((Result("u05", "shapes", "small", 0, "pictures", [picture]),))
    assert pictures(EXPERIMENTS["fig1"], View(made, ("shapes",))) == []


def test_a_picture_without_objects_or_detections():
    picture = {"jpeg": jpeg(), "size": [120, 160], "truth": [], "found": []}
    made = Results((Result("u05", "shapes", "small", 0, "pictures", [picture]),))
    (grid,) = pictures(EXPERIMENTS["fig1"], View(made, ("shapes",)))
    assert len(grid.figure.axes) == 1


def test_a_broken_picture():
    for text in ("", "no base64!", "AAAA"):
        with pytest.raises(InputError, match="stored picture cannot be read"):
            from_jpeg(text)
    assert from_jpeg(jpeg(30, 40)).shape == (30, 40, 3)


@pytest.mark.parametrize("quality", [0.5, 0.6, 0.7, 0.9, 1.0])
def test_shifted_boxes_have_the_iou_that_is_written_on_them(quality):
    box = (10.0, 20.0, 50.0, 40.0)
    assert iou(boxes_of([shifted(box, quality)]), boxes_of([box])).item() == pytest.approx(quality)


def test_suggestion(view):
    page = lay_out(EXPERIMENTS["suggestion"], view)
    suggested = page.tables[0]
    assert suggested.rows[0][:3] == ("shapes", "0", "0.5, 0.58, 0.66")
    assert page.findings[0] == "shapes: Your proposals support thresholds up to 0.62."


def test_a_part_of_the_arms():
    made = joined(suite(("shapes",), 2, ("u05", "cascade")))
    page = lay_out(EXPERIMENTS["table1"], View(made, ("shapes",)))
    assert not page.empty
    assert page.missing == ("iterative: scores on shapes", "integral: scores on shapes")
    assert AP["u05"] == pytest.approx(float(page.tables[1].rows[0][1].split()[0]), abs=2)


def test_recordings_as_a_grid(tmp_path):
    """Two detectors on two pictures, of which one has no object and is not shown."""
    file = str(tmp_path / "0.png")
    cv2.imwrite(file, np.full((40, 80, 3), 90, np.uint8))
    truths = (makers.truth([[0, 0, 10, 10]]), makers.truth())

    def recording(found):
        images = [makers.image(t, (), {"1": found}, (40, 80)) for t in truths]
        return makers.recording([replace(i, info=replace(i.info, path=file)) for i in images])

    given = {"tight": makers.found([[0, 0, 10, 9]]), "none": makers.found()}
    figure = detection_grid({name: recording(found) for name, found in given.items()})
    assert [axis.get_label() for axis in figure.axes] == ["tight, 0", "none, 0"]
    assert [texts(axis) for axis in figure.axes] == [["0.90"], []]
