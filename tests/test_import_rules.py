"""Who may import whom, and how long things may get: the rules of docs/architecture.md, held."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cascadekit"

# A room imports rooms of lower floors, and those of its own floor that RULES do not forbid.
FLOORS = {
    1: (
        *(
            "structures",
            "checkpoints",
            "registry",
            "errors",
            "configuration",
            "progress",
            "whole_file",
        ),
        *("ops", "ops_kernels", "ops_rfcn", "roi_align_bag"),
    ),
    2: ("models", "datasets", "evaluation", "visualization", "engine"),
    3: (
        *(
            "apis",
            "data_choice",
            "tta_choice",
            "inference",
            "training",
            "prediction_files",
            "proposal_files",
            "quality",
            "scoring",
        ),
        *("environment", "cost", "export", "interop", "doctor"),
    ),
    4: ("experiments", "serving", "notebooks"),
    5: ("commands", "__main__"),
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}

# room -> prefixes of modules it never imports
RULES = {
    "models": ("datasets", "evaluation", "quality", "visualization"),
    "evaluation": ("datasets", "models"),
    "visualization": ("models",),
    "quality": ("models",),
    "scoring": ("models",),
}
KERNELS = ("mmcv.ops", "torchvision.ops", "torchvision._C")
# The second file asks what is installed.
KERNEL_DOORS = ("cascadekit/ops_kernels.py", "cascadekit/environment.py")
# Only the door and the files behind it import these.
BEHIND_OPS = ("ops_kernels", "ops_rfcn", "roi_align_bag")
SAMPLES = "cascadekit/structures/samples.py"


def imports(source: str, package: str = "cascadekit") -> set[str]:
    """Every module (and every name) that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # relative: good enough to see that it is ours
                module = f"{package}.{module}".rstrip(".")
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return found


def below(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def faults(name: str, source: str) -> list[str]:
    """What a file of the repository does that it must not; `name` is its path, with slashes."""
    wanted, parts = imports(source), Path(name).parts
    found = []
    if name not in KERNEL_DOORS and any(below(m, k) for m in wanted for k in KERNELS):
        found.append(f"{name} imports compiled kernels; cascadekit/ops.py is the door")
    if name != SAMPLES and any(m.endswith(".InstanceData") for m in wanted):
        found.append(f"{name} imports InstanceData; only {SAMPLES} may")
    if parts[0] in ("tools", "notebooks"):
        if any(below(m, "cascadekit.models") for m in wanted):
            found.append(f"{name} imports models; go through cascadekit.apis")
        return found
    if name == "cascadekit/__init__.py":
        return [*found, *(f"{name} imports {r}" for r in sorted(rooms(wanted) - {"errors"}))]
    room = Path(parts[1]).stem
    if room not in FLOOR_OF:
        return [*found, f"{name}: {room!r} has no floor in this test; give it one"]
    for other in sorted(rooms(wanted)):
        if other in BEHIND_OPS and room not in ("ops", *BEHIND_OPS):
            found.append(f"{name} imports {other}; cascadekit/ops.py is the door")
        if other in RULES.get(room, ()):
            found.append(f"{name}: {room} never imports {other}")
        elif other in FLOOR_OF and FLOOR_OF[other] > FLOOR_OF[room]:
            found.append(f"{name}: {room} is on floor {FLOOR_OF[room]}, below {other}")
    return found


def rooms(modules: set[str]) -> set[str]:
    """The rooms of the package that some modules are in."""
    return {m.split(".")[1] for m in modules if m.startswith("cascadekit.")}


def sources():
    """(path with slashes, text) of every Python file that the rules are for."""
    files = [f for f in PACKAGE.rglob("*.py") if "configs" not in f.relative_to(PACKAGE).parts]
    for folder in ("tools", "notebooks"):
        files += (ROOT / folder).rglob("*.py")
    return [(f.relative_to(ROOT).as_posix(), f.read_text(encoding="utf-8")) for f in sorted(files)]


def test_nobody_breaks_the_rules():
    files = sources()
    assert len(files) > 40  # so that an empty list is not taken for a clean one
    found = [fault for name, source in files for fault in faults(name, source)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("models/x.py", "import cascadekit.datasets.coco"),
        ("models/necks/x.py", "from cascadekit.datasets import CocoDataset"),
        ("models/x.py", "def f():\n    from cascadekit.evaluation import evaluate_coco"),
        ("models/x.py", "from cascadekit import visualization"),
        ("models/x.py", "from ..quality import report"),
        ("models/x.py", "from cascadekit.apis import train"),  # upwards
        ("evaluation/x.py", "from cascadekit.models.losses import box_loss"),
        ("evaluation/x.py", "from cascadekit.datasets.records import Tally"),
        ("visualization/x.py", "from cascadekit import models"),
        ("quality/x.py", "import cascadekit.models as m"),
        ("models/x.py", "from mmcv.ops import roi_align"),
        ("models/x.py", "from torchvision.ops import nms"),
        ("models/x.py", "from torchvision import ops"),
        ("models/x.py", "def f():\n    import torchvision.ops.boxes"),
        ("models/x.py", "import_module('mmcv.ops')"),
        ("ops.py", "from torchvision.ops import nms"),  # that is for the file behind it
        ("models/x.py", "from cascadekit.ops_rfcn import deform_conv2d"),
        ("environment.py", "from cascadekit import ops_kernels"),
        ("datasets/x.py", "from mmengine.structures import InstanceData"),
        ("structures/x.py", "from cascadekit.models import FPN"),
        ("checkpoints/x.py", "from cascadekit.engine import StageLog"),
        ("errors.py", "from cascadekit.apis import train"),
        ("datasets/x.py", "from cascadekit.data_choice import choose_data"),
        ("apis.py", "from cascadekit.commands import run"),
        ("__init__.py", "from cascadekit.apis import train"),
        ("new_room/x.py", ""),
    ],
)
def test_a_broken_rule_is_seen(name, source):
    assert len(faults(f"cascadekit/{name}", source)) == 1


@pytest.mark.parametrize("name", ["tools/x.py", "notebooks/src/x.py"])
def test_tools_and_notebooks_go_through_apis(name):
    assert faults(name, "from cascadekit.models import CascadeRCNN")
    assert not faults(name, "from cascadekit.apis import train")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("ops_kernels.py", "from mmcv.ops import roi_align\nfrom torchvision.ops import nms"),
        ("ops.py", "from cascadekit.ops_kernels import pair"),
        ("structures/samples.py", "from mmengine.structures import InstanceData"),
        ("models/x.py", "from torchvision import models\nfrom cascadekit.ops import nms"),
        ("engine/x.py", "from cascadekit.registry import HOOKS"),
        ("commands/x.py", "def run(a):\n    from cascadekit.apis import train"),
        ("__init__.py", "from cascadekit.errors import did_you_mean"),
    ],
)
def test_what_is_allowed_passes(name, source):
    assert not faults(f"cascadekit/{name}", source)


# Budgets


def functions(source: str):
    """(name, lines, has *args or **kwargs) of every function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            any_ = node.args.vararg is not None or node.args.kwarg is not None
            yield node.name, (node.end_lineno or 0) - node.lineno + 1, any_


def over_budget(name: str, source: str) -> list[str]:
    """Where a file is longer than people can keep in mind."""
    found = [f"{name}: {n} lines"] if (n := len(source.splitlines())) > 400 else []
    for function, lines, any_ in functions(source):
        if lines > 60:
            found.append(f"{name}: {function} has {lines} lines")
        if any_ and name.startswith("cascadekit/models/"):
            found.append(f"{name}: {function} takes *args or **kwargs")
    if name.startswith("tools/") and not name.endswith(("benchmark.py", "build_mmcv_ops.py")):
        found += [f"{name}: {n} lines"] if n > 80 else []
    return found


def test_budgets():
    found = [fault for name, source in sources() for fault in over_budget(name, source)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cascadekit/x.py", "x = 1\n" * 401),
        ("cascadekit/x.py", "class A:\n  def f(self):\n" + "    x = 1\n" * 60),
        ("cascadekit/models/x.py", "def f(*args): pass"),
        ("cascadekit/models/x.py", "class A:\n  def f(self, **kwargs): pass"),
        ("tools/x.py", "x = 1\n" * 81),
    ],
)
def test_a_broken_budget_is_seen(name, source):
    assert len(over_budget(name, source)) == 1


def chain(cls: type) -> int:
    """How many classes one reads to know `cls`: our own, and Module (with mmengine's) as one."""
    ours = [c for c in cls.__mro__ if c.__module__.split(".")[0] == "cascadekit"]
    return len(ours) + 1


def test_class_chains():
    from torch import nn

    from cascadekit.registry import MODELS

    MODELS.import_from_location()
    classes = [c for c in MODELS.module_dict.values() if c.__module__.startswith("cascadekit.")]
    assert len(classes) > 5
    for cls in classes:
        assert issubclass(cls, nn.Module)
        assert chain(cls) <= 4, cls.__mro__
