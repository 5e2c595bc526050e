import math

import numpy as np
import pytest

from cascadekit.quality.label_looseness import compute_looseness, reachable
from cascadekit.quality.object_consensus import Consensus, compute_consensus
from tests.quality import makers


def consensus(bias, scatter, image=None, pixels=100.0):
    """Objects with these biases (N, 4) and scatters; all in images of their own unless said."""
    bias, scatter = np.array(bias, float).reshape(-1, 4), np.array(scatter, float).reshape(-1, 4)
    n = len(bias)
    ones = np.ones(n)
    return Consensus(
        image=np.arange(n) if image is None else np.array(image),
        object=np.zeros(n, int),
        rois=np.full(n, 3),
        single=ones,
        agreement=ones,
        consensus=ones,
        bias=bias,
        scatter=scatter,
        pixels=ones * pixels,
        num_objects=n,
        num_images=n,
    )


def drawn(label, model, images=60, rois=12, seed=0):
    """A recording whose labels and boxes are off an object's true edges by normal errors."""
    generator = np.random.default_rng(seed)
    recorded = []
    for _ in range(images):
        edges = np.array([100.0, 100, 200, 200])
        seen = edges + 100 * model * generator.normal(size=4)  # what the model takes for them
        boxes = seen + 100 * model * generator.normal(size=(rois, 4))
        truth = edges + 100 * label * generator.normal(size=4)
        stage = makers.stage(boxes.tolist(), boxes.tolist())
        recorded.append(makers.image(makers.truth([truth.tolist()]), [stage], size=(300, 300)))
    return makers.recording(recorded)


def test_bias_beyond_scatter():
    # All biases 4 / 1.4826 %, all scatters 3 %: what is left is the root of 4^2 - 3^2.
    found = compute_looseness(consensus([[0.04 / 1.4826] * 4] * 30, [[0.03] * 4] * 30))
    assert (found.bias, found.scatter) == pytest.approx((0.04, 0.03))
    assert found.looseness == pytest.approx(math.sqrt(7) / 100)
    assert found.low == found.high == pytest.approx(found.looseness)  # objects are alike
    assert found.pixels == pytest.approx(math.sqrt(7))
    assert (found.num_objects, found.num_images) == (30, 30)


def test_less_bias_than_scatter_leaves_nothing():
    found = compute_looseness(consensus([[0.01] * 4] * 30, [[0.03] * 4] * 30))
    assert found.looseness == 0 and found.reach == 1


@pytest.mark.parametrize("label", [0.0, 0.03, 0.06])
def test_noise_on_labels_is_found(label):
    found = compute_looseness(compute_consensus(drawn(label, model=0.03)))
    # 60 objects with four edges tell a std to a few percent of the whole error.
    assert found.looseness == pytest.approx(label, abs=0.015)
    assert found.low <= found.looseness <= found.high


def test_a_blurred_model_is_not_taken_for_loose_labels():
    found = compute_looseness(compute_consensus(drawn(0.0, model=0.06)))
    assert found.bias > 0.05 and found.reach > 0.9


def test_the_band_is_over_images():
    # Half of the images are exact, half are not: a redrawn set can be either.
    biases = [[0.0] * 4] * 20 + [[0.06] * 4] * 20
    found = compute_looseness(consensus(biases, [[0.01] * 4] * 40))
    assert found.low < 0.01 < 0.08 < found.high
    assert found.reach_low < 0.1 < 0.9 < found.reach_high


def test_no_objects():
    found = compute_looseness(consensus([], []))
    assert math.isnan(found.looseness) and math.isnan(found.reach) and found.num_objects == 0


@pytest.mark.parametrize(
    ("looseness", "iou", "share"),
    [
        (0.0, 0.9, 1.0),  # exact labels
        (0.3, 0.9, 0.0),  # wild ones
        (10.0, 0.5, 0.0),  # beyond all sense: no box is left
        (math.nan, 0.9, math.nan),
    ],
)
def test_reachable(looseness, iou, share):
    assert reachable(looseness, iou) == pytest.approx(share, abs=0.01, nan_ok=True)


def test_reachable_falls_with_both():
    assert reachable(0.02, 0.9) > reachable(0.04, 0.9) > reachable(0.06, 0.9)
    assert reachable(0.04, 0.75) > reachable(0.04, 0.9) > reachable(0.04, 0.95)
