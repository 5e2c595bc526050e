"""The strip that follows boxes through the stages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.structures.samples import Detections, ImageInfo, Prediction, StageTrace
from cascadekit.visualization import draw_stages
from tests.visualization.stories import CLASSES, IMAGE, TRUTH, prediction, targets


def labels_of(figure):
    return [axes.get_label() for axes in figure.axes]


def words(figure):
    return [text.get_text() for text in figure.texts]


def test_panels_and_mean_iou():
    figure = draw_stages(IMAGE, prediction(), targets(), CLASSES)
    rows = [f"{row}-{k}" for row in ("stage", "zoom") for k in range(4)]
    assert sorted(labels_of(figure)) == rows
    text = words(figure)
    titles = ["proposals", "stage 1", "stage 2", "stage 3"]
    values = ["0.40", "0.60", "0.80", "1.00"]
    assert [t for t in text if t in titles] == titles
    assert [t for t in text if t in values] == values
    assert [t for t in text if t.startswith("+")] == ["+0.20"] * 3
    assert text.count("mean IoU with ground truth") == 4
    assert [t for t in text if t.startswith("IoU")] == [f"IoU {v}" for v in values]
    assert text.count("score 0.70") == 3  # the cat's own class at each stage
    assert figure.get_size_inches()[0] * figure.dpi == pytest.approx(1200)


def test_shaded_is_what_box_and_truth_do_not_share():
    figure = draw_stages(IMAGE, prediction(), targets(), CLASSES)
    for k, rows in enumerate((30, 20, 10, 0)):  # rows of the truth that the box misses
        axes = next(axes for axes in figure.axes if axes.get_label() == f"zoom-{k}")
        shaded = [p for p in axes.patches if p.get_alpha() is not None]
        assert sum(p.get_width() * p.get_height() for p in shaded) == 50 * rows
        # The first object, whole, at the same place in every panel of the row.
        (x1, x2), (y2, y1) = axes.get_xlim(), axes.get_ylim()
        assert 0 <= x1 < 10 and 60 < x2 <= 150 and y1 < 10 and 60 < y2
        assert (y2 - y1) / (x2 - x1) == pytest.approx(0.8)


def test_without_ground_truth_the_reference_is_named():
    figure = draw_stages(IMAGE, prediction((20, 30, 40, 40)), None, CLASSES)
    text = words(figure)
    # Final boxes are 40 tall: 20 / 40, 30 / 40, 1, 1.
    assert [t for t in text if t.startswith(("0.", "1."))] == ["0.50", "0.75", "1.00", "1.00"]
    assert text.count("mean IoU with final boxes") == 4
    assert "IoU with final box 0.50" in text
    assert any("no ground truth given" in t for t in text)


def test_unmatched_objects_are_not_measured():
    # The second object has another class in the ground truth.
    figure = draw_stages(IMAGE, prediction(), targets(labels=(0, 0)), CLASSES)
    assert any("1 of 2 matched" in t for t in words(figure))
    figure = draw_stages(IMAGE, prediction(), targets(labels=(1, 0)), CLASSES)
    assert words(figure).count("no object to measure") == 4
    assert any("0 of 2 matched" in t for t in words(figure))


def test_each_ground_truth_is_matched_once():
    twin = prediction()
    found = replace(twin.detections, labels=torch.tensor([0, 0]), roi_index=torch.tensor([1, 1]))
    found = replace(found, boxes=found.boxes[[0, 0]])
    figure = draw_stages(IMAGE, replace(twin, detections=found), targets(), CLASSES)
    assert any("1 of 2 matched" in t for t in words(figure))


@pytest.mark.parametrize("truth", [None, targets(), targets(TRUTH[:0], ())])
def test_no_detections(truth):
    story = prediction()
    for empty in (replace(story, detections=story.detections[:0]), prediction(scores=(0.1, 0.1))):
        figure = draw_stages(IMAGE, empty, truth, CLASSES)
        assert labels_of(figure) == [f"stage-{k}" for k in range(4)]
        assert any("no detections with score" in t for t in words(figure))
        figure.canvas.draw()


def test_no_ground_truth_objects_in_the_picture():
    figure = draw_stages(IMAGE, prediction(), targets(TRUTH[:0], ()), CLASSES)
    assert words(figure).count("no object to measure") == 4
    figure.canvas.draw()


@pytest.mark.parametrize("box", [[3.0, 3, 4, 4], [3, 3, 3, 3], [-20, -20, 400, 300]])
@pytest.mark.parametrize("image", [IMAGE, np.zeros((300, 20, 3), np.uint8)])
def test_odd_boxes_and_pictures_are_drawn(box, image):
    boxes = torch.tensor([box])
    stage = StageTrace(boxes, boxes, torch.tensor([[0.9, 0.05, 0.05]]), torch.tensor([0]))
    found = Detections(boxes, torch.tensor([0.9]), torch.tensor([0]), torch.tensor([0]))
    story = Prediction(ImageInfo((1, 1), (1, 1)), found, (stage,))
    figure = draw_stages(image, story, targets(boxes, (0,)), CLASSES)
    assert labels_of(figure) == ["stage-0", "zoom-0", "stage-1", "zoom-1"]
    figure.canvas.draw()


def test_second_row_can_be_left_out_and_few_are_shown():
    figure = draw_stages(
        IMAGE, prediction(), None, CLASSES, max_detections=1, zoom=False, width=600
    )
    assert figure.canvas.get_width_height()[0] == 600
    assert labels_of(figure) == [f"stage-{k}" for k in range(4)]
    assert len(figure.axes[0].patches) == 1


def test_five_panels_have_short_captions():
    figure = draw_stages(IMAGE, prediction((10, 20, 30, 40, 50)), None, CLASSES)
    assert len(figure.axes) == 10
    assert sum(t.strip() == "mean IoU" for t in words(figure)) == 5


def test_detections_of_other_views_are_left_out():
    """Test-time augmentation traces its first view only; -1 must not mean the last roi."""
    story = prediction()
    untraced = replace(story.detections, roi_index=torch.tensor([1, -1]))
    figure = draw_stages(IMAGE, replace(story, detections=untraced), None, CLASSES)
    only = draw_stages(IMAGE, replace(story, detections=story.detections[:1]), None, CLASSES)
    assert words(figure) == words(only)


def test_a_prediction_without_stages_is_named():
    with pytest.raises(InputError, match="no stages"):
        draw_stages(IMAGE, replace(prediction(), stages=()), None, CLASSES)
