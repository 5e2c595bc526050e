"""Boxes for a detector to start from in place of its own, as `record_stages(proposals=...)` takes.

They come from a recording (what enters or leaves a stage, of the same or another model), from
there with the ground truth added, or from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from cascadekit.errors import InputError
from cascadekit.quality.records import ImageRecord, Recording

ImageId = int | str


@dataclass(frozen=True)
class ImageProposals:
    """Proposals of one image.

    Attributes:
        boxes: (R, 4) float32 xyxy, pixels of the file, as they left their maker: not clipped. R may
            be 0.
        scores: (R,) float32 in [0, 1], what ranks them; 1 for ground truth.
        from_gt: (R,) bool, copies of ground truth.
    """

    boxes: Tensor
    scores: Tensor
    from_gt: Tensor

    def __len__(self) -> int:
        """Number of boxes R."""
        return len(self.boxes)


@dataclass(frozen=True)
class ProposalSet:
    """Proposals of a data set.

    Attributes:
        images: the data set's id of an image -> its proposals.
        name: where they come from, for captions ("RPN + ground truth").
    """

    images: Mapping[ImageId, ImageProposals]
    name: str

    @classmethod
    def from_boxes(
        cls,
        boxes: Mapping[ImageId, Any],
        scores: Mapping[ImageId, Any],
        from_gt: Mapping[ImageId, Any] | None = None,
        name: str = "given boxes",
    ) -> ProposalSet:
        """Check plain arrays and make a set of them.

        Args:
            boxes: image id -> (R, 4) xyxy, pixels of the file, tensor or anything like an array; R
                may be 0.
            scores: the same ids -> (R,) in [0, 1].
            from_gt: ids -> (R,) bool; ids may be missing. None: no copies of ground truth.
            name: of the set, for captions.

        Returns:
            The set.

        Raises:
            InputError: ids or lengths differ, or a number is not finite.
        """
        if set(boxes) != set(scores):
            lone = sorted(map(str, set(boxes) ^ set(scores)))[:3]
            raise InputError(f"{name}: boxes and scores are of different images, as {lone}")
        given = from_gt or {}
        return cls(
            {key: _checked(boxes[key], scores[key], given.get(key), key, name) for key in boxes},
            name,
        )

    @classmethod
    def from_stored(
        cls, stored: StoredProposals, most: int | None = None, name: str = "stored proposals"
    ) -> ProposalSet:
        """Read a whole file into memory.

        Args:
            stored: an open file, as `cascadekit.datasets.proposal_files.ProposalFile`.
            most: the best so many of each image; None: all.
            name: of the set, for captions.

        Returns:
            The set.

        Raises:
            InputError: the file's boxes cannot be used.
        """
        found = {key: stored.read(key, most=most) for key in stored.ids}
        boxes = {key: each[0] for key, each in found.items()}
        return cls.from_boxes(boxes, {key: each[1] for key, each in found.items()}, name=name)

    def of(self, image_id: ImageId) -> ImageProposals:
        """Proposals of one image; none where the set does not have it."""
        found = self.images.get(image_id)
        return _empty() if found is None else found

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)


class StoredProposals(Protocol):
    """What an open file of proposals offers."""

    @property
    def ids(self) -> Iterable[ImageId]:
        """The images' ids."""

    def read(self, image_id: ImageId, *, most: int | None = None) -> tuple[Any, Any]:
        """Boxes (R, 4) xyxy, pixels of the file, and scores (R,) of an image, best first."""


def stage_inputs(recording: Recording, stage: int, name: str | None = None) -> ProposalSet:
    """The boxes that entered a stage, ranked as they were.

    Args:
        recording: of any detector.
        stage: 0..S-1; 0 gives the detector's proposals, stage k what left stage k - 1.
        name: for captions; None: what the recording calls them.

    Returns:
        Proposals of all its images.

    Raises:
        InputError: no such stage, or two images of one id.
    """
    _check_stage(recording, stage)
    if name is None:
        name = recording.proposals if stage == 0 else f"boxes entering stage {stage + 1}"
    return _collect(recording, name, lambda image: _entering(image, stage))


def stage_outputs(recording: Recording, stage: int, name: str | None = None) -> ProposalSet:
    """The boxes that left a stage, ranked by the best class probability of its own head.

    Args:
        recording: of any detector.
        stage: 0..S-1; the last one's boxes enter no stage of their own detector.
        name: for captions; None: "boxes after stage k".

    Returns:
        Proposals of all its images.

    Raises:
        InputError: no such stage, or two images of one id.
    """
    _check_stage(recording, stage)
    called = f"boxes after stage {stage + 1}" if name is None else name
    return _collect(recording, called, lambda image: _leaving(image, stage))


def with_ground_truth(
    proposals: ProposalSet, recording: Recording, name: str | None = None
) -> ProposalSet:
    """Add each image's objects to its proposals, with score 1.

    Args:
        proposals: of the same data set.
        recording: has the ground truth; ignored objects and crowds are not added, as in training.
        name: for captions; None: the old name "+ ground truth".

    Returns:
        Proposals of the recording's images, so that no image goes without its objects; those of
        other images are left out.

    Raises:
        InputError: two images of one id.
    """

    def join(image: ImageRecord) -> ImageProposals:
        own, objects = proposals.of(image.info.image_id), image.truth.counted().boxes
        return ImageProposals(
            torch.cat([own.boxes, objects]),
            torch.cat([own.scores, objects.new_ones(len(objects))]),
            torch.cat([own.from_gt, torch.ones(len(objects), dtype=torch.bool)]),
        )

    return _collect(recording, f"{proposals.name} + ground truth" if name is None else name, join)


def _checked(boxes: Any, scores: Any, from_gt: Any, key: ImageId, name: str) -> ImageProposals:
    """Arrays of one image as tensors, or an `InputError`."""
    box = torch.as_tensor(boxes, dtype=torch.float32)
    score = torch.as_tensor(scores, dtype=torch.float32)
    none = torch.zeros(len(score), dtype=torch.bool)
    copies = none if from_gt is None else torch.as_tensor(from_gt, dtype=torch.bool)
    where = f"{name}, image {key!r}"
    if box.numel() == 0:
        box = box.reshape(-1, 4)
    if box.ndim != 2 or box.shape[1] != 4:
        raise InputError(f"{where}: boxes must be (R, 4), got {tuple(box.shape)}")
    if score.shape != (len(box),) or copies.shape != (len(box),):
        raise InputError(
            f"{where}: {len(box)} boxes, but scores are {tuple(score.shape)} and from_gt "
            f"{tuple(copies.shape)}"
        )
    if not (box.isfinite().all() and score.isfinite().all()):
        raise InputError(f"{where}: its boxes or scores are not finite")
    return ImageProposals(box, score, copies)


def _empty() -> ImageProposals:
    none = torch.zeros(0)
    return ImageProposals(none.reshape(0, 4), none, torch.zeros(0, dtype=torch.bool))


def _check_stage(recording: Recording, stage: int) -> None:
    if recording.images and not 0 <= stage < recording.num_stages:
        raise InputError(
            f"stage must be 0..{recording.num_stages - 1} (stage 1 is 0), got {stage}: the "
            f"recording has {recording.num_stages} stages"
        )


def _entering(image: ImageRecord, stage: int) -> ImageProposals:
    own = image.stages[stage]
    return ImageProposals(own.input_boxes, own.input_scores, _no_copies(own.input_boxes))


def _leaving(image: ImageRecord, stage: int) -> ImageProposals:
    own = image.stages[stage]
    scores = own.logits_by_head[own.head].softmax(1)[:, :-1].amax(1)
    return ImageProposals(own.output_boxes, scores, _no_copies(own.output_boxes))


def _no_copies(boxes: Tensor) -> Tensor:
    return torch.zeros(len(boxes), dtype=torch.bool)


def _collect(
    recording: Recording, name: str, make: Callable[[ImageRecord], ImageProposals]
) -> ProposalSet:
    """One entry per image of a recording, by the data set's id."""
    found: dict[ImageId, ImageProposals] = {}
    for image in recording.images:
        key = image.info.image_id
        if key in found:
            raise InputError(f"two images of the recording have the id {key!r}; ids must differ")
        found[key] = make(image)
    return ProposalSet(found, name)
