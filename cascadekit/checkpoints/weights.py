"""Putting weights into a model, whole or not at all, and writing them to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.checkpoints.safe_load import PICKLES, SAFETENSORS, download, load_checkpoint_file
from cascadekit.errors import InputError, did_you_mean

State = Mapping[str, Any]
Source = str | os.PathLike[str] | State
_CLASS_LAYERS = ("fc_cls", "fc_reg", "conv_logits")
_WRAPPERS = ("module.", "model.", "_orig_mod.", "backbone.")
_SCHEME = "torchvision://"


@dataclass(frozen=True)
class LoadReport:
    """What became of the keys of a state dict.

    Attributes:
        loaded: keys whose values are now in the model.
        missing: keys of the model that the checkpoint lacks (batch norm's step counters aside).
        unexpected: keys of the checkpoint that the model lacks.
        mismatched: keys in both whose shapes differ; left as they were.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...] = ()


def read_state(source: Source) -> dict[str, Any]:
    """The flat state dict of a file or of a dict that was read from one.

    Args:
        source: a path, a state dict, {"state_dict": ...} or {"model": ...}.

    Returns:
        Parameter name -> tensor, in a new dict.

    Raises:
        InputError: the file cannot be read, or there are no weights in it.
    """
    if isinstance(source, Mapping):
        return _weights_in(source, "the state dict")
    return _weights_in(load_checkpoint_file(source), str(source))


def read_trained(path: str | os.PathLike[str]) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """What a training left: its weights and the classes they are for, from one reading.

    Args:
        path: a checkpoint.

    Returns:
        The flat state dict, and the class names in label order or None where the file has none.

    Raises:
        InputError: the file cannot be read, or there are no weights in it.
    """
    content = load_checkpoint_file(path)
    classes = ((content.get("meta") or {}).get("dataset_meta") or {}).get("classes")
    return _weights_in(content, str(path)), tuple(classes) if classes else None


def _weights_in(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The state dict in what was read from `name`."""
    for key in ("state_dict", "model"):
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not any(isinstance(value, Tensor) for value in content.values()):
        keys = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise InputError(
            f"{name} holds no weights: expected parameter names with tensors, directly or below "
            f"'state_dict' or 'model', found {keys}"
        )
    return dict(content)


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _class_count(key: str, value: Any) -> int | None:
    """How many classes a class layer was made for, or None where its shape does not tell.

    fc_cls has a row more for the background; fc_reg has 4 rows per class, or 4 in all.
    """
    layer = next((name for name in _CLASS_LAYERS if f".{name}." in f".{key}"), None)
    if layer is None or not isinstance(value, Tensor) or not value.ndim:
        return None
    if layer == "fc_reg":
        return None if len(value) == 4 else len(value) // 4
    return len(value) - (layer == "fc_cls")


def _explain_mismatch(keys: Sequence[str], state: State, own: State) -> InputError:
    shown = "; ".join(f"{k} {_shape(state[k])}, model {_shape(own[k])}" for k in keys[:4])
    more = f"; and {len(keys) - 4} more" if len(keys) > 4 else ""
    text = f"{len(keys)} weights of the checkpoint have another shape than the model's: {shown}"
    for key in keys:
        theirs = _class_count(key, state[key])
        ours = _class_count(key, own[key])
        if theirs is not None and ours is not None and theirs != ours:
            return InputError(
                f"{text}{more}. The checkpoint was made for {theirs} classes, the model has {ours}:"
                f" set num_classes={theirs} to use it as it is, or start the class layers afresh "
                "with skip_mismatched=True to train on other classes"
            )
    return InputError(f"{text}{more}. Use the config the checkpoint was trained with")


def _explain_keys(missing: Sequence[str], unexpected: Sequence[str], own: State) -> InputError:
    text = (
        f"the checkpoint does not fit the model: {len(missing)} keys are missing"
        f"{_some(missing)}, {len(unexpected)} are unexpected{_some(unexpected)}."
    )
    for prefix in _WRAPPERS:
        if any(key.removeprefix(prefix) in own for key in unexpected if key.startswith(prefix)):
            return InputError(
                f"{text} Did you mean the same keys without {prefix!r}? Strip it: "
                f"{{k.removeprefix({prefix!r}): v for k, v in state.items()}}"
            )
        if any(key.startswith(prefix) and key.removeprefix(prefix) in unexpected for key in own):
            return InputError(f"{text} Did you mean the same keys with {prefix!r} in front?")
    hint = did_you_mean(unexpected[0], missing, most=1) if unexpected else ""
    return InputError(f"{text}{hint} With strict=False what fits is loaded")


def _some(keys: Sequence[str]) -> str:
    if not keys:
        return ""
    return f" ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"


def load_weights(
    model: nn.Module, source: Source, strict: bool = True, skip_mismatched: bool = False
) -> LoadReport:
    """Load weights into a model; on an error nothing has been loaded.

    Args:
        model: takes the weights, on whatever device it is.
        source: a path, a state dict, {"state_dict": ...} or {"model": ...}.
        strict: whether missing and unexpected keys are errors.
        skip_mismatched: leave weights of another shape as they are instead of raising, e.g. the
            class layers when training goes on with other classes.

    Returns:
        Which keys were loaded and which were not.

    Raises:
        InputError: the file cannot be read, shapes differ, or keys do under `strict`.
    """
    state = read_state(source)
    own = model.state_dict()
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
        raise _explain_mismatch(mismatched, state, own)
    if strict and (missing or unexpected):
        raise _explain_keys(missing, unexpected, own)
    fitting = {key: state[key] for key in own if key in state and key not in set(mismatched)}
    if not fitting:
        raise _explain_keys(missing, unexpected, own)
    model.load_state_dict(fitting, strict=False)
    return LoadReport(tuple(fitting), tuple(missing), tuple(unexpected), tuple(mismatched))


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


def load_backbone(backbone: nn.Module, source: str | os.PathLike[str]) -> LoadReport:
    """Load ImageNet weights, or a detector's, into a backbone; on an error nothing is loaded.

    Args:
        backbone: its keys are torchvision's (`conv1.weight`, `layer1.0.conv1.weight`, ...).
        source: "torchvision://resnet50" (always the V1 weights; downloaded once) or a local file
            with keys as they are or below `backbone.`.

    Returns:
        Which keys were loaded. The classifier and layers that this backbone lacks are unexpected.

    Raises:
        InputError: unknown architecture, no network, unreadable file, other shapes, or the
            backbone has weights that the file lacks.
    """
    is_named = isinstance(source, str) and source.startswith(_SCHEME)
    state = read_state(_torchvision_file(str(source)) if is_named else source)
    prefix = "backbone."
    if any(key.startswith(prefix) for key in state):
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    own = backbone.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    if missing:
        unexpected = [key for key in state if key not in own]
        raise InputError(f"{source}: {_explain_keys(missing, unexpected, own)}")
    return load_weights(backbone, state, strict=False)


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


def save_weights(state: State, path: str | os.PathLike[str]) -> Path:
    """Write weights to a file that appears under its name only when whole.

    Args:
        state: parameter name -> tensor; for `.pth` also a checkpoint dict.
        path: ends in .safetensors, .pth or .pt; its folder is made.

    Returns:
        The file.

    Raises:
        InputError: another suffix, or something other than tensors for safetensors.
    """
    file = Path(path).expanduser()
    if file.suffix not in (SAFETENSORS, *PICKLES):
        raise InputError(f"{file}: weights are saved to .safetensors, .pth or .pt")
    tensors = _separate(state, file) if file.suffix == SAFETENSORS else dict(state)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        if file.suffix == SAFETENSORS:
            from safetensors.torch import save_file

            save_file(tensors, part)
        else:
            torch.save(tensors, part)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
    return file
