"""Class loss of one MS-CNN template; finite and tied to the graph on no rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def balanced_classification_loss(logits: Tensor, labels: Tensor, positive_share: float) -> Tensor:
    """Softmax cross-entropy in which positives and negatives have fixed shares.

    Args:
        logits: (R, K+1), background last; R may be 0, then the loss is 0.
        labels: (R,) int64, 0..K, background is K.
        positive_share: weight of the positives' mean; that of the negatives has the rest. Without
            positives the loss is the negatives' mean.

    Returns:
        () float32.

    Source: MS-CNN's released code, `pos_neg_weighted`: weights of 1/3 and 2/3 for two negatives a
    positive, whatever the sample's real counts are.
    """
    per_row = F.cross_entropy(logits.float(), labels, reduction="none")  # (R,)
    positive = labels < logits.shape[1] - 1
    positives, negatives = positive.sum(), (~positive).sum()
    share = torch.where(positives > 0, positive_share, 0.0)
    weights = torch.where(
        positive, share / positives.clamp(min=1), (1 - share) / negatives.clamp(min=1)
    )
    return (per_row * weights).sum()
