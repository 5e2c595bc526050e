"""cascadekit: high-quality two-stage object detection and instance segmentation.

Importing the package loads nothing heavy: torch comes with the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# Names that `import cascadekit` offers without importing torch until they are used.
_LAZY = {
    "load_config": "cascadekit.apis",
    "build_detector": "cascadekit.apis",
    "load_detector": "cascadekit.apis",
    "load_shipped": "cascadekit.apis",
    "train": "cascadekit.apis",
    "evaluate": "cascadekit.apis",
    "predict": "cascadekit.apis",
}

__all__ = ["__version__", "config_path", *_LAZY]


def config_path(name: str) -> str:
    """Absolute path of a config that ships with the package.

    Args:
        name: path below `configs/`, with or without `.py`, e.g. "lite/cascade_lite".

    Returns:
        The path as a string, ready for `load_config` or another project's `_base_` list.

    Raises:
        FileNotFoundError: no such config; the message lists the nearest names.
    """
    from cascadekit.errors import did_you_mean

    root = Path(__file__).parent / "configs"
    path = (root / name).with_suffix(".py")
    if not path.is_file():
        known = sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.py"))
        hint = did_you_mean(name.removesuffix(".py"), known)
        raise FileNotFoundError(f"no config named {name!r} below {root}.{hint}")
    return str(path.resolve())


def __getattr__(name: str) -> Any:
    """Import the function behind a lazy name on first use (PEP 562)."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'cascadekit' has no attribute {name!r}")
