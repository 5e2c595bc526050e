"""Which background a dense classifier trains on."""

from __future__ import annotations

import torch
from torch import Tensor

from cascadekit.errors import InputError, did_you_mean
from cascadekit.models.targets.assigner import NEGATIVE, POSITIVE
from cascadekit.registry import TASK_UTILS

CHOICES = ("random", "hardest")


@TASK_UTILS.register_module()
class NegativeSampler:
    """A number of negatives that follows the positives, all of which are trained on.

    Args:
        choose: "random": `ratio` negatives for each positive, drawn without repetition; "hardest":
            for each class `ratio` times its positives, those with the largest logit of the class
            (of equal ones the first). A box hard for two classes counts once.
        ratio: negatives per positive.
        least: negatives per class, also where there is no positive.

    Raises:
        InputError: another word, or a number below 0.

    Source: MS-CNN (Cai et al. 2016) section 3.3: "random" and "bootstrapping"; numbers of the
    released code. It draws from all boxes, with repetition, and drops what is no negative, so that
    its random samples are somewhat smaller; of equal logits it takes the last.
    """

    def __init__(self, choose: str = "random", ratio: float = 2.0, least: int = 4) -> None:
        if choose not in CHOICES:
            raise InputError(
                f"NegativeSampler: choose={choose!r} must be one of {', '.join(CHOICES)}."
                f"{did_you_mean(str(choose), CHOICES)}"
            )
        if ratio < 0 or least < 0:
            raise InputError(f"NegativeSampler: below 0: ratio={ratio}, least={least}")
        self.choose = choose
        self.ratio = ratio
        self.least = least

    def sample(
        self,
        kind: Tensor,
        labels: Tensor,
        logits: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Choose negatives of one image.

        Args:
            kind: (R,) int64, an `Assignment`'s kinds; R may be 0.
            labels: (R,) int64, the class of each positive, 0..K-1; other rows are not read.
            logits: (R, K+1), background last.
            generator: source of randomness; None: torch's global one.

        Returns:
            (n,) int64 rows that are negative, without repetition; n may be 0.
        """
        negatives = (kind == NEGATIVE).nonzero()[:, 0]
        classes = logits.shape[1] - 1
        if self.choose == "random":
            count = self._count(int((kind == POSITIVE).sum()), classes)
            if len(negatives) <= count:
                return negatives
            device = kind.device if generator is None else generator.device
            order = torch.randperm(len(negatives), generator=generator, device=device)[:count]
            return negatives[order.to(kind.device)]
        per_class = labels[kind == POSITIVE].bincount(minlength=classes).tolist()
        ranked = logits.detach()[negatives, :-1].sort(dim=0, descending=True, stable=True).indices
        hard = [ranked[: self._count(p, 1), k] for k, p in enumerate(per_class)]
        return negatives[torch.cat(hard).unique()]

    def _count(self, positives: int, classes: int) -> int:
        """How many negatives go with so many positives of so many classes."""
        return max(int(self.ratio * positives), self.least * classes)
