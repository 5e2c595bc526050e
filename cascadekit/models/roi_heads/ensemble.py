"""Which stages' classifiers score the final boxes, and how they are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cascadekit.errors import InputError, check_word
from cascadekit.registry import TASK_UTILS
from cascadekit.structures.samples import StageOutput

ROIS = ("last", "own")
AVERAGES = ("probabilities", "logits")


def variant_stages(name: str) -> tuple[int, tuple[int, ...]]:
    """Read a row name of the paper's Table 2.

    Args:
        name: "2": stage 2 alone; "1~3": boxes of stage 3, scores of stages 1 to 3.

    Returns:
        The stage whose boxes are reported and those that score them, counted from 0.

    Raises:
        InputError: not of that form.
    """
    first, _, last = name.partition("~")
    if not first.isdigit() or (last and not last.isdigit()) or name.endswith("~"):
        raise InputError(f"expected a stage such as '3' or a range such as '1~3', got {name!r}")
    stop = int(last or first)
    if not 1 <= int(first) <= stop:
        raise InputError(f"stages count from 1 upwards, got {name!r}")
    return stop - 1, tuple(range(int(first) - 1, stop))


def variant_names(num_stages: int, alone_only: bool = False) -> list[str]:
    """Rows of the paper's Table 2 for S stages: 1, 2, 3 and, unless `alone_only`, 1~2, 1~3."""
    alone = [str(s + 1) for s in range(num_stages)]
    return alone if alone_only else alone + [f"1~{s + 1}" for s in range(1, num_stages)]


@TASK_UTILS.register_module()
class StageEnsemble:
    """Class probabilities of rois from several stages.

    Args:
        rois: "last": all heads are run on the rois of the stage whose boxes are reported; "own":
            each head's scores on its own stage's rois, which cost nothing extra.
        average: of "probabilities", or of "logits" before the softmax.

    Raises:
        InputError: another word.

    Source: paper section 4.3 and both released codes: "last" and "probabilities". detectron2 has
    "own" and "probabilities", mmdetection "own" and "logits".
    """

    def __init__(self, rois: str = "last", average: str = "probabilities") -> None:
        check_word("ensemble.rois", rois, ROIS)
        check_word("ensemble.average", average, AVERAGES)
        self.rois = rois
        self.average = average

    def heads_needed(
        self, stage: int, names: Sequence[str], head_of_stage: Sequence[int]
    ) -> list[int]:
        """Heads that must be run on the rois of one stage, its own not counted.

        Args:
            stage: 0..S-1.
            names: the variants that will be asked for.
            head_of_stage: S head numbers.

        Returns:
            Head numbers, ascending.
        """
        if self.rois == "own":
            return []
        scored = [stages for last, stages in map(variant_stages, names) if last == stage]
        heads = {head_of_stage[member] for members in scored for member in members}
        return sorted(heads - {head_of_stage[stage]})

    def scores(self, stages: Sequence[StageOutput], name: str) -> Tensor:
        """Class probabilities of one variant.

        Args:
            stages: what the loop recorded in inference; row r is the same roi in all.
            name: "2" or "1~3", see `variant_stages`.

        Returns:
            (R, K+1) float32.
        """
        last, members = variant_stages(name)
        if self.rois == "own":
            each = [stages[member].logits.float() for member in members]
        else:
            # A head that made several stages (iterative BBox) counts once on the same rois.
            heads = dict.fromkeys(stages[member].head for member in members)
            each = [stages[last].logits_by_head[head].float() for head in heads]
        if self.average == "logits":
            return torch.stack(each).mean(0).softmax(1)
        return torch.stack([logits.softmax(1) for logits in each]).mean(0)
