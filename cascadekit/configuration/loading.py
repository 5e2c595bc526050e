"""Reading a config file, with overrides, so that every mistake in it gets one clear message."""

from __future__ import annotations

import difflib
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from cascadekit.configuration.origins import (
    KeyPath,
    Origin,
    Origins,
    config_origins,
    dotted,
    find_origin,
    override,
)
from cascadekit.errors import InputError, did_you_mean

# Keys that mmengine's Runner takes from a config; everything else at the top is the user's own.
RUNNER_KEYS = (
    *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader"),
    *("train_cfg", "val_cfg", "test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler"),
    *("val_evaluator", "test_evaluator", "default_hooks", "custom_hooks", "data_preprocessor"),
    *("load_from", "resume", "launcher", "env_cfg", "log_processor", "log_level", "visualizer"),
    *("vis_backends", "default_scope", "randomness", "experiment_name", "custom_imports"),
    *("model_wrapper_cfg", "runner_type", "sync_bn", "find_unused_parameters", "compile"),
)
_SUFFIXES = (".py", ".json", ".yaml", ".yml")


def nearest_typo(name: str, known: Iterable[str]) -> str | None:
    """The known word that `name` is almost certainly a misspelling of, or None.

    Stricter than `did_you_mean`: an unknown name may be meant, so only a letter or two may differ.
    """
    words = [word for word in known if isinstance(word, str)]
    swapped = [word for word in words if sorted(word) == sorted(name) and word[:1] == name[:1]]
    if swapped:  # "tpye": too short for its ratio to tell
        return swapped[0]
    near = difflib.get_close_matches(name, words, n=1, cutoff=0.8)
    return near[0] if near else None


def parse_options(options: Iterable[str]) -> dict[str, Any]:
    """Read the words that follow `--cfg-options`.

    Args:
        options: e.g. ["a.b=1", "x=[1,2]", "name=text"]; literals as mmengine's DictAction reads
            them: numbers, true/false, None, lists, tuples, anything else is text.

    Returns:
        Dotted key -> value, for `read_config`.

    Raises:
        InputError: a word without `=`, without a key, or with brackets that do not match.
    """
    parsed: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or not key or not all(key.split(".")):
            raise InputError(
                f"--cfg-options: {option!r} is not KEY=VALUE, e.g. optim_wrapper.optimizer.lr=0.01"
            )
        if any(value.count(a) != value.count(b) for a, b in ("()", "[]")):
            raise InputError(
                f"--cfg-options: the brackets in {option!r} do not match (quote it in the shell: "
                f"'{key}=[1, 2]')"
            )
        parsed[key] = DictAction._parse_iterable(value)
    return parsed


def _packaged() -> list[str]:
    root = Path(__file__).parents[1] / "configs"
    return [p.relative_to(root).with_suffix("").as_posix() for p in sorted(root.rglob("*.py"))]


def _packaged_hint(stem: str) -> str:
    """Configs of the package that have almost this name; "" where there is none."""
    by_stem = {Path(name).name: name for name in _packaged()}
    near = difflib.get_close_matches(stem, by_stem, n=3)
    if not near:
        return ""
    names = " or ".join(repr(by_stem[word]) for word in near)
    return f" Did you mean {names}? cascadekit.config_path(NAME) gives its path."


def _existing(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a config file that is there.

    `configs/...` means the package's own where the working directory has no such file, so that the
    commands in the documentation work outside of the repository as well.
    """
    file = Path(os.path.abspath(Path(path).expanduser()))
    shipped = Path(__file__).parents[1] / path
    if not file.exists() and Path(path).parts[:1] == ("configs",) and shipped.is_file():
        return shipped
    if file.is_dir():
        inside = [p.name for p in sorted(file.glob("*.py"))]
        hint = f" It holds {', '.join(inside[:5])}." if inside else ""
        raise InputError(f"{path} is a folder; give a config file.{hint}")
    if not file.is_file():
        near = [p.name for p in sorted(file.parent.glob("*.py"))]
        hint = did_you_mean(file.name, near) or _packaged_hint(file.stem)
        raise InputError(f"no config file {path}.{hint}")
    if file.suffix not in _SUFFIXES:
        raise InputError(f"{path}: a config is a .py file (or .json, .yaml), not {file.suffix!r}")
    return file


def _line_in_config(error: BaseException, files: Iterable[str]) -> Origin | None:
    """The deepest line of a config file that an error passed through."""
    known = set(files)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [Origin(f.filename, f.lineno or 0) for f in frames if f.filename in known]
    return lines[-1] if lines else None


def _run(file: Path, origins: Origins) -> Config:
    """Let mmengine read the file; whatever goes wrong in it is the config's fault."""
    try:
        return Config.fromfile(str(file))
    except InputError:
        raise
    except Exception as error:
        files = {str(file), *(origin.file for origin in origins.values())}
        where = _line_in_config(error, files) or file
        text = str(error) if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise InputError(f"{where}: the config cannot be read: {text}") from error


def _check_option(config: Config, origins: Origins, key: str) -> None:
    """Raise where an option's path cannot be set, or is almost the path of something else."""
    value: Any = config._cfg_dict
    path: KeyPath = ()
    for part in key.split("."):
        here = dotted(path) or "the config"
        if isinstance(value, Mapping):
            if part not in value:
                near = nearest_typo(part, value)
                if near is not None and not (not path and part in RUNNER_KEYS):
                    meant = dotted((*path, near))
                    origin = find_origin(origins, (*path, near))
                    raise InputError(
                        f"--cfg-options {key}: {here} has no {part!r}. Did you mean {meant!r}"
                        + (f" ({origin})?" if origin else "?")
                    )
                return
            path, value = (*path, part), value[part]
        elif isinstance(value, list | tuple):
            if not part.isdigit() or int(part) >= len(value):
                raise InputError(
                    f"--cfg-options {key}: {here} is a list of {len(value)}; expected an index "
                    f"from 0 to {len(value) - 1}, got {part!r}"
                )
            if isinstance(value, tuple):
                raise InputError(
                    f"--cfg-options {key}: {here} is a tuple and can only be set as a whole"
                )
            path, value = (*path, int(part)), value[int(part)]
        else:
            raise InputError(
                f"--cfg-options {key}: {here} is {value!r}, so nothing below it can be set"
            )


def _leaves(config: Any, key: str, value: Any) -> Iterator[KeyPath]:
    """Key paths that an option sets: one, or those inside the dict that it merges."""
    path: list[str | int] = []
    for part in key.split("."):
        path.append(int(part) if isinstance(config, list | tuple) and part.isdigit() else part)
        if isinstance(config, list | tuple):
            config = config[int(part)]
        else:
            config = config.get(part) if isinstance(config, Mapping) else None
    if isinstance(value, Mapping) and isinstance(config, Mapping) and value:
        for name, inner in value.items():
            for below in _leaves(config, str(name), inner):
                yield (*path, *below)
    else:
        yield tuple(path)


def apply_options(config: Config, origins: Origins, options: Mapping[str, Any]) -> None:
    """Lay options over a config, in place.

    Args:
        config: a resolved config; changed.
        origins: of its values; changed, overridden values are from the "command line".
        options: dotted key -> value, see `parse_options`; may be empty.

    Raises:
        InputError: a key leads through something that is no dict or list, or is a misspelling of
            one that exists; then nothing is changed.
    """
    for key in options:
        _check_option(config, origins, key)
    before = config._cfg_dict
    changed = [leaf for key, value in options.items() for leaf in _leaves(before, key, value)]
    try:
        config.merge_from_dict(dict(options))
    except (TypeError, KeyError) as error:
        raise InputError(f"--cfg-options: {error}") from error
    override(origins, changed)


def read_config(
    path: str | os.PathLike[str], options: Mapping[str, Any] | None = None
) -> tuple[Config, Origins]:
    """Read a config and where each of its values came from.

    Args:
        path: a config file.
        options: laid over it, see `apply_options`.

    Returns:
        The config and the origin of each value.

    Raises:
        InputError: no such file (the nearest names are given), it or a base cannot be read (file
            and line are given), or an option's key is wrong.
    """
    file = _existing(path)
    origins = config_origins(file) if file.suffix == ".py" else {}
    config = _run(file, origins)
    if options:
        apply_options(config, origins, options)
    return config, origins
