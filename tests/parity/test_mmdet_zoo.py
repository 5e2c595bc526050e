"""mmdetection's own R50 and X101 configs, its checkpoints in our shipped configs: the same numbers.

At full width, with mmdetection's samplers and its random numbers: under one seed both draw the same
anchors and rois, so that the losses agree without any agreement on what is drawn.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine import Config
from mmengine.structures import InstanceData
from torch import Tensor, nn

from cascadekit.apis import load_config
from cascadekit.checkpoints import load_weights
from cascadekit.models import CascadeRCNN
from cascadekit.models.targets.assigner import IoUAssigner
from cascadekit.models.targets.matching import append_ground_truth, join, match_proposals
from cascadekit.models.targets.sampler import KeepAll, RandomSampler
from cascadekit.registry import MODELS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.masks import paste
from cascadekit.structures.samples import Proposals, StageOutput, Targets, image_infos

pytestmark = pytest.mark.mmdet

CONFIGS = Path(__file__).parents[2] / "configs"
# Height and width. The second picture is padded twice: to a multiple of 32, and to the first's
# size.
SIZES = [(128, 160), (90, 120)]
# To save time: proposals and detections of an image at test time, objects at training time.
PROPOSALS, DETECTIONS, OBJECTS = 300, 30, 4
FEWER = {
    "model.rpn_head.test_proposals": (1000, PROPOSALS),
    "model.roi_head.postprocess.max_detections": DETECTIONS,
}
# mmdetection's config, ours, and what ours needs besides.
CASES = {
    f"{title} {backbone}": (
        f"{folder}/{theirs}_{infix}_fpn_1x_coco",
        f"mmdet/{ours}_{infix.replace('-', '_')}",
        {},
    )
    for backbone, infix in (("R50", "r50"), ("X101", "x101-32x4d"))
    for title, folder, theirs, ours in (
        ("Faster", "faster_rcnn", "faster-rcnn", "faster"),
        ("Mask", "mask_rcnn", "mask-rcnn", "mask"),
        ("Cascade", "cascade_rcnn", "cascade-rcnn", "cascade"),
        ("Cascade Mask", "cascade_rcnn", "cascade-mask-rcnn", "cascade_mask"),
    )
}
# A row of the paper's tables, with mmdetection's rules and its rounded 1/30 and 1/15.
STDS = [(0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067)]
CASES["Cascade Mask X101 64x4d"] = (
    "cascade_rcnn/cascade-mask-rcnn_x101-64x4d_fpn_1x_coco",
    "paper/table10/cascade_mask_x101_64x4d",
    {"model.recipe": "mmdet", "model.roi_head.delta_stds": STDS},
)


@dataclass(frozen=True)
class Peers:
    """A detector of mmdetection, ours with its checkpoint, and a batch for both."""

    name: str
    theirs: nn.Module
    ours: CascadeRCNN
    images: Tensor
    samples: list[Any]

    def heads(self, kind: str) -> list[nn.Module]:
        """The heads of all stages in mmdetection's detector, where a lone one is in no list."""
        found = getattr(self.theirs.roi_head, f"{kind}_head", None)
        return [] if found is None else list(found) if isinstance(found, nn.ModuleList) else [found]


def their_detector(mmdet, name: str) -> nn.Module:
    folder = Path(find_spec("mmdet").origin).parent / ".mim" / "configs"
    config = Config.fromfile(folder / f"{name}.py").model
    config.data_preprocessor.type = "mmdet.DetDataPreprocessor"  # mmengine looks it up
    config.test_cfg.rpn.max_per_img = PROPOSALS
    config.test_cfg.rcnn.max_per_img = DETECTIONS
    return mmdet.model(config)


def in_one_order(boxes: Tensor, scores: Tensor) -> Tensor:
    """(n,) rows by falling score. Of equal ones mmcv takes the last first, we the first."""
    rows = boxes[:, 0].argsort(stable=True)
    return rows[scores[rows].argsort(descending=True, stable=True)]


def settle_ties(theirs: nn.Module, ours: CascadeRCNN) -> None:
    """Give proposals of equal scores the same order: samples depend on it."""
    best, propose = theirs.rpn_head._bbox_post_process, ours.rpn_head.propose

    def their_best(*arguments: Any, **named: Any) -> InstanceData:
        results = best(*arguments, **named)
        return results[in_one_order(results.bboxes, results.scores)]

    def our_best(*arguments: Any) -> Proposals:
        found = propose(*arguments)
        images = [found[found.image_index == b] for b in range(len(SIZES))]
        return join([part[in_one_order(part.boxes, part.scores)] for part in images])

    theirs.rpn_head._bbox_post_process = their_best
    ours.rpn_head.propose = our_best


def pictures() -> list[Tensor]:
    return [
        nn.functional.interpolate(torch.rand(1, 3, 12, 16) * 255, size, mode="bilinear")[0].byte()
        for size in SIZES
    ]


def trained_like(theirs: nn.Module, calibrate, images: Tensor, samples: list[Any]) -> None:
    """Scores and deltas as of a trained detector."""
    heads = theirs.roi_head
    # Most anchors are background. Near 1 float32 has few numbers, and many scores would be equal.
    wanted = {theirs.rpn_head.rpn_cls: (-5.0, 2.0), theirs.rpn_head.rpn_reg: (0.0, 0.3)}
    for layer, deviation in (("fc_cls", 2.5), ("fc_reg", 0.7), ("conv_logits", 2.0)):
        for name, module in heads.named_modules():
            if name.endswith(layer):
                wanted[module] = (0.0, deviation)
    calibrate(theirs, lambda: theirs.predict(images, samples), wanted)


def add_objects(theirs: nn.Module, small, mmdet, images: Tensor, samples: list[Any]) -> None:
    """Objects near proposals, so that all stages find positives; they do not overlap much."""
    with torch.no_grad():
        proposals = theirs.rpn_head.predict(theirs.extract_feat(images), samples, rescale=False)
    for sample, found in zip(samples, proposals, strict=True):
        chosen: list[Tensor] = []
        for box in found.bboxes[torch.randperm(len(found))]:
            inside = (box[:2] > 4).all() and (box[2:] < torch.tensor(sample.img_shape[::-1])).all()
            alone = not chosen or box_ops.iou(box[None], torch.stack(chosen)).max() < 0.3
            if (box[2:] - box[:2]).min() > 24 and inside and alone and len(chosen) < OBJECTS:
                chosen.append(box)
        boxes = torch.stack(chosen) + torch.randn(len(chosen), 4)
        masks = small.ellipses(boxes, images.shape[2:]).numpy()  # padded, as mmdetection pads them
        sample.gt_instances = InstanceData(
            bboxes=boxes,
            labels=torch.randint(0, 80, (len(boxes),)),
            masks=mmdet.masks.BitmapMasks(masks, *images.shape[2:]),
        )
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))


@pytest.fixture(scope="module", params=CASES)
def peers(request, mmdet, calibrate, small):
    """Each detector in turn; only one is in memory."""
    their_config, our_config, options = CASES[request.param]
    with torch.random.fork_rng(devices=[]), pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASCADEKIT_OPS", "torchvision")  # other kernels than mmdetection's
        torch.manual_seed(0)
        theirs = their_detector(mmdet, their_config).eval()
        samples = []
        for size in SIZES:
            meta = {"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)}
            samples.append(mmdet.sample(metainfo=meta))
            samples[-1].gt_instances = InstanceData(bboxes=torch.zeros(0, 4))
        batch = {"inputs": pictures(), "data_samples": samples}
        data = theirs.data_preprocessor(batch)
        images, samples = data["inputs"], data["data_samples"]
        trained_like(theirs, calibrate, images, samples)
        add_objects(theirs, small, mmdet, images, samples)
        config = load_config(CONFIGS / f"{our_config}.py", options={**FEWER, **options})
        ours = MODELS.build(config.model).eval()
        checkpoint = {"state_dict": theirs.state_dict(), "meta": {"mmdet_version": "3.3.0"}}
        report = load_weights(ours, checkpoint, strict=True)
        assert not (report.missing or report.unexpected or report.mismatched)
        settle_ties(theirs, ours)
        torch.testing.assert_close(
            ours.data_preprocessor(batch)["inputs"], images, rtol=0, atol=1e-6
        )
        yield Peers(request.param, theirs, ours, images, samples)
    del theirs, ours
    gc.collect()


@dataclass(frozen=True)
class Record:
    """What passed through mmdetection's detector: pyramid, each stage's rois and outputs, masks."""

    pyramid: list[Tensor]
    stages: list[dict[str, Tensor]]
    masks: list[Tensor]


def record(theirs: nn.Module) -> Record:
    """A record that the next run of mmdetection's detector will fill."""
    heads, seen = theirs.roi_head, Record([], [], [])
    bbox_forward, many = type(heads)._bbox_forward, isinstance(heads.bbox_head, nn.ModuleList)
    extract = type(theirs).extract_feat

    def extract_feat(images: Tensor) -> Any:
        maps = extract(theirs, images)
        seen.pyramid.extend(maps)
        return maps

    def forward(*arguments: Any, **named: Any) -> dict[str, Tensor]:
        result = bbox_forward(heads, *arguments, **named)
        rois = named["rois"] if "rois" in named else arguments[-1]
        seen.stages.append({"rois": rois, **result})
        return result

    theirs.extract_feat, heads._bbox_forward = extract_feat, forward
    if heads.with_mask:
        head = heads.mask_head[-1] if many else heads.mask_head
        predict = type(head).predict_by_feat

        def predict_by_feat(mask_preds: Any, *arguments: Any, **named: Any) -> Any:
            seen.masks.extend(m if many else m.sigmoid() for m in mask_preds)
            return predict(head, mask_preds, *arguments, **named)

        head.predict_by_feat = predict_by_feat
    return seen


def compare_stage(
    compare, name: str, stage: StageOutput, seen: dict[str, Tensor], coder: Any, samples: list[Any]
) -> None:
    """Rois, logits, deltas, and boxes cut at the picture's border as mmdetection cuts them."""
    rois, sizes = seen["rois"], [sample.img_shape for sample in samples]
    assert torch.equal(stage.proposals.image_index, rois[:, 0].long())
    compare(f"{name}: rois", stage.proposals.boxes, rois[:, 1:])
    compare(f"{name}: logits", stage.logits, seen["cls_score"])
    compare(f"{name}: deltas", stage.deltas.flatten(1), seen["bbox_pred"])
    for b, size in enumerate(sizes):
        rows = rois[:, 0] == b
        expected = coder.decode(rois[rows, 1:], seen["bbox_pred"][rows], max_shape=size)
        boxes = box_ops.clip(stage.class_boxes[rows], *size)
        compare(f"{name}: boxes", boxes.flatten(1), expected)


@torch.no_grad()
def test_detections(peers, compare):
    name, theirs, ours = peers.name, peers.theirs.eval(), peers.ours.eval()
    seen = record(theirs)
    expected = theirs.predict(peers.images, peers.samples, rescale=False)
    infos, pyramid = image_infos(peers.samples), ours.extract(peers.images)
    for level, other in zip(pyramid, seen.pyramid, strict=True):
        compare(f"{name}: pyramid", level, other)
    proposals = ours.rpn_head.propose(ours.rpn_head(pyramid), infos)
    stages = ours.roi_head(pyramid, proposals, infos)
    coders = [head.bbox_coder for head in peers.heads("bbox")]
    for stage, record_of, coder in zip(stages, seen.stages, coders, strict=True):
        compare_stage(compare, name, stage, record_of, coder, peers.samples)
    for b, prediction in enumerate(ours.roi_head.predict(pyramid, stages, infos)):
        found, other = prediction.detections, expected[b].pred_instances
        assert len(found) == len(other) > 10 and found.labels.unique().numel() > 5
        assert torch.equal(found.labels, other.labels)
        compare(f"{name}: scores", found.scores, other.scores)
        compare(f"{name}: detections", found.boxes, other.bboxes)
        if peers.heads("mask"):
            own = seen.masks[b][torch.arange(len(found)), found.labels]
            compare(f"{name}: masks", found.mask_probs, own)
            bitmaps = paste(found.mask_probs, found.boxes, *infos[b].size).to_bitmaps().bool()
            assert (bitmaps != other.masks).float().mean() < 1e-5  # 0.5 within rounding


def named_losses(losses: dict) -> dict[str, Tensor]:
    """Losses of mmdetection by our names; those of the RPN come as lists over levels."""
    named = {}
    for name, value in losses.items():
        if "loss" not in name:
            continue
        total = sum(value) if isinstance(value, list) else value.sum()
        first, _, rest = name.rpartition(".")
        stage = int(first[1:]) + 1 if first else 1
        part = rest.removeprefix("loss_rpn_")
        named[f"stage{stage}.{rest}" if part == rest else f"rpn.loss_{part}"] = total
    return named


def test_losses(peers, compare, small):
    """All losses from the pictures under one seed, and the gradient of every parameter (R50)."""
    name, theirs, ours = peers.name, peers.theirs.train(), peers.ours.train()
    with torch.set_grad_enabled("R50" in name):
        seen = record(theirs)
        torch.manual_seed(1)
        expected = named_losses(theirs.loss(peers.images, peers.samples))
        torch.manual_seed(1)
        losses = ours.loss(peers.images, peers.samples)
    # Full samples of all stages: rois were left out, at random.
    assert all(len(stage["rois"]) == 512 * len(SIZES) for stage in seen.stages)
    stages = len(peers.heads("bbox"))
    assert len(expected) == 2 + 2 * stages + len(peers.heads("mask"))
    assert expected.keys() == {key for key in losses if "loss" in key}
    for key, value in expected.items():
        assert value > 0
        compare(f"{name}: {key}", losses[key], value)
    if "R50" not in name:
        return  # the gradients of a backbone of 101 layers take a minute
    sum(expected.values()).backward()
    sum(losses[key] for key in expected).backward()
    wanted = {small.our_name(n): p.grad for n, p in theirs.named_parameters()}
    compared = 0
    for key, parameter in ours.named_parameters():
        if parameter.grad is not None:
            compare(f"{name}: gradients", parameter.grad, wanted[key])
            compared += 1
    assert compared > 150


@pytest.mark.parametrize(
    ("positives", "negatives"),
    [(300, 700), (40, 700), (300, 100), (0, 700), (40, 100)],  # which are drawn differs
)
def test_one_seed_draws_the_same_boxes(mmdet, positives, negatives):
    from mmdet.models.task_modules.assigners import AssignResult

    kind = torch.cat([torch.ones(positives), torch.zeros(negatives), -torch.ones(50)]).long()
    kind = kind[torch.randperm(len(kind))]
    boxes = torch.rand(len(kind), 4)
    priors, truth = InstanceData(priors=boxes), InstanceData(bboxes=boxes, labels=kind)
    assigned = AssignResult(1, kind, torch.zeros(len(kind)), labels=kind)
    for fraction, number in ((0.25, 512), (0.5, 256)):
        settings = {"num": number, "pos_fraction": fraction}
        theirs = {"type": "RandomSampler", "add_gt_as_proposals": False, **settings}
        torch.manual_seed(3)
        found = mmdet.task(theirs).sample(assigned, priors, truth)
        torch.manual_seed(3)
        rows = RandomSampler(**settings).sample(kind)
        assert torch.equal(rows, torch.cat([found.pos_inds, found.neg_inds]))


@pytest.mark.parametrize("low_quality", [True, False])
def test_rois_of_crowded_objects(mmdet, low_quality):
    """Mask R-CNN gives each object its best proposal, the others do not."""
    size = 10 + 30 * torch.rand(40, 2)
    corner = 30 * torch.rand(40, 2)
    boxes = torch.cat([corner, corner + size], 1)
    proposals = (boxes.repeat(6, 1) + 4 * torch.randn(240, 4)).clamp(min=0)
    labels = torch.arange(40)
    settings = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5}
    assigner = {"type": "MaxIoUAssigner", "match_low_quality": low_quality, **settings}
    truth = InstanceData(bboxes=boxes, labels=labels)
    theirs = mmdet.task(assigner).assign(InstanceData(priors=proposals), truth)
    theirs.add_gt_(labels)
    targets = [Targets(boxes, labels, torch.zeros(0, 4))]
    own = append_ground_truth(Proposals.from_list([proposals], [torch.ones(240)]), targets)
    ours = IoUAssigner(0.5, best_match_iou=0.5 if low_quality else None)
    _, matches = match_proposals(own, targets, ours, KeepAll(), 40)
    positive = theirs.gt_inds > 0
    assert 60 < positive.sum() < 240
    assert torch.equal(matches.labels < 40, positive)
    assert torch.equal(matches.gt_index[positive], theirs.gt_inds[positive] - 1)


def test_a_picture_without_positives(pair, compare):
    """In the average of mmdetection's RPN no positives count as one."""
    ours, theirs, data, _ = pair(stages=1)
    sample = data["data_samples"][1]
    sample.gt_instances = sample.gt_instances[torch.zeros(2, dtype=torch.bool)]
    expected = named_losses(theirs.train().loss(data["inputs"], data["data_samples"]))
    losses = ours.train().loss(data["inputs"], data["data_samples"])
    for key, value in expected.items():
        compare(f"no objects in one picture: {key}", losses[key], value)
