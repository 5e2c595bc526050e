"""AP of drawn images against COCO's own figures, and bands against numbers worked out by hand."""

import random

import numpy as np
import pytest

from cascadekit.errors import InputError
from cascadekit.evaluation.bootstrap import (
    COLUMNS,
    bootstrap_ap,
    compare,
    compare_draws,
    confidence,
    draw_ap,
    draw_images,
    match_detections,
)
from cascadekit.evaluation.coco_ap import SIZES, evaluate_coco

A, B, AWAY = [10, 10, 50, 50], [120, 120, 50, 50], [10, 120, 50, 50]
SHORT_OF_ALL = 51 / 101  # one of two objects found: precision 1 at recalls 0 to 0.50


def truth(*boxes, images=1, classes=1):
    """Each box is (image, [x, y, w, h], keys...); the class is 0 unless the keys say so."""
    return {
        "images": [{"id": i, "height": 200, "width": 200} for i in range(images)],
        "annotations": [
            {"image_id": i, "category_id": 0, "bbox": box, **(keys[0] if keys else {})}
            for i, box, *keys in boxes
        ],
        "categories": [{"id": k, "name": f"class {k}"} for k in range(classes)],
    }


def found(*detections):
    return [
        {"image_id": i, "category_id": 0, "bbox": box, "score": score}
        for i, box, score in detections
    ]


def random_case(seed, images=6, classes=3, tied=False):
    """Objects of all sizes, ignored ones and crowds; hits of any quality, duplicates and noise."""
    rng = random.Random(seed)

    def box():
        side = rng.choice((12, 40, 90))  # small, medium, large
        return [rng.uniform(0, 100), rng.uniform(0, 100), side, side * rng.uniform(0.7, 1.3)]

    objects, results = [], []
    for _ in range(8 * images):
        i, shape = rng.randrange(images), box()
        kind = rng.choice(({}, {}, {}, {"ignore": 1}, {"iscrowd": 1}))
        label = rng.randrange(classes)
        objects.append((i, shape, {"category_id": label, **kind}))
        for _ in range(rng.choice((0, 1, 1, 2))):
            near = [v * rng.uniform(0.93, 1.07) for v in shape]
            seen = label if rng.random() < 0.8 else rng.randrange(classes)
            score = rng.choice((0.3, 0.6)) if tied else rng.random()
            results.append(
                {"image_id": i, "category_id": seen, "bbox": near, "score": score},
            )
    return truth(*objects, images=images, classes=classes), results


def as_row(scores):
    return np.array([scores.ap, *scores.ap_by_threshold])


@pytest.mark.parametrize("max_dets", [100, 3])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_every_image_once_is_coco(seed, tied, max_dets):
    data, results = random_case(seed, tied=tied)
    expected = evaluate_coco(data, results, max_dets=(max_dets,))
    values = bootstrap_ap(data, results, rounds=0, max_dets=max_dets).values
    assert 0 < values[0] < 1
    np.testing.assert_allclose(values, as_row(expected), atol=1e-12)
    for size in SIZES:
        alone = bootstrap_ap(data, results, rounds=0, max_dets=max_dets, size=size).values
        assert alone[0] == pytest.approx(expected.ap_by_size[size], abs=1e-12, nan_ok=True)


def test_masks():
    data, results = random_case(5)
    for record in (*data["annotations"], *results):
        x, y, w, h = record["bbox"]
        record["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    expected = evaluate_coco(data, results, "segm")
    values = bootstrap_ap(data, results, rounds=0, iou_type="segm").values
    np.testing.assert_allclose(values, as_row(expected), atol=1e-12)


@pytest.mark.parametrize("times", [(2, 0, 1, 3, 0, 0), (0, 0, 0, 0, 0, 6), (1, 1, 1, 1, 1, 1)])
def test_a_draw_is_coco_of_a_data_set_with_copies(times):
    data, results = random_case(7)
    copies = {i: [10 * i + c for c in range(n)] for i, n in enumerate(times)}
    drawn = {
        **data,
        "images": [{"id": c, "height": 200, "width": 200} for own in copies.values() for c in own],
        "annotations": [
            {**a, "image_id": c} for a in data["annotations"] for c in copies[a["image_id"]]
        ],
    }
    repeated = [{**r, "image_id": c} for r in results for c in copies[r["image_id"]]]
    values = draw_ap(match_detections(data, results), np.array([times]))[0]
    np.testing.assert_allclose(values, as_row(evaluate_coco(drawn, repeated)), atol=1e-12)


def test_a_class_without_objects_in_a_draw_is_left_out():
    data = truth((0, A), (1, A, {"category_id": 1}), images=2, classes=2)
    results = found((0, A, 0.9))  # class 0 is found, class 1 is not
    draws = np.array([[1, 1], [2, 0], [0, 2], [0, 0]])
    values = draw_ap(match_detections(data, results), draws)[:, 0]
    assert values[:3] == pytest.approx([0.5, 1.0, 0.0])
    assert np.isnan(values[3])  # nobody


def test_thresholds_have_their_columns():
    # 100 x 100 found as 100 x 72: IoU 0.72 passes 0.50 to 0.70.
    data, results = truth((0, [0, 0, 100, 100])), found((0, [0, 0, 100, 72], 0.9))
    values = dict(zip(COLUMNS, bootstrap_ap(data, results, rounds=0).values, strict=True))
    assert (values["AP70"], values["AP75"]) == (pytest.approx(1), 0)
    assert values["AP"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "data, results, value",
    [
        ({"images": [], "annotations": [], "categories": []}, [], np.nan),
        (truth(), found((0, A, 0.9)), np.nan),  # no objects
        (truth((0, A, {"iscrowd": 1})), found((0, A, 0.9)), np.nan),  # none that counts
        (truth((0, A)), [], 0.0),
        (truth((0, [5, 5, 1, 1])), found((0, [5, 5, 1, 1], 0.9)), 1.0),  # one pixel
    ],
)
def test_next_to_nothing(data, results, value):
    drawn = bootstrap_ap(data, results, rounds=3)
    assert drawn.draws.shape == (3, 11)
    assert drawn.values == pytest.approx([value] * 11, nan_ok=True)
    assert np.ravel(drawn.draws) == pytest.approx([value] * 33, nan_ok=True)
    low, high = drawn.band()
    assert (low[0], high[0]) == pytest.approx((value, value), nan_ok=True)


def test_draws_of_images():
    drawn = draw_images(4, 50, seed=1)
    assert drawn.shape == (50, 4) and (drawn.sum(1) == 4).all()
    assert (drawn == draw_images(4, 50, seed=1)).all()
    assert (drawn != draw_images(4, 50, seed=2)).any()
    assert draw_images(0, 2).shape == (2, 0) and draw_images(3, 0).shape == (0, 3)
    with pytest.raises(InputError, match="rounds must be 0 or more, got -1"):
        draw_images(3, -1)


def test_draws_are_those_of_a_binomial():
    """Two images, one object each, the first is found: AP is 1, 51/101 or 0 in a draw."""
    data = truth((0, A), (1, A), images=2)
    drawn = bootstrap_ap(data, found((0, A, 0.9)), rounds=400)
    assert drawn.values[0] == pytest.approx(SHORT_OF_ALL)
    shares = [np.isclose(drawn.draws[:, 0], v).mean() for v in (0, SHORT_OF_ALL, 1)]
    assert sum(shares) == pytest.approx(1)
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.1)  # 4 standard deviations


@pytest.mark.parametrize(
    "values, level, low, high",
    [
        (np.arange(101), 0.9, 5, 95),
        (np.arange(101), 0.5, 25, 75),
        ([3.0], 0.95, 3, 3),
        ([np.nan, 1, 1], 0.95, 1, 1),
        ([], 0.95, np.nan, np.nan),
        ([np.nan], 0.95, np.nan, np.nan),
    ],
)
def test_confidence(values, level, low, high):
    ends = confidence(values, level)
    assert (float(ends[0]), float(ends[1])) == pytest.approx((low, high), nan_ok=True)


def test_confidence_by_column():
    low, high = confidence([[0.0, np.nan], [1.0, np.nan]], 0.5)
    assert low == pytest.approx([0.25, np.nan], nan_ok=True)
    moved = confidence([[0.0, np.nan], [1.0, np.nan]], 0.5, about=[0.6, 0.5])  # by 0.1
    assert moved[0] == pytest.approx([0.35, np.nan], nan_ok=True)
    assert high == pytest.approx([0.75, np.nan], nan_ok=True)
    assert confidence(np.zeros((0, 3)))[0].shape == (3,)
    with pytest.raises(InputError, match="level must be between 0 and 1, got 95"):
        confidence([1.0], 95)


def test_bands_lie_about_the_value():
    """Draws of few objects have a higher AP than the images themselves; the band has not."""
    data, results = random_case(11, images=12, classes=4)
    drawn = bootstrap_ap(data, results)
    excess = drawn.draws[:, 0].mean() - drawn.values[0]
    assert excess > 0.005
    plain_low, plain_high = confidence(drawn.draws[:, 0])
    low, high = drawn.band()
    assert low[0] == pytest.approx(plain_low - excess)
    assert high[0] == pytest.approx(plain_high - excess)
    assert (low <= drawn.values).all() and (drawn.values <= high).all()


def test_bands_stay_fractions():
    data = truth((0, A), (1, A), images=2)
    low, high = bootstrap_ap(data, found((0, A, 0.9)), rounds=400).band()
    # Draws are 0, 51/101 and 1; their mean is a bit above 51/101, so all move down.
    assert low[0] == 0 and 0.95 < high[0] < 1


def test_a_comparison():
    data = truth((0, A), (1, A), images=2)
    one, both = found((0, A, 0.9)), found((0, A, 0.9), (1, A, 0.8))
    result = compare(data, one, both, rounds=400)
    assert result.difference[0] == pytest.approx(1 - SHORT_OF_ALL)
    # Draws of image 0 alone, a quarter, are ties.
    assert result.share_better[0] == pytest.approx(1 - 0.25 / 2, abs=0.06)
    assert (result.low[0], result.high[0]) == pytest.approx((0, 1))
    assert (result.signs == 0).all()
    back = compare(data, both, one, rounds=400)
    assert back.difference == pytest.approx(-result.difference)
    assert back.share_better == pytest.approx(1 - result.share_better)


def test_a_sure_comparison():
    data = truth(*((i, A) for i in range(10)), images=10)
    loose = found(*((i, [10, 10, 50, 36], 0.9) for i in range(10)))  # IoU 0.72
    tight = found(*((i, A, 0.9) for i in range(10)))
    result = compare(data, loose, tight, rounds=20)
    # Both find all at 0.50 to 0.70.
    assert result.known and result.signs.tolist() == [1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert compare(data, tight, loose, rounds=20).signs.tolist() == (-result.signs).tolist()
    assert result.share_better[1] == 0.5


def test_few_images_decide_nothing():
    """Nine images that are all alike give a band without any width."""
    data = truth(*((i, A) for i in range(9)), images=9)
    result = compare(data, [], found(*((i, A, 0.9) for i in range(9))), rounds=20)
    assert result.low[0] == result.high[0] == pytest.approx(1)
    assert not result.known and (result.signs == 0).all()


def test_a_comparison_with_nothing():
    same = compare(truth((0, A)), [], [], rounds=5)
    assert (same.difference[0], same.low[0], same.high[0], same.share_better[0]) == (0, 0, 0, 0.5)
    without = compare(truth(), [], [], rounds=5)
    undrawn = compare(truth((0, A)), [], found((0, A, 1.0)), rounds=0)
    for result in (without, undrawn):
        assert np.isnan([result.low, result.high, result.share_better]).all()
        assert not result.known and (result.signs == 0).all()
    assert undrawn.difference[0] == pytest.approx(1)


def test_a_pair_beats_two_bands():
    """B is a bit better on every image; images differ much more than that."""
    rng = random.Random(3)
    objects, a, b = [], [], []
    for i in range(40):
        width = 30 * rng.random()
        objects.append((i, A))
        a.append((i, [10, 10, 50, 50 - width], 0.9))
        b.append((i, [10, 10, 50, 50 - 0.9 * width], 0.9))
    data = truth(*objects, images=40)
    first, second = bootstrap_ap(data, found(*a)), bootstrap_ap(data, found(*b))
    assert first.band()[1][0] > second.band()[0][0]  # the bands overlap
    assert compare_draws(first, second).low[0] > 0


def test_other_draws_cannot_be_compared():
    data = truth((0, A))
    a = bootstrap_ap(data, [], rounds=5, seed=0)
    for b in (bootstrap_ap(data, [], rounds=5, seed=1), bootstrap_ap(data, [], rounds=6, seed=0)):
        with pytest.raises(InputError, match="same draws of the same images"):
            compare_draws(a, b)


def test_an_unknown_size():
    with pytest.raises(InputError, match="size must be one of"):
        bootstrap_ap(truth(), [], size="tiny")
