"""The paper's setting as commands: nothing here can be run without GPUs and COCO."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cascadekit.apis import load_config
from cascadekit.experiments.arms import CONFIGS, Arm
from cascadekit.experiments.budgets import arm_config
from cascadekit.experiments.data import data_set
from cascadekit.experiments.experiment import Experiment

WORK = "work_dirs/full"
MOST_PROPOSALS = {"train": 2000, "val": 1000}


def full_commands(
    experiments: Iterable[Experiment], arms: Mapping[str, Arm], seeds: int
) -> Iterator[str]:
    """Commands for all trainings and tests, in an order that works; every config is resolved.

    Args:
        experiments: whose arms are wanted; rows of other detectors than arms are left out.
        arms: all of them.
        seeds: how many trainings of each.

    Yields:
        str: lines; comments, and commands for a shell in the repository's folder.

    Raises:
        InputError: a config cannot be resolved.
    """
    wanted: dict[str, None] = {}
    for experiment in experiments:
        for name in experiment.measures():
            arm = arms.get(name)
            if arm is None:
                continue
            before = arm.trained_as or arm.needs()
            wanted.update(dict.fromkeys([name] if before is None else [before, name]))
    begun: set[str] = set()
    for name in sorted(wanted, key=lambda each: arms[each].needs() is not None):
        arm = arms[name]
        arm_config(arm, data_set("coco"), "full")  # raises where something is wrong
        for seed in range(seeds):
            if arm.full_start is not None and _first_step(arm.full_start, seed) not in begun:
                begun.add(_first_step(arm.full_start, seed))
                yield f"# first step of {name} and others, seed {seed}"
                yield _training(arm.full_start, seed, _first_step(arm.full_start, seed), "")
            yield from _commands(arm, arms, seed)


def _commands(arm: Arm, arms: Mapping[str, Arm], seed: int) -> Iterator[str]:
    config = _shown(arm.full)
    options = "".join(f" '{key}={value}'" for key, value in arm.full_options.items())
    trained = f"{WORK}/{arm.trained_as or arm.name}_seed{seed}"
    if arm.full_start is not None:
        steps = load_config(arm.full_start).train_cfg.max_iters
        options += f" load_from={_first_step(arm.full_start, seed)}/iter_{steps}.pth"
    yield f"# {arm.name}, seed {seed}"
    if arm.trained_as is None:
        if arm.proposals_of is not None:
            yield from _proposals(arms[arm.proposals_of], seed)
            options += _pipelines(arm.proposals_of, seed)
        if arm.suggested_by is not None:
            other = f"{WORK}/{arm.suggested_by}_seed{seed}"
            config = f"{WORK}/suggested_seed{seed}.py"
            yield (
                f"python tools/suggest.py {_shown(arms[arm.suggested_by].full)} "
                f"{_checkpoint(other)} --out {config}"
            )
        yield _training(arm.full, seed, trained, options, config)
    yield (
        f"python tools/test.py {config} {_checkpoint(trained)} "
        f"--work-dir {trained}/{arm.name}_test{_options(options)}"
    )


def _first_step(path: Path, seed: int) -> str:
    return f"{WORK}/{path.stem}_seed{seed}"


def _training(path: Path, seed: int, folder: str, options: str, config: str = "") -> str:
    """The command of one training; `config` is another file than `path` where it was written."""
    return (
        f"torchrun --nproc_per_node {gpus(path)} tools/train.py {config or _shown(path)} "
        f"--launcher pytorch --seed {seed} --work-dir {folder}{_options(options)}"
    )


def _proposals(other: Arm, seed: int) -> Iterator[str]:
    """Write the files of proposals, of the training and the val pictures."""
    trained = f"{WORK}/{other.name}_seed{seed}"
    for split, most in MOST_PROPOSALS.items():
        yield (
            f"python tools/dump_proposals.py {_shown(other.full)} {_checkpoint(trained)} "
            f"{_stored(other.name, seed, split)} --split {split} --most {most}"
        )


def _pipelines(arm: str, seed: int) -> str:
    """Changes to the data loaders that take an arm's proposals; they are the second step there."""
    return "".join(
        f" {loader}_dataloader.dataset.pipeline.1.file={_stored(arm, seed, split)}"
        for loader, split in (("train", "train"), ("val", "val"), ("test", "val"))
    )


def _stored(arm: str, seed: int, split: str) -> str:
    return f"{WORK}/{arm}_seed{seed}/proposals_{split}.safetensors"


def _options(words: str) -> str:
    return f" --cfg-options{words}" if words else ""


def _checkpoint(folder: str) -> str:
    return f"$(cat {folder}/last_checkpoint)"


def _shown(path: Path) -> str:
    return f"configs/{path.relative_to(CONFIGS).as_posix()}"


def gpus(path: str | os.PathLike[str]) -> int:
    """How many GPUs a config's header names; 8 where it names none."""
    found = re.search(r"Hardware:\s*(\d+) GPU", Path(path).read_text(encoding="utf-8"))
    return int(found[1]) if found else 8
