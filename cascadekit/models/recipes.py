"""Recipes: what the parts do where the implementations that people use differ.

`CascadeRCNN(recipe=...)` fills these arguments into the configs of its heads wherever the config
says nothing; what a config writes always wins. Each row of docs/differences.md that a recipe sets
names its key. Backbone, picture size and schedule belong to no recipe: they go with the weights and
the training, not with the algorithm.

Sources: "paper": the paper and the authors' Detectron code; "mmdet": mmdetection 3.3,
`cascade-mask-rcnn_r50_fpn`; "detectron2": v0.6, `cascade_mask_rcnn_R_50_FPN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascadekit.errors import check_word

Arguments = Mapping[str, Any]


def _coder(clamp: str) -> dict[str, Any]:
    return {"type": "cascadekit.DeltaCoder", "stds": (1.0, 1.0, 1.0, 1.0), "clamp": clamp}


def _anchor_assigner(best_match_iou: float, forced_gt: str, ignore_cover: float) -> dict[str, Any]:
    return {
        "type": "cascadekit.IoUAssigner",
        "pos_iou": 0.7,
        "neg_iou": 0.3,
        "best_match_iou": best_match_iou,
        "forced_gt": forced_gt,
        "ignore_cover": ignore_cover,
    }


# recipe -> class name of a part -> its arguments
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {
        "CascadeRoIHead": {
            "flow": {
                "type": "cascadekit.StageFlow",
                "gt_stages": "all",
                "keep_refined_gt": False,
                "drop_empty": True,
                "clip_boxes": False,
            },
            "later_sampler": "all",
            "ignore_cover": 0.7,
            "stage_loss": "decay",
            "loss_scaling": "loss",
            "beta": 1.0,
            "delta_clamp": "above",
            "ensemble": {
                "type": "cascadekit.StageEnsemble",
                "rois": "last",
                "average": "probabilities",
            },
            "mask_strategy": "c",
        },
        "RPNHead": {
            "assigner": _anchor_assigner(0.3, "forcing", 0.7),
            "coder": _coder("above"),
            "allowed_border": 0,
            "pad_size_divisor": None,
            "beta": 1 / 9,
            "box_loss_average": "sampled",
            "train_proposals": (2000, 2000),
            "test_proposals": (1000, 1000),
        },
        "PyramidRoIAlign": {"sampling_ratio": 2},
        "MaskHead": {"target_samples": 2},
    },
    "mmdet": {
        "CascadeRoIHead": {
            "flow": {
                "type": "cascadekit.StageFlow",
                "gt_stages": "all",
                "keep_refined_gt": False,
                "drop_empty": False,
                "clip_boxes": True,
            },
            "later_sampler": "same",
            "ignore_cover": 1.0,  # crowds are background
            "stage_loss": "decay",
            "loss_scaling": "loss_only",
            "beta": 1.0,
            "delta_clamp": "both",
            "ensemble": {
                "type": "cascadekit.StageEnsemble",
                "rois": "own",
                "average": "logits",
            },
            "mask_strategy": "d",
        },
        "RPNHead": {
            "assigner": _anchor_assigner(0.3, "forcing", 1.0),
            "coder": _coder("both"),
            "allowed_border": 0,
            "pad_size_divisor": 32,  # its preprocessor's
            "beta": 1 / 9,
            "box_loss_average": "at_least_one",
            "train_proposals": (2000, 2000),
            "test_proposals": (1000, 1000),
        },
        "PyramidRoIAlign": {"sampling_ratio": 0},
        "MaskHead": {"target_samples": 0},
    },
    "detectron2": {
        "CascadeRoIHead": {
            "flow": {
                "type": "cascadekit.StageFlow",
                "gt_stages": "first",
                "keep_refined_gt": True,
                "drop_empty": True,
                "clip_boxes": True,
            },
            "later_sampler": "all",
            "ignore_cover": 1.0,
            "stage_loss": "avg",
            "loss_scaling": "gradient",
            "beta": 0.0,
            "delta_clamp": "above",
            "ensemble": {
                "type": "cascadekit.StageEnsemble",
                "rois": "own",
                "average": "probabilities",
            },
            "mask_strategy": "b",
        },
        "RPNHead": {
            "assigner": _anchor_assigner(0.0, "own", 1.0),
            "coder": _coder("above"),
            "allowed_border": -1,
            "pad_size_divisor": None,
            "beta": 0.0,
            "box_loss_average": "batch",
            "train_proposals": (2000, 2000),
            "test_proposals": (1000, 1000),
        },
        "PyramidRoIAlign": {"sampling_ratio": 0},
        "MaskHead": {"target_samples": 0},
    },
}


def fill_in(config: Arguments | None, recipe: str) -> dict[str, Any] | None:
    """A part's config with the recipe's arguments where it has none, in all parts below as well.

    Args:
        config: a part's config dict; it is not changed. None stays None.
        recipe: a key of `RECIPES`.

    Returns:
        A new config dict.

    Raises:
        InputError: no such recipe.
    """
    check_word("recipe", recipe, RECIPES)
    return None if config is None else _filled(config, RECIPES[recipe])


def _filled(value: Any, parts: Mapping[str, Arguments]) -> Any:
    """`value` with the arguments of its type, and what is inside it likewise."""
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(item, parts) for item in value)
    if not isinstance(value, Mapping):
        return value
    kind = str(value.get("type", "")).removeprefix("cascadekit.")
    merged = _merged(parts.get(kind, {}), value)
    return {key: _filled(item, parts) for key, item in merged.items()}


def _merged(defaults: Arguments, given: Arguments) -> dict[str, Any]:
    """Defaults overridden by what is given, also inside dicts unless their types differ."""
    merged = dict(given)
    for key, default in defaults.items():
        if merged.get(key) is None:
            merged[key] = default
        elif isinstance(default, Mapping) and isinstance(merged[key], Mapping):
            if merged[key].get("type", default["type"]) == default["type"]:
                merged[key] = _merged(default, merged[key])
    return merged


# Where a part sits in a detector's config.
PLACES = {
    "CascadeRoIHead": "roi_head",
    "RPNHead": "rpn_head",
    "PyramidRoIAlign": "roi_head.box_pool, .mask_pool",
    "MaskHead": "roi_head.mask_head",
}


def side_by_side() -> list[tuple[str, tuple[Any, ...]]]:
    """Every setting of the recipes: its key below `model.`, and its value in each of `RECIPES`."""
    columns = [_flat(parts) for parts in RECIPES.values()]
    return [(key, tuple(column[key] for column in columns)) for key in columns[0]]


def _flat(parts: Mapping[str, Arguments]) -> dict[str, Any]:
    """{"roi_head.flow.gt_stages": "all", ...}; types are left out."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, values: Arguments) -> None:
        for key, value in values.items():
            if isinstance(value, Mapping):
                walk(f"{prefix}.{key}", value)
            elif key != "type":
                flat[f"{prefix}.{key}"] = value

    for name, arguments in parts.items():
        walk(PLACES[name], arguments)
    return flat
