"""Run a detector over a data set and keep what its stages did, for the instruments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.progress import track
from cascadekit.quality.proposal_sets import ProposalSet
from cascadekit.quality.records import (
    ImageRecord,
    Recording,
    SampleRecording,
    StageBoxes,
    StageSamples,
    Truth,
)
from cascadekit.structures.boxes import iou_aligned
from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Proposals,
    StageOutput,
    image_infos,
)


@torch.no_grad()
def record_stages(
    detector: nn.Module,
    loader: Any,
    *,
    proposals: ProposalSet | None = None,
    all_heads: bool = True,
    limit: int | None = None,
    description: str = "Stages",
) -> Recording:
    """Run a detector as in inference and keep every stage, with the truth.

    Args:
        detector: ours, in evaluation mode, with a roi head; `detector.classes` names its classes.
        loader: data loader of a test pipeline; every sample carries its `instances`.
        proposals: boxes to start from instead of the detector's own; images that it does not
            have start from none.
        all_heads: run every head on every stage's rois, for the stage x head matrix.
        limit: the first so many images; None: all. The whole recording is in memory: per image
            rois x stages x heads x (K + 1 + 4 G) numbers.
        description: of the progress bar.

    Returns:
        The recording, in pixels of the files.

    Raises:
        InputError: the model has no stages, no names of classes, or a sample no `instances`.
    """
    head = _roi_head(detector)
    images: list[ImageRecord] = []
    with _analysing(detector, all_heads):
        for batch in batches(loader, limit, description):
            data = detector.data_preprocessor(batch, False)
            samples = data["data_samples"]
            infos = image_infos(samples)
            given = None if proposals is None else _given(proposals, infos, data["inputs"].device)
            _, stages = detector.run_stages(data["inputs"], samples, given)
            chosen = head.detect(stages, infos)
            for b, (sample, info) in enumerate(zip(samples, infos, strict=True)):
                found = {name: _in_file(per[b], info) for name, per in chosen.items()}
                recorded = tuple(_stages_of(stages, b, info))
                images.append(ImageRecord(info, truth_of(sample, info), recorded, found))
    return Recording(
        classes=classes_of(detector, loader),
        stage_ious=tuple(float(assigner.pos_iou) for assigner in head.assigner),
        images=tuple(images if limit is None else images[:limit]),
        final=head.test_stages,
        postprocess=head.postprocess,
        proposals=_source(detector) if proposals is None else proposals.name,
    )


@torch.no_grad()
def record_samples(
    detector: nn.Module,
    loader: Any,
    *,
    limit: int | None = None,
    seed: int = 0,
    description: str = "Training samples",
) -> SampleRecording:
    """Match and sample as in training, and keep what each stage would learn from.

    Args:
        detector: ours, in evaluation mode but for the proposal network, which proposes as in
            training.
        loader: data loader with ground truth, of the training set; every image once is best.
        limit: the first so many images; None: all.
        seed: of the samplers.
        description: of the progress bar.

    Returns:
        The samples of all stages.

    Raises:
        InputError: the model has no stages, or the samples carry no ground truth.
    """
    head = _roi_head(detector)
    parts: list[list[StageSamples]] = []
    seen = 0
    with _proposing_as_in_training(detector):
        for batch in batches(loader, limit, description):
            data = detector.data_preprocessor(batch, False)
            generator = torch.Generator(data["inputs"].device).manual_seed(seed + seen)
            _, stages = detector.run_stages(
                data["inputs"], data["data_samples"], training=True, generator=generator
            )
            seen += len(data["data_samples"])
            parts.append([_samples_of(stage, head) for stage in stages])
    joined = tuple(_join(stage) for stage in zip(*parts, strict=True))
    return SampleRecording(joined, seen, classes_of(detector, loader))


def _roi_head(detector: nn.Module) -> Any:
    head = getattr(detector, "roi_head", None)
    if head is None:
        raise InputError("this model has no roi_head, so there are no stages to record")
    return head


def _source(detector: nn.Module) -> str:
    """What a detector's own proposals are called in captions."""
    return "stored proposals" if getattr(detector, "rpn_head", None) is None else "RPN"


@contextmanager
def _analysing(detector: nn.Module, all_heads: bool) -> Iterator[None]:
    """Every choice of stages and, if asked for, every head; afterwards as before."""
    head: Any = detector.roi_head
    before = head.all_variants, head.all_heads, detector.training
    head.all_variants, head.all_heads = True, all_heads
    detector.eval()
    try:
        yield
    finally:
        head.all_variants, head.all_heads = before[:2]
        detector.train(before[2])


@contextmanager
def _proposing_as_in_training(detector: nn.Module) -> Iterator[None]:
    """Proposals are counted as in training; norms and drop-out are those of evaluation."""
    before = detector.training
    detector.eval()
    if getattr(detector, "rpn_head", None) is not None:
        detector.rpn_head.training = True  # of this module alone, which chooses by it
    try:
        yield
    finally:
        detector.train(before)


def batches(loader: Any, limit: int | None, description: str) -> Iterator[Any]:
    """The batches of a loader with a progress bar, as many as hold `limit` images or just more.

    Args:
        loader: of batches of `batch_size` images.
        limit: images; None: all.
        description: of the bar.

    Yields:
        Any: each batch.
    """
    size = getattr(loader, "batch_size", 1) or 1
    total = len(loader) if isinstance(loader, Sized) else None
    if limit is not None:
        count = -(-limit // size)
        total = count if total is None else min(total, count)
        loader = itertools.islice(loader, count)
    yield from track(loader, description=description, total=total)


def classes_of(detector: nn.Module, loader: Any) -> tuple[str, ...]:
    """Names of the classes: the detector's own, else the data set's.

    Args:
        detector: may have `classes`.
        loader: of a data set that may have them in its `metainfo`.

    Returns:
        K names.

    Raises:
        InputError: neither has any.
    """
    names = getattr(detector, "classes", None)
    if names is None:
        names = getattr(getattr(loader, "dataset", None), "metainfo", {}).get("classes")
    if names is None:
        raise InputError("the detector has no names of classes: set detector.classes")
    return tuple(names)


def _given(proposals: ProposalSet, infos: Sequence[ImageInfo], device: torch.device) -> Proposals:
    """The set's boxes of a batch, in network pixels."""
    own = [proposals.of(info.image_id) for info in infos]
    boxes = [info.to_network(p.boxes.to(device)) for p, info in zip(own, infos, strict=True)]
    return Proposals.from_list(boxes, [p.scores.to(device) for p in own])


def _in_file(found: Detections, info: ImageInfo) -> Detections:
    """Detections in pixels of the file, on the CPU, without masks."""
    return Detections(
        info.to_original(found.boxes).cpu(),
        found.scores.cpu(),
        found.labels.cpu(),
        found.roi_index.cpu(),
    )


def _stages_of(stages: Sequence[StageOutput], b: int, info: ImageInfo) -> Iterator[StageBoxes]:
    rows = stages[0].proposals.image_index == b
    scores = stages[0].proposals.scores[rows]
    for stage in stages:
        logits = {h: each[rows].float().cpu() for h, each in stage.logits_by_head.items()}
        yield StageBoxes(
            head=stage.head,
            input_boxes=info.to_original(stage.proposals.boxes[rows]).cpu(),
            input_scores=scores.float().cpu(),
            logits_by_head=logits,
            boxes_by_head={
                h: info.to_original(each[rows]).cpu()
                for h, each in stage.boxes_by_head.items()
                if h != stage.head or stage.deltas.shape[1] > 0
            },
            output_boxes=info.to_original(stage.boxes[rows]).cpu(),
        )
        scores = logits[stage.head].softmax(1)[:, :-1].amax(1)


def truth_of(sample: Any, info: ImageInfo) -> Truth:
    """Ground truth of one data sample, from the data set's own records."""
    if "instances" not in sample.metainfo:
        raise InputError(
            f"{info.path or 'a sample'} carries no instances: the test pipeline must end in "
            "dict(type='cascadekit.PackInputs')"
        )
    objects = sample.metainfo["instances"]
    boxes = torch.tensor([o["bbox"] for o in objects], dtype=torch.float32).reshape(-1, 4)
    crowd = torch.tensor([bool(o.get("iscrowd")) for o in objects], dtype=torch.bool)
    ignored = torch.tensor([bool(o.get("ignore")) for o in objects], dtype=torch.bool)
    own_area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    given = [o.get("area") for o in objects]
    areas = [float(a) if g is None else float(g) for g, a in zip(given, own_area, strict=True)]
    return Truth(
        boxes,
        torch.tensor([o["label"] for o in objects], dtype=torch.long),
        torch.tensor(areas, dtype=torch.float32),
        crowd,
        ignored | crowd,
    )


def _samples_of(stage: StageOutput, head: Any) -> StageSamples:
    """What one stage of one batch would learn from."""
    matches, rois = stage.matches, stage.proposals
    assert matches is not None
    coder = head.bbox_coder[stage.head]
    means, stds = rois.boxes.new_tensor(coder.means), rois.boxes.new_tensor(coder.stds)
    known = matches.ious > 0
    deltas: Tensor = torch.full_like(rois.boxes, float("nan"))
    deltas[known] = coder.encode(rois.boxes[known], matches.gt_boxes[known]) * stds + means
    return StageSamples(
        stage=stage.stage,
        threshold=float(head.assigner[stage.stage].pos_iou),
        ious=matches.ious.cpu(),
        output_ious=iou_aligned(stage.boxes, matches.gt_boxes).cpu(),
        positive=stage.positive().cpu(),
        from_gt=rois.from_gt.cpu(),
        deltas=deltas.cpu(),
        means=tuple(coder.means),
        stds=tuple(coder.stds),
    )


def _join(parts: Sequence[StageSamples]) -> StageSamples:
    """One stage's samples of all batches."""
    columns = ("ious", "output_ious", "positive", "from_gt", "deltas")
    joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in columns}
    return replace(parts[0], **joined)
