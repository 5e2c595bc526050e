"""The example of docs/metrics.md runs and prints what the page says."""

import argparse
import re
from pathlib import Path

from cascadekit import evaluation
from cascadekit.commands import evaluate
from cascadekit.registry import METRICS
from cascadekit.scoring import METRICS as SCORED

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")


def blocks():
    return re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_config_builds():
    config = {}
    exec(compile(blocks()[0], "docs/metrics.md", "exec"), config)
    prefixes = [METRICS.build(one).prefix for one in config["val_evaluator"]]
    assert prefixes == ["kitti", "proposals"]
    names = re.findall(r"`cascadekit\.(\w+Metric)`", PAGE)
    assert len(names) == 6
    assert all(METRICS.get(name) is not None for name in names)


def test_the_command_line_of_the_page():
    """Every option that the page names is one of the command."""
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert named <= options
    metrics = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert set(evaluate.METRICS) == set(SCORED) <= metrics


def test_the_example_prints_what_the_page_says(capsys):
    _, code = blocks()
    exec(compile(code, "docs/metrics.md", "exec"), {})
    (printed,) = re.findall(r"^prints `(.*?)`", PAGE, re.MULTILINE)
    assert capsys.readouterr().out.strip() == printed


def test_everything_named_is_there():
    names = re.findall(r"`(evaluate_\w+|\w+Truth|\w+Detections|ScoredBoxes|CocoScores)\b", PAGE)
    assert len(set(names)) > 10
    assert [name for name in names if not hasattr(evaluation, name)] == []
