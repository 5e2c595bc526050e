"""Which registry a part of a config is built from, by the place it stands in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from mmengine import registry as mm
from mmengine.registry import Registry

from cascadekit.errors import did_you_mean

# Top-level key -> name of one of mmengine's root registries; DATALOADER is no registry.
DATALOADER = "DATALOADER"
TOP = {
    "model": "MODELS",
    "data_preprocessor": "MODELS",
    "tta_model": "MODELS",
    "tta_pipeline": "TRANSFORMS",
    "tta_views": "TRANSFORMS",
    "train_dataloader": DATALOADER,
    "val_dataloader": DATALOADER,
    "test_dataloader": DATALOADER,
    "val_evaluator": "METRICS",
    "test_evaluator": "METRICS",
    "default_hooks": "HOOKS",
    "custom_hooks": "HOOKS",
    "optim_wrapper": "OPTIM_WRAPPERS",
    "param_scheduler": "PARAM_SCHEDULERS",
    "train_cfg": "LOOPS",
    "val_cfg": "LOOPS",
    "test_cfg": "LOOPS",
    "visualizer": "VISUALIZERS",
    "vis_backends": "VISBACKENDS",
    "log_processor": "LOG_PROCESSORS",
    "model_wrapper_cfg": "MODEL_WRAPPERS",
}
# Place -> key -> place below it; other keys stay in the place they are in.
_BELOW: Mapping[str, Mapping[str, str]] = {
    DATALOADER: {
        "dataset": "DATASETS",
        "sampler": "DATA_SAMPLERS",
        "batch_sampler": "DATA_SAMPLERS",
        "collate_fn": "FUNCTIONS",
        "worker_init_fn": "FUNCTIONS",
    },
    "DATASETS": {"pipeline": "TRANSFORMS"},
    "MODELS": {"init_cfg": "WEIGHT_INITIALIZERS"},
    "OPTIM_WRAPPERS": {"optimizer": "OPTIMIZERS"},
    "VISUALIZERS": {"vis_backends": "VISBACKENDS"},
}
# Keys that mmengine takes out before it builds the part.
EXTRA_KEYS: Mapping[str, tuple[str, ...]] = {
    "HOOKS": ("priority",),
    "LOOPS": ("by_epoch",),
    "OPTIM_WRAPPERS": ("constructor", "paramwise_cfg", "optimizer"),
    "PARAM_SCHEDULERS": ("convert_to_iter_based", "epoch_length"),
    "VISUALIZERS": ("name",),
    "LOG_PROCESSORS": ("name",),
    DATALOADER: ("num_batch_per_epoch", "disable_subprocess_warning"),
}


def place_below(place: str, key: str | int) -> str:
    """The place of the value under `key` of a dict that stands in `place`."""
    return _BELOW.get(place, {}).get(str(key), place)


def implied_type(key: str, part: Mapping[str, Any]) -> str | None:
    """What mmengine builds from a top-level dict that names no type."""
    if key == "train_cfg":
        by_epoch = part.get("by_epoch", True)
        return "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    if key == "optim_wrapper":
        # Without an optimizer of its own it is a dict of named wrappers.
        return "OptimWrapper" if "optimizer" in part else None
    names = {"val_cfg": "ValLoop", "test_cfg": "TestLoop", "log_processor": "LogProcessor"}
    return names.get(key)


def fill_roots() -> None:
    """Import what registers mmengine's own parts, so that the root registries are complete."""
    for module in ("runner", "hooks", "dataset", "optim", "model", "evaluator", "visualization"):
        import_module(f"mmengine.{module}")


def _registry(root: str, scope: str | None) -> Registry:
    """The registry of a scope below one of mmengine's roots, or the root itself."""
    registry: Registry = getattr(mm, root)
    if scope:
        try:
            import_module(f"{scope}.registry")
        except ModuleNotFoundError as error:
            # Like mmengine, go on with the root where the scope is no installed package.
            if error.name not in (scope, f"{scope}.registry"):
                raise
        child = registry._search_child(scope)
        return registry if child is None else child  # an empty registry is false
    return registry


def _get(registry: Registry, name: str) -> Callable[..., Any] | None:
    try:
        found = registry.get(name)
    except RuntimeError:  # onedl-mmengine raises where mmengine returns None
        return None
    # A name may also be the path of an object, and then any module would be found.
    return found if callable(found) and not inspect.ismodule(found) else None


def _roots() -> list[str]:
    return [name for name in mm.__all__ if isinstance(getattr(mm, name), Registry)]


def resolve(name: str, place: str, scope: str | None) -> Callable[..., Any] | None:
    """The class or function a config means by `type=name`.

    Args:
        name: with or without scope in front.
        place: root registry to look in first; all others come after it.
        scope: default scope at that place.

    Returns:
        What is registered, or None.
    """
    first = [place] if place != DATALOADER else []
    for root in dict.fromkeys([*first, *_roots()]):
        found = _get(_registry(root, scope), name)
        if found is not None:
            return found
    return None


def _family(registry: Registry | None) -> Iterator[str]:
    """Names of a registry and its parents."""
    while registry is not None:
        yield from registry.module_dict
        registry = registry.parent


def registry_hint(name: str, place: str, scope: str | None) -> str:
    """What to do about a name that is not registered; starts with a space, or is empty."""
    root: Registry = getattr(mm, place if place != DATALOADER else "DATASETS")
    wanted, _, bare = name.rpartition(".")
    for child in root.children.values():
        if not wanted and bare in child.module_dict:
            return (
                f" It is registered in scope {child.scope!r}: write '{child.scope}.{bare}' or set "
                f"default_scope = {child.scope!r}."
            )
    if wanted:
        registry = root._search_child(wanted.split(".")[0])
        if registry is None:
            return f" No package {wanted.split('.')[0]!r} with a registry is installed."
        # Compared without the scope, which would make every name look near.
        hint = did_you_mean(bare, registry.module_dict)
        return re.sub(r"'(\w+)'", rf"'{wanted}.\1'", hint)
    return did_you_mean(
        name, _family(_registry(place if place != DATALOADER else "DATASETS", scope))
    )


def accepted_arguments(part: Callable[..., Any]) -> set[str] | None:
    """Names of the arguments a class or function takes; None where it takes any, or will not say.

    Only the class's own `__init__` is looked at: who takes its **kwargs is unknown.
    """
    target: Callable[..., Any] = part
    if inspect.isclass(part):
        target = part.__init__
        if target is object.__init__:
            return set() if part.__new__ is object.__new__ else None
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return None
    if inspect.isclass(part):
        parameters = parameters[1:]  # self
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)
    return {p.name for p in parameters if p.kind not in unnamed}
