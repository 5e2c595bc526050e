"""What is installed, what will run, and what this system lacks, each lack with its fix."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

# Import name -> names it is installed under; two of these own the same import name.
_PACKAGES = {
    "torch": ("torch",),
    "torchvision": ("torchvision",),
    "mmengine": ("onedl-mmengine", "mmengine", "mmengine-lite"),
    "mmcv": ("onedl-mmcv", "mmcv", "mmcv-lite", "mmcv-full"),
    "numpy": ("numpy",),
    "pycocotools": ("pycocotools",),
    "cv2": (
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
    "safetensors": ("safetensors",),
}
# What others import comes first, so that one broken package is reported once.
_NEEDED = ("numpy", "torch", "torchvision", "cv2", "mmengine", "mmcv", "pycocotools", "safetensors")
_OPENCV_FIX = (
    "apt-get install libgl1 libglib2.0-0, or on a machine without a display: "
    "pip uninstall opencv-python && pip install opencv-python-headless"
)


@dataclass(frozen=True)
class Lack:
    """Something this system lacks or has twice.

    Attributes:
        what: the lack and what does not work because of it.
        fix: what to type or do.
        needed: False for extras that only some commands use.
    """

    what: str
    fix: str
    needed: bool = True


@dataclass(frozen=True)
class Report:
    """What `environment_report` found; `str()` gives a table.

    Attributes:
        facts: (name, value) rows in the order to print them.
        lacks: what is wrong, the needed things first; may be empty.
    """

    facts: tuple[tuple[str, str], ...]
    lacks: tuple[Lack, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that is needed is lacking."""
        return not any(lack.needed for lack in self.lacks)

    def __str__(self) -> str:
        """Facts in two columns, then each lack with its fix."""
        width = max((len(name) for name, _ in self.facts), default=0)
        lines = [f"{name:<{width}}  {value}".rstrip() for name, value in self.facts]
        for lack in self.lacks:
            mark = "LACKING" if lack.needed else "optional"
            lines += ["", f"{mark}: {lack.what}", f"  fix: {lack.fix}"]
        if self.ok:
            lines += ["", "Everything that is needed is here."]
        return "\n".join(lines)


def _probe(ask: Callable[[], str]) -> str:
    """The answer to a question, or why there is none: a report must not fail for one of them."""
    try:
        return ask()
    except Exception as error:
        return f"not known ({_reason(error)})"


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def _import_error(name: str) -> BaseException | None:
    """What happens on importing a module; broken ones raise all sorts of things."""
    try:
        import_module(name)
    except Exception as error:
        return error
    return None


def _installed(names: tuple[str, ...]) -> dict[str, str]:
    """Which of some distributions are installed, with their versions."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
        except Exception as error:  # a half removed installation
            found[name] = f"not known ({_reason(error)})"
    return found


def _system_facts() -> list[tuple[str, str]]:
    def cpus() -> str:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        total = os.cpu_count()
        return f"{usable or total} of {total}"

    return [
        ("system", _probe(platform.platform)),
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("CPUs usable", _probe(cpus)),
    ]


def _package_facts() -> list[tuple[str, str]]:
    facts = [("cascadekit", _probe(lambda: import_module("cascadekit").__version__))]
    for name, distributions in _PACKAGES.items():
        found = _probe(
            lambda names=distributions: ", ".join(
                f"{number} ({dist})" if dist != names[0] or len(names) > 1 else number
                for dist, number in _installed(names).items()
            )
        )
        facts.append((name, found or "not installed"))
    return facts


def _device_facts() -> list[tuple[str, str]]:
    def threads() -> str:
        return str(import_module("torch").get_num_threads())

    def devices() -> str:
        torch = import_module("torch")
        if not torch.cuda.is_available():
            built = torch.version.cuda or "no CUDA"
            return f"none (torch is built for {built}); the CPU is used"
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"{', '.join(names)} (CUDA {torch.version.cuda})"

    def backend() -> str:
        torch = import_module("torch")
        kinds = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        describe = import_module("cascadekit.ops").describe_backends
        return " ".join(describe(kind) for kind in kinds)

    return [
        ("torch threads", _probe(threads)),
        ("CUDA devices", _probe(devices)),
        ("ops", _probe(backend)),
    ]


def _conflict(name: str) -> Lack | None:
    """Two builds of the same import name, installed over each other."""
    found = _installed(_PACKAGES[name])
    if len(found) < 2 or name not in ("mmengine", "mmcv"):
        return None
    wanted = _PACKAGES[name][0]
    return Lack(
        f"{' and '.join(found)} are both installed: they overwrite each other's files, since both "
        f"are imported as {name}",
        # All of them: removing one leaves holes in the other.
        f"pip uninstall -y {' '.join(found)} && pip install {wanted}",
    )


def _package_lacks() -> list[Lack]:
    """Needed packages that are absent, broken or there twice."""
    lacks = []
    causes: list[str] = []
    for name in _NEEDED:
        conflict = _conflict(name)
        if conflict is not None:
            lacks.append(conflict)
        error = _import_error(name)
        if error is None or _reason(error) in causes:
            continue
        causes.append(_reason(error))
        wanted = _PACKAGES[name][0]
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            lacks.append(Lack(f"{name} is not installed", f"pip install {wanted}"))
        elif name == "cv2":
            lacks.append(Lack(f"opencv does not load ({_reason(error)})", _OPENCV_FIX))
        else:
            lacks.append(
                Lack(
                    f"{name} is installed but does not load ({_reason(error)})",
                    f"pip install --force-reinstall --no-cache-dir {wanted}",
                )
            )
    return lacks


def _tool_lacks() -> list[Lack]:
    """Extras: what compiling mmcv's operators and running notebooks need."""
    lacks = []
    compiler = os.environ.get("CXX") or "c++"
    if not any(shutil.which(name) for name in (compiler, "g++", "clang++", "cl")):
        lacks.append(
            Lack(
                "no C++ compiler: mmcv's operators cannot be built (torchvision's are used)",
                "apt-get install build-essential, or on conda: conda install -c conda-forge "
                "cxx-compiler",
                needed=False,
            )
        )
    if not shutil.which("ninja") and _import_error("ninja") is not None:
        lacks.append(
            Lack(
                "no ninja: mmcv's operators would be compiled on one core",
                "pip install ninja",
                needed=False,
            )
        )
    if not shutil.which("jupyter") and _import_error("jupyterlab") is not None:
        lacks.append(
            Lack(
                "no jupyter: the notebooks cannot be opened",
                'pip install "cascadekit[notebooks]"',
                needed=False,
            )
        )
    return lacks


def environment_report() -> Report:
    """Look at this machine.

    Returns:
        Versions, devices and op back ends, and what is lacking. It never raises: a question that
        cannot be answered says so in its row.
    """
    facts = [*_system_facts(), *_package_facts(), *_device_facts()]
    lacks: list[Lack] = []
    for find in (_package_lacks, _tool_lacks):
        try:
            lacks += find()
        except Exception as error:
            facts.append((find.__name__.strip("_"), f"not known ({_reason(error)})"))
    return Report(tuple(facts), tuple(sorted(lacks, key=lambda lack: not lack.needed)))
