"""Costs at the paper's sizes, from the files that `tools/cost.py` wrote, read like results."""

from __future__ import annotations

import json
from pathlib import Path

from cascadekit.errors import InputError

FULL_SIZE = "full size"  # stands where results name a data set


def read_costs(folder: str | Path) -> dict[str, dict[str, float]]:
    """Costs of detectors at their full size.

    Args:
        folder: of json files, each a list of what `cascadekit.cost` measured; files that are not
            are an error.

    Returns:
        Name of the detector -> the values of a measure `cost`; empty without files.

    Raises:
        InputError: a file is not of that kind.
    """
    found = {}
    for file in sorted(Path(folder).glob("*.json")):
        try:
            for row in json.loads(file.read_text(encoding="utf-8")):
                found[row["name"]] = {
                    "seconds_per_image": float(row["seconds"]),
                    "step_seconds": float(row["step_seconds"]),
                    "gflop": float(row["gflops"]),
                    "megabytes": float(row["megabytes"]),
                }
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file.name} holds no list of costs as tools/cost.py writes it: {error!r}"
            ) from None
    return found
