"""Runs: one training of one arm on one data set with one seed, in a folder named by its content.

The address stands for everything that decides what is learned, and for nothing else: two arms that
differ in how they are tested only, or a data set at another place, have the same one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine import Config

from cascadekit.errors import InputError
from cascadekit.experiments.arms import Arm
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import DataSet, content_in, digest
from cascadekit.whole_file import write_json

DEFAULT_ROOT = Path("work_dirs") / "experiments"
RECORD, PLAN, CONFIG, LOG, FAILURE = (
    *("record.json", "run.json", "config.py", "train.log"),
    "failure.json",
)
WEIGHTS = "final.pth"
TEST_KEYS = {
    "roi_head": ("test_stages", "test_iterations", "postprocess", "ensemble"),
    "rpn_head": ("test_proposals", "test_cut", "test_count"),
}


@dataclass(frozen=True)
class Run:
    """One training to do, or done.

    Attributes:
        address: 16 hexadecimal digits.
        arm: whose weights these are.
        data: trained on.
        seed: of all random numbers.
        budget: "smoke", "small" or "full".
        config: resolved.
        root: folder of all runs.
        needs: the run whose proposals it trains on, or whose report it is suggested by.
        also: names of other arms with the same weights.
    """

    address: str
    arm: Arm
    data: DataSet
    seed: int
    budget: str
    config: Config
    root: Path
    needs: Run | None = None
    also: tuple[str, ...] = field(default=())

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.root / "runs" / self.address

    @property
    def label(self) -> str:
        """For people: arm, data and seed."""
        return f"{self.arm.name} on {self.data.name}, seed {self.seed}"

    def done(self) -> bool:
        """Whether it is trained."""
        return (self.folder / RECORD).is_file()

    def failed(self) -> bool:
        """Whether its last attempt crashed."""
        return not self.done() and (self.folder / FAILURE).is_file()

    def started(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return not self.done() and (self.folder / "last_checkpoint").is_file()


def make_run(
    arms: Mapping[str, Arm], name: str, data: DataSet, seed: int, budget: str, root: Path
) -> Run:
    """Resolve an arm to its run.

    Args:
        arms: all of them.
        name: of the arm; one that is trained as another gives that one's run.
        data: trained on.
        seed: of the training.
        budget: as in `arm_config`.
        root: folder of all runs.

    Returns:
        The run; its folder need not exist.
    """
    arm = arms[arms[name].trained_as or name]
    needed = arm.needs()
    needs = make_run(arms, needed, data, seed, budget, root) if needed else None
    config = arm_config(arm, data, budget)
    content = training_content(config, data)
    content["seed"] = seed
    if needs is not None:
        content["proposals_of" if arm.proposals_of else "suggested_by"] = needs.address
    also = tuple(other.name for other in arms.values() if other.trained_as == arm.name)
    return Run(digest(content), arm, data, seed, budget, config, root, needs, also)


def training_content(config: Config, data: DataSet) -> dict[str, Any]:
    """The part of a config that decides what is learned, with data by content.

    Args:
        config: resolved.
        data: what its training set comes from.

    Returns:
        Plain values, for `digest`.
    """
    said = plain(config.to_dict())
    model = dict(said["model"])
    for part, keys in TEST_KEYS.items():
        if model.get(part) is not None:
            model[part] = {k: v for k, v in model[part].items() if k not in keys}
    loader = {
        k: v
        for k, v in said["train_dataloader"].items()
        if k not in ("dataset", "num_workers", "persistent_workers", "pin_memory")
    }
    dataset = said["train_dataloader"]["dataset"]
    # Which proposals these are, the address says by the run that they come from.
    pipeline = [{k: v for k, v in step.items() if k != "file"} for step in dataset["pipeline"]]
    return {
        "model": model,
        "data": content_in(dataset, data.train_content),
        "pipeline": pipeline,
        "loader": loader,
        "schedule": {k: v for k, v in said["train_cfg"].items() if not k.startswith("val_")},
        "optimizer": said["optim_wrapper"],
        "rates": said["param_scheduler"],
        "start": said.get("load_from"),
    }


def plain(value: Any) -> Any:
    """Nested settings with lists for tuples, as json has them."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def read_json(path: Path) -> Any:
    """Read a file that `write_json` wrote.

    Args:
        path: of the file.

    Returns:
        What it holds.

    Raises:
        InputError: it is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"no file {path}") from None
    except ValueError as error:
        raise InputError(f"{path} is not json ({error}); delete it, and it is made again") from None


def write_plan(run: Run) -> None:
    """Create a run's folder with what a worker has to know."""
    run.folder.mkdir(parents=True, exist_ok=True)
    scratch = run.folder / f".config_{os.getpid()}.py"
    run.config.dump(str(scratch))
    scratch.replace(run.folder / CONFIG)
    write_json(run.folder / PLAN, describe(run), indent=1)


def describe(run: Run) -> dict[str, Any]:
    """What a run is, for its folder and its record."""
    needs = None
    if run.needs is not None:
        kind = "proposals" if run.arm.proposals_of else "suggestion"
        needs = {"what": kind, "address": run.needs.address}
    return {
        "address": run.address,
        "arms": [run.arm.name, *run.also],
        "data": run.data.name,
        "kind": run.data.kind,
        "train_content": run.data.train_content,
        "seed": run.seed,
        "budget": run.budget,
        "needs": needs,
    }
