"""Settings of the stages, from the short forms that configs have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cascadekit.errors import InputError, did_you_mean
from cascadekit.models.targets.assigner import IoUAssigner
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.models.targets.sampler import KeepAll, RandomSampler
from cascadekit.registry import TASK_UTILS

# u of the stages: paper section 4.1; the fourth is Table 4's.
STANDARD_IOUS = (0.5, 0.6, 0.7, 0.75)


def iou_thresholds(stages: int | Sequence[float]) -> tuple[float, ...]:
    """IoU threshold u of each stage.

    Args:
        stages: how many of the paper's 0.5, 0.6, 0.7, 0.75, or the thresholds themselves.

    Returns:
        S thresholds.

    Raises:
        InputError: no such number of stages, or a threshold outside ]0, 1].
    """
    if isinstance(stages, int):
        if not 1 <= stages <= len(STANDARD_IOUS):
            raise InputError(
                f"stage_ious={stages}: as a number it must be 1 to {len(STANDARD_IOUS)} (stages of "
                f"the paper's {', '.join(map(str, STANDARD_IOUS))}); else give the thresholds"
            )
        return STANDARD_IOUS[:stages]
    ious = tuple(float(u) for u in stages)
    if not ious or min(ious) <= 0 or max(ious) > 1:
        raise InputError(f"stage_ious must be thresholds above 0 and up to 1, got {stages!r}")
    return ious


def check_iterations(test_iterations: int, num_stages: int) -> None:
    """Raise InputError where a head cannot be applied so often in inference (iterative BBox)."""
    if test_iterations < 1 or (test_iterations > 1 and num_stages > 1):
        raise InputError(
            f"test_iterations={test_iterations} with {num_stages} stages: iterative BBox applies "
            "the only head of a one-stage model once or more often"
        )


def stage_weights(rule: str | Sequence[float], num_stages: int) -> tuple[float, ...]:
    """Loss weight of each stage.

    Args:
        rule: "decay": 1, 1/2, 1/4, ... ; "avg": 1/S each; "sum": 1 each; or S numbers.
        num_stages: S.

    Returns:
        S weights.

    Raises:
        InputError: another word, or not S numbers.

    Source: paper section 5.3; Table 3 compares the two.
    """
    if rule == "decay":
        return tuple(0.5**k for k in range(num_stages))
    if rule == "avg":
        return (1 / num_stages,) * num_stages
    if rule == "sum":
        return (1.0,) * num_stages
    if isinstance(rule, str) or len(rule) != num_stages or min(rule) <= 0:
        raise InputError(
            f"stage_loss must be 'decay', 'avg', 'sum' or {num_stages} numbers above 0, "
            f"got {rule!r}"
        )
    return tuple(float(weight) for weight in rule)


def per_stage(value: Any, num_stages: int, what: str) -> list[Any]:
    """Broadcast one setting to all stages, or check that a list has one for each."""
    if not isinstance(value, (list, tuple)):
        return [value] * num_stages
    if len(value) != num_stages:
        raise InputError(f"{what}: {len(value)} entries for {num_stages} stages (see stage_ious)")
    return list(value)


def stage_coders(stds: Sequence[Any], num_stages: int, clamp: str = "above") -> list[DeltaCoder]:
    """Delta coders of S stages from one row of stds (stage k divides it by k), or S rows."""
    if isinstance(stds[0], (list, tuple)):
        rows = per_stage(stds, num_stages, "delta_stds")
    else:
        rows = [[std / (k + 1) for std in stds] for k in range(num_stages)]
    return [DeltaCoder(stds=row, clamp=clamp) for row in rows]


def stage_assigners(
    ious: Sequence[float],
    ignore_cover: float,
    background_iou: tuple[float, float] | None,
    best_match_iou: float | None = None,
    skip_ignored: bool = False,
) -> list[IoUAssigner]:
    """One assigner per stage: positive from u on, negative below.

    Args:
        ious: u of each stage.
        ignore_cover: see `IoUAssigner`.
        background_iou: [low, high[ for stage 1's negatives; None: all below its u.
        best_match_iou: see `IoUAssigner`.
        skip_ignored: see `IoUAssigner`.

    Returns:
        S assigners.

    Source: MS-CNN's stage 1 takes background from [0.1, 0.5[ (KITTI) or [0.05, 0.44[.
    """
    assigners = []
    for stage, u in enumerate(ious):
        low, high = background_iou if background_iou is not None and stage == 0 else (0.0, u)
        assigners.append(
            IoUAssigner(
                pos_iou=u,
                neg_iou=high,
                neg_iou_low=low,
                best_match_iou=best_match_iou,
                ignore_cover=ignore_cover,
                skip_ignored=skip_ignored,
            )
        )
    return assigners


def stage_samplers(
    first: dict[str, Any] | None, later: str | dict[str, Any], num_stages: int
) -> list[RandomSampler | KeepAll]:
    """Samplers of S stages.

    Args:
        first: config of stage 1's; None: 512 rois, a quarter positive.
        later: "all": keep every box; "same": as stage 1; or a config.
        num_stages: S.

    Returns:
        S samplers.

    Raises:
        InputError: another word.
    """
    first = first or {"type": "cascadekit.RandomSampler"}
    words = {"all": {"type": "cascadekit.KeepAll"}, "same": first}
    if isinstance(later, str):
        if later not in words:
            raise InputError(
                f"later_sampler must be 'all', 'same' or a config, got {later!r}."
                f"{did_you_mean(later, list(words))}"
            )
        later = words[later]
    return [TASK_UTILS.build(config) for config in [first] + [later] * (num_stages - 1)]
