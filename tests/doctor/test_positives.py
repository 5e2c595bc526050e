import pytest
import torch

from cascadekit.doctor.positives import (
    anchor_proposals,
    at,
    expected_positives,
    positive_findings,
    sampling_of,
    stage_ious,
)
from cascadekit.models.proposals.anchors import AnchorGenerator
from tests.doctor.makers import checks, plain_config
from tests.doctor.test_anchors import seen

FITTING = [[[16.0, 16.0, 48.0, 48.0], [64.0, 32.0, 96.0, 64.0]]]


def test_settings_of_a_config():
    config = plain_config()
    assert stage_ious(config) == (0.5, 0.6, 0.7)
    assert (sampling_of(config).num, sampling_of(config).pos_fraction) == (64, 0.25)
    assert stage_ious(plain_config(**{"model.roi_head.stage_ious": 2})) == (0.5, 0.6)
    assert stage_ious(plain_config(**{"model.roi_head": None})) == ()


def test_proposals_are_the_best_anchors():
    """Anchors of 32 x 32 on a grid of 16: two fit their objects exactly."""
    generator = AnchorGenerator(strides=(16,), scales=(2.0,), ratios=(1.0,))
    sampled = seen(FITTING)
    boxes, ious = anchor_proposals(generator, sampled.infos[0], sampled.targets[0], 32, 100)
    assert ious[:2].tolist() == [1, 1]
    assert sorted(boxes[:2].tolist()) == sorted(FITTING[0])
    # Of those around an object, 16 aside, IoU 1/3: none is suppressed at .7.
    assert (ious[2:] < 0.5).all() and (ious == 1).sum() == 2
    height, width = sampled.infos[0].size
    assert boxes[:, 2].max() <= width and boxes[:, 3].max() <= height


def test_expected_positives_by_hand():
    """The only boxes of IoU .5 or more are the two that fit: 2 a picture at each u."""
    anchors = {
        "type": "cascadekit.AnchorGenerator",
        "strides": [16],
        "scales": [2],
        "ratios": [1.0],
    }
    config = plain_config(
        **{"model.rpn_head.anchors": anchors, "model.roi_head.stage_ious": (0.5,)}
    )
    quality = expected_positives(config, seen(FITTING))
    for u in (0.5, 0.7, 0.9):
        share, count = at(quality, 0, u)
        assert count == pytest.approx(2, abs=1e-6)
        assert share == pytest.approx(2 / quality.curves[0].rois_per_image)


def test_findings_and_table():
    found, (table,) = positive_findings(plain_config(), seen(FITTING))
    assert set(checks(found)) <= {"positives.expected", "positives.few"}
    assert [row[0] for row in table.rows] == [
        "stage 1 (u = 0.5)",
        "stage 2 (u = 0.6)",
        "stage 3 (u = 0.7)",
    ]
    assert [row[-1] for row in table.rows] == ["anchors", "extrapolated", "extrapolated"]
    assert "2.0 more a picture" in table.notes[-1]


def test_too_few():
    """Objects of 14 pixels and anchors of 32 and more: no anchor reaches .5."""
    sampled = seen([[[20.0, 20.0, 34.0, 34.0]]] * 2)
    finding = checks(positive_findings(plain_config(), sampled)[0])["positives.few"]
    assert finding.severity == "warning"


def test_nothing_to_tell():
    assert positive_findings(plain_config(), seen([[]])) == ([], [])
    assert positive_findings(plain_config(**{"model.rpn_head": None}), seen(FITTING)) == ([], [])
    assert positive_findings(plain_config(**{"model.roi_head": None}), seen(FITTING)) == ([], [])
    assert torch.is_grad_enabled()
