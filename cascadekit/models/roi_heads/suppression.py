"""What may replace or follow greedy NMS: soft-NMS and box voting, both within each class.

Neither is in torchvision; they are torch operations on whatever device the boxes are on, without a
kernel of their own. Greedy NMS is `ops.batched_nms`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from cascadekit.errors import InputError, did_you_mean
from cascadekit.structures import boxes as box_ops

METHODS = ("hard", "linear", "gaussian")

# Pairs of boxes compared at once by `vote`: 16 MB a float32 matrix.
MOST_PAIRS = 2**22


def check_method(nms: str, sigma: float, vote_iou: float | None) -> None:
    """Raise where settings of suppression make no sense.

    Args:
        nms: one of `METHODS`.
        sigma: of the gaussian.
        vote_iou: IoU from which a box votes, or None.

    Raises:
        InputError: another word, sigma not above 0, or vote_iou outside (0, 1].
    """
    if nms not in METHODS:
        known = ", ".join(METHODS)
        raise InputError(f"nms must be one of {known}, got {nms!r}.{did_you_mean(nms, METHODS)}")
    if not sigma > 0:
        raise InputError(f"sigma of the gaussian nms must be above 0, got {sigma!r}")
    if vote_iou is not None and not 0 < vote_iou <= 1:
        raise InputError(f"vote_iou must be above 0 and at most 1, or None, got {vote_iou!r}")


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    groups: Tensor,
    method: str,
    iou_threshold: float = 0.5,
    sigma: float = 0.5,
    min_score: float = 0.001,
    limit: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Lower the scores of boxes that overlap a better one of their group, instead of dropping them.

    Again and again the best box left of each group is taken, and the others of its group lose
    score: by 1 - IoU where the IoU is above `iou_threshold` ("linear"), or by exp(-IoU^2 / sigma)
    ("gaussian").

    Args:
        boxes: (N, 4) float xyxy, pixels; N may be 0. Boxes without area lower no other's score.
        scores: (N,) float, finite.
        groups: (N,) int64, any values; usually labels.
        method: "linear" or "gaussian".
        iou_threshold: of the linear rule.
        sigma: of the gaussian rule, above 0.
        min_score: boxes whose score is, or falls, below this are dropped.
        limit: the best so many of all groups are wanted; None: all.

    Returns:
        Rows of the boxes kept, (M,) int64, best lowered score first, equal ones in input order;
        and those scores, (M,) float32 (float64 for float64 scores).

    Raises:
        InputError: another method.

    Time is N times the smaller of `limit` and the size of the largest group (quadratic at worst),
    memory a few times N: all groups advance together.

    Source: Soft-NMS (Bodla et al. 2017), Figure 2. The text lowers at an IoU of exactly the
    threshold, its code only above, as we do. Its code never tests the best box against `min_score`.
    """
    if method not in METHODS[1:]:
        raise InputError(f"soft-NMS is 'linear' or 'gaussian', got {method!r}")
    scores = scores if scores.dtype == torch.float64 else scores.float()
    count, number = len(boxes), groups.unique(return_inverse=True)[1]  # (N,) 0..G-1
    if not count:
        return number, scores
    # A group's scores only fall, so its boxes beyond the limit cannot be among the best.
    rounds = min(int(number.bincount().max()), count if limit is None else limit)
    decay = partial(_decay, method=method, iou_threshold=iou_threshold, sigma=sigma)
    taken = _take(boxes.to(scores.dtype), scores, number, rounds, min_score, decay)
    final, order = taken.sort(descending=True, stable=True)
    found = final > -torch.inf
    return order[found][:limit], final[found][:limit]


def _take(
    boxes: Tensor,
    scores: Tensor,
    number: Tensor,
    rounds: int,
    min_score: float,
    decay: Callable[[Tensor], Tensor],
) -> Tensor:
    """Take the best box left of every group, lower the others, and so on.

    Args:
        boxes: (N, 4), N > 0.
        scores: (N,), of the same dtype.
        number: (N,) int64, group of each, 0..G-1.
        rounds: how many boxes of each group are taken at most.
        min_score: boxes below it are not taken.
        decay: IoU with the box taken -> factor of the score, elementwise.

    Returns:
        (N,) score at which each box was taken; -inf for those that were not.
    """
    groups = int(number.max()) + 1
    # One more box, empty and never alive: the best of a group that has none left.
    boxes = torch.cat([boxes, boxes.new_zeros(1, 4)])
    number = torch.cat([number, number.new_zeros(1)])
    left = torch.cat([scores, scores.new_zeros(1)])
    alive = torch.ones_like(left, dtype=torch.bool)
    alive[-1] = False
    taken = torch.full_like(left, -torch.inf)
    for _ in range(rounds):
        alive &= left >= min_score
        best = _best_rows(left.masked_fill(~alive, -torch.inf), number, groups)  # (G,)
        taken[best] = torch.where(alive[best], left[best], -torch.inf)
        alive[best] = False
        left = left * decay(box_ops.iou_aligned(boxes, boxes[best[number]]))  # (N + 1,)
    return taken[:-1]


def _best_rows(scores: Tensor, number: Tensor, groups: int) -> Tensor:
    """First row of the best score of each group.

    Args:
        scores: (N + 1,) float, -inf for what is out of the running, as the last always is.
        number: (N + 1,) int64, group of each, 0..G-1.
        groups: G.

    Returns:
        (G,) int64; the last row N for a group that has only -inf.
    """
    last = len(scores) - 1
    top = scores.new_full((groups,), -torch.inf).scatter_reduce(0, number, scores, "amax")
    is_top = (scores == top[number]) & (scores > -torch.inf)
    row = torch.arange(last + 1, device=scores.device)
    candidates = torch.where(is_top, row, last)
    return row.new_full((groups,), last).scatter_reduce(0, number, candidates, "amin")


def _decay(iou: Tensor, method: str, iou_threshold: float, sigma: float) -> Tensor:
    """Factor of a box's score, by its IoU with the box just taken."""
    if method == "linear":
        return torch.where(iou > iou_threshold, 1 - iou, 1.0)
    return torch.exp(-(iou**2) / sigma)


def vote(
    kept: Tensor, kept_groups: Tensor, boxes: Tensor, scores: Tensor, groups: Tensor, iou: float
) -> Tensor:
    """Box voting: each kept box becomes the score-weighted mean of those that agree with it.

    Args:
        kept: (M, 4) float xyxy, pixels, what NMS kept; M may be 0.
        kept_groups: (M,) int64, usually labels.
        boxes: (N, 4) all boxes before NMS, the kept ones among them; N may be 0.
        scores: (N,) float, >= 0, as they were before NMS: the weights.
        groups: (N,) int64.
        iou: a box of the same group with at least this IoU votes, in (0, 1].

    Returns:
        (M, 4) of the dtype of `kept`; a box nobody votes for, or only with score 0, stays.

    Time is M times N, memory a few times `MOST_PAIRS`.

    Source: Gidaris and Komodakis 2015, section 3, weighted by score; scores stay ("ID" in
    Detectron, which takes an IoU of 0.9 with test-time augmentation and 0.8 by default).
    """
    weighted = torch.cat([boxes * scores[:, None], scores[:, None]], 1)  # (N, 5)
    sums = [kept.new_zeros(0, 5)]
    for rows in torch.arange(len(kept), device=kept.device).split(
        max(MOST_PAIRS // max(len(boxes), 1), 1)
    ):
        agree = box_ops.iou(kept[rows], boxes) >= iou  # (m, N)
        agree &= kept_groups[rows, None] == groups[None, :]
        sums.append(agree.to(weighted.dtype) @ weighted)
    total = torch.cat(sums)  # (M, 5)
    mean = total[:, :4] / total[:, 4:].clamp(min=torch.finfo(total.dtype).tiny)
    return torch.where(total[:, 4:] > 0, mean, kept)
