"""Stored proposals as a step of the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmcv.transforms import BaseTransform

from cascadekit.datasets.proposal_files import ProposalFile
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS

Results = dict[str, Any]


@TRANSFORMS.register_module()
class LoadProposals(BaseTransform):
    """Look up a picture's stored proposals; `PackInputs` hands them to the model.

    Belongs after `LoadImage`, which says how large the picture is. Sets `proposals`: boxes (n, 4)
    float32 xyxy in pixels of the file, and scores (n,) float32; n may be 0.
    """

    def __init__(self, file: str, most: int | None = None) -> None:
        """Open the file.

        Args:
            file: of `cascadekit proposals`, or a `.pkl` of Detectron or detectron2.
            most: take the best so many of each picture; None: all.

        Raises:
            InputError: the file cannot be used, or `most` is not a whole number above 0.
        """
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise InputError(f"most of LoadProposals must be a whole number above 0, got {most!r}")
        self.stored = ProposalFile(file)
        self.most = most

    def transform(self, results: Results) -> Results:
        """Add `proposals`.

        Args:
            results: with `img_id`, and `img_path` and `ori_shape` where they are known.

        Returns:
            The same dict.

        Raises:
            InputError: the file has no such picture, or its boxes are those of another one.
        """
        name = Path(str(results.get("img_path") or "")).name
        size = results.get("ori_shape")
        results["proposals"] = self.stored.read(results["img_id"], name, size, self.most)
        return results
