"""Whether the anchors fit the objects, in the pixels that the network sees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine import Config
from torch import Tensor

from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Example, Finding, few
from cascadekit.doctor.sampled import Sampled
from cascadekit.models.proposals.anchors import AnchorGenerator
from cascadekit.quality.tables import Table
from cascadekit.registry import TASK_UTILS
from cascadekit.structures.boxes import iou_aligned

SMALL, LARGE = 32.0, 96.0  # sides of COCO's small and large objects, here in network pixels
FORCED = 0.3  # below this IoU even the best anchor of an object does not learn it
MISSED = 0.02  # share of objects that no anchor learns, from which on it is worth a word
LOW = 0.5  # recall at .5 below which a change of the anchors is looked for


@dataclass(frozen=True)
class AnchorFit:
    """How well the best anchor fits each object.

    Attributes:
        ious: (N,) float64, of the best anchor; N may be 0.
        sides: (N,) float64, square root of the area, network pixels.
        ratios: (N,) float64, height / width.
        per_image: anchors in a picture, on average.
    """

    ious: np.ndarray
    sides: np.ndarray
    ratios: np.ndarray
    per_image: float

    def recall(self, least: float, keep: np.ndarray | None = None) -> float:
        """Share of the objects (or of those kept) whose best anchor has an IoU; nan of none."""
        ious = self.ious if keep is None else self.ious[keep]
        return float((np.round(ious, 6) >= least).mean()) if len(ious) else math.nan


def anchors_of(config: Config) -> AnchorGenerator | None:
    """The anchors of a config; None where it has none (stored proposals, MS-CNN's templates)."""
    head = config.model.get("rpn_head")
    if head is None or not str(head["type"]).endswith("RPNHead"):
        return None
    built: AnchorGenerator = TASK_UTILS.build(
        head.get("anchors") or {"type": "cascadekit.AnchorGenerator"}
    )
    return built


def maps_of(
    sizes: Sequence[tuple[int, int]], strides: Sequence[int], multiple: int
) -> list[list[tuple[int, int]]]:
    """(height, width) in cells of each level, for pictures of (height, width) padded each alone."""
    padded = [[-(-side // multiple) * multiple for side in size] for size in sizes]
    return [[(-(-h // s), -(-w // s)) for s in strides] for h, w in padded]


def best_anchors(
    generator: AnchorGenerator, boxes: Tensor, maps: Sequence[Sequence[tuple[int, int]]]
) -> Tensor:
    """IoU of each object with the anchor that fits it best.

    Exact, without looking at all anchors: of the anchors of one shape the one whose centre is
    nearest overlaps most, in width and in height.

    Args:
        generator: of L levels.
        boxes: (N, 4) float32 xyxy network pixels; N may be 0.
        maps: for each object the (height, width) of its picture's L maps, in cells.

    Returns:
        (N,) float32.
    """
    best = boxes.new_zeros(len(boxes))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2  # (N, 2) x, y
    for level, stride in enumerate(generator.strides):
        cells = torch.tensor([(m[level][1], m[level][0]) for m in maps]).reshape(-1, 2)  # x, y
        for anchor in generator.cell_anchors(level):
            middle = (anchor[:2] + anchor[2:]) / 2
            cell = ((centres - middle) / stride).round().clamp(min=0)
            cell = torch.minimum(cell, (cells - 1).to(cell))
            moved = anchor + (cell * stride).repeat(1, 2)  # (N, 4)
            best = torch.maximum(best, iou_aligned(moved, boxes))
    return best


def fit_anchors(generator: AnchorGenerator, sampled: Sampled, multiple: int = 32) -> AnchorFit:
    """Compare the anchors with the objects of some pictures.

    Args:
        generator: the anchors.
        sampled: pictures as the network sees them; may hold no objects.
        multiple: that pictures are padded to.

    Returns:
        The fit of every object.
    """
    maps = maps_of([info.size for info in sampled.infos], generator.strides, multiple)
    boxes = [target.boxes for target in sampled.targets]
    joined = torch.cat(boxes) if boxes else torch.zeros(0, 4)
    repeated = [own for own, b in zip(maps, boxes, strict=True) for _ in range(len(b))]
    ious = best_anchors(generator, joined, repeated)
    wide, high = (joined[:, 2:] - joined[:, :2]).double().unbind(1)
    counts = [
        sum(h * w * a for (h, w), a in zip(m, generator.num_anchors, strict=True)) for m in maps
    ]
    return AnchorFit(
        ious.double().numpy(),
        (wide * high).sqrt().numpy(),
        (high / wide).numpy(),
        float(np.mean(counts)) if counts else math.nan,
    )


def anchor_findings(config: Config, sampled: Sampled) -> tuple[list[Finding], list[Table]]:
    """What the anchors of a config miss.

    Args:
        config: of `load_config`.
        sampled: its training pictures.

    Returns:
        Findings and a table; both empty without objects, a note without anchors.
    """
    if not sampled.num_objects:
        return [], []
    generator = anchors_of(config)
    if generator is None:
        kind = "stored proposals" if config.model.get("rpn_head") is None else "templates"
        return [Finding("anchors.none", NOTE, "config", f"no anchors to judge: {kind}")], []
    multiple = int(config.model.get("data_preprocessor", {}).get("pad_size_divisor", 1) or 1)
    fit = fit_anchors(generator, sampled, multiple)
    return list(_findings(config, sampled, fit, multiple)), [anchor_table(fit, sampled)]


def _findings(config: Config, sampled: Sampled, fit: AnchorFit, multiple: int) -> Iterator[Finding]:
    missed = fit.ious < FORCED
    half, tight = fit.recall(0.5), fit.recall(0.7)
    low, high = np.quantile(fit.sides, [0.05, 0.95])
    said = (
        f"the anchors reach an IoU of .5 with {100 * half:.0f} % of the objects and .7 with "
        f"{100 * tight:.0f} % ({len(fit.ious)} objects of {len(sampled.infos)} pictures)"
    )
    better = _better(config, sampled, fit, multiple) if half < LOW or missed.mean() > MISSED else ""
    if missed.mean() > MISSED:
        yield Finding(
            "anchors.missed",
            ERROR if missed.mean() > 0.5 else WARNING,
            "config",
            f"{int(missed.sum())} of {len(missed)} objects ({100 * missed.mean():.0f} %) have no "
            f"anchor with an IoU of {FORCED}: the RPN does not learn them; {said}. 90 % of the "
            f"objects have sides of {low:.0f} to {high:.0f} pixels as the network sees them",
            better or "Resize to larger pictures, or add anchors of their size and shape",
            int(missed.sum()),
            few(_missed(sampled, missed)),
        )
    elif half < LOW:
        yield Finding("anchors.loose", WARNING, "config", said, better)
    else:
        yield Finding("anchors.recall", NOTE, "config", said)
    cell = min((config.model.rpn_head.get("anchors") or {}).get("strides", [4]))
    if low < cell:
        yield Finding(
            "anchors.tiny",
            WARNING,
            "config",
            f"5 % of the objects have sides below {low:.1f} pixels as the network sees them, less "
            f"than a cell of its finest map ({cell})",
            "Resize to larger pictures (Resize in both pipelines)",
        )


def _missed(sampled: Sampled, missed: np.ndarray) -> Iterator[Example]:
    """Pictures with the objects that no anchor reaches."""
    start = 0
    for info, target in zip(sampled.infos, sampled.targets, strict=True):
        own = torch.from_numpy(missed[start : start + len(target.boxes)])
        start += len(target.boxes)
        if own.any():
            boxes = info.to_original(target.boxes[own]).tolist()
            what = f"{len(boxes)} of {len(own)} objects"
            yield Example(info.path, what, tuple((a, b, c, d) for a, b, c, d in boxes))


def _better(config: Config, sampled: Sampled, fit: AnchorFit, multiple: int) -> str:
    """A small change of scales or ratios that misses fewest objects, tried on these; "" if none."""
    anchors = dict(config.model.rpn_head.get("anchors") or {})
    if "sizes" in anchors or "sides" in anchors:
        return ""
    scales = [float(s) for s in anchors.get("scales", (8.0,))]
    ratios = [float(r) for r in anchors.get("ratios", (0.5, 1.0, 2.0))]
    tries: list[Mapping[str, Any]] = []
    for factor in (0.25, 0.5, 2.0):
        tries.append({"scales": sorted({*scales, *(s * factor for s in scales)})})
    tries.append({"ratios": sorted({*ratios, min(ratios) / 2, max(ratios) * 2})})
    every = sorted({s * factor for s in scales for factor in (0.25, 0.5, 1.0)})
    tries += [{**tries[1], **tries[3]}, {"scales": every}, {"scales": [s / 2 for s in scales]}]
    found = []
    for change in tries:
        other = fit_anchors(TASK_UTILS.build({**anchors, **change}), sampled, multiple)
        found.append((other.recall(FORCED), other.recall(0.5), other, change))
    best = max(found, key=lambda one: (round(one[0], 2), one[1]))
    if best[0] <= fit.recall(FORCED) + 0.005 and best[1] <= fit.recall(0.5) + 0.02:
        return ""
    words = " ".join(
        f"model.rpn_head.anchors.{key}=[{','.join(f'{v:g}' for v in value)}]"
        for key, value in best[3].items()
    )
    return (
        f"--cfg-options {words}: then {100 * best[0]:.0f} % have an anchor with an IoU of {FORCED} "
        f"(now {100 * fit.recall(FORCED):.0f} %), {100 * best[1]:.0f} % with .5 (tried on these)"
    )


def anchor_table(fit: AnchorFit, sampled: Sampled) -> Table:
    """Recall of the anchors by size and shape of the objects."""
    groups = {
        "all": np.ones(len(fit.ious), bool),
        f"sides < {SMALL:g}": fit.sides < SMALL,
        f"{SMALL:g} to {LARGE:g}": (fit.sides >= SMALL) & (fit.sides < LARGE),
        f">= {LARGE:g}": fit.sides >= LARGE,
        "wider than 3 : 1": fit.ratios < 1 / 3,
        "higher than 1 : 3": fit.ratios > 3,
    }
    rows = tuple(
        (
            name,
            str(int(keep.sum())),
            *(_percent(fit.recall(u, keep)) for u in (FORCED, 0.5, 0.7)),
            "-" if not keep.any() else f"{np.median(fit.ious[keep]):.2f}",
        )
        for name, keep in groups.items()
    )
    return Table(
        "Anchors: share of objects that the best one reaches (%)",
        ("objects, network pixels", "count", "IoU .3", "IoU .5", "IoU .7", "middle IoU"),
        rows,
        (
            f"{len(sampled.infos)} training pictures as the network sees them, about "
            f"{fit.per_image:.0f} anchors each. The RPN trains on anchors from its own thresholds "
            "(usually .7) and on the best of each object from .3.",
        ),
    )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.0f}"
