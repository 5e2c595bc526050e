import math

import numpy as np
import pytest

from cascadekit.quality.label_looseness import compute_looseness
from cascadekit.quality.object_consensus import Consensus, compute_consensus
from tests.quality import makers


def consensus(bias, scatter, image=None, pixels=100.0, rois=10**8):
    """Objects with these biases (N, 4) and scatters; all in images of their own unless said."""
    bias, scatter = np.array(bias, float).reshape(-1, 4), np.array(scatter, float).reshape(-1, 4)
    n = len(bias)
    ones = np.ones(n)
    return Consensus(
        image=np.arange(n) if image is None else np.array(image),
        object=np.zeros(n, int),
        rois=np.full(n, rois),
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
    # All biases 4 / 1.4826 %, all scatters 3 %. Exact labels have a bias of .91 scatters.
    found = compute_looseness(consensus([[0.04 / 1.4826] * 4] * 30, [[0.03] * 4] * 30))
    assert (found.bias, found.scatter) == pytest.approx((0.04, 0.03))
    beyond = 0.04**2 - (0.91 * 0.03) ** 2
    assert found.looseness == pytest.approx(math.sqrt(beyond))
    assert found.share == pytest.approx(beyond / 0.05**2)  # 3, 4, 5
    # Objects are alike, so only what exact labels would have is uncertain: 0.97 and 0.84 scatters.
    assert found.low == pytest.approx((0.04**2 - (0.97 * 0.03) ** 2) / 0.05**2)
    assert found.high == pytest.approx((0.04**2 - (0.84 * 0.03) ** 2) / 0.05**2)
    assert found.pixels == pytest.approx(100 * math.sqrt(beyond))
    assert (found.num_objects, found.num_images) == (30, 30)


def test_less_bias_than_scatter_leaves_nothing():
    found = compute_looseness(consensus([[0.01] * 4] * 30, [[0.03] * 4] * 30))
    assert found.looseness == found.share == found.high == 0
    assert found.reach == found.agreement == 1


def test_few_boxes_are_allowed_for():
    # Of three boxes the median variance is (8/9)^3 of the true one, and a third of that is still
    # in the square of their mean's error.
    found = compute_looseness(consensus([[0.04 / 1.4826] * 4] * 30, [[0.03] * 4] * 30, rois=3))
    variance = 0.03**2 / (8 / 9) ** 3
    assert found.scatter == pytest.approx(math.sqrt(variance))
    assert found.bias == pytest.approx(math.sqrt(0.04**2 - variance / 3))


def test_on_trained_on_pictures_less_bias_is_the_models():
    one = consensus([[0.03 / 1.4826] * 4] * 30, [[0.03] * 4] * 30)
    assert compute_looseness(one).share < compute_looseness(one, trained_on=True).share


@pytest.mark.parametrize("label", [0.0, 0.03, 0.06])
def test_noise_on_labels_is_found(label):
    found = compute_looseness(compute_consensus(drawn(label, model=0.03)))
    # 60 objects with four edges tell a std to a few percent of the whole error.
    assert found.looseness == pytest.approx(label, abs=0.015)
    truth = label**2 / (label**2 + 2 * 0.03**2)
    assert found.low - 0.05 <= truth <= found.high + 0.05


def test_a_blurred_model_is_not_taken_for_loose_labels():
    found = compute_looseness(compute_consensus(drawn(0.0, model=0.06)))
    assert found.bias > 0.05 and found.share < 0.15


def test_the_band_is_over_images():
    # Half of the images are exact, half are not: a redrawn set can be either.
    biases = [[0.0] * 4] * 20 + [[0.06] * 4] * 20
    found = compute_looseness(consensus(biases, [[0.01] * 4] * 40))
    assert found.low < 0.1 < 0.9 < found.high


def test_no_objects():
    found = compute_looseness(consensus([], []))
    assert math.isnan(found.looseness) and math.isnan(found.share) and found.num_objects == 0


def test_no_error_at_all():
    found = compute_looseness(consensus([[0.0] * 4] * 3, [[0.0] * 4] * 3))
    assert found.share == found.low == found.high == 0


def test_looser_labels_agree_less():
    found = [
        compute_looseness(consensus([[bias] * 4] * 3, [[0.0] * 4] * 3))
        for bias in (0.01, 0.02, 0.04, 10.0)
    ]
    agreement, reach = [f.agreement for f in found], [f.reach for f in found]
    assert agreement == sorted(agreement, reverse=True) and reach == sorted(reach, reverse=True)
    # An edge off by 1.48 % of the size costs .012 of IoU on average, two labels differ by 1.41
    # times as much at each of four edges: .07 less than 1.
    assert agreement[0] == pytest.approx(0.935, abs=0.01)
    assert agreement[-1] < 0.05 and reach[-1] == 0  # beyond all sense
