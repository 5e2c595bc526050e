"""Made-up results for the tests of the ledger and the report."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from cascadekit.experiments.arms import load_arms
from cascadekit.experiments.experiment import load_experiments
from cascadekit.experiments.results import Result, Results

THRESHOLDS = range(50, 100, 5)
# Arm -> about its AP, in percent: the paper's, where it has the arm.
AP = {
    **{"u05": 34.9, "u06": 35.4, "u07": 31.9, "cascade": 38.9, "cascade_avg": 38.8},
    **{"same_iou": 36.8, "iou_up": 38.5, "statistics": 37.5, "cascade2": 38.2, "cascade4": 38.6},
    **{"integral": 35.4, "iterative": 35.4, "mask": 33.9, "mask_b": 34.9, "mask_c": 35.4},
    **{"mask_d": 35.5, "roipool": 23.6, "roipool_cascade": 27.0, "rfcn": 27.0},
    **{"rfcn_cascade": 31.1, "fpn_plus": 36.5, "fpn_plus_cascade": 40.3, "gn": 38.4},
    **{"gn_cascade": 42.2, "resnet": 39.4, "resnet_cascade": 42.8, "fast": 36.4},
    **{"fast_cascade": 39.9, "mask_gn": 34.9, "mask_gn_cascade": 36.6, "suggested": 39.2},
}
STAGE_AP = {"1": 35.5, "2": 38.3, "3": 38.3, "1~2": 38.5, "1~3": 38.9, "1~4": 38.6}
MATRIX = ((35.5, 35.2, 25.6), (36.5, 38.3, 35.5), (36.8, 38.4, 38.3))
SHARES = ((16.7, 8.0, 2.9), (25.6, 21.7, 17.3), (28.0, 25.1, 21.7))
STDS = ((0.123, 0.130, 0.227, 0.226), (0.061, 0.061, 0.122, 0.123), (0.039, 0.038, 0.080, 0.077))


def scores(numbers: Mapping[str, Sequence[float | None]], data: str = "shapes") -> Results:
    """Arm -> box AP of seeds 0, 1, ...; None: that seed was not run."""
    return Results(
        tuple(
            Result(arm, data, "small", seed, "scores", {"final": {"bbox": {"AP": value}}})
            for arm, values in numbers.items()
            for seed, value in enumerate(values)
            if value is not None
        )
    )


def joined(*parts: Results) -> Results:
    """All results of several."""
    return Results(
        tuple(r for part in parts for r in part.results),
        tuple(run for part in parts for run in part.runs),
    )


def suite(
    data: Sequence[str] = ("shapes", "cards"),
    seeds: int = 3,
    only: Sequence[str] | None = None,
    budget: str = "small",
) -> Results:
    """Every measure that the experiments read, near the paper's numbers.

    `only` names arms; None: all that are planned on a data set.
    """
    random = np.random.default_rng(0)
    wanted: dict[tuple[str, str], dict[str, None]] = {}
    for experiment in load_experiments().values():
        for arm, measures in experiment.measures().items():
            for name in data:
                slot = "shapes" if name == "shapes" else "cards"
                kind = "shapes" if name == "shapes" else "photos"
                planned = slot in experiment.data and kind in load_arms()[arm].small_data
                if planned and (only is None or arm in only):
                    wanted.setdefault((arm, name), {}).update(dict.fromkeys(measures))
    results, runs = [], []
    for (arm, name), measures in wanted.items():
        for seed in range(seeds):
            address = f"{arm}-{name}-{seed}"
            shift = 0.0 if name == "shapes" else 8.0
            for measure in measures:
                values = _MADE[measure](arm, shift + random.normal(0, 0.3), random)
                results.append(Result(arm, name, budget, seed, measure, values, address, 0.5))
            runs.append(_run(arm, name, seed, budget, address))
    return Results(tuple(results), tuple(runs))


def _run(arm: str, data: str, seed: int, budget: str, address: str) -> dict[str, Any]:
    return {
        "address": address,
        "arms": [arm],
        "data": data,
        "kind": "shapes" if data == "shapes" else "photos",
        "train_content": None if data == "shapes" else "0123456789abcdef",
        "seed": seed,
        "budget": budget,
        "iterations": 300,
        "minutes": 5.0,
        "threads": 1,
        "code": {"version": "0.1.0", "revision": "1234567890", "changed": False},
        "versions": {"python": "3.12.0", "torch": "2.6.0"},
    }


def ap_dict(ap: float) -> dict[str, float]:
    """A falling curve with about that mean, in fractions."""
    curve = {f"AP{t}": ap / 100 * (1.7 - 1.4 * (t - 50) / 45) for t in THRESHOLDS}
    sizes = {
        f"AP_{size}": ap / 100 * f for size, f in (("small", 0.6), ("medium", 1), ("large", 1.3))
    }
    return {"AP": ap / 100, **curve, **sizes}


def _scores(arm: str, shift: float, random: Any) -> dict[str, Any]:
    ap = AP[arm] + shift
    choices = {key: {"bbox": ap_dict(value + shift)} for key, value in STAGE_AP.items()}
    if arm != "cascade":
        choices = {key: {"bbox": ap_dict(ap)} for key in choices}
    final = {"bbox": ap_dict(ap)}
    if arm.startswith("mask"):
        final = {"bbox": ap_dict(ap + 4), "segm": ap_dict(ap)}
    return {"final": final, **choices}


def _curve(u: float, height: float, stage: int) -> dict[str, Any]:
    edges = [0.5 + i / 20 for i in range(11)]
    middles = [e + 0.025 for e in edges[:-1]]
    mean = [m + height * (0.95 - m) - 0.15 * (m - u) ** 2 - 0.02 for m in middles]
    counts = [round(4000 * math.exp(-((m - 0.5 - 0.12 * stage) ** 2) / 0.02)) for m in middles]
    mean = [m if c else None for m, c in zip(mean, counts, strict=True)]
    return {"edges": edges, "mean": mean, "count": counts, "share_worse": 0.2, "u": u}


def _localisation(arm: str, shift: float, random: Any) -> dict[str, Any]:
    us = {"u06": (0.6,), "u07": (0.7,), "cascade": (0.5, 0.6, 0.7)}.get(arm, (0.5, 0.5, 0.5))
    noise = random.normal(0, 0.01)
    heights = (0.5, 0.5, 0.5) if arm != "iterative" else (0.5, 0.2, 0.05)
    return {
        f"stage{k + 1}": _curve(u, heights[k] + noise, k if len(us) > 1 else 1)
        for k, u in enumerate(us)
    }


def _samples(arm: str, shift: float, random: Any) -> dict[str, Any]:
    made = {}
    for k, (shares, std) in enumerate(zip(SHARES, STDS, strict=True)):
        factor = 1 + random.normal(0, 0.02)
        peak = (0.45, 0.75, 0.82)[k]
        edges = [0.5 + i / 40 for i in range(21)]
        bars = [math.exp(-((e + 0.0125 - peak) ** 2) / 0.03) for e in edges[:-1]]
        made[f"stage{k + 1}"] = {
            "u": 0.5 + k / 10,
            **{f"share{t}": s / 100 * factor for t, s in zip((50, 60, 70), shares, strict=True)},
            "share_u": shares[k] / 100 * factor,
            "num_samples": 30000,
            "mean": [0.002, 0.001, 0.01, 0.02],
            "std": [s * factor for s in std],
            "std_first_cut": [s * (1 - 0.15 * k) * factor for s in STDS[0]],
            "std_uncut": [s * (1 + 0.3 * k) * factor for s in std],
            "edges": edges,
            "histogram": [round(30000 * shares[0] / 100 * b / sum(bars)) for b in bars],
        }
    return made


def _swap(arm: str, shift: float, random: Any) -> dict[str, Any]:
    gains = {"u05": (4.5, 1.0, 1.3), "u06": (10.3, 1.3, 1.5), "u07": (17.6, 2.5, 3.3)}[arm]
    names = ("rpn+gt", "cascade2", "cascade3")
    base = AP[arm] + shift
    more = {name: ap_dict(base + gain) for name, gain in zip(names, gains, strict=True)}
    return {"rpn": ap_dict(base), **more}


def _matrix(arm: str, shift: float, random: Any) -> dict[str, Any]:
    cells: dict[str, Any] = {f"stage{s}": {} for s in (1, 2, 3)}
    for s, row in enumerate(MATRIX, 1):
        for h, ap in enumerate(row, 1):
            cells[f"stage{s}"][f"head{h}"] = ap_dict(ap + shift)
    return {**cells, "regressor": "stage"}


def _recall(arm: str, shift: float, random: Any) -> dict[str, Any]:
    def row(ar: float) -> dict[str, float]:
        sizes = {f"AR1000_{s}": ar * f for s, f in (("small", 0.7), ("medium", 1), ("large", 1.1))}
        return {"AR1000": ar, "AR100": 0.8 * ar, **sizes}

    return {f"stage{k + 1}": row(ar + shift / 100) for k, ar in enumerate((0.591, 0.707, 0.715))}


def _cost(arm: str, shift: float, random: Any) -> dict[str, Any]:
    seconds = (0.06 if arm == "cascade" else 0.05) * (1 + random.normal(0, 0.02))
    return {"seconds_per_image": seconds, "gflop": 2.5 if arm == "cascade" else 2.0}


def jpeg(height: int = 120, width: int = 160, seed: int = 0) -> str:
    """A made-up picture: two plain objects on a gradient."""
    ramp = np.linspace(60, 200, width, dtype=np.uint8)
    image = np.repeat(np.repeat(ramp[None, :, None], height, 0), 3, 2)
    image[height // 4 : height // 2, width // 4 : width // 2] = (40, 160, 40 + 20 * seed)
    _, data = cv2.imencode(".jpg", image)
    return base64.b64encode(data.tobytes()).decode("ascii")


def _pictures(arm: str, shift: float, random: Any) -> list[dict[str, Any]]:
    def box(off: float) -> list[float]:
        return [40 + off, 30 + off, 80 + off, 60 + off]

    found = [{"box": box(1), "label": "thing", "score": 0.9, "iou": 0.92}]
    if arm == "u05":
        found.append({"box": box(8), "label": "thing", "score": 0.4, "iou": 0.55})
        found.append({"box": [100, 20, 140, 70], "label": "thing", "score": 0.35, "iou": 0.0})
    truth = [{"box": box(0), "label": "thing"}]
    return [
        {"jpeg": jpeg(seed=i), "size": [120, 160], "truth": truth, "found": found} for i in range(4)
    ]


def _suggestion(arm: str, shift: float, random: Any) -> dict[str, Any]:
    return {
        "stage_ious": [0.5, 0.58, 0.66],
        "delta_stds": [[0.1, 0.1, 0.2, 0.2], [0.06, 0.06, 0.12, 0.12], [0.04, 0.04, 0.08, 0.08]],
        "findings": ["Your proposals support thresholds up to 0.62."],
    }


_MADE = {
    "scores": _scores,
    "localisation": _localisation,
    "loss_by_iou": _localisation,
    "samples": _samples,
    "swap": _swap,
    "matrix": _matrix,
    "recall": _recall,
    "cost": _cost,
    "pictures": _pictures,
    "suggestion": _suggestion,
}
