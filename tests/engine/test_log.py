"""The line of a training iteration, and what the console leaves out."""

import logging

import pytest
import torch
from torch import nn

from cascadekit.engine import DetectionRunner, leave_processes
from cascadekit.engine.log import ConsoleFilter, stage_line

LOSSES = {
    "rpn.loss_cls": 0.24,
    "rpn.loss_bbox": 0.01,
    "stage1.loss_cls": 0.76,
    "stage1.loss_bbox": 0.27,
    "stage1.iou_before": 0.59,
    "stage1.iou_after": 0.634,
    "stage2.loss_cls": 0.5,
    "stage2.loss_mask": 0.69,
}


def test_a_line():
    scalars = {"base_lr": 0.001, "lr": 0.004, "time": 0.584, "loss": 2.31, **LOSSES}
    assert stage_line(scalars) == (
        "0.58 s  lr 4.0e-03  loss 2.310 | rpn cls 0.240 box 0.010 | "
        "stage 1 cls 0.760 box 0.270 IoU 0.590>0.634 | stage 2 cls 0.500 mask 0.690"
    )


@pytest.mark.parametrize(
    ("scalars", "line"),
    [
        ({}, ""),
        ({"loss": 1.0}, "loss 1.000"),
        ({"loss": 1.0, "grad_norm": 3.0}, "loss 1.000"),
        ({"loss_cls": 1.0}, ""),  # another project's model: nothing is broken
        # A batch without objects has no IoU to tell.
        ({"stage1.loss_cls": 0.5}, " | stage 1 cls 0.500"),
        ({"stage1.loss_cls": 0.5, "stage1.iou_before": 0.5}, " | stage 1 cls 0.500"),
        ({"loss": float("nan")}, "loss nan"),
    ],
)
def test_parts_that_are_lacking(scalars, line):
    assert stage_line(scalars) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\n----------\nSystem environment:", False),
        ("Config:\nmodel = ...", False),
        ("Hooks will be executed in the following order:", False),
        ('"FileClient" will be deprecated in future.', False),
        ("iter 1/4  loss 2.3", True),
        ("train.json: 3 pictures, 7 objects, 2 classes", True),
        ("Saving checkpoint at 4 iterations", True),
    ],
)
def test_the_console_leaves_out_long_reports(text, shown):
    record = logging.LogRecord("mmengine", logging.INFO, "", 0, text, None, None)
    assert ConsoleFilter().filter(record) == shown


def test_every_run_of_a_process_has_its_own_name(tmp_path):
    stamps = [DetectionRunner(_Model(), str(tmp_path)).timestamp for _ in range(3)]
    assert len(set(stamps)) == 3


class _Model(nn.Module):
    """A model that a Runner takes."""


def test_leaving_the_other_processes(tmp_path):
    leave_processes()  # alone: nothing to leave
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    leave_processes()
    assert not torch.distributed.is_initialized()
