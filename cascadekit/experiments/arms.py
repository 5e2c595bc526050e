"""The detectors that experiments compare, as `configs/experiments/arms.py` lists them."""

from __future__ import annotations

import os
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cascadekit.errors import InputError, check_word

CONFIGS = Path(__file__).parents[1] / "configs"
# Drawn sets in the formats of three benchmarks; each is a kind of its own, by its name.
KITTI, CITYPERSONS, WIDERFACE = "drawn-kitti", "drawn-citypersons", "drawn-widerface"
BENCHMARKS = (KITTI, CITYPERSONS, WIDERFACE)
KINDS = ("shapes", "photos", "coco", *BENCHMARKS)


@dataclass(frozen=True)
class Arm:
    """One detector.

    Attributes:
        name: as the experiments call it.
        full: path of the config of the paper's setting.
        small: path of the config for two cores.
        full_options: changes to the config of the paper's setting, as `--cfg-options` has them.
        full_start: config of the paper's setting whose training comes before, where there are two
            steps; None: there is one.
        trained_as: the arm whose weights it has; None: its own.
        proposals_of: the arm whose stored proposals it is trained on; None: it has its own.
        suggested_by: the arm whose proposal-quality report sets its stages; None: the config does.
        small_data: kinds of data, of `KINDS`, that the small budget trains it on.
    """

    name: str
    full: Path
    small: Path
    full_options: Mapping[str, Any] = field(default_factory=dict)
    full_start: Path | None = None
    trained_as: str | None = None
    proposals_of: str | None = None
    suggested_by: str | None = None
    small_data: tuple[str, ...] = ("shapes", "photos")

    def needs(self) -> str | None:
        """The arm that has to be trained before; None: nothing."""
        return self.proposals_of or self.suggested_by


def load_arms(path: str | os.PathLike[str] | None = None) -> dict[str, Arm]:
    """Read the list of arms.

    Args:
        path: a python file with the dict `arms`; None: the one that ships with the package.

    Returns:
        Name -> arm, in the file's order.

    Raises:
        InputError: no such file, an unknown key, a config or an arm that is not there, or a kind of
            data that does not exist.
    """
    file = CONFIGS / "experiments" / "arms.py" if path is None else Path(path)
    if not file.is_file():
        raise InputError(f"no list of arms {file}")
    listed = runpy.run_path(str(file)).get("arms")
    if not isinstance(listed, Mapping):
        raise InputError(f"{file.name}: expected a dict called arms")
    arms = {name: _arm(file.name, name, said) for name, said in listed.items()}
    for arm in arms.values():
        for other in (arm.trained_as, arm.proposals_of, arm.suggested_by):
            if other is not None:
                check_word(f"{file.name}: an arm that {arm.name!r} goes by", other, arms)
    return arms


def _arm(file: str, name: str, said: Mapping[str, Any]) -> Arm:
    known = [key for key in Arm.__dataclass_fields__ if key != "name"]
    for key in said:
        check_word(f"{file}: a key of arm {name!r}", key, known)
    for key in ("full", "small"):
        if key not in said:
            raise InputError(f"{file}: arm {name!r} has no {key}")
    for kind in said.get("small_data", ()):
        check_word(f"{file}: small_data of arm {name!r}", kind, KINDS)
    paths = {
        "full": _config(file, name, CONFIGS / f"{said['full']}.py"),
        "small": _config(file, name, CONFIGS / "experiments" / "small" / f"{said['small']}.py"),
    }
    if "full_start" in said:
        paths["full_start"] = _config(file, name, CONFIGS / f"{said['full_start']}.py")
    return Arm(name=name, **{**said, **paths})


def _config(file: str, name: str, path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{file}: arm {name!r} has no config {path.relative_to(CONFIGS)}")
    return path
