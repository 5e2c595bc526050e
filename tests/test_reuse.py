"""Another mm-style project uses our parts, knowing only their scoped names and our files' paths.

Each case is a new process with a default scope of its own, in which nothing of ours is imported.
"""

import subprocess
import sys
from pathlib import Path

import pytest

import cascadekit

CONFIGS = Path(cascadekit.__file__).parent / "configs"

# A project with its own registry and a head that builds whatever it is given.
THEIRS = """
import sys
from mmengine import registry as mm
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry
from torch import nn

MODELS = Registry("model", parent=mm.MODELS, scope="theirs")


@MODELS.register_module()
class FPN(nn.Module):  # a name that we have too
    pass


DefaultScope.get_instance("theirs", scope_name="theirs")
assert not [m for m in sys.modules if m.startswith("cascadekit")]
"""


def theirs(code, folder):
    """Run code in their project; gives what it prints."""
    script = folder / "theirs_script.py"
    script.write_text(THEIRS + code)
    command = [sys.executable, "-W", "ignore", str(script)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


BUILD = """
model = MODELS.build(config.model)
print(type(model).__module__.split(".")[0], type(model).__name__, type(model.neck).__module__)
"""
BUILT = "cascadekit CascadeRCNN cascadekit.models.necks.fpn"


def test_parts_by_scoped_name(tmp_path):
    code = """
neck = MODELS.build(dict(type="cascadekit.FPN", in_channels=[8, 16], out_channels=4, num_outs=3))
print(type(neck).__module__, type(MODELS.build(dict(type="FPN"))).__module__)
dataset = mm.DATASETS.build(dict(type="cascadekit.ShapesDataset", root="here", num_images=2,
    pipeline=[dict(type="cascadekit.LoadImage"), dict(type="cascadekit.PackInputs")]))
print(tuple(dataset[0]["inputs"].shape))
print(type(mm.METRICS.build(dict(type="cascadekit.CocoMetric"))).__name__)
"""
    lines = theirs(code, tmp_path).splitlines()
    assert "cascadekit.models.necks.fpn __main__" in lines
    assert "(3, 192, 192)" in lines and "CocoMetric" in lines


@pytest.mark.slow
def test_their_classic_config_is_based_on_one_of_ours(tmp_path):
    (tmp_path / "theirs.py").write_text(
        f"_base_ = [{str(CONFIGS / 'lite' / 'faster_lite.py')!r}]\n"
        "default_scope = 'theirs'\n"
        "model = dict(num_classes=5, backbone=dict(weights=None))\n"
    )
    code = "config = Config.fromfile('theirs.py')\n" + BUILD + "print(model.num_classes)"
    lines = theirs(code, tmp_path).splitlines()
    assert lines[-2:] == [BUILT, "5"]


@pytest.mark.slow
def test_their_classic_config_takes_one_of_our_blocks(tmp_path):
    block = CONFIGS / "_base_" / "models" / "faster_lite.py"
    (tmp_path / "theirs.py").write_text(
        f"_base_ = [{str(block)!r}]\nmodel = dict(backbone=dict(weights=None))\n"
    )
    lines = theirs("config = Config.fromfile('theirs.py')\n" + BUILD, tmp_path).splitlines()
    assert lines[-1] == BUILT


@pytest.mark.slow
def test_their_new_style_config_takes_one_of_our_blocks(tmp_path):
    (tmp_path / "theirs.py").write_text(
        "from mmengine.config import read_base\n\n"
        "with read_base():\n"
        "    from cascadekit.configs._base_.models.faster_lite import *\n\n"
        "model.update(num_classes=4)\n"
        "model.backbone.update(weights=None)\n"
    )
    code = "config = Config.fromfile('theirs.py')\n" + BUILD + "print(model.num_classes)"
    lines = theirs(code, tmp_path).splitlines()
    assert lines[-2:] == [BUILT, "4"]


@pytest.mark.parametrize("block", ["datasets/shapes", "schedules/lite", "runtime"])
def test_the_other_blocks_read_in_both_styles(block, tmp_path):
    from mmengine.config import Config

    name = block.replace("/", ".")
    (tmp_path / "classic.py").write_text(
        f"_base_ = [{str(CONFIGS / '_base_' / block)!r} + '.py']\n"
    )
    (tmp_path / "new.py").write_text(
        "from mmengine.config import read_base\n\n"
        f"with read_base():\n    from cascadekit.configs._base_.{name} import *\n"
    )
    classic = Config.fromfile(str(tmp_path / "classic.py")).to_dict()
    new = Config.fromfile(str(tmp_path / "new.py")).to_dict()
    assert classic == new and classic


@pytest.mark.slow
def test_our_detector_in_their_head(tmp_path):
    """A part deep inside a model of theirs: its own parts are looked up in our scope."""
    path = CONFIGS / "lite" / "cascade_lite.py"
    code = f"""
@MODELS.register_module()
class Teacher(nn.Module):
    def __init__(self, detector):
        super().__init__()
        self.detector = MODELS.build(detector)

config = Config.fromfile({str(path)!r})
config.model.backbone.weights = None
model = MODELS.build(dict(type="Teacher", detector=config.model))
print(type(model.detector).__name__, len(model.detector.roi_head.bbox_head))
"""
    assert theirs(code, tmp_path).splitlines()[-1] == "CascadeRCNN 3"
