"""The process of one training: `python -m cascadekit.experiments.worker RUN_FOLDER`.

Each run has a process of its own with one thread, so that two share two cores best, and a crash
takes nothing else along. What it prints goes to the log in the run's folder.
"""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from mmengine import Config

from cascadekit import __version__
from cascadekit.apis import dump_proposals, train
from cascadekit.checkpoints.safe_load import load_checkpoint_file
from cascadekit.errors import InputError
from cascadekit.experiments.runs import (
    CONFIG,
    FAILURE,
    PLAN,
    RECORD,
    WEIGHTS,
    read_json,
)
from cascadekit.whole_file import write_json

BUSY = 75  # exit status: another process trains this run
ATTEMPTS = "attempts.json"
PACKAGES = ("torch", "numpy", "onedl-mmengine", "mmengine", "onedl-mmcv", "mmcv", "pycocotools")
PROPOSALS = 300


class BusyError(Exception):
    """Another process works in this folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder; the system lets go of it however this process ends.

    Args:
        folder: of a run.

    Yields:
        None: while it is held.

    Raises:
        BusyError: another process holds it.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(str(folder)) from None
        yield


def work(folder: Path) -> None:
    """Train a planned run, from its last checkpoint if there is one, and write its record.

    Args:
        folder: of the run.
    """
    plan = read_json(folder / PLAN)
    config = Config.fromfile(str(folder / CONFIG))
    started = _start_attempt(folder)
    if plan["needs"] is not None:
        fulfil(config, plan["needs"], folder)
    _drop_broken_pointer(folder)
    runner = train(config, folder, resume=True, seed=plan["seed"], device="cpu")
    keep_weights(folder)
    write_json(
        folder / RECORD,
        {
            **plan,
            "iterations": runner.iter,
            "minutes": round(sum(_spans(started, time.time())) / 60, 2),
            "attempts": len(started),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "threads": torch.get_num_threads(),
            "code": code_version(),
            "versions": {"python": platform.python_version(), **_versions()},
        },
        indent=1,
    )
    (folder / FAILURE).unlink(missing_ok=True)


def _start_attempt(folder: Path) -> list[list[float]]:
    """Note that an attempt begins; the one before ended at its last checkpoint.

    Args:
        folder: of the run.

    Returns:
        [start, end] of each attempt, seconds; end is 0 for this one.
    """
    file, pointer = folder / ATTEMPTS, folder / "last_checkpoint"
    spans = read_json(file) if file.is_file() else []
    if spans and not spans[-1][1]:
        kept = pointer.stat().st_mtime if pointer.is_file() else 0.0
        spans[-1][1] = max(kept, spans[-1][0])
    spans.append([time.time(), 0.0])
    write_json(file, spans, indent=1)
    return list(spans)


def _spans(spans: list[list[float]], now: float) -> list[float]:
    return [(end or now) - start for start, end in spans]


def _drop_broken_pointer(folder: Path) -> None:
    """Forget a last checkpoint that was cut off while it was written."""
    pointer = folder / "last_checkpoint"
    if not pointer.is_file():
        return
    file = folder / Path(pointer.read_text().strip()).name
    try:
        load_checkpoint_file(file)
    except InputError:
        pointer.unlink()
    else:
        pointer.write_text(str(file.resolve()))  # the folder may have moved


def fulfil(config: Config, needs: dict[str, str], folder: Path) -> None:
    """Put into a config what it takes from another run.

    Args:
        config: changed in place, and written to the run's folder again.
        needs: "what": "proposals" or "suggestion"; "address": of a trained run.
        folder: of this run.
    """
    other = folder.parent / needs["address"]
    if needs["what"] == "proposals":
        for loader, split in (("train_dataloader", "train"), ("test_dataloader", "test")):
            file = stored_proposals(other, split)
            for step in config[loader].dataset.pipeline:
                if str(step["type"]).endswith("LoadProposals"):
                    step["file"] = str(file)
    else:
        from cascadekit.experiments.suggestion import suggest

        config.model.roi_head.update(suggest(other))
    config.dump(str(folder / CONFIG))


def stored_proposals(other: Path, split: str) -> Path:
    """The proposals of a trained run on its own pictures; made when they are first asked for."""
    file = other / f"proposals_{split}.safetensors"
    if not file.is_file():
        scratch = other / f"proposals_{split}_{os.getpid()}.safetensors"
        config = Config.fromfile(str(other / CONFIG))
        dump_proposals(config, other / WEIGHTS, scratch, split, most=PROPOSALS, device="cpu")
        scratch.replace(file)
    return file.resolve()


def keep_weights(folder: Path) -> None:
    """Keep the weights of the last checkpoint, and drop what only further training needs."""
    last = folder / Path((folder / "last_checkpoint").read_text().strip()).name
    checkpoint = load_checkpoint_file(last)
    kept = {"meta": checkpoint["meta"], "state_dict": checkpoint["state_dict"]}
    scratch = folder / f".{WEIGHTS}.{os.getpid()}"
    torch.save(kept, scratch)
    scratch.replace(folder / WEIGHTS)
    for file in [*folder.glob("iter_*.pth"), folder / "last_checkpoint"]:
        file.unlink()


def code_version() -> dict[str, Any]:
    """Version of the package, and the git revision of its folder where it has one."""
    root = Path(__file__).parents[2]
    revision = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "cascadekit")
    return {"version": __version__, "revision": revision, "changed": bool(changed)}


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except Exception:
            continue
    return found


def main(folder: Path) -> int:
    """Work in a folder.

    Args:
        folder: of a run that `write_plan` made.

    Returns:
        Exit status: 0, 1 with a `failure.json`, or `BUSY`.
    """
    try:
        with locked(folder):
            if not (folder / RECORD).is_file():
                work(folder)
    except BusyError:
        return BUSY
    except Exception as error:
        traceback.print_exc()
        write_json(
            folder / FAILURE,
            {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()},
            indent=1,
        )
        return 1
    return 0


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    sys.exit(main(Path(sys.argv[1])))
