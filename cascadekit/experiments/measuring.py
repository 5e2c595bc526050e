"""The process that measures a run: `python -m cascadekit.experiments.measuring RUN_FOLDER PLAN`.

One process per run and arm does all measures that are missing, as they share the recording of the
stages. Each is kept in a file of its own, whose name says at which settings it was tested.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from mmengine import Config

from cascadekit.experiments.data import content_in, digest
from cascadekit.experiments.results import MEASURES as FOLDER
from cascadekit.experiments.results import Result
from cascadekit.experiments.runs import CONFIG, PLAN, TEST_KEYS, WEIGHTS, Run, read_json
from cascadekit.quality.tables import as_json
from cascadekit.whole_file import write_json

# Raise a measure's number when it gives other values: old files are then not taken for new ones.
VERSIONS = {"scores": 1}


def testing_settings(run: Run, config: Config) -> dict[str, Any]:
    """What of a config decides how its weights are tested.

    Args:
        run: of the weights.
        config: of the arm, which may be another than the one that was trained.

    Returns:
        Plain values: model parts' settings, the test set by content, and its pipeline.
    """
    dataset = config.test_dataloader.dataset.to_dict()
    return {
        "model": model_settings(config),
        "data": content_in(dataset, run.data.val_content),
        "pipeline": [{k: v for k, v in s.items() if k != "file"} for s in dataset["pipeline"]],
    }


def model_settings(config: Config) -> dict[str, Any]:
    """The settings of a config's model that only testing reads, by part."""
    model = config.model.to_dict()
    return {
        part: {key: model[part][key] for key in keys if key in model[part]}
        for part, keys in TEST_KEYS.items()
        if model.get(part) is not None
    }


def measure_file(run: Run, arm: str, measure: str, settings: dict[str, Any]) -> Path:
    """Where a measure of an arm is kept."""
    key = digest({"settings": settings, "version": VERSIONS.get(measure, 1)})[:8]
    return run.folder / FOLDER / f"{arm}.{measure}-{key}.json"


def write_measuring_plan(
    path: Path, arm: str, config: Config, files: dict[str, Path], cascade: Path | None
) -> None:
    """Write what a measuring process has to know.

    Args:
        path: of the file, ending in .py.
        arm: name of the arm.
        config: of the arm, as it is tested.
        files: measure -> where it is to be kept.
        cascade: folder of the cascade's run, for `swap`; None: not wanted.
    """
    plan = Config(
        {
            "arm": arm,
            "files": {measure: str(file) for measure, file in files.items()},
            "model": model_settings(config),
            "test_dataloader": config.test_dataloader.to_dict(),
            "cascade": None if cascade is None else str(cascade),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    plan.dump(str(path))


def work(folder: Path, plan: Config) -> None:
    """Measure what a plan asks for.

    Args:
        folder: of a trained run.
        plan: of `write_measuring_plan`.
    """
    from cascadekit.experiments.measures import MEASURES, Subject

    record = read_json(folder / PLAN)
    cascade = None
    if plan.cascade is not None:
        other = Path(plan.cascade)
        cascade = Subject("cascade", Config.fromfile(str(other / CONFIG)), other / WEIGHTS)
    subject = Subject(plan.arm, config_as_tested(folder, plan), folder / WEIGHTS, cascade)
    for measure, file in plan.files.items():
        began = time.time()
        values = as_json(MEASURES[measure](subject))
        result = Result(
            arm=plan.arm,
            data=record["data"],
            budget=record["budget"],
            seed=record["seed"],
            measure=measure,
            values=values,
            address=record["address"],
            minutes=round((time.time() - began) / 60, 3),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_json(Path(file), asdict(result), indent=1)


def config_as_tested(folder: Path, plan: Config) -> Config:
    """The config that a run was trained with, with the test settings of an arm."""
    config = Config.fromfile(str(folder / CONFIG))
    steps = config.test_dataloader.dataset.pipeline
    config.test_dataloader = plan.test_dataloader
    files = [step["file"] for step in steps if "file" in step]
    for step in config.test_dataloader.dataset.pipeline:
        if "file" in step:  # stored proposals were found when it was trained
            step["file"] = files.pop(0)
    for part, settings in plan.model.items():
        config.model[part].update(settings)
    return config


def main(words: Sequence[str]) -> int:
    """Measure; exit status 0, or 1 with the reason in the log."""
    folder, plan = Path(words[0]), Path(words[1])
    try:
        work(folder, Config.fromfile(str(plan)))
    except Exception:
        traceback.print_exc()
        return 1
    plan.unlink()
    return 0


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    sys.exit(main(sys.argv[1:]))
