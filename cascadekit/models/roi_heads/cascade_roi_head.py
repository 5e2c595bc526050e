"""The cascade: one loop over stages that training, inference and analysis share.

Paper section 4: each stage regresses the boxes of the one before and is trained at a higher IoU
threshold. One stage is Fast R-CNN's head; with a mask head, Mask R-CNN's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.errors import InputError
from cascadekit.models.losses import (
    box_loss,
    classification_loss,
    own_class,
    scale_gradient,
)
from cascadekit.models.roi_heads.mask_head import (
    mask_stages,
    positives_for_masks,
    predict_masks,
    stage_mask_loss,
)
from cascadekit.models.roi_heads.postprocess import variant_heads, variant_names
from cascadekit.models.roi_heads.predictions import StoryTeller
from cascadekit.models.roi_heads.roi_pool import pool_size
from cascadekit.models.targets.bbox_coder import DeltaCoder
from cascadekit.models.targets.matching import append_ground_truth, match_proposals
from cascadekit.registry import MODELS, TASK_UTILS
from cascadekit.structures import boxes as box_ops
from cascadekit.structures.samples import (
    Detections,
    ImageInfo,
    Matches,
    Prediction,
    Proposals,
    StageOutput,
    Targets,
)

Config = dict[str, Any]


def stage_weights(rule: str | Sequence[float], num_stages: int) -> tuple[float, ...]:
    """Loss weight of each stage.

    Args:
        rule: "decay": 1, 1/2, 1/4, ... ; "avg": 1/S each; or S numbers.
        num_stages: S.

    Returns:
        S weights.

    Raises:
        InputError: another word, or not S numbers.

    Source: paper section 5.3; Table 3 compares the two.
    """
    if rule == "decay":
        return tuple(0.5**k for k in range(num_stages))
    if rule == "avg":
        return (1 / num_stages,) * num_stages
    if isinstance(rule, str) or len(rule) != num_stages or min(rule) <= 0:
        raise InputError(
            f"stage_loss must be 'decay', 'avg' or {num_stages} numbers above 0, got {rule!r}"
        )
    return tuple(float(weight) for weight in rule)


def per_stage(value: Any, num_stages: int, what: str) -> list[Any]:
    """Broadcast one setting to all stages, or check that a list has one for each."""
    if not isinstance(value, (list, tuple)):
        return [value] * num_stages
    if len(value) != num_stages:
        raise InputError(f"{what}: {len(value)} entries for {num_stages} stages (see stage_ious)")
    return list(value)


def stage_coders(stds: Sequence[Any], num_stages: int) -> list[DeltaCoder]:
    """Delta coders of S stages from one row of stds (stage k divides it by k), or S rows."""
    if isinstance(stds[0], (list, tuple)):
        rows = per_stage(stds, num_stages, "delta_stds")
    else:
        rows = [[std / (k + 1) for std in stds] for k in range(num_stages)]
    return [DeltaCoder(stds=row) for row in rows]


@MODELS.register_module()
class CascadeRoIHead(nn.Module):
    """Box stages of rising IoU, and mask heads on some of them.

    Args:
        num_classes: K, handed down by the detector.
        box_pool: config of the roi pooling of boxes.
        bbox_head: config of the box head of every stage, or a list of S.
        stage_ious: u of each stage; its length is the number of stages S.
        stage_loss: "decay", "avg" or S weights (see `stage_weights`).
        loss_scaling: what the weights scale. "loss": the stage's losses; its head's learning rate
            is to be multiplied by the inverse (see engine.HeadLearningRate). "gradient": only the
            gradient that enters the pooled features, Detectron's other switch: the same effect
            with plain SGD, and the one to use with Adam, which undoes a scaled loss.
        delta_stds: one row for stage 1 that stage k divides by k, or S rows.
        beta: smooth-L1 transition of the heads.
        sampler: config of stage 1's sampler.
        later_sampler: config of the sampler of the other stages; default: they keep all boxes.
        ignore_cover: background rois that lie in an ignore region more than this are left out.
        postprocess: config of the choice of detections.
        test_stages: row of the paper's Table 2 that is reported, such as "3" or "1~2"; None: the
            ensemble of all on the last stage's rois.
        mask_pool: config of the roi pooling of masks; None: no masks.
        mask_head: config of the mask head.
        mask_strategy: "b", "c" or "d" (see `mask_stages`).

    Raises:
        InputError: a per-stage list of another length, or an unknown word.

    Source: paper sections 4-6; both released codes for what the text leaves open: ground truth is
    appended at every stage and its copies dropped before the next; nothing is clipped between
    stages. Differences: no +1 in box sizes; copies are known by a mark, not by an IoU of 1
    (Detectron) or 0.95 (Caffe).
    """

    def __init__(
        self,
        num_classes: int,
        box_pool: Config,
        bbox_head: Config | Sequence[Config],
        stage_ious: Sequence[float] = (0.5, 0.6, 0.7),
        stage_loss: str | Sequence[float] = "decay",
        loss_scaling: str = "loss",
        delta_stds: Sequence[Any] = (0.1, 0.1, 0.2, 0.2),
        beta: float = 1.0,
        sampler: Config | None = None,
        later_sampler: Config | None = None,
        ignore_cover: float = 0.7,
        postprocess: Config | None = None,
        test_stages: str | None = None,
        mask_pool: Config | None = None,
        mask_head: Config | None = None,
        mask_strategy: str = "c",
    ) -> None:
        super().__init__()
        if loss_scaling not in ("loss", "gradient"):
            raise InputError(f"loss_scaling must be 'loss' or 'gradient', got {loss_scaling!r}")
        self.num_classes = num_classes
        self.num_stages = len(stage_ious)
        self.stage_loss = stage_weights(stage_loss, self.num_stages)
        self.loss_scaling = loss_scaling
        self.beta = beta
        self.bbox_coder = stage_coders(delta_stds, self.num_stages)
        self.assigner = [
            TASK_UTILS.build(
                {"type": "cascadekit.IoUAssigner", "pos_iou": u, "ignore_cover": ignore_cover}
            )
            for u in stage_ious
        ]
        first = TASK_UTILS.build(sampler or {"type": "cascadekit.RandomSampler"})
        later = TASK_UTILS.build(later_sampler or {"type": "cascadekit.KeepAll"})
        self.sampler = [first] + [later] * (self.num_stages - 1)
        self.postprocess = TASK_UTILS.build(postprocess or {"type": "cascadekit.Postprocess"})
        self.test_stages = test_stages or variant_names(self.num_stages)[-1]
        self.all_variants = False  # set by evaluation: also detect with every other choice of stage

        self.box_pool = MODELS.build(box_pool)
        given = {"num_classes": num_classes}
        self.bbox_head = nn.ModuleList(
            MODELS.build({**given, "roi_size": pool_size(self.box_pool), **head})
            for head in per_stage(bbox_head, self.num_stages, "bbox_head")
        )
        self.mask_stages: tuple[int, ...] = ()
        if mask_head is not None:
            self.mask_stages = mask_stages(mask_strategy, self.num_stages)
            self.mask_pool = MODELS.build(mask_pool)
            self.mask_head = nn.ModuleList(
                MODELS.build({**given, **mask_head}) for _ in self.mask_stages
            )

    def forward(
        self,
        pyramid: Sequence[Tensor],
        proposals: Proposals,
        targets: Sequence[Targets] | None = None,
        generator: torch.Generator | None = None,
    ) -> list[StageOutput]:
        """Run the stages one after the other.

        Args:
            pyramid: L maps (B, C, H, W).
            proposals: R boxes of B images; an image may have none, R may be 0.
            targets: ground truth in training, None in inference. With it, each stage's rois are
                matched and sampled, so R differs between stages; without, row r is the same roi
                in all.
            generator: source of the sampler's randomness.

        Returns:
            What each stage saw and made; S entries, fewer if `test_stages` needs no more.
        """
        stages: list[StageOutput] = []
        for k in range(self.num_stages if targets is not None else self._stages_needed()):
            proposals, matches = self._match(k, proposals, targets, generator)
            pooled = self.box_pool(pyramid, proposals.boxes, proposals.image_index)  # (R, C, P, P)
            if self.loss_scaling == "gradient":
                pooled = scale_gradient(pooled, self.stage_loss[k])
            logits, deltas = self.bbox_head[k](pooled)  # (R, K+1), (R, G, 4)
            by_head = {j: self.bbox_head[j](pooled)[0] for j in self._other_heads(k, targets)}
            by_head[k] = logits
            class_boxes = self.bbox_coder[k].decode(proposals.boxes, deltas)  # (R, G, 4)
            # The next stage takes these boxes as given: its loss must not move them.
            boxes = own_class(class_boxes, self._box_class(logits, matches)).detach()
            stages.append(StageOutput(k, proposals, matches, by_head, deltas, class_boxes, boxes))
            proposals = self._next_proposals(proposals, boxes, targets)
        return stages

    def _match(
        self,
        stage: int,
        proposals: Proposals,
        targets: Sequence[Targets] | None,
        generator: torch.Generator | None,
    ) -> tuple[Proposals, Matches | None]:
        """Training: append ground truth, label at this stage's u, sample. Inference: unchanged."""
        if targets is None:
            return proposals, None
        return match_proposals(
            append_ground_truth(proposals, targets),
            targets,
            self.assigner[stage],
            self.sampler[stage],
            self.num_classes,
            generator,
        )

    @staticmethod
    def _next_proposals(
        proposals: Proposals, boxes: Tensor, targets: Sequence[Targets] | None
    ) -> Proposals:
        """The refined boxes as the next stage's input."""
        refined = Proposals(boxes, proposals.image_index, proposals.scores, proposals.from_gt)
        if targets is None:
            return refined  # all rows stay: the stages' scores are averaged row by row
        # A refined copy of the truth is no sample of what stage k gives at test time.
        return refined[~(refined.from_gt | box_ops.is_degenerate(boxes))]

    def _box_class(self, logits: Tensor, matches: Matches | None) -> Tensor:
        """(R,) int64, whose regressor refines each roi when there is one per class."""
        likeliest = logits[:, :-1].argmax(1)
        if matches is None:
            return likeliest
        return torch.where(matches.labels < self.num_classes, matches.labels, likeliest)

    def _stages_needed(self) -> int:
        if self.all_variants:
            return self.num_stages
        return variant_heads(self.test_stages)[0] + 1

    def _other_heads(self, stage: int, targets: Sequence[Targets] | None) -> list[int]:
        """Heads beside the stage's own that inference needs on its rois."""
        if targets is not None:
            return []
        last, heads = variant_heads(self.test_stages)
        wanted = set(range(stage)) if self.all_variants else set()
        if stage == last:
            wanted.update(heads)
        return sorted(wanted - {stage})

    def loss(
        self, pyramid: Sequence[Tensor], stages: Sequence[StageOutput], targets: Sequence[Targets]
    ) -> dict[str, Tensor]:
        """Losses of all stages, and how much each regressor improved its boxes.

        Args:
            pyramid: L maps (B, C, H, W).
            stages: of `forward` with targets.
            targets: B images' ground truth.

        Returns:
            `stage1.loss_cls`, `stage1.loss_bbox`, ... and `stage3.loss_mask` where there is a mask
            head: always all of them, also without any positive. `stage1.iou_before` and
            `.iou_after` (no losses): mean IoU of the positives that are not copies of the truth
            with their object, left out when there are none.
        """
        losses: dict[str, Tensor] = {}
        for stage in stages:
            name = f"stage{stage.stage + 1}"
            weight = self.stage_loss[stage.stage] if self.loss_scaling == "loss" else 1.0
            for key, value in self._box_losses(stage).items():
                losses[f"{name}.{key}"] = value * weight
            losses.update({f"{name}.{k}": v for k, v in self._refinement(stage).items()})
            if stage.stage in self.mask_stages:
                losses[f"{name}.loss_mask"] = self._mask_loss(pyramid, stage, targets)
        return losses

    def _box_losses(self, stage: StageOutput) -> dict[str, Tensor]:
        """Unweighted classification and box loss of one stage."""
        assert stage.matches is not None
        matches, rois = stage.matches, stage.proposals.boxes
        positive = (matches.labels < self.num_classes).nonzero()[:, 0]
        deltas = own_class(stage.deltas[positive], matches.labels[positive])  # (P, 4)
        wanted = self.bbox_coder[stage.stage].encode(rois[positive], matches.gt_boxes[positive])
        return {
            "loss_cls": classification_loss(stage.logits, matches.labels),
            "loss_bbox": box_loss(deltas, wanted, len(rois), self.beta),
        }

    def _refinement(self, stage: StageOutput) -> dict[str, Tensor]:
        """Mean IoU of a stage's own positives before and after its regressor."""
        assert stage.matches is not None
        real = (stage.matches.labels < self.num_classes) & ~stage.proposals.from_gt
        if not real.any():
            return {}
        after = box_ops.iou_aligned(stage.boxes[real], stage.matches.gt_boxes[real])
        return {"iou_before": stage.matches.ious[real].mean(), "iou_after": after.mean()}

    def _mask_loss(
        self, pyramid: Sequence[Tensor], stage: StageOutput, targets: Sequence[Targets]
    ) -> Tensor:
        assert stage.matches is not None
        rows = positives_for_masks(stage, targets)
        rois, matches = stage.proposals[rows], stage.matches[rows]
        pooled = self.mask_pool(pyramid, rois.boxes, rois.image_index)  # (P, C, p, p)
        # One mask head keeps weight 1 at any stage, as in Detectron; a head per stage is weighted
        # like the stages, as in mmdetection: no other (d) was released.
        weight = self.stage_loss[stage.stage] if len(self.mask_stages) > 1 else 1.0
        by_loss = self.loss_scaling == "loss"
        if not by_loss:
            pooled = scale_gradient(pooled, weight)
        head = self.mask_head[self.mask_stages.index(stage.stage)]
        loss = stage_mask_loss(head, pooled, rois, matches.labels, matches.gt_index, targets)
        return loss * weight if by_loss else loss

    def predict(
        self, pyramid: Sequence[Tensor], stages: Sequence[StageOutput], infos: Sequence[ImageInfo]
    ) -> list[Prediction]:
        """Detections of each image, and how each came about.

        Args:
            pyramid: L maps (B, C, H, W).
            stages: of `forward` without targets.
            infos: B images.

        Returns:
            B predictions in pixels of the files.
        """
        names = variant_names(self.num_stages) if self.all_variants else []
        names = list(dict.fromkeys([self.test_stages, *names]))
        story = StoryTeller(stages, infos, self.postprocess)
        chosen = {name: story.detect(name) for name in names}  # network pixels
        if self.mask_stages:
            chosen = self._add_masks(pyramid, chosen)
        return story.tell(chosen, final=self.test_stages, keep_variants=self.all_variants)

    def _add_masks(
        self, pyramid: Sequence[Tensor], chosen: dict[str, list[Detections]]
    ) -> dict[str, list[Detections]]:
        """Masks on the final boxes (paper section 6.1), in one pass for all images and variants."""
        flat = [(b, found) for per_image in chosen.values() for b, found in enumerate(per_image)]
        boxes = torch.cat([found.boxes for _, found in flat])
        labels = torch.cat([found.labels for _, found in flat])
        index = torch.cat([torch.full_like(found.labels, b) for b, found in flat])
        pooled = self.mask_pool(pyramid, boxes, index)  # (D, C, p, p)
        masks = iter(predict_masks(self.mask_head, pooled, labels).split([len(f) for _, f in flat]))
        return {
            name: [
                Detections(f.boxes, f.scores, f.labels, f.roi_index, next(masks)) for f in per_image
            ]
            for name, per_image in chosen.items()
        }
