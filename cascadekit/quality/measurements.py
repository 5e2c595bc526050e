"""What a diagnosis measured, for all of its sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cascadekit.quality.records import Recording, SampleRecording
from cascadekit.quality.stage_errors import StageErrors
from cascadekit.structures.samples import ImageInfo


@dataclass(frozen=True)
class Measurements:
    """What all sections read.

    Attributes:
        recording: stages as in inference, all heads.
        errors: the error anatomy of `recording`, which two sections show.
        with_truth: the same from proposals with the ground truth added; None: not recorded.
        trained_on: as in inference, on training images, for the forecast; None: not recorded.
        samples: what the stages saw in training; None: not recorded.
        no_samples: why not.
        read_picture: gives the (H, W, 3) uint8 RGB picture of an image; None: there are none.
    """

    recording: Recording
    errors: StageErrors
    with_truth: Recording | None
    trained_on: Recording | None
    samples: SampleRecording | None
    no_samples: str
    read_picture: Callable[[ImageInfo], np.ndarray] | None
