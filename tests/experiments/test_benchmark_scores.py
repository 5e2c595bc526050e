"""A detector's answers in the words of each benchmark: the devkit's truth, its boxes, its names."""

import numpy as np
import pytest
import torch
from torch import nn

from cascadekit.datasets import (
    CityPersonsDataset,
    KittiDataset,
    PackInputs,
    VOCDataset,
    WiderFaceDataset,
)
from cascadekit.datasets.transforms import LoadImage
from cascadekit.errors import InputError
from cascadekit.experiments.benchmark_scores import benchmark_scores
from cascadekit.structures.samples import Detections, Prediction, image_infos
from tests.datasets import makers

PIPELINE = [LoadImage(), PackInputs(with_masks=False)]


class Oracle(nn.Module):
    """Finds what it is told: picture id -> (boxes, scores, labels), in pixels of the file."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def data_preprocessor(self, batch, training):
        assert not training
        return batch

    def predict(self, inputs, samples):
        predictions = []
        for info in image_infos(samples):
            boxes, scores, labels = self.found.get(info.image_id, ([], [], []))
            detections = Detections(
                torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                torch.tensor(scores, dtype=torch.float32),
                torch.tensor(labels, dtype=torch.int64),
                torch.full((len(scores),), -1),
            )
            predictions.append(Prediction(info, detections, ()))
        return predictions


class Loader:
    """One picture after the other."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        for i in range(len(self.dataset)):
            item = self.dataset[i]
            yield {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}


def scores(dataset, found):
    return benchmark_scores(Oracle(found), Loader(dataset))


def kitti(root):
    folder = makers.kitti(root) / "training"
    return KittiDataset(
        str(folder / "image_2"), str(folder / "label_2"), pipeline=PIPELINE, test_mode=True
    )


CAR = [10, 10, 60, 40]  # 30 high: too low for "easy", and not for the others


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (0, 1 / 11),  # cars where there are two: of so few the devkit reads recall 0 alone
        (1, 0.0),  # pedestrians there: no car is found
    ],
)
def test_kitti(tmp_path, label, expected):
    found = {name: ([CAR], [1.0], [label]) for name in ("000000", "000002")}
    got = scores(kitti(tmp_path), found)
    assert got["AP11_car_moderate"] == got["AP11_car_hard"] == pytest.approx(expected)
    assert np.isnan(got["AP11_car_easy"])  # no car is high enough


def test_kitti_without_detections(tmp_path):
    assert scores(kitti(tmp_path), {})["AP11_car_moderate"] == 0


def test_citypersons(tmp_path):
    """The pedestrian is 40 high: for "All" alone. Nothing found misses it, its own box does not."""
    makers.city_pictures(tmp_path)
    ann = makers.city_json(tmp_path / "val_gt.json")
    dataset = CityPersonsDataset(
        str(tmp_path / "leftImg8bit/train"), str(ann), pipeline=PIPELINE, test_mode=True
    )
    assert scores(dataset, {})["MR50_All"] == 1
    # Its width is 20: a box 1 pixel off has an IoU of 19/21, 8 pixels off one of 12/28.
    near, far = ([[11, 5, 31, 45]], [0.9], [0]), ([[18, 5, 38, 45]], [0.9], [0])
    assert scores(dataset, {1: near})["MR75_All"] == 0
    assert scores(dataset, {1: far})["MR50_All"] == 1
    assert np.isnan(scores(dataset, {})["MR50_Reasonable"])


def test_widerface(tmp_path):
    pytest.importorskip("scipy")
    makers.wider_pictures(tmp_path)
    dataset = WiderFaceDataset(
        str(tmp_path / "WIDER_val/images"),
        str(makers.wider_text(tmp_path / "gt.txt")),
        str(makers.wider_subsets(tmp_path / "lists")),
        pipeline=PIPELINE,
        test_mode=True,
    )
    name = "0--Parade/0_Parade_a_1_849"
    # The easy face is (10, 5, 30, 30). A box 4 to the right: IoU with one pixel added 442 / 650.
    got = scores(dataset, {name: ([[14, 5, 34, 30]], [0.9], [0])})
    assert got["AP50_easy"] == 1 and got["AP75_easy"] == 0
    assert scores(dataset, {})["AP50_easy"] == 0


def test_other_data_have_no_such_scores(tmp_path):
    makers.voc(tmp_path)
    dataset = VOCDataset(
        str(tmp_path / "JPEGImages"),
        str(tmp_path / "Annotations"),
        pipeline=PIPELINE,
        test_mode=True,
    )
    with pytest.raises(InputError, match="VOCDataset is no set of KITTI"):
        scores(dataset, {})
