"""Detectors as plain curves for the viewer."""

import numpy as np
import pytest

from cascadekit.quality.detector_curves import detector_curves
from cascadekit.visualization import QualityViewer
from tests.quality import makers

OBJECT = makers.truth([[0, 0, 10, 10]])


def part(iou):
    """A box inside the object, with this IoU."""
    return [0, 0, 10, 10 * iou]


def one_stage(after, images=12):
    """Twelve images of one object; their only box goes from IoU 0.62 to `after`, and is found."""
    own = makers.stage([part(0.62)], [part(after)], logits={0: [[2.0, 0.0]]})
    found = {"1": makers.found([part(after)])}
    return makers.recording([makers.image(OBJECT, [own], found)] * images)


def two_stages():
    """From 0.62 to 0.72 to 0.97; stage 1 alone is scored, too."""
    stages = [
        makers.stage([part(0.62)], [part(0.72)]),
        makers.stage([part(0.72)], [part(0.97)], head=1),
    ]
    found = {"1": makers.found([part(0.72)]), "1~2": makers.found([part(0.97)])}
    return makers.recording(
        [makers.image(OBJECT, stages, found)] * 12, ious=(0.5, 0.6), final="1~2"
    )


@pytest.fixture(scope="module")
def families():
    samples = makers.sample_recording([makers.samples([0.2, 0.55, 0.62, 0.91])])
    given = {"plain": one_stage(0.82), "cascade": two_stages()}
    return {f.name: f for f in detector_curves(given, {"plain": samples}, rounds=20)}


def picked(family, detector, stage):
    (curve,) = family.pick([detector], [stage])
    return curve


def test_ap(families):
    family = families["AP by IoU threshold"]
    assert family.stages == ("final", "stage 1")  # the one-stage detector's only one is its final
    assert [(c.detector, c.stage) for c in family.curves] == [
        ("plain", "final"),
        ("cascade", "stage 1"),
        ("cascade", "final"),
    ]
    # Every object is found up to its IoU, and not beyond.
    for stage, reached in (("stage 1", 5), ("final", 10)):
        own = picked(family, "cascade", stage)
        assert own.y.tolist() == [100] * reached + [0] * (10 - reached)
    assert picked(family, "plain", "final").summary == "AP 70.0"  # seven of ten thresholds
    assert family.value(picked(family, "plain", "final"), 0.8) == pytest.approx((100, 100, 100))


def test_localisation_and_loss(families):
    family = families["Boxes before and after"]
    assert family.diagonal and family.stages == ("stage 1", "stage 2")
    own = picked(family, "cascade", "stage 2")
    assert own.x.tolist() == pytest.approx([0.72]) and own.y.tolist() == pytest.approx([0.97])
    loss = picked(families["Classification loss"], "plain", "stage 1")
    # Cross-entropy of the right class with logits 2 and 0: log(1 + e^-2).
    assert loss.y.tolist() == pytest.approx([np.log1p(np.exp(-2))], abs=1e-6)
    assert loss.summary == "u 0.5"


def test_recall(families):
    family = families["Recall of boxes"]
    assert family.stages == ("stage 1", "stage 2", "output")
    own = picked(family, "cascade", "output")
    assert family.value(own, 0.95)[0] == 100 and family.value(own, 0.98)[0] == 0
    assert own.summary == "AR 100.0"


def test_histograms(families):
    family = families["IoU of training samples"]
    own = picked(family, "plain", "stage 1")
    # Of four samples one is below 0.5; from 0.6 on there are two.
    assert family.value(own, 0.5)[0] == pytest.approx(75)
    assert family.value(own, 0.6)[0] == pytest.approx(50)
    assert own.summary == "u 0.5: 75.0 %"


def test_no_bands_and_no_samples():
    families = detector_curves({"plain": one_stage(0.82)}, rounds=0)
    assert len(families) == 4 and families[0].curves[0].low is None


@pytest.mark.parametrize("given", [{}, {"nothing": makers.recording()}])
def test_nothing_is_there(given):
    families = detector_curves(given, {"nothing": makers.sample_recording([])})
    assert [family.curves for family in families] == [()] * 5
    assert QualityViewer(families).shown() == ()


def test_the_viewer_takes_them(families):
    view = QualityViewer(tuple(families.values()))
    assert list(view.detectors) == ["plain", "cascade"]
    for name in families:
        view.curve.value = name
        assert view.shown()
