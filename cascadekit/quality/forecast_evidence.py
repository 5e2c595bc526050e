"""The evidence for a forecast: each piece with its vote, its numbers and its limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cascadekit.evaluation.coco_ap import CocoScores
from cascadekit.quality.image_bootstrap import band, resampled_means
from cascadekit.quality.label_looseness import Looseness
from cascadekit.quality.object_consensus import Consensus
from cascadekit.quality.proposal_quality import ProposalQuality
from cascadekit.quality.records import Recording, best_objects
from cascadekit.structures.boxes import iou_aligned

FOR, AGAINST, OPEN, NO_VOTE = "for", "against", "open", "no vote"

# Below about 20 images a band over images is itself too narrow; 100 objects give a std to 7 %.
FEW_OBJECTS, FEW_IMAGES = 100, 20
# A detector that finds less has not learned to localise yet: its boxes say nothing of the labels.
FOUND = 0.3
# The paper's cascade makes 4.0 of 22.1 points of headroom its own, a fifth (Table 1). Of 5 points
# that is one, less than two trainings differ by on a small set.
HEADROOM = 0.05
GAIN = 0.01  # what scatter costs must be more than trainings differ by at the best of times
# Of the squared error. With exact labels the upper end of the band was at most .24 (drawn shapes,
# cards; four trainings), on blood cells, loosely labelled, the lower at least .35. Cards would get
# there with labels off by 3 % of the size at each edge, as if two of them agreed to IoU .88.
LOOSE = 0.3
# IoU .9 leaves a tenth of the size to all four edges together: half a pixel each at 20 pixels.
SMALL = 20.0
MIDDLE = (0.7, 0.8)  # input IoU at which a regressor of u = .5 should still help (Figure 2)


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence.

    Attributes:
        name: what was looked at.
        vote: "for", "against", "open" (a band crosses its limit, or too little to go by), or "no
            vote" (told for information).
        text: one sentence with its numbers.
    """

    name: str
    vote: str
    text: str


@dataclass(frozen=True)
class Seen:
    """What the evidence is read from.

    Attributes:
        recording: of the detector, on pictures that it was not trained on.
        scores: of its detections.
        gathered: of its detections with each box at its object's mean box.
        consensus: of its boxes; of no objects where there is no regressor.
        held_out: looseness on these pictures.
        trained_on: looseness on pictures that it was trained on, or None.
        with_truth: scores with ground truth among the proposals, or None.
        quality: the proposal-quality report, or None.
    """

    recording: Recording
    scores: CocoScores
    gathered: CocoScores
    consensus: Consensus
    held_out: Looseness
    trained_on: Looseness | None
    with_truth: CocoScores | None
    quality: ProposalQuality | None


def evidence_of(seen: Seen) -> Iterator[Evidence]:
    """All pieces; `cascade_forecast` weighs them."""
    yield _enough(seen)
    yield _headroom(seen)
    yield _scatter(seen)
    yield _labels(seen)
    yield _regressor(seen)
    yield _positives(seen)
    yield _sizes(seen)
    if seen.with_truth is not None:
        yield _with_truth(seen)


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _enough(seen: Seen) -> Evidence:
    """Objects, images and a detector that finds something."""
    name = "enough to go by"
    objects, images = seen.held_out.num_objects, seen.held_out.num_images
    if seen.recording.images and not has_regressor(seen.recording):
        return Evidence(name, OPEN, "There is no regressor: proposals alone say nothing of labels.")
    count = f"{objects} objects with three or more rois in {images} images"
    if objects < FEW_OBJECTS or images < FEW_IMAGES:
        wanted = f"{FEW_OBJECTS} objects in {FEW_IMAGES} images"
        return Evidence(name, OPEN, f"Only {count}; {wanted} are asked for.")
    if not seen.scores.ap_at(50) >= FOUND:
        return Evidence(
            name,
            OPEN,
            f"The detector finds too little (AP50 {_percent(seen.scores.ap_at(50))}) for its boxes "
            "to say anything of the labels: train it longer.",
        )
    return Evidence(name, FOR, f"{count}, AP50 {_percent(seen.scores.ap_at(50))}.")


def _headroom(seen: Seen) -> Evidence:
    """What AP could gain if all that is found were boxed tightly."""
    s = seen.scores
    room = s.ap_at(50) - s.ap
    text = (
        f"AP50 is {_percent(s.ap_at(50))}, AP75 {_percent(s.ap_at(75))}, AP90 "
        f"{_percent(s.ap_at(90))}: tighter boxes could add at most {_percent(room)} to AP "
        f"{_percent(s.ap)}."
    )
    if math.isnan(room):
        return Evidence("headroom", OPEN, "There are no objects to score.")
    return Evidence("headroom", FOR if room >= HEADROOM else AGAINST, text)


def _scatter(seen: Seen) -> Evidence:
    """What it costs that boxes of one object differ."""
    now, then = seen.scores, seen.gathered
    gain = then.ap - now.ap
    if math.isnan(gain) or not seen.held_out.num_objects:
        return Evidence("scatter", OPEN, "No object has boxes enough to compare.")
    agreement = float(np.median(seen.consensus.agreement))
    text = (
        f"Boxes of one object agree to IoU {agreement:.2f} with their mean; with all of them there "
        f"AP would be {_percent(then.ap)} ({100 * gain:+.1f}) and AP90 {_percent(then.ap_at(90))} "
        f"({100 * (then.ap_at(90) - now.ap_at(90)):+.1f}): what depends on where a box started."
    )
    return Evidence("scatter", FOR if gain >= GAIN else OPEN, text)


def _labels(seen: Seen) -> Evidence:
    """Whether the labels reward tightness, on held-out and on trained-on images."""
    if not seen.held_out.num_objects:
        return Evidence("labels", OPEN, "No object has boxes enough to compare with its label.")
    votes = [_vote_of(seen.held_out)]
    text = f"On new images {_text_of(seen.held_out)}"
    if seen.trained_on is not None and seen.trained_on.num_objects:
        votes.append(_vote_of(seen.trained_on))
        text += f"; on images trained on {_text_of(seen.trained_on)}"
    vote = votes[0] if len(set(votes)) == 1 else OPEN
    ending = {
        FOR: "The labels are tight enough.",
        AGAINST: "The labels are too loose, or this model cannot see the objects' edges.",
        OPEN: "This does not decide whether the labels are tight.",
    }
    return Evidence("labels", vote, f"{text}. {ending[vote]}")


def _vote_of(loose: Looseness) -> str:
    return AGAINST if loose.low > LOOSE else FOR if loose.high < LOOSE else OPEN


def _text_of(loose: Looseness) -> str:
    off, apart = _percent(loose.bias), _percent(loose.scatter)
    share, low, high = (f"{100 * part:.0f}" for part in (loose.share, loose.low, loose.high))
    return (
        f"mean boxes are {off} % of the size off the labels and boxes {apart} % off their mean, so "
        f"{share} % ({low} to {high} %) of the squared error is laid to the labels, as if two "
        f"people's labels agreed to IoU {loose.agreement:.2f}"
    )


def _regressor(seen: Seen) -> Evidence:
    """Whether boxes that are good already become better."""
    sums, counts = _middle_gains(seen.recording)
    total = counts.sum()
    if total < FEW_OBJECTS or not has_regressor(seen.recording):
        text = (
            f"Only {int(total)} rois have an IoU from .7 to .8: not enough to see what they gain."
        )
        return Evidence("regressor", NO_VOTE, text)
    low, high = (float(end[0]) for end in band(resampled_means(sums[:, None], counts[:, None])))
    text = (
        f"Rois with an IoU from .7 to .8 change by {sums.sum() / total:+.3f} ({low:+.3f} to "
        f"{high:+.3f}) in the regressor."
    )
    vote = FOR if low > 0 else AGAINST if high < 0 else OPEN
    return Evidence("regressor", vote, text)


def _middle_gains(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Per image, (I,) each: summed change of IoU of the rois from .7 to .8, and their number."""
    sums, counts = np.zeros(len(recording.images)), np.zeros(len(recording.images))
    for i, image in enumerate(recording.images):
        stage, objects = image.stages[0], image.truth.counted().boxes
        ious, best = best_objects(stage.input_boxes, image.truth)
        rows = (ious >= MIDDLE[0]) & (ious < MIDDLE[1])
        gains = iou_aligned(stage.output_boxes[rows], objects[best[rows]]) - ious[rows]
        sums[i], counts[i] = float(gains.sum()), int(rows.sum())
    return sums, counts


def _positives(seen: Seen) -> Evidence:
    """Whether later stages would have anything to learn from."""
    if seen.quality is None or not seen.quality.choices:
        return Evidence("positives", NO_VOTE, "Positives of later stages were not looked at.")
    least = min(seen.quality.choices, key=lambda c: c.positives_per_image)
    text = (
        f"The suggested stage with the fewest positives has {least.positives_per_image:.1f} per "
        f"image (stage {least.stage + 1}, u = {least.u:.2f}, {least.basis})."
    )
    # One positive per image is what ground truth gives alone.
    return Evidence("positives", FOR if least.positives_per_image >= 1 else OPEN, text)


def _sizes(seen: Seen) -> Evidence:
    """Whether objects are large enough for IoU .9 to mean anything in pixels."""
    pixels = seen.consensus.pixels
    if not len(pixels):
        return Evidence("sizes", NO_VOTE, "No object has boxes enough to be looked at.")
    middle = float(np.median(pixels))
    share = float((pixels < SMALL).mean())
    text = (
        f"The middle object is {middle:.0f} pixels as the network sees it: IoU .9 allows "
        f"{middle * 0.1 / 4:.1f} pixels at each edge. {100 * share:.0f} % are below {SMALL:.0f}, "
        "where that is half a pixel."
    )
    return Evidence("sizes", FOR if share < 0.5 else OPEN, text)


def _with_truth(seen: Seen) -> Evidence:
    """AP with ground truth among the proposals; it has no vote."""
    assert seen.with_truth is not None
    names = ("AP", "AP50", "AP75", "AP90")
    scores = ", ".join(f"{name} {_percent(seen.with_truth.as_dict()[name])}" for name in names)
    text = (
        f"With ground truth among the proposals: {scores}. A low AP90 shows that the regressor "
        "moves even perfect boxes; it does so with exact labels as well."
    )
    return Evidence("ground truth added", NO_VOTE, text)


def has_regressor(recording: Recording) -> bool:
    """Whether the first stage refines its boxes; proposals alone do not."""
    stages = recording.images[0].stages if recording.images else ()
    return bool(stages) and stages[0].head in stages[0].boxes_by_head
