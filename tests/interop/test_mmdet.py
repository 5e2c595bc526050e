"""Our parts in mmdetection's detectors, and theirs in ours: each in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cascadekit.interop import MMDetCoder
from cascadekit.models.targets.bbox_coder import DeltaCoder

PAGE = Path(__file__).parents[2] / "docs" / "reuse.md"


def run_example(title: str, folder: Path) -> str:
    """Run the first Python block below a heading of docs/reuse.md; gives what it prints."""
    section = PAGE.read_text().split(f"## {title}\n", 1)[1]
    (code,) = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.S)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREPARE + code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


# mmdetection 3.3 refuses mmcv >= 2.2, whose operators it runs with nevertheless.
PREPARE = """
import mmcv
_version, mmcv.__version__ = mmcv.__version__, "2.1.0"
import mmdet.models
mmcv.__version__ = _version
"""


@pytest.mark.mmdet
def test_our_parts_in_their_detector(mmdet, tmp_path):
    printed = run_example("Our parts in a detector of mmdetection", tmp_path)
    assert re.search(r"losses finite: True", printed)
    parts = re.search(r"parts of ours with a gradient: (.*)", printed)[1].split(", ")
    assert parts == ["backbone", "neck", "roi_head"]
    assert re.search(r"detections: \[\d+, \d+\]", printed)


@pytest.mark.mmdet
def test_their_backbone_in_our_detector(mmdet, tmp_path):
    printed = run_example("A backbone of mmdetection in our detector", tmp_path)
    assert "backbone of mmdet.models.backbones.regnet" in printed
    assert "losses finite: True" in printed and "gradient in the backbone: True" in printed
    assert re.search(r"stages: \[3, 3\]", printed)


@pytest.fixture
def mmdet():
    """Skips, or fails, where mmdetection cannot be used; see the comparisons' own fixture."""
    import os
    from importlib.util import find_spec

    if find_spec("mmdet") is None or find_spec("mmcv.ops") is None:
        message = "needs mmdet==3.3.0 and mmcv's compiled ops (`make parity`)"
        if os.environ.get("CASCADEKIT_REQUIRE_MMCV_OPS") == "1":
            pytest.fail(message)
        pytest.skip(message)


def test_coder_takes_classes_side_by_side():
    """(R, 4 * G) as mmdetection has it is our (R, G, 4)."""
    torch.manual_seed(0)
    boxes = torch.tensor([[0.0, 0, 10, 20], [5, 5, 50, 40]])
    deltas = torch.randn(2, 12) * 0.5
    plain = DeltaCoder().decode(boxes, deltas.view(2, 3, 4))
    assert torch.equal(MMDetCoder().decode(boxes, deltas), plain.view(2, 12))


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3), torch.tensor([30, 40])])
def test_coder_cuts_at_the_border(shape):
    box = torch.tensor([[20.0, 10, 40, 30]])
    moved = MMDetCoder().decode(box, torch.tensor([[10.0, 5, 0, 0]]), max_shape=shape)
    assert moved.tolist() == [[40, 20, 40, 30]]  # one width to the right, half a height down


def test_coder_of_no_boxes():
    assert MMDetCoder().decode(torch.zeros(0, 4), torch.zeros(0, 4), (3, 4)).shape == (0, 4)
    assert MMDetCoder.encode_size == 4
