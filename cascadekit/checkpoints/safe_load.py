"""Reading checkpoint files without ever running code that is stored in them.

A `.pth` file is a pickle, and a pickle can call any function while it is read. mmengine tries the
restricted reader of torch first and then silently falls back to the unrestricted one; here there is
no such fallback, and `safe_runner_loading` takes it away from mmengine's Runner too.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from cascadekit.checkpoints.dialects import in_our_names
from cascadekit.checkpoints.restricted_pickle import load_pickle
from cascadekit.errors import InputError, did_you_mean

SAFETENSORS = ".safetensors"
PICKLES = (".pth", ".pt")
ARRAYS = ".pkl"  # Detectron and detectron2: numpy arrays
# What a Runner's checkpoint needs besides weights to go on training.
_RESUME_KEYS = ("meta", "message_hub", "optimizer")
_STATISTICS = ("min", "max", "current", "mean")


def _statistic_of_buffer(owner: Any, name: str) -> Callable[..., Any]:
    """Stand in for `getattr` while a file is read: four methods of HistoryBuffer, nothing else.

    torch stores `HistoryBuffer.mean` as a call of getattr. Allowing the real getattr, as mmengine
    does, hands a file every attribute of every allowed object.
    """
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f"Unsupported global: GLOBAL getattr({owner!r}, {name!r})")
    return getattr(HistoryBuffer, name)


def _allowed() -> list[Any]:
    """What mmengine puts into its checkpoints besides tensors and plain values; none runs code."""
    multiarray = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray
    # "O" (object arrays) is left out on purpose.
    dtypes = {type(np.dtype(kind)) for kind in "?bhilqBHILQefdFDSU"}
    allowed: list[Any] = [HistoryBuffer, slice, np.ndarray, np.dtype, *dtypes]
    allowed.append((_statistic_of_buffer, "builtins.getattr"))
    # numpy 1 and 2 name the home of these two differently, and either may have written the file.
    for home in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed.append((multiarray._reconstruct, f"{home}._reconstruct"))
        allowed.append((multiarray.scalar, f"{home}.scalar"))
    return allowed


def _existing(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there and not empty."""
    file = Path(path).expanduser()
    if file.is_dir():
        known = (*PICKLES, SAFETENSORS, ARRAYS)
        inside = [p.name for p in sorted(file.iterdir()) if p.suffix in known]
        hint = f" It holds {', '.join(inside[:5])}." if inside else ""
        raise InputError(f"{file} is a folder; give a checkpoint file.{hint}")
    if not file.is_file():
        near = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        raise InputError(f"no checkpoint file {file}.{did_you_mean(file.name, near)}")
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty: the copy or download broke off; fetch it again")
    return file


def _refused(file: Path, error: Exception) -> InputError:
    """The message for a pickle that asks for more than weights."""
    text = str(error)
    match = re.search(r"GLOBAL (.+?)(?: was not an allowed| whose module|$)", text, re.MULTILINE)
    match = match or re.search(r"error: (.+)", text)
    wanted = match.group(1) if match else "more than plain values"
    return InputError(
        f"{file} was not opened: besides weights it holds {wanted}, and reading that can run code. "
        "Ask its author for a .safetensors file or a plain state_dict. If you trust the file and "
        "where it came from, rewrite it once in a throw-away environment: "
        "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)"
    )


def _load_pickle(file: Path, map_location: Any) -> Any:
    with file.open("rb") as stream:
        head = stream.read(4)
    if head == b"PK\x03\x04" and not zipfile.is_zipfile(file):
        raise InputError(
            f"{file} is cut off ({file.stat().st_size} bytes, its table of contents is missing): "
            "the copy or download broke off; fetch it again"
        )
    try:
        with torch.serialization.safe_globals(_allowed()):
            return torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "allowlisted" in str(error) or "reduce" in str(error):
            raise _refused(file, error) from error
        raise InputError(f"{file} is not a checkpoint: torch.load cannot read it") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, LookupError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{file} is damaged or is not a checkpoint ({reason}); fetch or save it again"
        ) from error


def _load_safetensors(file: Path, map_location: Any) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    device = map_location if isinstance(map_location, str | torch.device) else "cpu"
    try:
        return load_file(file, device=str(device))
    except SafetensorError as error:
        raise InputError(
            f"{file} is damaged or is not a safetensors file ({error}); fetch or save it again"
        ) from error


def load_checkpoint_file(path: str | os.PathLike[str], map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint; no code stored in the file is ever run.

    Args:
        path: a `.safetensors`, `.pth`, `.pt` or `.pkl` file.
        map_location: as in torch.load; for safetensors only a device counts, for `.pkl` nothing.

    Returns:
        What the file holds, under the names it has: a flat state dict, or a Runner's checkpoint
        with `state_dict`, `meta`, `message_hub`, `optimizer` and `param_schedulers`. A `.pkl` holds
        numpy arrays.

    Raises:
        InputError: the file is missing, empty, cut off, no checkpoint, or asks for more than
            weights and plain values; the message names what it asked for.
    """
    file = _existing(path)
    if file.suffix == SAFETENSORS:
        return _load_safetensors(file, map_location)
    if file.suffix not in (*PICKLES, ARRAYS):
        raise InputError(
            f"{file} has suffix {file.suffix!r}; checkpoints end in .safetensors, .pth, .pt or "
            ".pkl (rename the file if it is one)"
        )
    is_arrays = file.suffix == ARRAYS
    content = load_pickle(file) if is_arrays else _load_pickle(file, map_location)
    if not isinstance(content, Mapping):
        raise InputError(
            f"{file} holds a {type(content).__name__}; expected a state dict or a checkpoint dict"
        )
    # OrderedDict is kept as it is: the version numbers of its modules hang on it.
    return content if isinstance(content, dict) else dict(content)


def safetensors_notes(path: str | os.PathLike[str]) -> dict[str, str]:
    """The words that a safetensors file carries beside its tensors.

    Args:
        path: any file.

    Returns:
        Key -> text; nothing for files of other kinds.

    Raises:
        InputError: the file is damaged.
    """
    file = Path(path)
    if file.suffix != SAFETENSORS:
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            return opened.metadata() or {}
    except SafetensorError as error:
        raise InputError(f"{file} is damaged or is not a safetensors file ({error})") from error


def require_resumable(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint that training is to go on from.

    Args:
        path: a file a Runner wrote.

    Returns:
        The checkpoint, on the CPU.

    Raises:
        InputError: as `load_checkpoint_file`, or the file holds weights only.
    """
    checkpoint = load_checkpoint_file(path)
    lacking = [key for key in _RESUME_KEYS if key not in checkpoint]
    if lacking:
        raise InputError(
            f"{path} cannot be resumed from: it lacks {', '.join(lacking)}. It holds weights only: "
            "start a new run from them with load_from (or --load-from) instead"
        )
    return checkpoint


def download(url: str) -> Path:
    """Fetch a file into torch hub's cache, or find it there.

    Args:
        url: http or https; a name like `x-0676ba61.pth` also gives the hash to check.

    Returns:
        The cached file. It appears under its name only when whole.

    Raises:
        InputError: no network, no such address, or another file came; the message says where to
            put the file by hand.
    """
    name = Path(urlparse(url).path).name
    file = Path(torch.hub.get_dir()) / "checkpoints" / name
    if file.is_file():
        return file
    digest = re.search(r"-([0-9a-f]{8,})\.", name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url, str(file), digest.group(1) if digest else None, progress=sys.stderr.isatty()
        )
    except (OSError, RuntimeError, ValueError) as error:  # URLError and HTTPError are OSErrors
        raise InputError(
            f"could not download {url} ({error}). Fetch it on a machine with network and put it "
            f"at {file}"
        ) from error
    return file


def load_from_safe_file(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load a local path for mmengine, without its fallback to full unpickling, in our names."""
    return in_our_names(load_checkpoint_file(filename, map_location or "cpu"), filename)


def load_from_safe_url(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load an http or https address for mmengine, as `load_from_safe_file` a path."""
    return load_from_safe_file(str(download(filename)), map_location)


def load_from_nowhere(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Refuse mmengine's other schemes: their loaders unpickle freely or fetch V2 weights."""
    raise InputError(
        f"checkpoints cannot be loaded from {filename}: give a local file or an https address; "
        "ImageNet weights go to model.backbone.weights='torchvision://NAME'"
    )


@contextmanager
def safe_runner_loading() -> Iterator[None]:
    """Within the block every checkpoint mmengine loads, also to resume, goes through our reader.

    Weights with another framework's names (see `dialects`) arrive under ours.

    The previous loaders come back afterwards, so that a project that uses our models keeps its own.

    Raises:
        InputError: from inside the block, see `load_checkpoint_file`.
    """
    # mmengine can register loaders but not unregister them, hence the private name.
    previous = CheckpointLoader._schemes
    CheckpointLoader._schemes = OrderedDict(
        [
            (r"https?://", load_from_safe_url),
            (r"\S+://", load_from_nowhere),
            ("", load_from_safe_file),
        ]
    )
    try:
        yield
    finally:
        CheckpointLoader._schemes = previous
