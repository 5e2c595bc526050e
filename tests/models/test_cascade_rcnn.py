"""The detector as a whole: golden losses, mmengine's three modes, learning."""

import pytest
import torch

from cascadekit.errors import InputError


def test_modes(tiny, batch):
    detector = tiny()
    data = detector.data_preprocessor(batch(), True)
    assert len(detector(data["inputs"])) == 5
    assert "rpn.loss_cls" in detector(**data, mode="loss")
    samples = detector.eval()(**data, mode="predict")
    assert len(samples) == 2 and samples[0].prediction.info.path == "0.png"
    assert samples[0].pred_instances.bboxes.shape[1] == 4
    with pytest.raises(ValueError, match="mode 'train'"):
        detector(**data, mode="train")
    with pytest.raises(ValueError, match="data_samples NoneType"):
        detector(data["inputs"], mode="loss")


def test_training_without_truth_is_an_error(tiny, batch):
    detector = tiny()
    data = detector.data_preprocessor(batch(), True)
    del data["data_samples"][1].gt_instances
    with pytest.raises(InputError, match=r"1\.png has no gt_instances"):
        detector(**data, mode="loss")


def test_prediction_is_in_pixels_of_the_file(tiny, batch):
    detector = tiny().eval()
    detector.roi_head.postprocess.score_threshold = 0.0
    data = detector.data_preprocessor(batch(), False)
    with torch.no_grad():
        plain = detector.predict(data["inputs"], data["data_samples"])[0]
        data["data_samples"][0].set_metainfo({"ori_shape": (128, 288)})
        scaled = detector.predict(data["inputs"], data["data_samples"])[0]
    factor = torch.tensor([3.0, 2.0, 3.0, 2.0])
    torch.testing.assert_close(plain.detections.boxes * factor, scaled.detections.boxes)
    torch.testing.assert_close(plain.stages[1].input_boxes * factor, scaled.stages[1].input_boxes)


def test_padding_changes_no_picture(tiny, batch):
    """A picture alone and beside a larger one: the same batch row but for the padding."""
    detector = tiny().eval()
    data = detector.data_preprocessor(batch(), False)
    assert data["inputs"].shape == (2, 3, 64, 96)
    mean = (batch()["inputs"][0].float() - 127) / 64
    torch.testing.assert_close(data["inputs"][0], mean)


GOLDEN = {
    "rpn.loss_cls": 0.6929,
    "rpn.loss_bbox": 0.0545,
    "stage1.loss_cls": 1.3858,
    "stage1.loss_bbox": 0.747,
    "stage1.iou_before": 0.3931,
    "stage1.iou_after": 0.3932,
    "stage2.loss_cls": 0.6935,
    "stage2.loss_bbox": 0.2479,
    "stage2.iou_before": 0.4685,
    "stage2.iou_after": 0.4686,
    "stage3.loss_cls": 0.3466,
    "stage3.loss_bbox": 0.0584,
    "stage3.iou_before": 0.5335,
    "stage3.iou_after": 0.5336,
    "stage3.loss_mask": 0.6932,
}


def test_golden_losses(tiny, batch):
    """Pinned losses of a seeded forward: a change here changes the algorithm."""
    # Lower thresholds than the paper's give an untrained net positives in every stage.
    detector = tiny(stage_ious=(0.3, 0.4, 0.5))
    data = detector.data_preprocessor(batch(), True)
    losses = detector.loss(data["inputs"], data["data_samples"], torch.Generator().manual_seed(0))
    measured = {name: round(value.item(), 4) for name, value in losses.items()}
    assert measured == pytest.approx(GOLDEN, abs=2e-4)


@pytest.mark.slow
def test_learns_two_pictures(tiny, batch):
    torch.manual_seed(0)
    detector = tiny()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=0.01)
    data = detector.data_preprocessor(batch(), True)
    totals = []
    for _ in range(60):
        losses = detector(**data, mode="loss")
        total = sum(v for k, v in losses.items() if "loss" in k)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert sum(totals[-5:]) < 0.5 * sum(totals[:5])
