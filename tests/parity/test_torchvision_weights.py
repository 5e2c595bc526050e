"""A file of torchvision's maskrcnn_resnet50_fpn, loaded as it is, detects what torchvision detects.

The config has what the weights need beside their names, as docs/weights.md lists it: anchors in
whole pixels, RoIAlign without the half pixel, boxes for each class.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn, maskrcnn_resnet50_fpn
from torchvision.models.detection.image_list import ImageList

from cascadekit.checkpoints import load_weights, save_weights
from cascadekit.registry import MODELS
from cascadekit.structures.samples import ImageInfo, Targets, image_infos, make_data_sample

K = 4
SIZE = (128, 192)  # so that each stride divides it; see test_torchvision.py
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# torchvision rounds half a side: 32 pixels of ratio 1/2 are 45.25 / 2 = 22.6 -> 23.
SIZES = [
    [(2 * round(s * 2**0.5 / 2), 2 * round(s / 2**0.5 / 2)), (s, s)]
    for s in (32, 64, 128, 256, 512)
]
SIZES = [[wide, square, wide[::-1]] for wide, square in SIZES]


def our_detector(masks: bool) -> nn.Module:
    pool = {"type": "cascadekit.PyramidRoIAlign", "sampling_ratio": 2, "aligned": False}
    head = {"type": "cascadekit.BBoxHead", "in_channels": 256, "class_agnostic": False}
    roi_head = {
        "type": "cascadekit.CascadeRoIHead",
        "box_pool": {**pool, "output_size": 7},
        "bbox_head": head,
        "stage_ious": (0.5,),
        "postprocess": {"type": "cascadekit.Postprocess", "max_detections": 20},
    }
    if masks:
        roi_head["mask_pool"] = {**pool, "output_size": 14}
        roi_head["mask_head"] = {"type": "cascadekit.MaskHead", "in_channels": 256}
    config = {
        "type": "cascadekit.CascadeRCNN",
        "num_classes": K,
        "backbone": {"type": "cascadekit.ResNet", "depth": 50},
        "neck": {"type": "cascadekit.FPN", "in_channels": [256, 512, 1024, 2048]},
        "rpn_head": {
            "type": "cascadekit.RPNHead",
            "in_channels": 256,
            "anchors": {"type": "cascadekit.AnchorGenerator", "sizes": SIZES},
            "min_size": 1e-3,
            "test_proposals": (200, 100),
        },
        "roi_head": roi_head,
    }
    with torch.device("meta"):  # the file has all values
        model = MODELS.build(config).to_empty(device="cpu").eval()
    mean, std = [255 * m for m in MEAN], [255 * s for s in STD]
    preprocessor = {"type": "cascadekit.DetectionPreprocessor", "mean": mean, "std": std}
    model.data_preprocessor = MODELS.build(preprocessor)
    return model


def scaled(theirs: nn.Module, images, randomise, spread) -> None:
    """Weights whose detections are no noise: as the last layers of a trained detector spread."""
    randomise(theirs)
    head, predictor = theirs.rpn.head, theirs.roi_heads.box_predictor
    deviations = {head.cls_logits: 2.0, head.bbox_pred: 0.3}
    deviations |= {predictor.cls_score: 2.5, predictor.bbox_pred: 0.7}
    if theirs.roi_heads.has_mask():
        deviations[theirs.roi_heads.mask_predictor.mask_fcn_logits] = 2.0
    spread(lambda: theirs(images), deviations)


@torch.no_grad()
@pytest.mark.parametrize("masks", [False, True])
def test_detections_from_a_file(tmp_path, compare, randomise, spread, masks):
    make = maskrcnn_resnet50_fpn if masks else fasterrcnn_resnet50_fpn
    theirs = make(
        weights=None,
        weights_backbone=None,
        num_classes=K + 1,
        min_size=SIZE[0],
        max_size=SIZE[1],
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=100,
        box_detections_per_img=20,
    ).eval()
    images = [
        nn.functional.interpolate(torch.rand(1, 3, 16, 24), SIZE, mode="bilinear")[0]
        for _ in range(2)
    ]
    scaled(theirs, images, randomise, spread)
    ours = our_detector(masks)
    report = load_weights(ours, save_weights(theirs.state_dict(), tmp_path / "theirs.pth"))
    assert report.dialect == "torchvision" and not (report.missing or report.unexpected)

    nothing = Targets(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0, 4))
    samples = [make_data_sample(ImageInfo(SIZE, SIZE), nothing) for _ in images]
    batch = {"inputs": [255 * image for image in images], "data_samples": samples}
    inputs = ours.data_preprocessor(batch, False)["inputs"]
    normalised = torch.stack([theirs.transform.normalize(image) for image in images])
    name = "torchvision file, " + ("Mask R-CNN: " if masks else "Faster R-CNN: ")
    compare(name + "pictures", inputs, normalised)
    maps = theirs.backbone(normalised)
    proposals, _ = theirs.rpn(ImageList(normalised, [SIZE] * 2), maps)
    own = ours.rpn_head.propose(ours.rpn_head(ours.extract(inputs)), image_infos(samples))
    compare(name + "proposals", own.boxes, torch.cat(proposals))
    expected, _ = theirs.roi_heads(maps, proposals, [SIZE] * 2)
    for prediction, other in zip(ours.predict(inputs, samples), expected, strict=True):
        found = prediction.detections
        assert len(found) == len(other["scores"]) > 5
        assert torch.equal(found.labels, other["labels"] - 1)
        compare(name + "scores", found.scores, other["scores"])
        compare(name + "boxes", found.boxes, other["boxes"])
        if masks:
            compare(name + "mask probabilities", found.mask_probs, other["masks"][:, 0])
