"""Finding mistakes in a config before anything is built from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascadekit.configuration.loading import RUNNER_KEYS, nearest_typo
from cascadekit.configuration.origins import KeyPath, Origin, dotted, find_origin
from cascadekit.configuration.places import (
    DATALOADER,
    EXTRA_KEYS,
    TOP,
    accepted_arguments,
    fill_roots,
    implied_type,
    place_below,
    registry_hint,
    resolve,
)
from cascadekit.errors import InputError, did_you_mean

_CONFIG_WORDS = {"type", "_scope_", "_delete_", "_base_"}
_FREE_FORM = {"metainfo", "data_prefix", "backend_args"}  # the user's own dicts, never built
_MOST = 10  # problems listed at once


def check_config(config: Any, origins: Mapping[KeyPath, Origin] | None = None) -> None:
    """Check names in a config: top-level keys, registered types and their arguments.

    Arguments that are lacking are not looked for: the framework hands some down. Variables of the
    user's own are left alone unless they look like a misspelt key of the Runner.

    Args:
        config: a Config or a dict, resolved.
        origins: as `read_config` gives them, to name file and line.

    Raises:
        InputError: one line per problem (ten at most), each with the origin, the path in the
            config, and the nearest name that would have been right.
    """
    content = config.to_dict() if hasattr(config, "to_dict") else config
    fill_roots()
    check = _Check(origins or {})
    check.top_level(content)
    scope = content.get("default_scope") or "mmengine"
    for key, place in TOP.items():
        if key in content:
            check.walk(content[key], (key,), place, scope)
    if check.problems:
        count = len(check.problems)
        head = "" if count == 1 else f"{count} problems in the config:\n"
        tail = f"\nand {count - _MOST} more" if count > _MOST else ""
        raise InputError(head + "\n".join(check.problems[:_MOST]) + tail)


class _Check:
    """Walks a config and notes what is wrong."""

    def __init__(self, origins: Mapping[KeyPath, Origin]) -> None:
        self.origins = origins
        self.problems: list[str] = []

    def _note(self, path: KeyPath, text: str) -> None:
        origin = find_origin(self.origins, path)
        self.problems.append(f"{origin}: {text}" if origin else text)

    def top_level(self, content: Mapping[str, Any]) -> None:
        """Note keys that are almost those of the Runner, which would ignore them."""
        for key in content:
            near = None if key in RUNNER_KEYS or key in TOP else nearest_typo(key, RUNNER_KEYS)
            if near is not None:
                self._note(
                    (key,),
                    f"{key}: unknown key. Did you mean {near!r}? (A variable of your own needs a "
                    "name less like it.)",
                )

    def walk(self, value: Any, path: KeyPath, place: str, scope: str) -> None:
        """Check a value and all below it, which stand in `place` and are built in `scope`."""
        if isinstance(value, list | tuple):
            for index, item in enumerate(value):
                self.walk(item, (*path, index), place, scope)
            return
        if not isinstance(value, Mapping):
            return
        scope = value.get("_scope_") or scope
        self._check_part(value, path, place, scope)
        for key, item in value.items():
            if key not in _FREE_FORM:
                self.walk(item, (*path, key), place_below(place, key), scope)

    def _check_part(self, part: Mapping[str, Any], path: KeyPath, place: str, scope: str) -> None:
        kind = part.get("type")
        if kind is None and len(path) == 1:
            if place == DATALOADER:
                from torch.utils.data import DataLoader

                self._check_arguments(part, path, place, DataLoader)
                return
            kind = implied_type(str(path[0]), part)
        if isinstance(kind, str):
            found = self._resolve(kind, (*path, "type"), place, scope)
        else:
            found = kind if callable(kind) else None
        constructor = part.get("constructor") if place == "OPTIM_WRAPPERS" else None
        if isinstance(constructor, str):
            where = (*path, "constructor")
            self._resolve(constructor, where, "OPTIM_WRAPPER_CONSTRUCTORS", scope)
            return  # a constructor of its own may take keys of its own
        if found is not None:
            self._check_arguments(part, path, place, found)

    def _resolve(self, name: str, path: KeyPath, place: str, scope: str) -> Any:
        found = resolve(name, place, scope)
        if found is None:
            kind = place.lower().removesuffix("s").replace("_", " ")
            hint = registry_hint(name, place, scope)
            if not hint:
                hint = " Import the module that registers it with custom_imports, or mend the name."
            self._note(path, f"{dotted(path)}: no {kind} {name!r} is registered.{hint}")
        return found

    def _check_arguments(
        self, part: Mapping[str, Any], path: KeyPath, place: str, target: Any
    ) -> None:
        accepted = accepted_arguments(target)
        if accepted is None:
            return
        accepted = accepted | set(EXTRA_KEYS.get(place, ()))
        for key in part:
            if key not in accepted and key not in _CONFIG_WORDS:
                name = getattr(target, "__name__", str(target))
                hint = did_you_mean(str(key), sorted(accepted))
                if not hint:
                    hint = f" It takes {', '.join(sorted(accepted)) or 'no arguments'}."
                where = (*path, key)
                self._note(where, f"{dotted(where)}: {name} has no argument {key!r}.{hint}")
