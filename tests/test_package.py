"""What a user meets first: the import, the commands' help, the names of the configs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import cascadekit
from cascadekit.commands import COMMANDS

ROOT = Path(__file__).parents[1]


def python(code):
    """Output of a fresh interpreter; it must not fail."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light():
    code = "import cascadekit, sys; print({'torch', 'mmengine', 'cv2', 'numpy'} & set(sys.modules))"
    assert python(code).strip() == "set()"


def test_help_is_light_and_has_an_example():
    """Every command in one interpreter: none of them may import torch to print its help."""
    code = f"""
import sys
from cascadekit.commands import main, run
for name in {list(COMMANDS)}:
    try:
        run(name, ["--help"], program="tools/" + name + ".py")
    except SystemExit as stopped:
        assert not stopped.code
    print("=== end of", name)
sys.argv = ["cascadekit", "--help"]
try:
    main()
except SystemExit as stopped:
    assert not stopped.code
assert not {{"torch", "mmengine", "cv2", "numpy"}} & set(sys.modules)
"""
    *helps, overview = python(code).split("=== end of ")
    assert len(helps) == len(COMMANDS)
    for text in helps:
        assert "usage: tools/" in text
        assert "Example" in text
    assert "Example: cascadekit train configs/" in overview
    assert all(f"cascadekit {name} " in overview for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_in_the_help_exist(name):
    """A config in an example is there, and every option in it is one that the command has."""
    import argparse
    from importlib import import_module

    module = import_module(f"cascadekit.commands.{COMMANDS[name]}")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    words = module.DESCRIPTION.split("Example", 1)[1].split()
    for word in words:
        if word.startswith("configs/"):
            assert (ROOT / word).is_file(), word
        if word.startswith("tools/"):
            assert (ROOT / word).is_file(), word
        if word.startswith("--") and word not in ("--nproc_per_node",):
            assert word in options, word


def test_scripts_are_the_commands():
    scripts = {
        path.stem for path in (ROOT / "tools").glob("*.py") if "import script" in path.read_text()
    }
    assert scripts == set(COMMANDS.values()) - {"env"}
    for stem in scripts:
        text = (ROOT / "tools" / f"{stem}.py").read_text()
        (name,) = [name for name, module in COMMANDS.items() if module == stem]
        assert f'script("{name}")' in text


def test_version():
    assert python(
        "import sys; sys.argv = ['c', '--version']; import cascadekit.__main__"
    ).strip() == (cascadekit.__version__)


def test_lazy_names_are_there():
    for name in cascadekit.__all__:
        assert getattr(cascadekit, name) is not None
    with pytest.raises(AttributeError, match="module 'cascadekit' has no attribute 'trian'"):
        cascadekit.trian  # noqa: B018


@pytest.mark.parametrize("name", ["lite/cascade_lite", "lite/cascade_lite.py"])
def test_config_path(name):
    path = Path(cascadekit.config_path(name))
    assert path == ROOT / "configs" / "lite" / "cascade_lite.py"


def test_config_path_of_a_name_that_is_not_there():
    with pytest.raises(FileNotFoundError, match="no config named 'lite/cascade_light' below"):
        cascadekit.config_path("lite/cascade_light")
    with pytest.raises(FileNotFoundError, match=r"Did you mean .*'lite/cascade_lite'"):
        cascadekit.config_path("lite/cascade_lit")


@pytest.mark.slow
def test_a_wheel_carries_the_configs(tmp_path):
    """`cascadekit/configs` is a link in the repository; installed, it is files."""
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation"]
    # A copy, since setuptools writes build/ beside what it builds.
    copy = tmp_path / "source"
    ignored = ("build", ".git", ".venv", "work_dirs", "*.egg-info", ".*_cache", "__pycache__")
    import shutil

    shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*ignored))
    command[4] = str(copy)
    subprocess.run([*command, "-w", str(tmp_path), "-q"], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        flagship = content.read("cascadekit/configs/cascade_mask_r50.py").decode()
    assert flagship == (ROOT / "configs" / "cascade_mask_r50.py").read_text()
    shipped = {n.removeprefix("cascadekit/") for n in names if n.startswith("cascadekit/configs/")}
    assert shipped == {p.relative_to(ROOT).as_posix() for p in (ROOT / "configs").rglob("*.py")}
    assert "cascadekit/py.typed" in names
    assert not [n for n in names if n.startswith(("tests", "tools"))]
