"""COCO records as the evaluator reads them."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from cascadekit.evaluation.coco_records import group_results, group_truths, index_truth, to_rle

TRUTH = {
    "images": [{"id": "b"}, {"id": 12, "height": 6, "width": 8}, {"id": 3}],
    "annotations": [
        {"image_id": 12, "category_id": 9, "bbox": [1, 2, 3, 4], "segmentation": []},
        {"image_id": 3, "category_id": 9, "bbox": [0, 0, 2, 2], "area": 1, "iscrowd": 1},
        {"image_id": 3, "category_id": 4, "bbox": [0, 0, 0, 0], "ignore": True},
    ],
    "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
}


def test_ids_become_numbers():
    index = index_truth(TRUTH)
    # Numbers before text, each in rising order; categories as in the file.
    assert dict(index.images) == {3: 0, 12: 1, "b": 2}
    assert list(index.sizes) == [None, (6, 8), None]
    assert dict(index.categories) == {9: 0, 4: 1} and list(index.names) == ["dog", "cat"]


def test_annotations_are_completed():
    grouped = group_truths(TRUTH, index_truth(TRUTH), "bbox")
    flags = {
        group: [(t["id"], t["area"], t["iscrowd"], t["ignore"]) for t in truths]
        for group, truths in grouped.items()
    }
    assert flags == {
        (1, 0): [(1, 12.0, 0, 0)],  # area of the box
        (0, 0): [(2, 1.0, 1, 1)],  # its own area; a crowd is ignored
        (0, 1): [(3, 0.0, 0, 1)],  # an empty box, ignored
    }


def test_size_of_a_mask_goes_by_the_mask():
    square = [[0, 0, 4, 0, 4, 4, 0, 4]]
    result = {"image_id": 12, "category_id": 9, "score": 1, "bbox": [0, 0, 8, 6]}
    result["segmentation"] = square
    index = index_truth(TRUTH)
    assert group_results([result], index, "segm")[1, 0][0]["area"] == 16
    assert group_results([result], index, "bbox")[1, 0][0]["area"] == 48
    assert group_results([], index, "bbox") == {}


COLUMN_RUNS = [7, 2, 4, 2, 33]  # rows 1 and 2 of columns 1 and 2, column by column


@pytest.mark.parametrize(
    "segmentation, pixels",
    [
        ([[1, 1, 3, 1, 3, 3, 1, 3]], 4),  # a square of 2 x 2
        ([[1, 1, 3, 1, 3, 3, 1, 3], [1, 1, 3, 1, 3, 3, 1, 3]], 4),  # the union of two
        ({"size": [6, 8], "counts": COLUMN_RUNS}, 4),
        (coco_mask.encode(np.asfortranarray(np.ones((6, 8), np.uint8))), 48),
        ([], 0),
        ([[1, 1, 3, 3]], 0),  # two points: not a box
    ],
)
def test_every_kind_of_segmentation(segmentation, pixels):
    rle = to_rle(segmentation, (6, 8))
    assert list(rle["size"]) == [6, 8]
    assert coco_mask.decode(rle).sum() == pixels == coco_mask.area(rle)
