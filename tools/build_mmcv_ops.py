"""Build mmcv's compiled operators for the torch that is installed here, once, and install them.

The wheel goes into a user cache keyed by the versions it depends on, so a second call installs it
in seconds. CUDA kernels are included when a GPU and nvcc are both present.

Example:
    python tools/build_mmcv_ops.py            # build if needed, install
    python tools/build_mmcv_ops.py --where    # print the cache folder for this environment
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "onedl-mmcv"

# torch >= 2.14's headers need C++20 while mmcv's setup.py asks for C++14 or 17: raise what it says.
COMPILER_WRAPPER = """#!/bin/sh
for arg in "$@"; do
  shift
  case "$arg" in -std=c++14|-std=c++17) arg=-std=c++20 ;; esac
  set -- "$@" "$arg"
done
exec {compiler} "$@"
"""


def version_of(package: str) -> str:
    """Installed version of `package`; exits with the fix when it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f'{package} is not installed in {sys.prefix}: run `pip install -e ".[dev]"` first')


def wants_cuda() -> bool:
    """True when kernels for a GPU can be compiled and would be used."""
    if shutil.which("nvcc") is None:
        return False
    import torch

    return torch.cuda.is_available()


def cache_folder(cuda: bool) -> Path:
    """Folder of the wheel that fits this Python, torch, mmcv, machine and device kind."""
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cascadekit"
    key = "-".join(
        [
            f"mmcv{version_of(PACKAGE)}",
            f"torch{version_of('torch')}",
            f"cp{sys.version_info.major}{sys.version_info.minor}",
            platform.machine(),
            "cuda" if cuda else "cpu",
        ]
    )
    return root / "mmcv-ops" / key


def write_wrapper(folder: Path, name: str, compiler: str) -> str:
    """Write an executable that calls `compiler` with the C++ standard raised to 20."""
    path = folder / name
    path.write_text(COMPILER_WRAPPER.format(compiler=compiler))
    path.chmod(0o755)
    return str(path)


def build_wheel(folder: Path, cuda: bool, jobs: int) -> Path:
    """Compile the wheel into `folder`; a failed build leaves nothing there."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        sys.exit(f"no C++ compiler ({compiler}): install one, e.g. `apt-get install g++`")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as scratch:
        environment = {
            **os.environ,
            "MMCV_WITH_OPS": "1",
            "FORCE_CUDA": "1" if cuda else "0",
            "MAX_JOBS": str(jobs),
            "CXX": write_wrapper(Path(scratch), "c++20", compiler),
        }
        if cuda:
            nvcc = shutil.which("nvcc")
            environment["PYTORCH_NVCC"] = write_wrapper(Path(scratch), "nvcc20", str(nvcc))
        requirement = f"{PACKAGE}=={version_of(PACKAGE)}"
        command = [sys.executable, "-m", "pip", "wheel", requirement, "--no-deps", "--no-binary"]
        command += [PACKAGE, "--no-build-isolation", "--no-cache-dir", "--wheel-dir", scratch]
        print(f"compiling {requirement} with {jobs} jobs; 15 to 20 minutes on 2 cores", flush=True)
        subprocess.run(command, env=environment, check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        folder.mkdir(parents=True, exist_ok=True)
        # A rename within one file system: an interrupted build never leaves half a wheel.
        return wheel.replace(folder / wheel.name)


def install(wheel: Path) -> None:
    """Replace the pure Python mmcv of this environment by `wheel`, and check that it loads."""
    command = [sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps", str(wheel)]
    subprocess.run([*command, "--quiet"], check=True)
    subprocess.run([sys.executable, "-c", "import mmcv.ops"], check=True)
    print(f"installed {wheel.name}; `import mmcv.ops` works")


def main() -> None:
    """Parse the command line, then build (unless cached) and install."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--where", action="store_true", help="print the cache folder and stop")
    parser.add_argument("--rebuild", action="store_true", help="compile even if a wheel is cached")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel compilers")
    args = parser.parse_args()

    cuda = wants_cuda()
    folder = cache_folder(cuda)
    if args.where:
        print(folder)
        return
    wheels = [] if args.rebuild else list(folder.glob("*.whl"))
    install(wheels[0] if wheels else build_wheel(folder, cuda, args.jobs))


if __name__ == "__main__":
    main()
