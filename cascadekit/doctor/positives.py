"""How many positives each stage would train on at each IoU, before there is a model.

The boxes are the anchors themselves: what a proposal network would give that moves no anchor and
ranks them perfectly (by their IoU with an object). A trained one moves them, and ranks worse;
moving counts for more, so at high IoU expect more positives than are told here. What enters stages
2 and 3 is extrapolated from the paper's regressors (`quality.stage_arrivals`). With a checkpoint
the same report is measured.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from mmengine import Config
from torch import Tensor

from cascadekit import ops
from cascadekit.doctor.anchors import anchors_of, maps_of
from cascadekit.doctor.finding import NOTE, WARNING, Finding
from cascadekit.doctor.sampled import Sampled
from cascadekit.models.proposals.anchors import AnchorGenerator
from cascadekit.progress import track
from cascadekit.quality.proposal_quality import LEAST, ProposalQuality, compute_proposal_quality
from cascadekit.quality.proposal_sets import ImageProposals
from cascadekit.quality.proposals_alone import proposals_alone
from cascadekit.quality.records import Truth
from cascadekit.quality.stage_arrivals import MEASURED, Sampling
from cascadekit.quality.tables import Table, number
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import ImageInfo, Targets

IOUS = (0.5, 0.6, 0.7, 0.8)
MOST_PICTURES = 60  # every anchor of a picture is compared with every object of it
NEAR = 0.1  # IoU below which anchors count as background
BACKGROUND = 1000  # of these, as many are kept


def stage_ious(config: Config) -> tuple[float, ...]:
    """IoU threshold u of each stage of a config; () without stages."""
    head = config.model.get("roi_head")
    if head is None:
        return ()
    ious = head.get("stage_ious", 3)
    return (0.5, 0.6, 0.7, 0.75)[:ious] if isinstance(ious, int) else tuple(map(float, ious))


def sampling_of(config: Config) -> Sampling:
    """How stage 1 of a config draws its rois."""
    drawn = dict(config.model.roi_head.get("sampler") or {})
    standard = Sampling()
    return Sampling(
        num=int(drawn.get("num", standard.num)),
        pos_fraction=float(drawn.get("pos_fraction", standard.pos_fraction)),
        iou=stage_ious(config)[0],
    )


def anchor_proposals(
    generator: AnchorGenerator, info: ImageInfo, targets: Targets, multiple: int, most: int
) -> tuple[Tensor, Tensor]:
    """Anchors of one picture, ranked by their IoU with the objects, overlapping ones suppressed.

    Args:
        generator: the anchors.
        info: the picture.
        targets: its objects; may be none.
        multiple: that it is padded to.
        most: boxes to keep.

    Returns:
        (R, 4) float32 boxes, clipped, network pixels, and (R,) float32 IoUs.
    """
    maps = maps_of([info.size], generator.strides, multiple)[0]
    boxes = box_ops.clip(torch.cat(generator.grid_anchors(maps)), *info.size)
    boxes = boxes[~box_ops.is_degenerate(boxes)]
    ious = boxes.new_zeros(len(boxes))
    for target in targets.boxes.split(64):  # bounds memory on pictures with many objects
        ious = torch.maximum(ious, box_ops.iou(boxes, target).amax(1))
    near = (ious >= NEAR).nonzero()[:, 0]
    near = near[ious[near].argsort(descending=True, stable=True)][: 4 * most]
    kept = near[ops.nms(boxes[near], ious[near], 0.7)][:most]
    far = (ious < NEAR).nonzero()[:, 0]
    step = max(len(far) // BACKGROUND, 1)
    chosen = torch.cat([kept, far[::step][:BACKGROUND]])
    return boxes[chosen], ious[chosen]


def expected_positives(config: Config, sampled: Sampled) -> ProposalQuality | None:
    """The proposal-quality report on anchors alone.

    Args:
        config: of `load_config`.
        sampled: its training pictures.

    Returns:
        The report; None without anchors, stages or objects.
    """
    generator, stages = anchors_of(config), stage_ious(config)
    if generator is None or not stages or not sampled.num_objects:
        return None
    multiple = int(config.model.get("data_preprocessor", {}).get("pad_size_divisor", 1) or 1)
    counts = config.model.rpn_head.get("train_proposals") or (2000, 2000)
    most = int(counts[1] or 2000)
    pairs = list(zip(sampled.infos, sampled.targets, strict=True))[:MOST_PICTURES]
    proposals, truths = [], []
    for info, targets in track(pairs, description="Anchors"):
        boxes, ious = anchor_proposals(generator, info, targets, multiple, most)
        boxes = info.to_original(boxes)
        none = torch.zeros(len(boxes), dtype=torch.bool)
        proposals.append(ImageProposals(boxes, ious.clamp(0, 1), none))
        truths.append(_truth(targets, info))
    infos = [info for info, _ in pairs]
    recording = proposals_alone(proposals, truths, infos, name="anchors")
    return compute_proposal_quality(recording, stages=len(stages), sampling=sampling_of(config))


def _truth(targets: Targets, info: ImageInfo) -> Truth:
    boxes = info.to_original(torch.cat([targets.boxes, targets.ignored_boxes]))
    ignored = torch.arange(len(boxes)) >= len(targets.boxes)
    labels = torch.cat([targets.labels, targets.labels.new_zeros(len(targets.ignored_boxes))])
    return Truth(boxes, labels, box_ops.area(boxes), ignored, ignored)


def at(quality: ProposalQuality, stage: int, u: float) -> tuple[float, float]:
    """Share of positives at u, and how many per picture, of one stage."""
    curve = quality.curves[stage]
    share = float(np.interp(u, quality.grid, curve.shares))
    return share, share * curve.rois_per_image


def positives_table(
    quality: ProposalQuality,
    ious: tuple[float, ...],
    objects: float,
    source: str,
    counted: str = MEASURED,
) -> Table:
    """Expected positives per picture of each stage, at its own u and at others.

    Args:
        quality: of as many stages.
        ious: u of each stage.
        objects: per picture, whose copies join the rois.
        source: what the boxes are, for the note.
        counted: what the basis of stages is called that are not extrapolated.

    Returns:
        The table.
    """
    columns = tuple(sorted({*IOUS, *ious}))
    rows = tuple(
        (
            f"stage {k + 1} (u = {own:g})",
            *(number(at(quality, k, u)[1]) for u in columns),
            f"{100 * at(quality, k, own)[0]:.1f}",
            counted if quality.curves[k].basis == MEASURED else quality.curves[k].basis,
        )
        for k, own in enumerate(ious)
    )
    header = ("", *(f"IoU {u:g}" for u in columns), "share at u (%)", "basis")
    return Table(
        "Expected positives per picture",
        header,
        rows,
        (source, f"Copies of the ground truth join in training: {objects:.1f} more a picture."),
    )


def positive_findings(config: Config, sampled: Sampled) -> tuple[list[Finding], list[Table]]:
    """Whether each stage would have enough to learn from.

    Args:
        config: of `load_config`.
        sampled: its training pictures.

    Returns:
        Findings and a table; both empty where nothing can be told.
    """
    quality = expected_positives(config, sampled)
    if quality is None or not quality.curves:
        return [], []
    ious = stage_ious(config)
    objects = sampled.num_objects / len(sampled.infos)
    source = (
        f"Boxes: the anchors of {quality.num_images} pictures, not moved, ranked perfectly by "
        "their IoU; a trained RPN moves them, so expect more at high IoU. Later stages: "
        "extrapolated from the paper's regressors. With --checkpoint it is measured."
    )
    table = positives_table(quality, ious, objects, source, "anchors")
    return list(_findings(quality, ious)), [table]


def _findings(quality: ProposalQuality, ious: tuple[float, ...]) -> Iterator[Finding]:
    said = "; ".join(
        f"stage {k + 1} at u = {u:g}: {at(quality, k, u)[1]:.1f} per picture "
        f"({100 * at(quality, k, u)[0]:.1f} %)"
        for k, u in enumerate(ious)
    )
    share = at(quality, 0, ious[0])[0]
    text = f"expected positives with anchors as proposals: {said}"
    if share < LEAST:
        yield Finding(
            "positives.few",
            WARNING,
            "config",
            f"{text}. The paper's u = .7 alone, which trained badly, had 2.9 %, u = .6 8.0 %",
            "See the anchors above: stage 1 depends on how far the RPN moves them. After a short "
            "training, `cascadekit suggest` measures which u the proposals support",
        )
    else:
        yield Finding("positives.expected", NOTE, "config", text)
