"""The preprocessor's two ways to one batch."""

import pytest
import torch

from cascadekit.models.preprocess import DetectionPreprocessor


def test_prepare_by_hand():
    """2 x 3 pixels become 4 x 4: BGR to RGB, (value - mean) / std, zeros right and below."""
    preprocessor = DetectionPreprocessor(
        mean=[10.0, 20.0, 30.0], std=[1.0, 2.0, 3.0], bgr_to_rgb=True, pad_size_divisor=4
    )
    pictures = torch.tensor([60, 40, 30], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 2, 3)
    got = preprocessor.prepare(pictures)
    assert got.shape == (1, 3, 4, 4) and got.dtype == torch.float32
    assert got[0, :, 1, 2].tolist() == [20.0, 10.0, 10.0]  # red 30, green 40, blue 60
    assert got[:, :, 2:].count_nonzero() == got[:, :, :, 3:].count_nonzero() == 0


@pytest.mark.parametrize("size", [(64, 96), (61, 97), (1, 1)])  # fits, padded, one pixel
@pytest.mark.parametrize(
    "options",
    [
        {"mean": [120.0, 115.0, 100.0], "std": [60.0, 55.0, 50.0], "bgr_to_rgb": True},
        {"mean": [102.98, 115.95, 122.77], "std": [1.0, 1.0, 1.0]},  # BGR as Caffe has it
        {},
    ],
)
def test_prepare_gives_what_forward_gives(options, size):
    preprocessor = DetectionPreprocessor(**options, pad_size_divisor=32, pad_value=7)
    pictures = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    wanted = preprocessor({"inputs": list(pictures), "data_samples": [None, None]})["inputs"]
    assert torch.equal(preprocessor.prepare(pictures), wanted)
