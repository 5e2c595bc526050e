"""The exported detector is the detector: all stages, all detections, any size of picture."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cascadekit import apis
from cascadekit.commands import run as run_command
from cascadekit.errors import InputError
from cascadekit.export import ExportedDetector, export_detector
from cascadekit.registry import MODELS
from cascadekit.structures.samples import ImageInfo, Targets, make_data_sample

REPOSITORY = Path(__file__).parents[1]
TINY = str(REPOSITORY / "tests" / "tiny.py")
SIZES = [(224, 288), (161, 250)]  # height, width; the second is padded on both sides
KIT = "cascadekit."
SPECIFIC = {"type": KIT + "BBoxHead", "in_channels": 8, "fc_channels": 16, "class_agnostic": False}
CLASSIFIER = {**SPECIFIC, "class_agnostic": True, "regress": False}

# Name -> arguments of the fixture `tiny`: three stages with masks of the last, unless said.
KINDS = {
    "base": {"stage_ious": (0.5,), "masks": False},  # Faster R-CNN
    "base, masks": {"stage_ious": (0.5,)},
    "base, class-specific": {"stage_ious": (0.5,), "masks": False, "bbox_head": SPECIFIC},
    "cascade": {"masks": False},
    "cascade, masks": {},
    "cascade, masks of every stage": {"mask_strategy": "d"},
    "cascade, class-specific, masks": {"bbox_head": SPECIFIC},
    "cascade, stage 2 alone": {"test_stages": "2"},
    "cascade, detectron2's rules": {"recipe": "detectron2"},  # clips, own rois, adaptive sampling
    "cascade, mmdetection's rules": {"recipe": "mmdet"},  # logits averaged
    "iterative BBox": {"stage_ious": (0.5,), "test_iterations": 3, "masks": False},
    "integral loss": {
        "bbox_head": [{**SPECIFIC, "class_agnostic": True}, CLASSIFIER, CLASSIFIER],
        "flow": {"type": KIT + "StageFlow", "rois": "shared"},
    },
}
# What is written to files: each takes seconds.
WRITTEN = [(name, ".onnx") for name in KINDS]
WRITTEN += [(name, ".pt2") for name in ("base", "cascade, masks", "cascade, detectron2's rules")]

# The smallest detector there is: one map, one stage, no masks; its graph is written in seconds.
ONE_LEVEL = {
    "type": KIT + "CascadeRCNN",
    "num_classes": 3,
    "data_preprocessor": {
        "type": KIT + "DetectionPreprocessor",
        "mean": [120.0, 115.0, 100.0],
        "std": [60.0, 55.0, 50.0],
        "bgr_to_rgb": True,
        "pad_size_divisor": 8,
    },
    "backbone": {"type": KIT + "TinyBackbone"},
    "rpn_head": {
        "type": KIT + "RPNHead",
        "in_channels": 8,
        "feat_channels": 8,
        "anchors": {"type": KIT + "AnchorGenerator", "strides": [8]},
        "levels": [1],
        "test_proposals": (50, 40),
    },
    "roi_head": {
        "type": KIT + "CascadeRoIHead",
        "box_pool": {"type": KIT + "PyramidRoIAlign", "output_size": 3, "strides": [4]},
        "bbox_head": {"type": KIT + "BBoxHead", "in_channels": 8, "fc_channels": 16},
        "stage_ious": (0.5,),
        "postprocess": {"type": KIT + "Postprocess", "score_threshold": 0.5},
    },
}


LOW = {
    **ONE_LEVEL["roi_head"],
    "postprocess": {"type": KIT + "Postprocess", "score_threshold": 0.2},
}
POOL, HEAD = LOW["box_pool"], LOW["bbox_head"]


def _deformable(version):
    """Changes of ONE_LEVEL: a ResNet-50 whose second stage is deformable."""
    return {
        "backbone": {"type": KIT + "ResNet", "depth": 50, "dcn": version, "dcn_stages": (1,)},
        "rpn_head": {**ONE_LEVEL["rpn_head"], "in_channels": 512},
        "roi_head": {**LOW, "bbox_head": {**HEAD, "in_channels": 256}},
    }


def _position_sensitive(form):
    pool = {"type": KIT + "PSRoIPool", "output_size": 3, "stride": 8, "form": form}
    head = {"type": KIT + "RFCNHead", "in_channels": 8, "level": 1, "hidden_channels": 16}
    return {"roi_head": {**LOW, "box_pool": pool, "bbox_head": head}}


# Parts that few models have -> changes of ONE_LEVEL.
PARTS = {
    "deformable": _deformable("v1"),
    "deformable, v2": _deformable("v2"),
    "RoIPool": {"roi_head": {**LOW, "box_pool": {"type": KIT + "RoIPool", "stride": 4}}},
    "corner RoIAlign": {
        "roi_head": {**LOW, "box_pool": {"type": KIT + "CornerRoIAlign", "strides": [4]}}
    },
    "context": {
        "roi_head": {
            **LOW,
            "box_pool": {"type": KIT + "ContextPool", "pool": POOL},
            "bbox_head": {**HEAD, "in_channels": 16},
        }
    },
}
# Those that ONNX has nothing for.
ONLY_TORCH = {
    "R-FCN": _position_sensitive("pool"),
    "R-FCN, aligned": _position_sensitive("align"),
}


# Fixtures of the two kinds of file of ONE_LEVEL.
WAYS = ["onnx_file", pytest.param("pt2_file", marks=pytest.mark.slow)]


def picture(size, seed=0):
    """(1, 3, H, W) uint8 RGB, blots of about 30 pixels, so that rois differ from each other."""
    blots = [max(side // 30, 2) for side in size]
    coarse = torch.rand(1, 3, *blots, generator=torch.Generator().manual_seed(seed)) * 255
    return torch.nn.functional.interpolate(coarse, size, mode="bilinear").to(torch.uint8)


def predict(detector, images):
    """The detector's own answer, under the names of the exported one."""
    size = tuple(images.shape[2:])
    empty = torch.zeros(0, 4)
    sample = make_data_sample(ImageInfo(size, size), Targets(empty, empty[:, 0].long(), empty))
    data = {"inputs": [images[0].flip(0)], "data_samples": [sample]}  # BGR
    with torch.no_grad():
        batch = detector.data_preprocessor(data)
        (prediction,) = detector.predict(batch["inputs"], batch["data_samples"])
    found, stages = prediction.detections, prediction.stages
    answer = {"boxes": found.boxes, "scores": found.scores, "labels": found.labels}
    if stages:
        answer |= {"proposals": stages[0].input_boxes, "rois": found.roi_index}
    for number, stage in enumerate(stages, start=1):
        answer[f"stage{number}_boxes"] = stage.output_boxes
        answer[f"stage{number}_scores"] = stage.scores
    return answer if found.mask_probs is None else {**answer, "masks": found.mask_probs}


def compare(got, wanted, least=3):
    """Equal to 1e-4 of each number and 1e-5 of the largest; at least so many detections."""
    assert set(got) == set(wanted)
    assert len(wanted["boxes"]) >= least
    for name, value in wanted.items():
        ours = torch.as_tensor(got[name])
        assert ours.dtype == value.dtype and ours.shape == value.shape, name
        largest = value.abs().max().item() if value.numel() else 0.0
        torch.testing.assert_close(
            ours, value, rtol=1e-4, atol=1e-5 * largest, msg=lambda m, name=name: f"{name}: {m}"
        )


def aligned(got, wanted):
    """`got` in the order of `wanted`: in a large model rounding swaps rows of equal scores."""
    got = {name: torch.as_tensor(value) for name, value in got.items()}
    exact = "donot_use_mm_for_euclid_dist"  # else distances are good to 0.1 pixel only
    rois = torch.cdist(wanted["proposals"], got["proposals"], compute_mode=exact).argmin(1)
    key = [
        torch.cat([found["boxes"], 1e4 * found["labels"][:, None]], 1) for found in (wanted, got)
    ]
    rows = torch.cdist(*key, compute_mode=exact).argmin(1)
    assert len(rois.unique()) == len(rois) and len(rows.unique()) == len(rows)  # permutations
    got["rois"] = rois.argsort()[got["rois"]]
    for name, value in got.items():
        of_rois = name == "proposals" or name.startswith("stage")
        got[name] = value[rois if of_rois else rows]
    return got


def spread(detector, images):
    """Scale the last layers: initial weights give equal scores and no deltas to compare."""
    wanted = {"rpn_cls": 2.0, "rpn_reg": 0.3, "fc_cls": 3.0, "fc_reg": 0.7, "conv_logits": 2.0}
    wanted |= {"rfcn_cls": 9.0, "rfcn_reg": 1.0, "conv_offset": 1.0}
    hooks = {}

    def rescale(layer, inputs, output):
        factor = hooks[layer][1] / output.std()
        layer.weight.data *= factor
        layer.bias.data *= factor
        hooks.pop(layer)[0].remove()  # levels and passes may share a layer: once only
        return output * factor

    for name, layer in detector.named_modules():
        std = wanted.get(name.rstrip("0123456789.").rpartition(".")[2])  # also rpn_cls.0
        if std and hasattr(layer, "weight"):
            if not layer.weight.any():  # offsets begin with none
                torch.nn.init.normal_(layer.weight)
            hooks[layer] = layer.register_forward_hook(rescale), std
    predict(detector, images)
    for hook, _ in hooks.values():
        hook.remove()
    return detector.eval()


@pytest.fixture
def spread_tiny(tiny):
    """`spread_tiny(kind)`: one of KINDS with real detections, and its exact copy every time."""

    def build(kind):
        return spread(tiny(**KINDS[kind]).eval(), picture(SIZES[0]))

    return build


def one_level(**changes):
    torch.manual_seed(3)
    return spread(MODELS.build({**ONE_LEVEL, **changes}).eval(), picture(SIZES[0]))


@functools.cache
def runner(path):
    """The function that runs a file: images -> dict of outputs."""
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    session = pytest.importorskip("onnxruntime").InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(
        zip(names, session.run(None, {"images": images.numpy()}), strict=True)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def onnx_file(folder):
    """The one-level detector with its classes, and its ONNX file."""
    pytest.importorskip("onnxscript")
    detector = one_level()
    detector.classes = ("cat", "dog", "fish")
    return detector, export_detector(detector, folder / "detector.onnx")


@pytest.fixture(scope="module")
def pt2_file(folder):
    """The same detector and its torch.export program."""
    detector = one_level()
    detector.classes = ("cat", "dog", "fish")
    return detector, export_detector(detector, folder / "detector.pt2")


# The module that is traced, run as it is


@pytest.mark.parametrize("kind", KINDS)
def test_the_module_gives_what_the_detector_gives(spread_tiny, kind):
    detector = spread_tiny(kind)
    for seed, size in enumerate(SIZES):
        images = picture(size, seed)
        compare(ExportedDetector(detector)(images), predict(detector, images))


def test_a_model_without_a_roi_head_gives_its_proposals():
    detector = one_level(roi_head=None)
    images = picture(SIZES[1])
    compare(ExportedDetector(detector)(images), predict(detector, images), least=20)


def test_the_detector_stays_as_it_was():
    detector = one_level().train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    ExportedDetector(detector)(picture(SIZES[0]))
    assert detector.training and all(p.requires_grad for p in detector.parameters())
    assert all(torch.equal(before[name], value) for name, value in detector.state_dict().items())


# Files, of the smallest detector


@pytest.mark.parametrize("size", [*SIZES, (97, 130), (33, 520)])
@pytest.mark.parametrize("written", WAYS)
def test_a_file_gives_what_the_detector_gives(request, written, size):
    detector, file = request.getfixturevalue(written)
    images = picture(size, seed=1)
    compare(runner(file.path)(images), predict(detector, images))


@pytest.mark.parametrize("written", WAYS)
def test_no_detections(request, written):
    """In a grey fog this detector finds nothing."""
    detector, file = request.getfixturevalue(written)
    images = picture((96, 128)) // 32 + 114
    wanted = predict(detector, images)
    assert len(wanted["boxes"]) == 0 and len(wanted["proposals"]) > 0
    compare(runner(file.path)(images), wanted, least=0)


def test_names_and_shapes_of_onnx(onnx_file):
    onnx = pytest.importorskip("onnx")
    _, file = onnx_file
    model = onnx.load(file.path)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 20)]
    sides = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert sides == {
        "images": [1, 3, "height", "width"],
        "proposals": ["rois", 4],
        "stage1_boxes": ["rois", 4],
        "stage1_scores": ["rois", 4],
        "boxes": ["detections", 4],
        "scores": ["detections"],
        "labels": ["detections"],
        "rois": ["detections"],
    }
    assert file.outputs == tuple(list(sides)[1:])
    assert (file.opset, file.nodes) == (20, len(model.graph.node))
    assert file.inputs == {"images": (1, 3, "height", "width")}
    properties = {p.key: p.value for p in model.metadata_props}
    assert json.loads(properties["classes"]) == ["cat", "dog", "fish"]
    kinds = {node.op_type for node in model.graph.node}
    assert {"NonMaxSuppression", "RoiAlign"} <= kinds  # natively, no bag, no loop
    assert not kinds & {"Loop", "If", "SequenceAt"}


@pytest.mark.slow
def test_classes_of_a_program(pt2_file):
    files = {"classes.json": ""}
    torch.export.load(pt2_file[1].path, extra_files=files)
    assert json.loads(files["classes.json"]) == ["cat", "dog", "fish"]


@pytest.mark.slow
def test_nothing_is_left_beside_the_file(onnx_file, pt2_file, folder):
    assert {f.name for f in folder.iterdir()} <= {"detector.onnx", "detector.pt2", "photo.png"}


@pytest.mark.slow
def test_a_fixed_size(folder):
    detector = one_level()
    size = SIZES[1]
    file = export_detector(detector, folder / "fixed" / "detector.pt2", size=size)
    assert file.inputs == {"images": (1, 3, *size)} and file.opset is None
    run = runner(file.path)
    compare(run(picture(size)), predict(detector, picture(size)))
    with pytest.raises(Exception, match=r"161|250"):
        run(picture(SIZES[0]))


# The example of the docs


@pytest.mark.slow
def test_the_examples_of_the_docs_run(onnx_file, pt2_file, folder, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/export.md").read_text(), re.S)
    assert len(blocks) == 3
    assert len([line for line in blocks[0].splitlines() if line.strip()]) <= 15
    photo = picture((600, 950))[0].permute(1, 2, 0).numpy()
    cv2.imwrite(str(folder / "photo.png"), photo[:, :, ::-1])
    monkeypatch.chdir(folder)
    space: dict = {}
    for block in blocks:
        exec(block.replace("photo.jpg", "photo.png"), space)
        if block is blocks[0]:
            printed = capsys.readouterr().out.splitlines()
    images = torch.tensor(np.ascontiguousarray(space["images"]))
    assert images.shape == (1, 3, 800, 1267)  # the short side of 600 x 950 made 800
    wanted = predict(onnx_file[0], images)
    above = int((wanted["scores"] > 0.5).sum())
    assert above > 0 and len(printed) == above
    assert all(line.split()[0] in ("cat", "dog", "fish") for line in printed)
    boxes = torch.tensor(space["boxes"]).float()
    torch.testing.assert_close(
        boxes, wanted["boxes"] * torch.tensor([950 / 1267, 600 / 800] * 2), rtol=1e-4, atol=1e-2
    )
    compare(space["found"], wanted)  # of the last run, the program's
    assert space["paste"](np.ones((8, 8), np.float32), np.array([2, 1, 5, 3]), 4, 6).sum() == 6


# What cannot be exported is said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nms": "linear"}, "nms='linear'.*depends on the picture"),
        ({"nms": "gaussian"}, "nms='gaussian'"),
        ({"vote_iou": 0.9}, "vote_iou=0.9"),
    ],
)
def test_loops_over_the_picture_are_refused(options, message):
    rule = {**ONE_LEVEL["roi_head"]["postprocess"], **options}
    detector = MODELS.build(
        {**ONE_LEVEL, "roi_head": {**ONE_LEVEL["roi_head"], "postprocess": rule}}
    )
    with pytest.raises(InputError, match=message):
        ExportedDetector(detector)


def test_other_parts_that_are_refused():
    with pytest.raises(InputError, match="proposals from files"):
        ExportedDetector(MODELS.build({**ONE_LEVEL, "rpn_head": None}))
    views = MODELS.build({"type": KIT + "TestTimeAug", "detector": ONE_LEVEL})
    with pytest.raises(InputError, match="TestTimeAug cannot be exported"):
        ExportedDetector(views)
    other = {"type": "mmengine.ImgDataPreprocessor"}
    with pytest.raises(InputError, match=r"ImgDataPreprocessor.*use cascadekit"):
        ExportedDetector(MODELS.build({**ONE_LEVEL, "data_preprocessor": other}))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("x.pth", {}, r"must end in \.onnx or \.pt2"),
        ("x.onnx", {"opset": 17}, "18 to 23, got 17"),
        ("x.onnx", {"size": (0, 5)}, r"got \(0, 5\)"),
        ("x.pt2", {"size": (5,)}, r"got \(5,\)"),
    ],
)
def test_bad_values_are_named(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        export_detector(torch.nn.Identity(), tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


def test_absent_packages_are_named(tmp_path, monkeypatch):
    def without(name):
        if name == "onnxscript":
            raise ImportError("no such package")
        return import_module(name)

    monkeypatch.setattr("cascadekit.export.import_module", without)
    with pytest.raises(InputError, match=r"package onnxscript.*cascadekit\[export\]"):
        export_detector(torch.nn.Identity(), tmp_path / "x.onnx")


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    checkpoint = _checkpoint(tmp_path)
    assert run_command("export", [TINY, checkpoint, str(tmp_path / "x.bin")], "") == 2
    assert "must end in .onnx or .pt2" in capsys.readouterr().err


def _checkpoint(folder):
    """Untrained weights of the tiny config, as a training writes them."""
    torch.manual_seed(0)
    detector = apis.build_detector(apis.load_config(TINY))
    path = folder / "tiny.pth"
    torch.save({"state_dict": detector.state_dict(), "meta": {}}, path)
    return str(path)


# Everything that is slow to write


@pytest.mark.slow
def test_the_command_writes_a_file(tmp_path, capsys):
    out = tmp_path / "new" / "tiny.pt2"
    arguments = [TINY, _checkpoint(tmp_path), str(out), "--size", "96", "160"]
    assert run_command("export", arguments, "") == 0
    text = capsys.readouterr().out
    assert str(out) in text and "uint8 RGB (1, 3, 96, 160)" in text and "stage2_scores" in text
    assert runner(out)(picture((96, 160)))["masks"].shape[1:] == (8, 8)


@pytest.mark.slow
def test_a_program_runs_without_cascadekit(pt2_file, tmp_path):
    detector, file = pt2_file
    torch.save(picture(SIZES[1]), tmp_path / "images.pt")
    code = (
        "import sys, torch, torchvision\n"
        f"found = torch.export.load({str(file.path)!r}).module()(torch.load('images.pt'))\n"
        "torch.save(found, 'found.pt')\n"
        "assert not {'cascadekit', 'mmengine', 'mmcv'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    compare(torch.load(tmp_path / "found.pt"), predict(detector, picture(SIZES[1])))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "suffix"), WRITTEN)
def test_every_kind_in_a_file(spread_tiny, tmp_path, kind, suffix):
    detector = spread_tiny(kind)
    run = runner(export_detector(detector, tmp_path / f"detector{suffix}").path)
    for seed, size in enumerate([*SIZES, (420, 190)]):
        images = picture(size, seed)
        compare(run(images), predict(detector, images))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize("part", PARTS)
def test_every_part_in_a_file(tmp_path, part, suffix):
    detector = one_level(**PARTS[part])
    run = runner(export_detector(detector, tmp_path / f"detector{suffix}").path)
    for seed, size in enumerate(SIZES):
        images = picture(size, seed)
        compare(run(images), predict(detector, images))


@pytest.mark.slow
@pytest.mark.parametrize("part", ONLY_TORCH)
def test_parts_for_torch_alone(tmp_path, part):
    detector = one_level(**ONLY_TORCH[part])
    with pytest.raises(InputError, match=r"nothing for torchvision\.ps_roi_.*ending \.pt2"):
        export_detector(detector, tmp_path / "detector.onnx")
    assert not list(tmp_path.iterdir())
    run = runner(export_detector(detector, tmp_path / "detector.pt2").path)
    for seed, size in enumerate(SIZES):
        images = picture(size, seed)
        compare(run(images), predict(detector, images))


def _with_opset(folder, opset):
    """The one-level detector, its file, and the version that the file says it has."""
    onnx = pytest.importorskip("onnx")
    detector = one_level()
    file = export_detector(detector, folder / "detector.onnx", size=SIZES[0], opset=opset)
    model = onnx.load(file.path)
    onnx.checker.check_model(model, full_check=True)
    return detector, file, model.opset_import[0].version


@pytest.mark.slow
def test_the_newest_opset(tmp_path):
    """A valid file; onnxruntime 1.32 has no RoiAlign of opset 22 for the CPU to run it."""
    _, file, version = _with_opset(tmp_path, 23)
    assert version == file.opset == 23


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 21])
def test_other_opsets(tmp_path, opset):
    detector, file, version = _with_opset(tmp_path, opset)
    assert version == file.opset == opset
    compare(runner(file.path)(picture(SIZES[0])), predict(detector, picture(SIZES[0])))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize("what", ["proposals", "detections"])
def test_nothing_at_all(tiny, tmp_path, what, suffix):
    """No proposals, or no detections; masks of nothing."""
    detector = tiny(stage_ious=(0.5, 0.6)).eval()
    detector.roi_head.postprocess.score_threshold = 2.0
    if what == "proposals":
        detector.rpn_head.score_threshold = 2.0
    run = runner(export_detector(detector, tmp_path / f"detector{suffix}").path)
    wanted = predict(detector, picture(SIZES[1]))
    assert len(wanted["boxes"]) == 0 and (len(wanted["proposals"]) == 0) == (what == "proposals")
    compare(run(picture(SIZES[1])), wanted, least=0)


@pytest.mark.slow
def test_cascade_mask_r50(tmp_path):
    """The flagship with random weights: 80 classes, three stages, the whole pyramid."""
    config = apis.load_config(REPOSITORY / "configs" / "cascade_mask_r50.py")
    torch.manual_seed(0)
    detector = MODELS.build(config.model).eval()
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.3, 0.9)
    spread(detector, picture((256, 320)))
    run = runner(export_detector(detector, tmp_path / "detector.onnx").path)
    for seed, size in enumerate([(256, 320), (200, 333)]):
        images = picture(size, seed) // 2 + torch.randint(0, 128, (1, 3, *size), dtype=torch.uint8)
        wanted = predict(detector, images)
        compare(aligned(run(images), wanted), wanted, least=20)
