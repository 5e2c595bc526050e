"""Our registries hang below mmengine's, and fill themselves when a name is looked up."""

import subprocess
import sys

import pytest
from mmengine import registry as mm

from cascadekit import registry


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MODELS", "CascadeRCNN"),
        ("MODELS", "FPN"),
        ("TASK_UTILS", "IoUAssigner"),
        ("DATASETS", "CocoDataset"),
        ("TRANSFORMS", "PackInputs"),
        ("DATA_SAMPLERS", "AspectRatioBatchSampler"),
        ("METRICS", "CocoMetric"),
        ("HOOKS", "StopOnInvalidLoss"),
        ("LOG_PROCESSORS", "StageLog"),
        ("OPTIM_WRAPPER_CONSTRUCTORS", "HeadLearningRate"),
    ],
)
def test_parts_are_found_from_the_root_by_scope(name, kind):
    ours, root = getattr(registry, name), getattr(mm, name)
    assert ours.parent is root and ours.scope == registry.SCOPE
    assert root.get(f"cascadekit.{kind}") is ours.get(kind)
    assert ours.get(kind).__module__.startswith("cascadekit.")


def test_mmengines_parts_are_found_from_ours():
    assert registry.HOOKS.get("CheckpointHook").__module__.startswith("mmengine.")


def fresh(code):
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_registry_alone_imports_none_of_our_parts():
    code = (
        "import sys, cascadekit.registry\n"
        "print([m for m in sys.modules if m.startswith('cascadekit.m')])"
    )
    assert fresh(code).stdout.strip() == "[]"


def test_a_first_look_finds_unscoped_names():
    """In a new process nothing is registered yet when a config is checked."""
    done = fresh(
        "from cascadekit.configuration import check_config\n"
        "check_config(dict(default_scope='cascadekit', custom_hooks=[dict(type='CheckData')],\n"
        "    model=dict(type='FPN', in_channels=[8], out_channels=8),\n"
        "    val_evaluator=dict(type='CocoMetric')))"
    )
    assert done.returncode == 0, done.stderr
