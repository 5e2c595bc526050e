"""Several views become one prediction: a detector's that reads off the truth, a real one's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision
from mmengine import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from torch import nn

from cascadekit.datasets.transforms import from_array
from cascadekit.errors import InputError
from cascadekit.models import test_time_aug
from cascadekit.models.roi_heads.ensemble import StageEnsemble
from cascadekit.registry import MODELS, TASK_UTILS, TRANSFORMS
from cascadekit.structures.masks import paste
from cascadekit.structures.samples import Proposals, StageOutput, image_infos

TINY = Path(__file__).parents[1] / "tiny.py"
VIEWS = {"scales": (0.5, 1.5), "flip": True}


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope("cascadekit"):
        yield


def batch_of_views(images, transforms=(), **settings):
    """Pictures (H, W, 3) -> a batch as the data loader gives it."""
    pipeline = [*transforms, {"type": "PackInputs", "with_masks": False}]
    views = TRANSFORMS.build({"type": "TestViews", "transforms": pipeline, **settings})
    return pseudo_collate([views(from_array(image, i)) for i, image in enumerate(images)])


def run(model, data):
    with torch.no_grad():
        ready = model.data_preprocessor(data)
        return model.predict(ready["inputs"], ready["data_samples"])


# A detector that reads objects off the picture: every blob of one colour.


class OracleRoIHead(nn.Module):
    """One roi per picture, around what is bright; its class by the middle channel's brightness."""

    def __init__(self, postprocess, num_classes=2, masks=True):
        super().__init__()
        self.postprocess = TASK_UTILS.build(postprocess)
        self.ensemble = StageEnsemble()
        self.test_stages = "1"
        self.mask_stages = (0,) if masks else ()
        self.num_classes = num_classes

    def forward(self, pyramid, proposals, infos):
        (images,) = pyramid
        logits = []
        for box, b in zip(proposals.boxes.round().long(), proposals.image_index, strict=True):
            x1, y1, x2, y2 = box.tolist()
            is_second = images[b, 1, y1:y2, x1:x2].max() > 0.7
            logits.append([0.0, 3.0, 0.0] if is_second else [3.0, 0.0, 0.0])
        logits = torch.tensor(logits).reshape(-1, 3)
        boxes = proposals.boxes
        deltas = torch.zeros(len(boxes), 1, 4)
        return [StageOutput(0, 0, proposals, None, {0: logits}, deltas, {0: boxes[:, None]}, boxes)]

    def score_boxes(self, stages):
        return stages[0].class_boxes, self.ensemble.scores(stages, "1")

    def masks_for(self, pyramid, boxes, labels, image_index):
        """Read the picture's first channel at 14 x 14 points of each box."""
        (images,) = pyramid
        height, width = images.shape[-2:]
        masks = torch.zeros(len(boxes), 14, 14)
        steps = (torch.arange(14) + 0.5) / 14
        for d, (box, b) in enumerate(zip(boxes, image_index, strict=True)):
            x = (box[0] + (box[2] - box[0]) * steps) / width * 2 - 1
            y = (box[1] + (box[3] - box[1]) * steps) / height * 2 - 1
            grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
            read = nn.functional.grid_sample(images[b, :1][None], grid, align_corners=False)
            masks[d] = read[0, 0].clamp(0, 1)
        return masks


class Oracle(BaseModel):
    """Its pyramid is the picture."""

    def __init__(self, roi_head, data_preprocessor):
        super().__init__(data_preprocessor)
        self.roi_head = MODELS.build(roi_head)
        self.num_classes = 2
        self.looked = []

    def forward(self, inputs, data_samples=None, mode="tensor"):
        raise AssertionError("test-time augmentation calls the parts")

    def extract(self, images):
        self.looked.append(tuple(images.shape))
        return [images]

    def propose(self, pyramid, samples, infos):
        found = []
        for image in pyramid[0][:, 0]:
            rows, columns = (image > 0.5).nonzero().unbind(1)
            ends = (
                [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else []
            )
            found.append(torch.tensor(ends, dtype=torch.float32).reshape(-1, 4))
        return Proposals.from_list(found, [torch.ones(len(f)) for f in found])


@pytest.fixture(scope="module")
def oracle():
    """The function that makes test-time augmentation of the oracle."""
    MODELS.register_module(name="Oracle", module=Oracle, force=True)
    MODELS.register_module(name="OracleRoIHead", module=OracleRoIHead, force=True)
    yield lambda masks=True, **settings: MODELS.build(
        {
            "type": "TestTimeAug",
            "detector": {
                "type": "Oracle",
                "roi_head": {
                    "type": "OracleRoIHead",
                    "masks": masks,
                    "postprocess": {"type": "Postprocess", "score_threshold": 0.1},
                },
                "data_preprocessor": {
                    "type": "DetectionPreprocessor",
                    "mean": [0.0] * 3,
                    "std": [255.0] * 3,
                    "pad_size_divisor": 32,
                },
            },
            **settings,
        }
    )
    for name in ("Oracle", "OracleRoIHead"):
        MODELS.module_dict.pop(name)


def triangle(size=(60, 100), corner=(20, 8), side=36, second=False):
    """A black picture with a bright right triangle whose right angle is at the lower left."""
    image = np.zeros((*size, 3), np.uint8)
    x, y = corner
    points = np.array([[x, y], [x, y + side - 1], [x + side - 1, y + side - 1]])
    # RGB as drawn, BGR in the network: the middle channel is the middle one in both.
    cv2.fillPoly(image, [points], (255, 255 if second else 90, 255))
    return image


def iou_with(prediction, image):
    """IoU of the only detection's pasted mask with what was drawn."""
    found = prediction.detections
    mask = paste(found.mask_probs, found.boxes, *image.shape[:2]).to_bitmaps()[0].numpy() > 0
    truth = image[:, :, 0] > 127
    return (mask & truth).sum() / (mask | truth).sum()


@pytest.mark.parametrize("settings", [{"flip": False}, {"flip": True}, VIEWS])
@pytest.mark.parametrize("resize", [None, (150, 90), (50, 30)])
def test_boxes_and_masks_come_back_in_place(oracle, settings, resize):
    image = triangle()
    transforms = [{"type": "Resize", "scale": resize}] if resize else []
    (prediction,) = run(oracle(), batch_of_views([image], transforms, **settings))
    found = prediction.detections
    assert len(found) == 1 and found.labels.tolist() == [0]
    torch.testing.assert_close(
        found.boxes, torch.tensor([[20.0, 8, 56, 44]]), atol=2.1 if resize else 1.1, rtol=0
    )
    assert iou_with(prediction, image) > 0.85
    # The triangle is not symmetric: a mask that was not turned back would not pass.
    turned = replace(found, mask_probs=found.mask_probs.flip(-1))
    assert iou_with(replace(prediction, detections=turned), image) < 0.6


def test_a_mask_seen_both_ways_is_a_mean_of_both(oracle):
    """Without the turn back, straight and mirrored triangles would blur into each other."""
    image = triangle()
    (both,) = run(oracle(), batch_of_views([image], scales=(), flip=True))
    (one,) = run(oracle(), batch_of_views([image], scales=(), flip=False))
    torch.testing.assert_close(
        both.detections.mask_probs, one.detections.mask_probs, atol=1e-4, rtol=0
    )


def test_every_view_is_looked_at_once(oracle):
    model = oracle()
    run(model, batch_of_views([triangle()], **VIEWS))
    sizes = [(64, 128), (64, 128), (32, 64), (32, 64), (96, 160), (96, 160)]  # padded to 32
    assert model._detector[0].looked == [(1, 3, *size) for size in sizes]


@pytest.mark.parametrize(
    ("masks", "image", "times"),
    [
        (True, triangle(), 4),  # two views, and again for the masks
        (True, np.zeros((60, 100, 3), np.uint8), 3),  # nothing found: the masks' shape only
        (False, triangle(), 2),
    ],
)
def test_pyramids_are_made_again_for_masks_only(oracle, masks, image, times):
    model = oracle(masks, keep_pyramids=False)
    run(model, batch_of_views([image], scales=(), flip=True))
    assert len(model._detector[0].looked) == times


def test_voting_takes_the_boxes_of_all_views(oracle):
    image = triangle(corner=(21, 9), side=35)  # odd, so that half its size is off by a little
    data = batch_of_views([image], scales=(0.5,), flip=False)
    model = oracle(postprocess={"vote_iou": 0.8})
    # What each view finds, read by the oracle itself.
    ready = model.data_preprocessor(batch_of_views([image], scales=(0.5,), flip=False))
    whole, half = (
        model._detector[0].propose([images], None, None).boxes[0] for images in ready["inputs"]
    )
    assert not torch.equal(whole, half * 2)
    (prediction,) = run(model, data)
    torch.testing.assert_close(prediction.detections.boxes[0], (whole + half * 2) / 2)
    (plain,) = run(oracle(), batch_of_views([image], scales=(0.5,), flip=False))
    assert torch.equal(plain.detections.boxes[0], whole)


def test_pictures_of_a_batch_stay_apart(oracle):
    """One with nothing in it, one of another size and class, one with a single bright pixel."""
    images = [
        triangle(),
        np.zeros((60, 100, 3), np.uint8),
        triangle((90, 70), (30, 40), 30, second=True),
        triangle((32, 32), (5, 6), 1),
    ]
    first, nothing, second, pixel = run(oracle(), batch_of_views(images, scales=(2.0,)))
    assert len(nothing.detections) == 0
    assert nothing.detections.mask_probs.shape == (0, 14, 14)
    assert [p.detections.labels.tolist() for p in (first, second, pixel)] == [[0], [1], [0]]
    torch.testing.assert_close(second.detections.boxes, torch.tensor([[30.0, 40, 60, 70]]))
    torch.testing.assert_close(pixel.detections.boxes, torch.tensor([[5.0, 6, 6, 7]]))
    for image, prediction in ((images[0], first), (images[2], second)):
        assert iou_with(prediction, image) > 0.85


def test_nothing_anywhere(oracle):
    (prediction,) = run(oracle(), batch_of_views([np.zeros((1, 1, 3), np.uint8)], **VIEWS))
    assert len(prediction.detections) == 0 and len(prediction.stages) == 1
    assert prediction.stages[0].input_boxes.shape == (0, 4)


def test_without_mask_heads(oracle):
    (prediction,) = run(oracle(masks=False), batch_of_views([triangle()], **VIEWS))
    assert len(prediction.detections) == 1 and prediction.detections.mask_probs is None


# The real detector, tiny and untrained: many boxes with scores all alike.


def noise(height=64, width=96, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def model_config(**roi_head):
    """The tiny model, with a hundred detections a picture that are well apart in score."""
    config = Config.fromfile(TINY).model.to_dict()
    postprocess = {"type": "Postprocess", "score_threshold": 0.12, "max_detections": 100}
    config["roi_head"].update({"postprocess": postprocess, **roi_head})
    return config


def pair(settings=None, **roi_head):
    """A tiny detector, and test-time augmentation with its weights."""
    torch.manual_seed(0)
    plain = MODELS.build(model_config(**roi_head))
    with torch.no_grad():  # spread the scores, the boxes of the stages and the masks
        for head in plain.roi_head.bbox_head:
            head.fc_cls.weight.normal_(0, 0.5)
            head.fc_reg.weight.normal_(0, 0.5)
        for head in plain.roi_head.mask_head if plain.roi_head.mask_stages else ():
            head.conv_logits.weight.normal_(0, 2)
    config = {"type": "TestTimeAug", "detector": model_config(**roi_head), **(settings or {})}
    augmented = MODELS.build(config)
    augmented.load_state_dict(plain.state_dict(), strict=True)
    return plain.eval(), augmented.eval()


def alike(a, b):
    """Two predictions are equal to the last bit."""
    for one, other in zip(a, b, strict=True):
        assert one.info == other.info and len(one.stages) == len(other.stages)
        parts = [(one.detections, other.detections), *zip(one.stages, other.stages, strict=True)]
        for x, y in parts:
            for key, value in vars(x).items():
                theirs = getattr(y, key)
                assert (value is theirs is None) or torch.equal(value, theirs), key


@pytest.mark.parametrize("keep_pyramids", [True, False])
@pytest.mark.parametrize("resize", [None, (77, 51)])
def test_the_first_view_alone_is_the_plain_detector(keep_pyramids, resize):
    plain, augmented = pair({"keep_pyramids": keep_pyramids})
    images = [noise(), noise(96, 64, seed=1)]
    transforms = [{"type": "Resize", "scale": resize}] if resize else []
    data = batch_of_views(images, transforms, scales=(), flip=False)
    expected = run(plain, {key: list(value[0]) for key, value in data.items()})
    assert min(len(p.detections) for p in expected) >= 10
    alike(run(augmented, data), expected)


def test_without_masks_the_first_view_alone_is_the_plain_detector():
    plain, augmented = pair(mask_pool=None, mask_head=None)
    data = batch_of_views([noise()], scales=(), flip=False)
    expected = run(plain, {key: list(value[0]) for key, value in data.items()})
    assert len(expected[0].detections) >= 10 and expected[0].detections.mask_probs is None
    alike(run(augmented, data), expected)


def test_one_choice_from_the_boxes_of_all_views():
    """Each view run by hand, moved to pixels of the file in numpy, torchvision's NMS."""
    plain, augmented = pair()
    image = noise()
    data = augmented.data_preprocessor(batch_of_views([image], **VIEWS))
    boxes, scores, pyramids, infos = [], [], [], []
    with torch.no_grad():
        for images, samples in zip(data["inputs"], data["data_samples"], strict=True):
            pyramid, stages = plain.run_stages(images, samples)
            (info,) = image_infos(samples)
            found = stages[-1].class_boxes[:, 0].double().numpy()  # class-agnostic
            found[:, 0::2] = found[:, 0::2].clip(0, info.size[1])
            found[:, 1::2] = found[:, 1::2].clip(0, info.size[0])
            if info.flipped:
                found[:, [0, 2]] = info.size[1] - found[:, [2, 0]]
            found[:, 0::2] *= 96 / info.size[1]
            found[:, 1::2] *= 64 / info.size[0]
            each = [logits.softmax(1) for logits in stages[-1].logits_by_head.values()]
            boxes.append(torch.from_numpy(found).float())
            scores.append(sum(each) / len(each))
            pyramids.append(pyramid)
            infos.append(info)
    every_box, every_score = torch.cat(boxes), torch.cat(scores)
    assert len(every_box) > 3 * len(boxes[0])
    rows, labels = (every_score[:, :-1] > 0.12).nonzero().unbind(1)
    candidates = every_box[rows]
    solid = (candidates[:, 2] > candidates[:, 0]) & (candidates[:, 3] > candidates[:, 1])
    rows, labels, candidates = rows[solid], labels[solid], candidates[solid]
    keep = torchvision.ops.batched_nms(candidates, every_score[rows, labels], labels, 0.5)[:100]
    (prediction,) = run(augmented, batch_of_views([image], **VIEWS))
    found = prediction.detections
    assert len(found) >= 30
    assert torch.equal(found.labels, labels[keep])
    torch.testing.assert_close(found.boxes, candidates[keep], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found.scores, every_score[rows, labels][keep], rtol=1e-4, atol=1e-6)
    # Rows of the first view are kept, those of the others are not.
    expected = torch.where(rows[keep] < len(boxes[0]), rows[keep], -1)
    assert torch.equal(found.roi_index, expected)
    assert 0 < (found.roi_index >= 0).sum() < len(found)
    # Masks: every view's own, turned back by hand.
    total = torch.zeros_like(found.mask_probs)
    for pyramid, info in zip(pyramids, infos, strict=True):
        scale = torch.tensor([info.size[1] / 96, info.size[0] / 64] * 2)
        here = found.boxes * scale
        if info.flipped:
            here = torch.stack(
                [info.size[1] - here[:, 2], here[:, 1], info.size[1] - here[:, 0], here[:, 3]], 1
            )
        with torch.no_grad():
            probs = plain.roi_head.masks_for(
                pyramid, here, found.labels, torch.zeros_like(labels[keep])
            )
        total += torch.flip(probs, [2]) if info.flipped else probs
    torch.testing.assert_close(found.mask_probs, total / len(infos), rtol=1e-4, atol=1e-5)


PER_CLASS = {"type": "BBoxHead", "in_channels": 8, "fc_channels": 16, "class_agnostic": False}


@pytest.mark.parametrize(
    ("postprocess", "roi_head"),
    [
        ({}, {}),
        ({"vote_iou": 0.7}, {}),
        ({"nms": "gaussian"}, {}),
        ({}, {"bbox_head": PER_CLASS}),  # a box for each class
        ({}, {"mask_strategy": "d"}),
        ({}, {"test_stages": "1"}),
    ],
)
def test_a_mirrored_picture_gives_the_mirrored_result(postprocess, roi_head):
    _, augmented = pair({"postprocess": postprocess}, **roi_head)
    image = noise()
    straight, mirrored = (
        run(augmented, batch_of_views([np.ascontiguousarray(x)], **VIEWS))[0].detections
        for x in (image, image[:, ::-1])
    )
    assert len(straight) >= 30
    x1, y1, x2, y2 = mirrored.boxes.unbind(1)
    back = torch.stack([96 - x2, y1, 96 - x1, y2], 1)
    torch.testing.assert_close(mirrored.scores, straight.scores, rtol=1e-4, atol=1e-6)
    assert torch.equal(mirrored.labels, straight.labels)
    torch.testing.assert_close(back, straight.boxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(
        mirrored.mask_probs.flip(-1), straight.mask_probs, rtol=1e-4, atol=1e-4
    )


def test_the_stages_are_those_of_the_first_view():
    plain, augmented = pair()
    data = batch_of_views([noise()], **VIEWS)
    (story,) = run(plain, {key: list(value[0]) for key, value in data.items()})
    (prediction,) = run(augmented, batch_of_views([noise()], **VIEWS))
    assert len(prediction.stages) == 2
    for ours, theirs in zip(prediction.stages, story.stages, strict=True):
        assert torch.equal(ours.input_boxes, theirs.input_boxes)
        assert torch.equal(ours.output_boxes, theirs.output_boxes)
        assert torch.equal(ours.scores, theirs.scores)
    became = prediction.stages[-1].detection_index
    found = prediction.detections
    assert (became >= 0).any()
    for roi, detection in enumerate(became.tolist()):
        assert detection < 0 or found.roi_index[detection] == roi
        assert (found.roi_index == roi).any() == (detection >= 0)


def test_a_pictures_result_does_not_depend_on_the_batch():
    _, augmented = pair()
    images = [noise(), noise(64, 96, seed=3)]  # of one size: padding would change features
    together = run(augmented, batch_of_views(images, **VIEWS))
    for image, one in zip(images, together, strict=True):
        (alone,) = run(augmented, batch_of_views([image], **VIEWS))
        torch.testing.assert_close(alone.detections.boxes, one.detections.boxes)
        torch.testing.assert_close(
            alone.detections.mask_probs, one.detections.mask_probs, rtol=1e-4, atol=1e-5
        )


def test_pyramids_may_be_made_again():
    (_, keeps), (_, forgets) = pair(), pair({"keep_pyramids": False})
    first = run(keeps, batch_of_views([noise()], **VIEWS))
    alike(first, run(forgets, batch_of_views([noise()], **VIEWS)))


def test_names_are_those_of_the_detector():
    plain, augmented = pair()
    assert list(augmented.state_dict()) == list(plain.state_dict())
    assert [n for n, _ in augmented.named_parameters()] == [n for n, _ in plain.named_parameters()]
    ours = {id(p) for p in augmented.parameters()}
    assert ours == {id(p) for p in augmented._detector[0].parameters()}
    assert augmented.num_classes == 6 and augmented.roi_head.num_stages == 2


def test_postprocess_settings_replace_only_what_they_name():
    _, augmented = pair({"postprocess": {"vote_iou": 0.9, "nms": "linear"}})
    chosen = augmented.roi_head.postprocess
    assert (chosen.vote_iou, chosen.nms) == (0.9, "linear")
    assert (chosen.score_threshold, chosen.max_detections) == (0.12, 100)


def test_as_the_runner_calls_it():
    _, augmented = pair()
    samples = augmented.test_step(batch_of_views([noise(), noise(seed=1)], **VIEWS))
    assert len(samples) == 2 and [s.metainfo["img_id"] for s in samples] == [0, 1]
    for sample in samples:
        assert not sample.metainfo["flip"]
        found = sample.prediction.detections
        assert torch.equal(sample.pred_instances.bboxes, found.boxes)


def test_training_goes_straight_to_the_detector(batch):
    plain, augmented = pair()
    losses = []
    for model in (plain, augmented):
        torch.manual_seed(1)
        data = model.train().data_preprocessor(batch(), True)
        losses.append(model(**data, mode="loss"))
    assert losses[0].keys() == losses[1].keys()
    assert all(torch.equal(losses[0][key], losses[1][key]) for key in losses[0])
    assert len(augmented(data["inputs"])) == 5  # mode "tensor": the pyramid


def test_faults(batch):
    _, augmented = pair()
    with pytest.raises(InputError, match=r"TestTimeAug got pictures without views.*TestViews"):
        augmented.test_step(batch())
    with pytest.raises(InputError, match="the detector has none"):
        test_time_aug.TestTimeAug({**model_config(), "roi_head": None})
