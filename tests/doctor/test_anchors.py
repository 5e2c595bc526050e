import math

import numpy as np
import pytest
import torch

from cascadekit.doctor.anchors import (
    anchor_findings,
    anchors_of,
    best_anchors,
    fit_anchors,
    maps_of,
)
from cascadekit.doctor.sampled import Sampled
from cascadekit.models.proposals.anchors import AnchorGenerator
from cascadekit.structures.boxes import iou
from cascadekit.structures.samples import ImageInfo, Targets
from tests.doctor.makers import checks, plain_config

SIZE = (96, 128)  # height, width


def seen(boxes, size=SIZE):
    """Pictures with these objects, as the network sees them."""
    infos = tuple(ImageInfo(size, size, k, f"{k}.png") for k in range(len(boxes)))
    targets = tuple(
        Targets(
            torch.tensor(own, dtype=torch.float32).reshape(-1, 4),
            torch.zeros(len(own), dtype=torch.long),
            torch.zeros(0, 4),
        )
        for own in boxes
    )
    return Sampled(infos, targets, len(infos))


@pytest.mark.parametrize(
    "options",
    [
        {"strides": (8, 16, 32), "scales": (4.0,)},
        {"strides": (8, 16), "scales": (2.0, 5.0), "center_offset": 0.5},
        {"strides": (16,), "sizes": [[(30, 20), (60, 90)]], "whole_pixels": True},
    ],
)
def test_the_best_anchor_is_that_of_all_anchors(options):
    generator = AnchorGenerator(**options)
    rng = np.random.default_rng(0)
    start = rng.uniform(-5, 100, (60, 2))  # some lie at the border and beyond
    boxes = torch.from_numpy(np.hstack([start, start + rng.uniform(1, 80, (60, 2))])).float()
    maps = maps_of([SIZE], generator.strides, 32)[0]
    everything = torch.cat(generator.grid_anchors(maps))
    expected = iou(everything, boxes).amax(0)
    assert best_anchors(generator, boxes, [maps] * 60) == pytest.approx(expected, abs=1e-6)


def test_one_worked_by_hand():
    """One anchor of 32 x 32 a cell of stride 16, centred on its corner."""
    generator = AnchorGenerator(strides=(16,), scales=(2.0,), ratios=(1.0,))
    boxes = [[0, 0, 32, 32], [8, 0, 40, 32], [0, 0, 16, 32], [0, 0, 1, 1]]
    fit = fit_anchors(generator, seen([boxes]), 32)
    # The same box; 8 aside: 24 / 40; half of it: 1/2; one pixel inside: 1/1024.
    assert fit.ious == pytest.approx([1, 0.6, 0.5, 1 / 1024])
    assert fit.recall(0.5) == 0.75 and fit.recall(0.7) == 0.25
    assert fit.sides == pytest.approx([32, 32, np.sqrt(512), 1])
    assert fit.ratios == pytest.approx([1, 1, 2, 1])
    assert fit.per_image == 6 * 8


def test_maps_are_those_of_the_padded_picture():
    assert maps_of([(90, 100)], (8, 64), 32) == [[(12, 16), (2, 2)]]


def test_no_objects():
    fit = fit_anchors(AnchorGenerator(), seen([[]]))
    assert len(fit.ious) == 0 and math.isnan(fit.recall(0.5))
    assert anchor_findings(plain_config(), seen([[]])) == ([], [])
    assert anchor_findings(plain_config(), Sampled()) == ([], [])


def test_anchors_that_fit_are_a_note():
    found, (table,) = anchor_findings(plain_config(), seen([[[8, 8, 40, 40]]]))
    assert checks(found)["anchors.recall"].severity == "note"
    assert table.rows[0][:2] == ("all", "1")


def test_objects_too_small_for_the_anchors():
    """Lite anchors begin at 32 pixels; objects of 8 pixels reach an IoU of 1/16."""
    small = [[[20 * k, 20, 20 * k + 8, 28] for k in range(5)]]
    found, _ = anchor_findings(plain_config(), seen(small))
    finding = checks(found)["anchors.missed"]
    assert (finding.severity, finding.count) == ("error", 5)
    # The change that it names holds what it says.
    word = finding.fix.split()[1].rstrip(":")
    key, _, value = word.partition("=")
    numbers = [float(v) for v in value.strip("[]").split(",")]
    better, _ = anchor_findings(plain_config(**{key: numbers}), seen(small))
    assert "anchors.missed" not in checks(better)
    assert len(finding.examples[0].boxes) == 5


def test_objects_smaller_than_a_cell():
    found, _ = anchor_findings(plain_config(), seen([[[8, 8, 40, 40], [50, 50, 54, 54]] * 3]))
    assert "(8)" in checks(found)["anchors.tiny"].what


def test_models_without_anchors():
    config = plain_config(**{"model.rpn_head": None})
    assert anchors_of(config) is None
    found, tables = anchor_findings(config, seen([[[8, 8, 40, 40]]]))
    assert list(checks(found)) == ["anchors.none"] and tables == []
