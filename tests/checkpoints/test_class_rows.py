import pytest
import torch

from cascadekit.checkpoints import read_translation, save_weights
from cascadekit.checkpoints.class_rows import drop_unused, keep_rows
from cascadekit.errors import InputError


@pytest.mark.parametrize(
    ("layer", "rows", "expected"),
    [
        ("fc_cls", 4, [0, 2, 3]),  # background last
        ("fc_reg", 12, [0, 1, 2, 3, 8, 9, 10, 11]),
        ("fc_reg", 4, [0, 1, 2, 3]),  # one box for all
        ("conv_logits", 3, [0, 2]),
        ("conv_logits", 1, [0]),
        ("shared_fcs.0", 5, [0, 1, 2, 3, 4]),
    ],
)
def test_the_second_of_three_classes_goes(layer, rows, expected):
    value = torch.arange(float(rows))
    assert keep_rows(f"x.{layer}.bias", value, [0, 2], 3).tolist() == expected


def test_another_number_of_rows():
    with pytest.raises(InputError, match=r"fc_cls\.bias has 5 rows, expected 4 for 3 classes"):
        keep_rows("x.fc_cls.bias", torch.zeros(5), [0, 2], 3)


def test_coco_of_torchvision(tmp_path):
    """91 rows become COCO's 80 categories and background, in the order of their numbers."""
    state = {
        "roi_heads.box_predictor.cls_score.bias": torch.arange(91.0),  # row = category number
        "roi_heads.box_predictor.bbox_pred.bias": torch.arange(364.0),
        "rpn.head.cls_logits.bias": torch.zeros(3),
    }
    path = save_weights(state, tmp_path / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth")
    found = drop_unused(read_translation(path))
    assert len(found.classes) == 80
    assert (found.classes[0], found.classes[11], found.classes[79]) == (
        "person",
        "stop sign",
        "toothbrush",
    )
    rows = found.weights["roi_head.bbox_head.0.fc_cls.bias"].tolist()
    # numbers 12, 26, 29, 30, 45, 66, 68, 69, 71, 83 were never given
    assert rows[:13] == [*range(1, 12), 13, 14] and rows[-2:] == [90, 0]
    boxes = found.weights["roi_head.bbox_head.0.fc_reg.bias"].view(80, 4)
    assert boxes[11].tolist() == [52, 53, 54, 55]  # number 13
    assert found.notes[-1] == "10 of 90 classes called N/A were left out"


@pytest.mark.parametrize(
    ("meta", "match"),
    [({}, "has no class names"), ({"CLASSES": ("a", "b", "c")}, "none of the file's classes")],
)
def test_nothing_to_drop(meta, match):
    state = {"roi_head.bbox_head.0.fc_cls.bias": torch.zeros(4)}
    with pytest.raises(InputError, match=match):
        drop_unused(read_translation({"state_dict": state, "meta": meta}))
