"""The cascade: one loop over stages that training, inference and analysis share.

Paper section 4: each stage regresses the boxes of the one before and is trained at a higher IoU
threshold. One stage is Fast R-CNN's head; with a mask head, Mask R-CNN's. The rivals of section 3
run through the same loop: iterative BBox is one head applied several times, the integral loss is
several classifiers on the rois of the first stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cascadekit.errors import check_word
from cascadekit.models.class_count import with_classes
from cascadekit.models.losses import own_class, scale_gradient
from cascadekit.models.roi_heads.ensemble import variant_names, variant_stages
from cascadekit.models.roi_heads.mask_head import (
    mask_stages,
    positives_for_masks,
    predict_masks,
    stage_mask_loss,
)
from cascadekit.models.roi_heads.predictions import add_masks, detect, tell
from cascadekit.models.roi_heads.roi_pool import pool_size
from cascadekit.models.roi_heads.stage_losses import refinement, stage_box_losses
from cascadekit.models.roi_heads.stage_settings import (
    check_iterations,
    iou_thresholds,
    per_stage,
    stage_assigners,
    stage_coders,
    stage_samplers,
    stage_weights,
)
from cascadekit.models.targets.matching import match_proposals
from cascadekit.registry import MODELS, TASK_UTILS
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
SCALINGS = ("loss", "gradient", "loss_only")


@MODELS.register_module()
class CascadeRoIHead(nn.Module):
    """Box stages of rising IoU, and mask heads on some of them.

    Args:
        num_classes: K, handed down by the detector.
        box_pool: config of the roi pooling of boxes.
        bbox_head: config of the box head of every stage, or a list of S.
        stage_ious: u of each stage, or how many of the paper's 0.5, 0.6, 0.7, 0.75.
        flow: config of what enters a stage and what it hands on (see `StageFlow`).
        stage_loss: "decay", "avg", "sum" or S weights (see `stage_weights`).
        loss_scaling: what the weights scale. "loss": the stage's losses; its head's learning rate
            is to be multiplied by the inverse (see engine.HeadLearningRate). "loss_only": the
            losses, and no rate makes up for it (mmdetection). "gradient": only the gradient that
            enters the head, Detectron's other switch: the same effect as "loss" with plain SGD,
            and the one to use with Adam, which undoes a scaled loss.
        delta_stds: one row for stage 1 that stage k divides by k, or S rows.
        delta_clamp: how dw and dh are capped (see `DeltaCoder`).
        beta: smooth-L1 transition of the heads.
        sampler: config of stage 1's sampler.
        later_sampler: "all": the other stages keep all boxes; "same": they sample as stage 1
            does (mmdetection); or a config.
        background_iou: IoU range [low, high[ of stage 1's background; None: all below its u.
        best_match_iou: each object also gets its best proposal, if their IoU is at least this and
            even if it fits another object better. mmdetection's Mask R-CNN: 0.5; None: don't.
        ignore_cover: background rois that lie in an ignore region more than this are left out.
        skip_ignored: so are rois that fit an ignored object better than any other (MS-CNN).
        postprocess: config of the choice of detections.
        ensemble: config of the average of the stages' scores (see `StageEnsemble`).
        test_stages: row of the paper's Table 2 that is reported, such as "3" or "1~2"; None: the
            ensemble of all on the last stage's rois (iterative BBox: the last pass alone).
        test_iterations: how often the only head is applied in inference (iterative BBox).
        mask_pool: config of the roi pooling of masks; None: no masks.
        mask_head: config of the mask head.
        mask_strategy: "b", "c" or "d" (see `mask_stages`).

    Raises:
        InputError: a list of another length, an unknown word, or iterations of several heads.

    Source: paper sections 3 to 6; both released codes for what the text leaves open. Iterative
    BBox: the paper does not say which pass scores a box; here it is the last, on its own rois.
    """

    def __init__(
        self,
        num_classes: int,
        box_pool: Config,
        bbox_head: Config | Sequence[Config],
        stage_ious: int | Sequence[float] = 3,
        flow: Config | None = None,
        stage_loss: str | Sequence[float] = "decay",
        loss_scaling: str = "loss",
        delta_stds: Sequence[Any] = (0.1, 0.1, 0.2, 0.2),
        delta_clamp: str = "above",
        beta: float = 1.0,
        sampler: Config | None = None,
        later_sampler: str | Config = "all",
        background_iou: tuple[float, float] | None = None,
        best_match_iou: float | None = None,
        ignore_cover: float = 0.7,
        skip_ignored: bool = False,
        postprocess: Config | None = None,
        ensemble: Config | None = None,
        test_stages: str | None = None,
        test_iterations: int = 1,
        mask_pool: Config | None = None,
        mask_head: Config | None = None,
        mask_strategy: str = "c",
    ) -> None:
        super().__init__()
        ious = iou_thresholds(stage_ious)
        self.num_classes = num_classes
        self.num_stages = count = len(ious)
        check_word("loss_scaling", loss_scaling, SCALINGS)
        check_iterations(test_iterations, count)
        self.loss_scaling = loss_scaling
        self.stage_loss = stage_weights(stage_loss, count)
        self.beta = beta
        self.bbox_coder = stage_coders(delta_stds, count, delta_clamp)
        rules = (ignore_cover, background_iou, best_match_iou, skip_ignored)
        self.assigner = stage_assigners(ious, *rules)
        self.sampler = stage_samplers(sampler, later_sampler, count)
        self.flow = TASK_UTILS.build(flow or {"type": "cascadekit.StageFlow"})
        self.ensemble = TASK_UTILS.build(ensemble or {"type": "cascadekit.StageEnsemble"})
        self.postprocess = TASK_UTILS.build(postprocess or {"type": "cascadekit.Postprocess"})
        # The head of each pass in inference: every stage's own, or the only one several times.
        self.test_heads = tuple(range(count)) if test_iterations == 1 else (0,) * test_iterations
        self.test_stages = test_stages or self.variants()[-1]
        self.all_variants = False  # set by evaluation: also detect with every other choice of stage
        self.all_heads = False  # set by analysis: run every head on the rois of every stage

        self.box_pool = MODELS.build(box_pool)
        size = pool_size(self.box_pool)
        self.bbox_head = nn.ModuleList(
            MODELS.build({"roi_size": size, **with_classes(head, num_classes)})
            for head in per_stage(bbox_head, count, "bbox_head")
        )
        self.mask_stages: tuple[int, ...] = ()
        if mask_head is not None:
            self.mask_stages = mask_stages(mask_strategy, count)
            self.mask_pool = MODELS.build(mask_pool)
            told = with_classes(mask_head, num_classes)
            self.mask_head = nn.ModuleList(MODELS.build(told) for _ in self.mask_stages)

    def forward(
        self,
        pyramid: Sequence[Tensor],
        proposals: Proposals,
        infos: Sequence[ImageInfo],
        targets: Sequence[Targets] | None = None,
        generator: torch.Generator | None = None,
    ) -> list[StageOutput]:
        """Run the stages one after the other.

        Args:
            pyramid: L maps (B, C, H, W).
            proposals: R boxes of B images; an image may have none, R may be 0.
            infos: B images' sizes.
            targets: ground truth in training, None in inference. With it, each stage's rois are
                matched and sampled, so R differs between stages; without, row r is the same roi
                in all.
            generator: source of the sampler's randomness.

        Returns:
            What each stage saw and made; S entries, fewer if `test_stages` needs no more.
        """
        training = targets is not None
        heads = tuple(range(self.num_stages)) if training else self.test_heads[: self._needed()]
        maps = {head: self._read(head, pyramid) for head in heads}
        stages: list[StageOutput] = []
        for k, head in enumerate(heads):
            proposals, matches = self._match(k, proposals, targets, generator)
            others = [] if training else self._other_heads(k)
            logits, deltas = self._run_heads([head, *others], maps, proposals)
            refined = self._decode(stages, head, proposals, deltas, training)  # (R, G, 4) each
            # The next stage takes these boxes as given: its loss must not move them.
            boxes = own_class(refined[head], self._box_class(logits[head], matches)).detach()
            boxes = self.flow.fitted(boxes, proposals.image_index, infos)
            stages.append(
                StageOutput(k, head, proposals, matches, logits, deltas[head], refined, boxes)
            )
            proposals = self.flow.next_proposals(stages[-1], training)
        return stages

    def _read(self, head: int, pyramid: Sequence[Tensor]) -> Sequence[Tensor]:
        """What is pooled for a head: the pyramid, or maps that the head makes of it (R-FCN)."""
        read = getattr(self.bbox_head[head], "read", None)
        if read is None:
            return pyramid
        if self.loss_scaling == "gradient":
            pyramid = [scale_gradient(level, self.stage_loss[head]) for level in pyramid]
        own: Sequence[Tensor] = read(pyramid)
        return own

    def _match(
        self,
        stage: int,
        proposals: Proposals,
        targets: Sequence[Targets] | None,
        generator: torch.Generator | None,
    ) -> tuple[Proposals, Matches | None]:
        """Training: ground truth joins, label at this stage's u, sample. Inference: unchanged."""
        if targets is None:
            return proposals, None
        return match_proposals(
            self.flow.with_ground_truth(stage, proposals, targets),
            targets,
            self.assigner[stage],
            self.sampler[stage],
            self.num_classes,
            generator,
        )

    def _run_heads(
        self, heads: Sequence[int], maps: Mapping[int, Sequence[Tensor]], rois: Proposals
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """Logits (R, K+1) and deltas (R, G, 4) of some heads on the same rois."""
        pooled_from: Sequence[Tensor] | None = None
        logits: dict[int, Tensor] = {}
        deltas: dict[int, Tensor] = {}
        for head in heads:
            if pooled_from is not maps[head]:  # heads that read the same maps share the pooling
                pooled_from = maps[head]
                pooled = self.box_pool(pooled_from, rois.boxes, rois.image_index)  # (R, C, P, P)
                if self.loss_scaling == "gradient" and not hasattr(self.bbox_head[head], "read"):
                    pooled = scale_gradient(pooled, self.stage_loss[head])
            logits[head], deltas[head] = self.bbox_head[head](pooled)
        return logits, deltas

    def _decode(
        self,
        before: Sequence[StageOutput],
        head: int,
        rois: Proposals,
        deltas: Mapping[int, Tensor],
        training: bool,
    ) -> dict[int, Tensor]:
        """Boxes (R, G, 4) of the stage's own head, and of the others where analysis wants them."""
        refined = {
            each: self.bbox_coder[each].decode(rois.boxes, own)
            for each, own in deltas.items()
            if own.shape[1] > 0 and (each == head or self.all_heads)
        }
        if head not in refined:  # without a regressor: it reports stage 1's boxes
            # In training nobody reads them, and the rows left out as ignored may differ.
            refined[head] = rois.boxes[:, None] if training else before[0].class_boxes
        return refined

    def _box_class(self, logits: Tensor, matches: Matches | None) -> Tensor:
        """(R,) int64, whose regressor refines each roi when there is one per class."""
        likeliest = logits[:, :-1].argmax(1)
        if matches is None:
            return likeliest
        return torch.where(matches.labels < self.num_classes, matches.labels, likeliest)

    def variants(self) -> list[str]:
        """Rows of the paper's Table 2 that this head can give; the last one is the default."""
        same_head = len(set(self.test_heads)) == 1  # on the same rois its passes score alike
        return variant_names(
            len(self.test_heads), alone_only=same_head and self.ensemble.rois == "last"
        )

    def _wanted(self) -> list[str]:
        """The reported row of Table 2 and, where asked for, all others."""
        others = self.variants() if self.all_variants or self.all_heads else []
        return list(dict.fromkeys([self.test_stages, *others]))

    def _needed(self) -> int:
        """Passes that inference needs."""
        return max(variant_stages(name)[0] for name in self._wanted()) + 1

    def _other_heads(self, stage: int) -> list[int]:
        """Heads beside the stage's own that inference (or analysis) needs on its rois."""
        if self.all_heads:
            return [h for h in dict.fromkeys(self.test_heads) if h != self.test_heads[stage]]
        needed: list[int] = self.ensemble.heads_needed(stage, self._wanted(), self.test_heads)
        return needed

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
            name, coder = f"stage{stage.stage + 1}", self.bbox_coder[stage.head]
            weight = 1.0 if self.loss_scaling == "gradient" else self.stage_loss[stage.stage]
            for key, value in stage_box_losses(stage, coder, self.beta).items():
                losses[f"{name}.{key}"] = value * weight
            losses.update({f"{name}.{key}": value for key, value in refinement(stage).items()})
            if stage.stage in self.mask_stages:
                losses[f"{name}.loss_mask"] = self._mask_loss(pyramid, stage, targets)
        return losses

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
        by_gradient = self.loss_scaling == "gradient"
        if by_gradient:
            pooled = scale_gradient(pooled, weight)
        head = self.mask_head[self.mask_stages.index(stage.stage)]
        loss = stage_mask_loss(head, pooled, rois, matches.labels, matches.gt_index, targets)
        return loss if by_gradient else loss * weight

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
        chosen = self.detect(stages, infos)  # network pixels
        if self.mask_stages:
            chosen = add_masks(chosen, partial(self.masks_for, pyramid))
        return tell(stages, infos, chosen, self.test_stages, keep_variants=self.all_variants)

    def detect(
        self, stages: Sequence[StageOutput], infos: Sequence[ImageInfo]
    ) -> dict[str, list[Detections]]:
        """Detections of each image by the reported choice of stages and the others asked for.

        Args:
            stages: of `forward` without targets.
            infos: B images.

        Returns:
            Row of Table 2 -> B detections in network pixels, without masks.
        """
        return {
            name: detect(name, stages, infos, self.postprocess, self.ensemble)
            for name in self._wanted()
        }

    def score_boxes(self, stages: Sequence[StageOutput]) -> tuple[Tensor, Tensor]:
        """What `predict` chooses detections from: the reported stage's boxes and their scores.

        Args:
            stages: of `forward` without targets.

        Returns:
            Boxes (R, G, 4) xyxy network pixels, not clipped, and probabilities (R, K+1).
        """
        last = variant_stages(self.test_stages)[0]
        return stages[last].class_boxes, self.ensemble.scores(stages, self.test_stages)

    def masks_for(
        self, pyramid: Sequence[Tensor], boxes: Tensor, labels: Tensor, image_index: Tensor
    ) -> Tensor:
        """Mask probabilities inside final boxes (paper section 6.1).

        Args:
            pyramid: L maps (B, C, H, W).
            boxes: (D, 4) float32 xyxy network pixels; D may be 0.
            labels: (D,) int64, 0..K-1.
            image_index: (D,) int64, 0..B-1.

        Returns:
            (D, m, m) float32 in [0, 1], averaged over the mask heads.
        """
        pooled = self.mask_pool(pyramid, boxes, image_index)  # (D, C, p, p)
        return predict_masks(self.mask_head, pooled, labels)
