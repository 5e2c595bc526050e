"""Putting weights into a model, whole or not at all, and writing them to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.checkpoints.dialects import announce, classes_in, translate, weights_in
from cascadekit.checkpoints.mismatch import explain_keys, explain_shapes
from cascadekit.checkpoints.safe_load import (
    PICKLES,
    SAFETENSORS,
    download,
    load_checkpoint_file,
    safetensors_notes,
)
from cascadekit.checkpoints.translation import OURS, Translation
from cascadekit.errors import InputError, did_you_mean
from cascadekit.whole_file import whole_file

State = Mapping[str, Any]
Source = str | os.PathLike[str] | State
_SCHEME = "torchvision://"
SHIPPED = "shipped"  # in the place of a path
_SHIPPED_FILE = Path(__file__).parents[1] / "shipped" / "cascade_mask_shapes_tiny.safetensors"


@dataclass(frozen=True)
class LoadReport:
    """What became of the keys of a state dict.

    Attributes:
        loaded: keys whose values are now in the model.
        missing: keys of the model that the checkpoint lacks (batch norm's step counters aside).
        unexpected: keys of the checkpoint that the model lacks.
        mismatched: keys in both whose shapes differ; left as they were.
        dialect: whose names the checkpoint had: "cascadekit", "detectron2", ...; all keys above but
            `unexpected` are ours whatever it is.
        ignored: keys of the checkpoint that are no weights of a detector -> why.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...] = ()
    dialect: str = OURS
    ignored: Mapping[str, str] = field(default_factory=dict)


def read_translation(source: Source, norm_eps: float | None = None) -> Translation:
    """The weights of a file, or of a dict that was read from one, under our names.

    Args:
        source: a path, "shipped" (the small model that comes with the package),
            "torchvision://resnet50" (always the V1 weights; downloaded once), a state dict, or a
            dict with one below "state_dict", "model" or "blobs"; of ours, mmdetection, detectron2,
            torchvision or Detectron.
        norm_eps: see `torchvision.translate`.

    Returns:
        The weights, what became of every key, and the class names where the file has them.

    Raises:
        InputError: the file cannot be read, or there are no weights in it that can be used.
    """
    if isinstance(source, Mapping):
        return _translated(source, "the state dict", norm_eps)
    if isinstance(source, str) and source.startswith(_SCHEME):
        return _translated(load_checkpoint_file(_torchvision_file(source)), source, norm_eps)
    if source == SHIPPED:
        source = _SHIPPED_FILE
    return _translated(load_checkpoint_file(source), str(source), norm_eps)


def _translated(content: State, origin: str, norm_eps: float | None = None) -> Translation:
    found = translate(weights_in(content, origin), origin, norm_eps)
    classes = classes_in(content)
    if classes is None and "classes" in (notes := safetensors_notes(origin)):
        classes = tuple(json.loads(notes["classes"]))
    return found if classes is None else replace(found, classes=classes)


def read_state(source: Source) -> dict[str, Any]:
    """The flat state dict of a file or of a dict that was read from one, under our names.

    Args:
        source: as in `read_translation`.

    Returns:
        Parameter name -> tensor, in a new dict. Keys without counterpart keep their names, so that
        loading sees them.

    Raises:
        InputError: the file cannot be read, or there are no weights in it.
    """
    return _state_of(_read(source))


def _read(source: Source) -> Translation:
    """As `read_translation`, and said in the log where the names were not ours."""
    found = read_translation(source)
    announce(found, "the state dict" if isinstance(source, Mapping) else str(source))
    return found


def _state_of(found: Translation) -> dict[str, Any]:
    return {**found.weights, **found.unknown}


def read_trained(path: str | os.PathLike[str]) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """What a training left: its weights and the classes they are for, from one reading.

    Args:
        path: a checkpoint, as in `read_translation`.

    Returns:
        The flat state dict as of `read_state`, and the class names in label order or None where the
        file has none.

    Raises:
        InputError: the file cannot be read, or there are no weights in it.
    """
    found = _read(path)
    return _state_of(found), found.classes


def load_weights(
    model: nn.Module, source: Source, strict: bool = True, skip_mismatched: bool = False
) -> LoadReport:
    """Load weights into a model; on an error nothing has been loaded.

    Args:
        model: takes the weights, on whatever device it is.
        source: as in `read_translation`; names of other frameworks are brought under ours.
        strict: whether missing and unexpected keys are errors.
        skip_mismatched: leave weights of another shape as they are instead of raising, e.g. the
            class layers when training goes on with other classes.

    Returns:
        Which keys were loaded and which were not.

    Raises:
        InputError: the file cannot be read, shapes differ, or keys do under `strict`.
    """
    found = _read(source)
    state, own = _state_of(found), model.state_dict()
    # Not a weight, and checkpoints from before torch 0.4.1 lack it.
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    mismatched = [
        key
        for key in own
        if key in state
        and isinstance(own[key], Tensor)
        and (not isinstance(state[key], Tensor) or state[key].shape != own[key].shape)
    ]
    if mismatched and not skip_mismatched:
        raise explain_shapes(mismatched, state, own)
    if strict and (missing or unexpected):
        raise explain_keys(missing, unexpected, own)
    fitting = {key: state[key] for key in own if key in state and key not in set(mismatched)}
    if not fitting:
        raise explain_keys(missing, unexpected, own)
    model.load_state_dict(fitting, strict=False)
    return LoadReport(
        tuple(fitting),
        tuple(missing),
        tuple(unexpected),
        tuple(mismatched),
        found.dialect,
        found.ignored,
    )


def _torchvision_file(source: str) -> Path:
    """The cached file with torchvision's first ImageNet weights of an architecture."""
    from torchvision import models

    name = source.removeprefix(_SCHEME)
    known = models.list_models(module=models)
    if name not in known:
        raise InputError(f"{source}: torchvision has no model {name!r}.{did_you_mean(name, known)}")
    weights = models.get_model_weights(name)
    # V2 weights were trained longer on other data augmentation: as a detector's start they cost
    # several points of AP under the usual schedules (mmdetection issue 8497).
    if "IMAGENET1K_V1" not in weights.__members__:
        raise InputError(
            f"{source}: torchvision has no IMAGENET1K_V1 weights for {name!r}, only "
            f"{', '.join(weights.__members__) or 'none'}; give a local file instead"
        )
    try:
        return download(weights["IMAGENET1K_V1"].url)
    except InputError as error:
        raise InputError(
            f"ImageNet weights of the backbone: {error}, or train from scratch with --cfg-options "
            "model.backbone.weights=None"
        ) from error


def load_backbone(
    backbone: nn.Module, source: str | os.PathLike[str], may_lack: Sequence[str] = ()
) -> LoadReport:
    """Load ImageNet weights, or a detector's, into a backbone; on an error nothing is loaded.

    Args:
        backbone: its keys are torchvision's (`conv1.weight`, `layer1.0.conv1.weight`, ...).
        source: "torchvision://resnet50" (always the V1 weights; downloaded once) or a local file:
            torchvision's or mmdetection's with keys as they are or below `backbone.`, ImageNet
            weights of Detectron and detectron2 (`.pkl`), or a whole detector of any of them.
        may_lack: parts of keys; weights with one in their key stay as they are where the file does
            not have them, e.g. ".conv_offset." of deformable convolutions.

    Returns:
        Which keys were loaded. The classifier and layers that this backbone lacks are unexpected.

    Raises:
        InputError: unknown architecture, no network, unreadable file, other shapes, or the
            backbone has weights that the file lacks.
    """
    found = _read(source)
    state = _state_of(found)
    prefix = "backbone."
    if any(key.startswith(prefix) for key in state):
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    own = backbone.state_dict()
    optional = ("num_batches_tracked", *may_lack)
    missing = [k for k in own if k not in state and not any(part in k for part in optional)]
    if missing:
        unexpected = [key for key in state if key not in own]
        raise InputError(f"{source}: {explain_keys(missing, unexpected, own)}")
    report = load_weights(backbone, state, strict=False)
    return replace(report, dialect=found.dialect, ignored=found.ignored)


def _separate(state: State, path: Path) -> dict[str, Tensor]:
    """Tensors as safetensors wants them: contiguous, none sharing memory with another."""
    seen: set[int] = set()
    tensors = {}
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise InputError(
                f"{path}: a safetensors file holds tensors only, but {key!r} is a "
                f"{type(value).__name__}; save to .pth, or save only the state_dict"
            )
        value = value.detach().cpu().contiguous()
        storage = value.untyped_storage().data_ptr()
        tensors[key] = value.clone() if storage in seen else value
        seen.add(storage)
    return tensors


def save_weights(
    state: State, path: str | os.PathLike[str], notes: Mapping[str, str] | None = None
) -> Path:
    """Write weights to a file that appears under its name only when whole.

    Args:
        state: parameter name -> tensor; for `.pth` also a checkpoint dict.
        path: ends in .safetensors, .pth or .pt; its folder is made.
        notes: words to go into a .safetensors file; `.pth` keeps them in the checkpoint dict.

    Returns:
        The file.

    Raises:
        InputError: another suffix, or something other than tensors for safetensors.
    """
    file = Path(path).expanduser()
    if file.suffix not in (SAFETENSORS, *PICKLES):
        raise InputError(f"{file}: weights are saved to .safetensors, .pth or .pt")
    tensors = _separate(state, file) if file.suffix == SAFETENSORS else dict(state)
    with whole_file(file) as part:
        if file.suffix == SAFETENSORS:
            from safetensors.torch import save_file

            save_file(tensors, part, dict(notes) if notes else None)
        else:
            torch.save(tensors, part)
    return file
