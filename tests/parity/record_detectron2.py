"""Record what detectron2 computes into fixtures/detectron2_*.npz, for test_detectron2.py.

Run by hand, in an environment of its own with torch, torchvision and detectron2 (from its
repository; a CPU is enough, and cascadekit is not needed):

    python tests/parity/record_detectron2.py              # all cases, about a minute
    python tests/parity/record_detectron2.py cascade mask

Each case is a model of detectron2's own yaml, with fewer channels and proposals, weights and
pictures made by rule (detectron2_rules.py) and samples so large that nothing is random. Class and
box layers are scaled so that scores and boxes vary (`last_layers`). Two orders of rows are fixed,
which mean nothing to detectron2: torch.randperm keeps the order, and the ground truth comes before
the proposals of its picture instead of after them.

A case is written only if it is steady: a run with other rounding (without mkldnn, other order in
memory) must stay well within the tests' tolerance, and one with slightly other pixels must take
the same decisions (NMS, thresholds, matches), else the next seed is tried. So another machine's
rounding does not change them either.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import detectron2
import detectron2_rules as rules
import numpy as np
import torch
import torchvision
from detectron2 import model_zoo
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Boxes, Instances, pairwise_iou
from detectron2.utils.events import EventStorage
from detectron2_hooks import (
    Recording,
    fixed_orders,
    index_of,
    listen,
    listen_losses,
    predictors,
)
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "fixtures"


def read_config(case: rules.Case) -> CfgNode:
    """The yaml as detectron2 ships it, but for what differs between the cases."""
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file(case.yaml))
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.MASK_ON = case.masks
    cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = case.agnostic
    cfg.INPUT.MASK_FORMAT = "bitmask"
    return cfg


def shrink(cfg: CfgNode) -> CfgNode:
    """A copy with fewer channels, classes and proposals, and samples of everything."""
    cfg = cfg.clone()
    model = cfg.MODEL
    model.FPN.OUT_CHANNELS = rules.CHANNELS
    model.ROI_HEADS.NUM_CLASSES = rules.K
    model.ROI_BOX_HEAD.FC_DIM = rules.FC
    model.ROI_MASK_HEAD.CONV_DIM = rules.MASK_CHANNELS
    model.RPN.BATCH_SIZE_PER_IMAGE = model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = rules.SAMPLED
    model.RPN.POSITIVE_FRACTION = model.ROI_HEADS.POSITIVE_FRACTION = 0.5
    model.RPN.PRE_NMS_TOPK_TRAIN = model.RPN.PRE_NMS_TOPK_TEST = rules.PER_LEVEL
    model.RPN.POST_NMS_TOPK_TRAIN = rules.TRAIN_PROPOSALS
    model.RPN.POST_NMS_TOPK_TEST = rules.TEST_PROPOSALS
    return cfg


def settings(cfg: CfgNode) -> dict[str, Any]:
    """What the unchanged yaml sets, for the test of cascadekit's recipe."""
    keys = """PIXEL_MEAN PIXEL_STD BACKBONE.FREEZE_AT RESNETS.NORM RESNETS.STRIDE_IN_1X1
        ANCHOR_GENERATOR.SIZES ANCHOR_GENERATOR.ASPECT_RATIOS ANCHOR_GENERATOR.OFFSET
        PROPOSAL_GENERATOR.MIN_SIZE RPN.BOUNDARY_THRESH RPN.IOU_THRESHOLDS
        RPN.BATCH_SIZE_PER_IMAGE RPN.POSITIVE_FRACTION RPN.BBOX_REG_WEIGHTS RPN.SMOOTH_L1_BETA
        RPN.BBOX_REG_LOSS_WEIGHT RPN.LOSS_WEIGHT RPN.PRE_NMS_TOPK_TRAIN RPN.PRE_NMS_TOPK_TEST
        RPN.POST_NMS_TOPK_TRAIN RPN.POST_NMS_TOPK_TEST RPN.NMS_THRESH ROI_HEADS.IOU_THRESHOLDS
        ROI_HEADS.BATCH_SIZE_PER_IMAGE ROI_HEADS.POSITIVE_FRACTION ROI_HEADS.SCORE_THRESH_TEST
        ROI_HEADS.NMS_THRESH_TEST ROI_HEADS.PROPOSAL_APPEND_GT ROI_BOX_HEAD.BBOX_REG_WEIGHTS
        ROI_BOX_HEAD.SMOOTH_L1_BETA ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT
        ROI_BOX_HEAD.POOLER_RESOLUTION ROI_BOX_HEAD.POOLER_SAMPLING_RATIO ROI_BOX_HEAD.POOLER_TYPE
        ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS
        ROI_BOX_CASCADE_HEAD.IOUS ROI_MASK_HEAD.POOLER_RESOLUTION
        ROI_MASK_HEAD.POOLER_SAMPLING_RATIO ROI_MASK_HEAD.POOLER_TYPE
        ROI_MASK_HEAD.CLS_AGNOSTIC_MASK""".split()
    found = {}
    for key in keys:
        node: Any = cfg.MODEL
        for part in key.split("."):
            node = node[part]
        found[key] = node
    found["DETECTIONS_PER_IMAGE"] = cfg.TEST.DETECTIONS_PER_IMAGE
    return found


def shapes_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Parameter and statistic names with their shapes; anchors are no weights."""
    state = model.state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if "anchor_gen" not in name}


def inputs_of(pictures: list[Tensor], objects: list[Tensor] | None, masks: bool) -> list[dict]:
    """A batch as detectron2's data loader gives it; `objects` are the boxes, in training."""
    batch = []
    for number, (picture, size) in enumerate(zip(pictures, rules.FILES, strict=True)):
        batch.append({"image": picture, "height": size[0], "width": size[1]})
        if objects is None:
            continue
        boxes, shape = objects[number], tuple(picture.shape[1:])
        truth = Instances(shape, gt_boxes=Boxes(boxes), gt_classes=rules.labels_of(len(boxes)))
        if masks:
            truth.gt_masks = BitMasks(rules.ellipses(boxes, shape))
        batch[-1]["instances"] = truth
    return batch


def spread(model: nn.Module, batch: list[dict]) -> dict[str, list[float]]:
    """Set the last layers so that each column they give has mean 0 and some deviation.

    Random weights give much the same scores and deltas everywhere, on which any two detectors
    agree. Returns what was done, as `rules.weights` takes it: layer -> factor of its weight, then
    its bias.
    """
    rpn, heads = model.proposal_generator.rpn_head, model.roi_heads
    wanted = {rpn.objectness_logits: 1.5, rpn.anchor_deltas: 0.3}
    for layer in predictors(model):
        wanted |= {layer.cls_score: 2.5, layer.bbox_pred: 0.7}
    if heads.mask_on:
        wanted[heads.mask_head.predictor] = 2.0
    names = {module: name for name, module in model.named_modules()}
    done: dict[str, list[float]] = {}

    def adjust(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        if names[layer] in done:
            return None  # shared by all levels of the pyramid: once only
        columns = output.transpose(0, 1).flatten(1)  # (columns, rois or places)
        # Few digits: both sides compute with exactly these numbers.
        factor = float(f"{wanted[layer] / columns.std(1).mean().item():.5g}")
        centre = layer.bias.data - columns.mean(1)
        bias = torch.tensor([float(f"{number:.5g}") for number in (factor * centre).tolist()])
        done[names[layer]] = [factor, *(float(f"{number:.5g}") for number in bias.tolist())]
        shape = (1, -1) + (1,) * (output.dim() - 2)
        output = (output - layer.bias.data.view(shape)) * factor + bias.view(shape)
        layer.weight.data *= factor
        layer.bias.data = bias
        return output

    hooks = [layer.register_forward_hook(adjust) for layer in wanted]
    model.eval()
    with torch.no_grad():
        model(batch)
    for hook in hooks:
        hook.remove()
    assert len(done) == len(wanted), "a layer was not run"
    return done


@torch.no_grad()
def record_detections(model: nn.Module, batch: list[dict]) -> Recording:
    """Everything of inference."""
    seen: Recording = {}
    model.eval()
    stop = listen(model, seen, "test")
    found = model.inference(batch, do_postprocess=False)
    for remove in stop:
        remove()
    raw = {"boxes": [f.pred_boxes.tensor for f in found], "scores": [f.scores for f in found]}
    raw["labels"] = [f.pred_classes for f in found]
    if model.roi_heads.mask_on:
        raw["masks"] = [f.pred_masks[:, 0] for f in found]
    # Scaled in place to the size of the file, hence after the raw results have been copied.
    seen |= {f"detections.{key}": torch.cat(parts).clone() for key, parts in raw.items()}
    if "masks" in raw:
        seen["detections.masks"] = rules.sample(seen["detections.masks"], 4000)
    seen["detections.image"] = index_of([len(f) for f in found])
    final = model._postprocess(found, batch, rules.SIZES)
    assert [len(f["instances"]) for f in final] == [len(f) for f in found], "an empty detection"
    seen["files.boxes"] = torch.cat([f["instances"].pred_boxes.tensor for f in final])
    if "masks" in raw:
        for number, result in enumerate(final):
            bitmaps = result["instances"].pred_masks[: rules.PASTED].numpy()
            seen[f"files.masks{number}"] = torch.from_numpy(np.packbits(bitmaps))
    return seen


def record_training(model: nn.Module, batch: list[dict]) -> Recording:
    """Losses, what went into them, and a sample of the gradients of their sum."""
    seen: Recording = {}
    model.train()
    model.zero_grad()
    stop = [*listen(model, seen, "train"), listen_losses(model, seen, "train")]
    with fixed_orders(), EventStorage():
        losses = model(batch)
    for remove in stop:
        remove()
    sum(losses.values()).backward()
    seen |= {f"loss.{name}": value.detach() for name, value in losses.items()}
    for name, parameter in model.named_parameters():
        # Of millions of rectified numbers, in the ResNet and in a mask head, some are 0 but for
        # rounding, and each that is not changes the gradients below by more than the tolerance.
        inner = any(part in name for part in ("bottom_up", "mask_fcn", "deconv"))
        if parameter.grad is not None and not inner:
            seen[f"gradient.{name}"] = rules.sample(parameter.grad, 20)
    return {k: v for k, v in seen.items() if not k.startswith(("pyramid", "rpn"))}


@torch.no_grad()
def record_edge(model: nn.Module, batch: list[dict], proposals: list[Tensor]) -> Recording:
    """The stages of a cascade whose regressors throw boxes far about and out of the picture.

    So boxes are clipped, sizes capped, and boxes that became empty dropped in training but not in
    inference.
    """
    seen: Recording = {}
    for layer in predictors(model):
        layer.bbox_pred.weight.data *= rules.EDGE_FACTOR
        layer.bbox_pred.bias.data *= rules.EDGE_FACTOR
    images = model.preprocess_image(batch)
    maps = model.backbone(images.tensor)
    for mode in ("edge_test", "edge_train"):
        given, truth = [], [item["instances"] for item in batch]
        for size, boxes in zip(images.image_sizes, proposals, strict=True):
            fields = {"proposal_boxes": Boxes(boxes), "objectness_logits": torch.zeros(len(boxes))}
            given.append(Instances(size, **fields))
        model.train(mode == "edge_train")
        stop = [*listen(model, seen, mode), listen_losses(model, seen, mode)]
        with fixed_orders(), EventStorage():
            found, losses = model.roi_heads(images, maps, given, truth if model.training else None)
        for remove in stop:
            remove()
        seen |= {f"edge_loss.{name}": value for name, value in losses.items()}
        if not model.training:
            seen["edge_detections.image"] = index_of([len(f) for f in found])
            seen["edge_detections.boxes"] = torch.cat([f.pred_boxes.tensor for f in found])
            seen["edge_detections.scores"] = torch.cat([f.scores for f in found])
            seen["edge_detections.labels"] = torch.cat([f.pred_classes for f in found])
    for layer in predictors(model):
        layer.bbox_pred.weight.data /= rules.EDGE_FACTOR
        layer.bbox_pred.bias.data /= rules.EDGE_FACTOR
    return seen


def choose_objects(seen: Recording, stages: int) -> list[Tensor]:
    """Boxes near what the last stage gives, so that all stages have positives.

    At most eight a picture, not too close to each other.
    """
    key = f"test.stage{stages}"
    count = len(seen[f"{key}.rois"])
    boxes = seen[f"{key}.boxes"].reshape(count, -1, 4)[:, 0]
    chosen = []
    for number, (height, width) in enumerate(rules.SIZES):
        kept = torch.zeros(0, 4)
        for box in boxes[seen[f"{key}.image"] == number] if number != rules.EMPTY else []:
            box = box + torch.tensor([1.13, -0.87, -0.71, 1.29])
            side, inside = box[2:] - box[:2], (box[:2] > 1).all()
            inside &= box[2] < width - 1 and box[3] < height - 1
            apart = (pairwise_iou(Boxes(box[None]), Boxes(kept)) < 0.3).all()
            if inside and apart and side.min() > 12 and side.max() < 110 and len(kept) < 8:
                kept = torch.cat([kept, box[None]])
        chosen.append(kept)
    return chosen


def check_premises(seen: Recording, case: rules.Case) -> str:
    """Why these weights prove little; "" when they prove enough."""
    for k in range(1, case.stages + 1):
        labels = seen[f"train.stage{k}.labels"]
        positive = labels < rules.K
        if positive.sum() < 16 or (~positive).sum() < 50:
            return f"{int(positive.sum())} positives in stage {k}"
    return "" if len(seen["detections.boxes"]) > 20 else "few detections"


def compare_runs(first: Recording, second: Recording, share: float) -> str:
    """Where two runs decided differently or are further apart than a share of the tolerance.

    The tolerance is the tests': 1e-4 of each number and 1e-5 of the largest of its array.
    """
    for name, values in first.items():
        other = second[name]
        if values.shape != other.shape:
            return f"{name}: {tuple(values.shape)} and {tuple(other.shape)}"
        if values.dtype == torch.uint8:  # packed masks: a few pixels lie at the threshold
            if np.unpackbits((values ^ other).numpy()).mean() > 2e-5:
                return f"{name}: other pixels"
        elif not values.is_floating_point():
            if not torch.equal(values, other):
                return name
        elif values.numel():
            allowed = 1e-4 * values.abs() + 1e-5 * values.abs().max()
            apart = ((values - other).abs() / allowed.clamp(min=1e-30)).max().item()
            if apart > share:
                return f"{name}: {apart:.1f} times the tolerance apart"
    return ""


def is_steady(
    model: nn.Module, batches: tuple[list[dict], list[dict]], seen: Recording, seed: int
) -> str:
    """What other rounding, then slightly other pixels, would change in a recording; or ""."""
    forward = model.backbone.forward
    model.backbone.forward = lambda x: forward(x.contiguous(memory_format=torch.channels_last))
    for shift, share in ((0.0, 0.4), (2e-4, 100.0)):  # of pixels, a millionth of their range
        model.pixel_mean += shift
        with torch.backends.mkldnn.flags(enabled=False):
            again = record_detections(model, batches[0]) | record_training(model, batches[1])
            if any(key.startswith("edge") for key in seen):
                again |= record_edge(model, batches[1], rules.edge_proposals(seed))
        wrong = compare_runs({name: seen[name] for name in again}, again, share)
        if wrong:
            return wrong
    return ""


def record(name: str, seed: int) -> tuple[Recording, dict[str, Any], str]:
    """One recording, what the test needs beside it, and what is wrong with it."""
    case = rules.CASES[name]
    full = read_config(case)
    model = build_model(shrink(full))
    shapes = shapes_of(model)
    model.load_state_dict(rules.weights(shapes, seed, {}), strict=False)
    pictures = rules.pictures(seed)
    batch = inputs_of(pictures, None, case.masks)
    last_layers = spread(model, batch)
    result = model.load_state_dict(rules.weights(shapes, seed, last_layers), strict=False)
    assert not result.unexpected_keys and all("anchor_gen" in k for k in result.missing_keys)
    seen = record_detections(model, batch)
    objects = choose_objects(seen, case.stages)
    facts = {
        "seed": seed,
        "last_layers": last_layers,
        "shapes": shapes,
        "settings": settings(full),
        "versions": {
            "detectron2": detectron2.__version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "numpy": np.__version__,
        },
    }
    if sum(map(len, objects)) < 3:
        return seen, facts, "no objects of that size"
    for number, boxes in enumerate(objects):
        seen[f"objects{number}"] = boxes
    training = inputs_of(pictures, objects, case.masks)
    seen |= record_training(model, training)
    if name == "cascade":
        seen |= record_edge(model, training, rules.edge_proposals(seed))
    facts["trained"] = [name for name, p in model.named_parameters() if p.grad is not None]
    wrong = check_premises(seen, case)
    return seen, facts, wrong or is_steady(model, (batch, training), seen, seed)


def main() -> None:
    """Record the cases asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", choices=[[], *rules.CASES], help="default: all")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=40, help="how many to try at most")
    args = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name in args.cases or rules.CASES:
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            seen, facts, wrong = record(name, seed)
            print(f"{name}, seed {seed}: {wrong or 'steady'}", flush=True)
            if not wrong:
                break
        else:
            raise SystemExit(f"{name}: no seed is steady")
        path = FOLDER / f"detectron2_{name}.npz"
        arrays = {key: value.detach().numpy() for key, value in seen.items()}
        np.savez_compressed(path, facts=np.array(json.dumps(facts)), **arrays)
        print(f"{path.name}: {len(arrays)} arrays, {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
