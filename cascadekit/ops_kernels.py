"""Which compiled library runs a kernel, and the checks that all operations share.

The files behind `cascadekit.ops` use this; everybody else calls `cascadekit.ops`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from cascadekit.errors import InputError, did_you_mean

BACKENDS = ("auto", "mmcv", "torchvision")
_POSITION_SENSITIVE = ("ps_roi_pool", "ps_roi_align")


_EXPORTABLE: ContextVar[bool] = ContextVar("exportable", default=False)


@contextmanager
def exportable() -> Iterator[None]:
    """Inside, operations are made of what torch.export and ONNX have.

    Kernels are torchvision's whatever else is set, RoIAlign is one of them, NMS of all groups is
    one call, and nothing asks how many boxes there are, which an export cannot answer. Results are
    those of the other forms up to rounding.
    """
    token = _EXPORTABLE.set(True)
    try:
        yield
    finally:
        _EXPORTABLE.reset(token)


def is_exportable() -> bool:
    """Whether we are inside `exportable`."""
    return _EXPORTABLE.get()


def is_empty(boxes: Tensor) -> bool:
    """Whether there are no rows; False in an export, where their number is not known."""
    return not is_exportable() and not len(boxes)


def check_boxes(boxes: Tensor, name: str, partner: Tensor) -> None:
    """Raise ValueError unless boxes are (N, 4) and the partner (N,)."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be (N, 4), got {tuple(boxes.shape)}")
    if partner.shape != boxes.shape[:1]:
        raise ValueError(f"{name} must be ({len(boxes)},), got {tuple(partner.shape)}")


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """(size, size) for a number, else the two numbers."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def at_least_float32(tensor: Tensor) -> Tensor:
    """Kernels take no bfloat16, and float16 would round coordinates above 2048 to even pixels."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def no_rois(feature: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    """(0, channels, height, width), connected to the feature in the graph: its gradient is zeros.

    Args:
        feature: (B, C, H, W), none of them 0.
        channels: at most C.
        size: (height, width) in bins.

    Returns:
        float of the feature's dtype.
    """
    return feature[:0, :channels, :1, :1].expand(0, channels, *size)


def choice(variable: str, words: Sequence[str]) -> str:
    """The word in an environment variable, "auto" when unset; InputError for an unknown one."""
    word = os.environ.get(variable) or "auto"
    if word not in words:
        raise InputError(
            f"environment variable {variable}={word!r}: expected one of {', '.join(words)}."
            f"{did_you_mean(word, words)}"
        )
    return word


@functools.cache
def import_kernels(library: str) -> tuple[ModuleType | None, str]:
    """The module mmcv.ops or torchvision.ops, or None and why it cannot be imported."""
    try:
        # Written out, so that a search for who imports kernels finds this line.
        if library == "mmcv":
            return import_module("mmcv.ops"), ""
        return import_module("torchvision.ops"), ""
    # A wheel compiled for another torch fails with OSError, an older one with AssertionError.
    except (ImportError, OSError, AssertionError) as error:
        return None, str(error)


def lacks(library: str, op: str, device: str) -> str:
    """Why a library cannot run an op on a kind of device; "" when it can."""
    module, error = import_kernels(library)
    if module is None:
        return f"{library}.ops cannot be imported: {error}"
    if library == "torchvision":
        return ""  # its wheels serve what torch's wheel from the same index serves
    if device not in ("cpu", "cuda"):
        return f"mmcv's kernels are not used on {device}"
    if device == "cuda" and module.get_compiling_cuda_version() == "not available":
        return "mmcv's extension was compiled without CUDA"
    if device == "cpu" and op == "roi_pool":
        return "mmcv has no RoIPool for the CPU"
    if op in _POSITION_SENSITIVE:
        return "mmcv has no position-sensitive pooling"
    return ""


def library_for(op: str, device: torch.device) -> tuple[str, ModuleType]:
    """Name and module of the library that runs `op` on `device`; InputError when none does."""
    forced = "torchvision" if is_exportable() else choice("CASCADEKIT_OPS", BACKENDS)
    reasons = []
    for name in BACKENDS[1:] if forced == "auto" else (forced,):
        reasons.append(lacks(name, op, device.type))
        module, _ = import_kernels(name)
        if module is not None and not reasons[-1]:
            return name, module
    wanted = "" if forced == "auto" else f"CASCADEKIT_OPS={forced}: "
    raise InputError(
        f"{wanted}no kernel for {op} on {device.type} ({'; '.join(reasons)}). Compile mmcv's with "
        "`python tools/build_mmcv_ops.py`, or install the torchvision that goes with this torch "
        "and leave CASCADEKIT_OPS unset."
    )
