import importlib.metadata
from types import SimpleNamespace

import pytest

from cascadekit import environment
from cascadekit.environment import Lack, Report, environment_report


@pytest.fixture
def machine(monkeypatch):
    """A machine with everything; its `broken`, `installed` and `programs` can be changed."""
    fake = SimpleNamespace(
        broken={},
        installed={names[0]: "1.0" for names in environment._PACKAGES.values()},
        programs={"c++", "g++", "ninja", "jupyter"},
    )
    real = environment.import_module

    def import_module(name):
        if name in fake.broken:
            raise fake.broken[name]
        return real(name)

    def version(name):
        if name not in fake.installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return fake.installed[name]

    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(environment, "import_module", import_module)
    monkeypatch.setattr(environment, "version", version)
    monkeypatch.setattr(
        environment.shutil, "which", lambda name: f"/bin/{name}" if name in fake.programs else None
    )
    return fake


def absent(name):
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_a_whole_machine_lacks_nothing(machine):
    report = environment_report()
    assert report.lacks == ()
    assert report.ok
    assert "Everything that is needed is here" in str(report)


@pytest.mark.parametrize(
    ("module", "error", "what", "fix"),
    [
        ("pycocotools", absent("pycocotools"), "pycocotools is not installed", "pip install"),
        ("torch", absent("torch"), "torch is not installed", "pip install torch"),
        # a slim container
        (
            "cv2",
            ImportError("libGL.so.1: cannot open shared object file"),
            "libGL.so.1",
            "apt-get install libgl1 libglib2.0-0",
        ),
        ("cv2", ImportError("libgthread-2.0.so.0: cannot open"), "libgthread", "headless"),
        # torch and torchvision of different releases
        (
            "torchvision",
            RuntimeError("operator torchvision::nms does not exist\nmore"),
            "does not load (RuntimeError: operator torchvision::nms does not exist)",
            "--force-reinstall --no-cache-dir torchvision",
        ),
        # mmcv itself is there, something it needs is not
        ("mmcv", absent("addict"), "mmcv is installed but does not load", "onedl-mmcv"),
    ],
)
def test_broken_packages(machine, module, error, what, fix):
    machine.broken[module] = error
    report = environment_report()
    assert [what in lack.what and fix in lack.fix for lack in report.lacks] == [True]
    assert not report.ok
    assert f"LACKING: {report.lacks[0].what}" in str(report)


def test_one_cause_is_reported_once(machine):
    # mmcv imports cv2 and fails with the same words.
    for name in ("cv2", "mmcv"):
        machine.broken[name] = ImportError("libGL.so.1: cannot open shared object file")
    assert len(environment_report().lacks) == 1


@pytest.mark.parametrize("name", ["mmengine", "mmcv"])
def test_two_builds_of_one_import_name(machine, name):
    machine.installed[name] = "0.10.7"
    (lack,) = environment_report().lacks
    assert f"onedl-{name} and {name} are both installed" in lack.what
    assert f"pip uninstall -y onedl-{name} {name}" in lack.fix


@pytest.mark.parametrize(
    ("program", "module", "what", "fix"),
    [
        ("c++ g++", None, "no C++ compiler", "build-essential"),
        ("ninja", "ninja", "no ninja", "pip install ninja"),
        ("jupyter", "jupyterlab", "no jupyter", "cascadekit[notebooks]"),
    ],
)
def test_missing_tools_are_optional(machine, program, module, what, fix):
    machine.programs -= set(program.split())
    if module:
        machine.broken[module] = absent(module)
    report = environment_report()
    assert [what in lack.what and fix in lack.fix for lack in report.lacks] == [True]
    assert report.ok
    assert f"optional: {report.lacks[0].what}" in str(report)


def test_one_compiler_is_enough(machine):
    machine.programs -= {"c++"}
    assert environment_report().lacks == ()


@pytest.mark.parametrize(
    "error", [absent("torch"), OSError("libcudart.so.13: cannot open"), ValueError("")]
)
def test_rows_say_why_they_are_not_known(machine, error):
    for name in ("torch", "cascadekit.ops", "cascadekit"):
        machine.broken[name] = error
    facts = dict(environment_report().facts)
    for row in ("torch threads", "CUDA devices", "ops", "cascadekit"):
        assert facts[row].startswith(f"not known ({type(error).__name__}")


def test_nothing_at_all_works_and_it_still_reports(machine, monkeypatch):
    def fail(name=None):
        raise RuntimeError("broken machine")

    for name in ("import_module", "version"):
        monkeypatch.setattr(environment, name, fail)
    monkeypatch.setattr(environment.shutil, "which", fail)
    monkeypatch.setattr(environment.platform, "platform", fail)
    report = environment_report()
    assert dict(report.facts)["system"] == "not known (RuntimeError: broken machine)"
    assert dict(report.facts)["tool_lacks"] == "not known (RuntimeError: broken machine)"
    assert not report.ok


def test_versions_carry_the_name_of_the_build(machine):
    machine.installed["opencv-python-headless"] = machine.installed.pop("opencv-python")
    facts = dict(environment_report().facts)
    assert facts["mmengine"] == "1.0 (onedl-mmengine)"
    assert facts["cv2"] == "1.0 (opencv-python-headless)"
    assert facts["numpy"] == "1.0"


def test_layout_of_the_table():
    report = Report((("a", "1"), ("long", "2")), (Lack("x is gone", "get x", needed=False),))
    assert str(report).splitlines() == [
        "a     1",
        "long  2",
        "",
        "optional: x is gone",
        "  fix: get x",
        "",
        "Everything that is needed is here.",
    ]


def test_needed_lacks_come_first(machine):
    machine.programs -= {"c++", "g++"}
    machine.broken["safetensors"] = absent("safetensors")
    assert [lack.needed for lack in environment_report().lacks] == [True, False]
