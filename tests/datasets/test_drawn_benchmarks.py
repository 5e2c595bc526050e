"""Drawn KITTI, CityPersons and WiderFace folders: exact boxes, true formats, honest fields."""

from pathlib import Path

import numpy as np
import pytest

from cascadekit.datasets import (
    DrawnCityPersonsDataset,
    DrawnKittiDataset,
    DrawnWiderFaceDataset,
    KittiDataset,
    drawn_scenes,
)
from cascadekit.datasets.drawn_figures import Figure, face, person, vehicle
from cascadekit.datasets.drawn_folders import DrawnSet
from cascadekit.datasets.drawn_scenes import draw_crowd, draw_pavement, draw_road
from cascadekit.datasets.layouts import find_layout
from cascadekit.errors import InputError
from cascadekit.evaluation.kitti_ap import KittiDetections, KittiTruth, evaluate_kitti

COUNT = 6
SETS = {
    "kitti": DrawnKittiDataset,
    "citypersons": DrawnCityPersonsDataset,
    "widerface": DrawnWiderFaceDataset,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return str(tmp_path_factory.mktemp("drawn"))


def opened(name, root, split="val"):
    if name == "widerface":
        pytest.importorskip("scipy")
    return SETS[name](split, COUNT, root=root, test_mode=split == "val")


def records(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.mark.parametrize(
    "draw",
    [
        *(lambda rng, w, h, n=name: vehicle(rng, n, w, h) for name in ("Car", "Van", "Truck")),
        person,
        lambda rng, w, h: person(rng, w, h, sitting=True),
        face,
    ],
)
@pytest.mark.parametrize("size", [(4, 6), (30, 20), (60, 25), (20, 50)])
def test_figures_reach_their_sides(draw, size):
    """Heads and feet, roofs and wheels: upper and lower side within a pixel; faces on all four."""
    width, height = size
    figure = draw(np.random.default_rng(0), width, height)
    assert figure.paint.shape == (height, width, 3) and figure.alpha.shape == (height, width)
    assert 0 <= figure.alpha.min() and figure.alpha.max() <= 1 and np.isfinite(figure.paint).all()
    rows = np.flatnonzero((figure.alpha > 0.1).any(1))
    assert rows[0] <= 1 and rows[-1] >= height - 2
    if draw is face:
        columns = np.flatnonzero((figure.alpha > 0.1).any(0))
        assert columns[0] <= 1 and columns[-1] >= width - 2


def plain(name, x, y, width, height):
    figure = Figure(np.full((height, width, 3), 200, np.float32), np.ones((height, width), "f4"))
    return lambda: drawn_scenes._Planned(name, figure, x, y)


def composed(*wanted):
    canvas = np.zeros((20, 40, 3), np.float32)
    return drawn_scenes._compose(np.random.default_rng(0), canvas, wanted).objects


def test_what_is_hidden():
    """The second hides the right half of the first, of which all lies in the picture."""
    first, second = composed(plain("a", 2, 4, 10, 8), plain("b", 7, 0, 10, 18))
    assert first.box == (2, 4, 12, 12) and first.inside == second.inside == 1
    assert first.visible == 0.5 and first.visible_box == (2, 4, 7, 12)
    assert second.visible == 1 and second.visible_box == second.box


def test_what_sticks_out():
    """6 of 10 columns are in the picture; what is hidden is a share of those."""
    first, _ = composed(plain("a", -4, 4, 10, 8), plain("b", 3, 4, 5, 8))
    assert first.inside == 0.6 and first.visible == 0.5
    assert first.box == (-4, 4, 6, 12) and first.visible_box == (0, 4, 3, 12)


def test_nothing_is_hidden_too_much():
    """The second would leave a tenth of the first: it is given up, and so is one outside."""
    objects = composed(plain("a", 2, 4, 10, 8), plain("b", 3, 4, 10, 8), plain("c", 50, 4, 5, 5))
    assert [each.name for each in objects] == ["a"]
    assert composed() == ()


def test_a_slim_figure_keeps_its_box():
    """Of a figure with empty margins that nothing hides, the whole box is visible."""
    alpha = np.zeros((8, 10), np.float32)
    alpha[:, 3:7] = 1
    slim = drawn_scenes._Planned("a", Figure(np.zeros((8, 10, 3), np.float32), alpha), 4, 4)
    (each,) = composed(lambda: slim)
    assert each.visible_box == each.box == (4, 4, 14, 12) and each.visible == 1


@pytest.mark.parametrize("draw", [draw_road, draw_pavement, draw_crowd])
def test_the_same_numbers_give_the_same_picture(draw):
    first, second = (draw(np.random.default_rng(5), 96, 64) for _ in range(2))
    assert np.array_equal(first.image, second.image) and first.objects == second.objects
    assert first.image.shape == (64, 96, 3)


@pytest.mark.parametrize("name", SETS)
def test_splits_differ_and_are_drawn_once(name, root):
    first, second = opened(name, root, "train"), opened(name, root)
    paths = [Path(dataset.get_data_info(0)["img_path"]) for dataset in (first, second)]
    assert paths[0].read_bytes() != paths[1].read_bytes()
    before = paths[1].stat().st_mtime_ns
    again = opened(name, root)
    assert Path(again.get_data_info(0)["img_path"]).stat().st_mtime_ns == before
    assert len(again) == COUNT and len(list(Path(root).glob(f"drawn-{name}-*"))) == 2


@pytest.mark.parametrize("name", SETS)
def test_they_are_folders_as_the_benchmarks_come(name, root):
    """`--data` recognises them, so other readers of the format would, too."""
    dataset = opened(name, root)
    (folder,) = Path(root).glob(f"drawn-{name}-v1-val-*")
    layout = find_layout(str(folder))
    assert layout.kind == name and "val" in layout.splits
    assert len(dataset.metainfo["classes"]) == {"kitti": 3}.get(name, 1)


def test_kitti_fields(root):
    rows = [record["devkit"] for record in records(opened("kitti", root))]
    names = {name for row in rows for name in row["names"]}
    assert names <= {"Car", "Van", "Truck", "DontCare"} and "Car" in names
    for row in rows:
        for name, box, truncated, occluded in zip(*row.values(), strict=True):
            if name == "DontCare":
                assert (truncated, occluded) == (-1, -1)
                continue
            assert 0 <= truncated < 1 and occluded in (0, 1, 2)
            assert 0 <= box[0] < box[2] <= 640 and 0 <= box[1] < box[3] <= 192
            # What is cut off lies at a border, and what is not, is whole.
            at_border = box[0] == 0 or box[2] == 640 or box[1] == 0 or box[3] == 192
            assert at_border or truncated == 0


def test_kitti_is_read_by_the_real_reader_and_measured(root):
    """Handing back the truth as detections gives an AP of 1 where there are cars."""
    dataset = opened("kitti", root)
    assert isinstance(dataset, KittiDataset)
    truths, found = [], []
    for record in records(dataset):
        truth = KittiTruth(**record["devkit"])
        kept = [k for k, name in enumerate(truth.names) if name != "DontCare"]
        truths.append(truth)
        boxes = np.array(truth.boxes, float).reshape(-1, 4)[kept]
        found.append(KittiDetections([truth.names[k] for k in kept], boxes, np.ones(len(kept))))
    curve = evaluate_kitti(truths, found).curves["car"]["hard"]
    assert curve.objects > 0 and curve.false_positives.sum() == 0
    assert curve.measured_precision.min() == 1


def test_citypersons_fields(root):
    found = [i for record in records(opened("citypersons", root)) for i in record["instances"]]
    people = [i for i in found if i["name"] == "pedestrian"]
    assert {i["name"] for i in found} <= {
        *("pedestrian", "sitting person", "person group", "ignore"),
    }
    assert people and all(i["ignore"] == (i["name"] != "pedestrian") for i in found)
    for each in people:
        x1, y1, x2, y2 = each["bbox"]
        a, b, c, d = each["visible_bbox"]
        assert 0 < each["visible_ratio"] <= 1
        assert a >= x1 - 1 and b >= y1 - 1 and c <= x2 + 1 and d <= y2 + 1
        if 0 < x1 and x2 < 512:  # in the picture: the width that all full boxes have
            assert x2 - x1 == pytest.approx(0.41 * (y2 - y1), abs=1)


def test_widerface_fields(root):
    found = records(opened("widerface", root))
    faces = [i for record in found for i in record["instances"]]
    assert faces and {i["blur"] for i in faces} <= {0, 1, 2}
    for record in found:
        own = record["devkit"]
        easy, medium, hard = (np.array(own[k]) for k in ("easy", "medium", "hard"))
        assert not (easy & ~medium).any() and not (medium & ~hard).any()  # nested
    assert any(i["hard"] for i in faces)
    assert all(i["ignore"] == i["invalid"] for i in faces)


def test_a_picture_without_faces(tmp_path):
    """It has the row of zeros, and counts in the evaluation."""
    pytest.importorskip("scipy")
    dataset = DrawnWiderFaceDataset("val", 12, seed=1, root=str(tmp_path), test_mode=True)
    empty = [r for r in records(dataset) if not r["instances"]]
    assert empty and all(r["devkit"]["boxes_xywh"] == [[0, 0, 0, 0]] for r in empty)


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (("test", 3, 0), "split"),
        (("val", 0, 0), "num_images"),
        (("val", 2.5, 0), "num_images"),
        (("val", True, 0), "num_images"),
        (("val", 3, -1), "seed"),
    ],
)
def test_faults(drawn, words):
    with pytest.raises(InputError, match=words):
        DrawnSet(*drawn).check("the set")
    with pytest.raises(InputError, match="drawn KITTI"):
        DrawnKittiDataset(*drawn)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"cannot be written.*CASCADEKIT_DATA"):
        DrawnKittiDataset("val", 1, root=str(tmp_path / "file"))
