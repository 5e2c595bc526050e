"""What every benchmark's files become: figures of any choice of images, and curves to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cascadekit.evaluation.resampling import Figures
from cascadekit.visualization.metric_plots import Panel


@dataclass(frozen=True)
class Scored:
    """One set of detections, matched.

    Attributes:
        metric: key of `figure_tables.PLACES`.
        source: where the detections came from.
        num_images: I, of the ground truth.
        num_detections: in all its images.
        figures: of any choice of images; with None also figures that have no intervals.
        main: name of the figure that a verdict is about.
        lower_is_better: as for miss rates.
        kind: of the curves, key of `metric_plots.AXES`.
        panels: the curves.
        notes: what a reader of the figures should know, a sentence each.
    """

    metric: str
    source: str
    num_images: int
    num_detections: int
    figures: Figures
    main: str
    lower_is_better: bool
    kind: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()


# Path of detections, and whether images will be drawn -> what they score.
Scorer = Callable[[str, bool], Scored]


def file_notes(missing: tuple[str, ...], extra: tuple[str, ...], images: int) -> tuple[str, ...]:
    """What to say of pictures without a file of detections, and of files without a picture.

    Args:
        missing: names of pictures.
        extra: names of files.
        images: of the ground truth.

    Returns:
        A sentence each, or none.
    """
    notes = []
    if missing:
        notes.append(
            f"{len(missing)} of {images} pictures have no file of detections, such as "
            f"{missing[0]!r}: taken as without detections. If they are of another split, name the "
            "split (--gt PATH:SPLIT or --split FILE)"
        )
    if extra:
        notes.append(
            f"{len(extra)} files are of pictures that the ground truth does not have, such as "
            f"{extra[0]!r}: left out"
        )
    return tuple(notes)
