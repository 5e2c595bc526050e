"""The full budget: every config resolves, and every command can be given."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from cascadekit.apis import load_config
from cascadekit.commands import train
from cascadekit.configuration import parse_options
from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.full_budget import full_commands, gpus

ROOT = Path(__file__).parents[2]
ARMS = load_arms()


@pytest.fixture(scope="module")
def lines():
    return list(full_commands(load_experiments().values(), ARMS, 1))


def test_every_arm_has_commands(lines):
    named = {line[2:].split(",")[0] for line in lines if line[:2] == "# " and "step" not in line}
    assert named == set(ARMS)
    trained = [line for line in lines if line.startswith("torchrun")]
    steps = {arm.full_start for arm in ARMS.values()} - {None}
    assert len(trained) == len([a for a in ARMS.values() if a.trained_as is None]) + len(steps)
    assert len([line for line in lines if "tools/test.py" in line]) == len(ARMS)


def test_the_configs_are_files_and_the_options_fit(lines):
    for line in lines:
        if line.startswith("torchrun"):
            words = shlex.split(line)
            parser = argparse.ArgumentParser()
            train.add_arguments(parser)
            args = parser.parse_args(words[words.index("tools/train.py") + 1 :])
            assert args.launcher == "pytorch" and args.seed == 0
            if args.config.startswith("configs/"):
                load_config(ROOT / args.config, options=parse_options(args.cfg_options))


def test_an_arm_of_one_stage_sets_its_u(lines):
    (line,) = [line for line in lines if line.startswith("torchrun") and "full/u07" in line]
    assert "'model.roi_head.stage_ious=(0.7,)'" in line


def test_what_is_needed_comes_before(lines):
    place = {line[2:].split(",")[0]: n for n, line in enumerate(lines) if line.startswith("#")}
    assert place["u05"] < min(place["fast"], place["fast_cascade"], place["suggested"])
    dumps = [line for line in lines if "dump_proposals" in line]
    assert len(dumps) == 4 and all("u05_seed0" in line for line in dumps)
    (fast,) = [line for line in lines if line.startswith("torchrun") and "full/fast_seed0" in line]
    assert fast.count("u05_seed0/proposals_val.safetensors") == 2
    suggested = lines[place["suggested"] :]
    assert any("tools/suggest.py" in line for line in suggested[:2])


def test_a_second_step_starts_from_the_first(lines):
    """Both detectors of a data set from the same weights, which are trained once, before."""
    ran = [line for line in lines if line.startswith("torchrun")]
    (first,) = [n for n, line in enumerate(ran) if "configs/mscnn/kitti_step1.py" in line]
    assert "--nproc_per_node 1 " in ran[first] and "full/kitti_step1_seed0" in ran[first]
    after = [n for n, line in enumerate(ran) if "configs/mscnn/kitti_base.py" in line]
    after += [n for n, line in enumerate(ran) if "configs/mscnn/kitti_cascade.py" in line]
    assert len(after) == 2 and first < min(after)
    for n in after:
        assert "load_from=work_dirs/full/kitti_step1_seed0/iter_10000.pth" in ran[n]


def test_iterative_bbox_is_only_tested(lines):
    start = next(n for n, line in enumerate(lines) if line.startswith("# iterative"))
    assert "tools/test.py" in lines[start + 1] and "work_dirs/full/u05_seed0" in lines[start + 1]


def test_seeds():
    chosen = load_experiments(["table2"]).values()
    found = list(full_commands(chosen, ARMS, 2))
    assert [re.search(r"seed (\d)", line)[1] for line in found if line[0] == "#"] == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('"""X.\n\nHardware: 4 GPUs, 1 image each.\n"""', 4),
        ('"""X.\n\nHardware: 2 CPU cores.\n"""', 8),
        ("", 8),
    ],
)
def test_number_of_gpus(tmp_path, text, count):
    (tmp_path / "c.py").write_text(text)
    assert gpus(tmp_path / "c.py") == count
