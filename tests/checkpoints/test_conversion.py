import json
import re

import pytest
import torch
from safetensors import safe_open

from cascadekit.checkpoints import load_checkpoint_file, read_trained, read_translation
from cascadekit.checkpoints.conversion import convert, format_account, halved, write
from cascadekit.errors import InputError

CLS, REG = (f"roi_head.bbox_head.0.fc_{kind}.weight" for kind in ("cls", "reg"))
# Detectron's, K = 2, class-specific, with one blob of each fate.
BLOBS = {
    "conv1_w": torch.ones(2, 3),
    "res_conv1_bn_s": torch.ones(2),
    "res_conv1_bn_b": torch.ones(2),
    "cls_score_w": torch.arange(3.0)[:, None],
    "bbox_pred_w": torch.arange(12.0)[:, None],
    "conv1_w_momentum": torch.ones(2, 3),
    "kps_score_w": torch.ones(1),
}
OURS = {
    "backbone.conv1.weight": torch.zeros(2, 3),
    **{f"backbone.bn1.{p}": torch.zeros(2) for p in ("weight", "bias")},
    **{f"backbone.bn1.running_{p}": torch.zeros(2) for p in ("mean", "var")},
    "backbone.bn1.num_batches_tracked": torch.tensor(0),
    CLS: torch.zeros(3, 1),
    REG: torch.zeros(8, 1),
}


def known(**more):
    return {k: v for k, v in BLOBS.items() if k != "kps_score_w"} | more


def test_the_whole_way(tmp_path):
    done = convert(read_translation(known()), shapes=OURS)
    assert not done.is_partial
    assert set(done.weights) == set(OURS) - {"backbone.bn1.num_batches_tracked"}
    assert len(done.sources) == 5 and len(done.made) == 2
    text = write(done, tmp_path / "w.safetensors")
    assert text.startswith(f"wrote {tmp_path / 'w.safetensors'}: 7 tensors, 0.0 MB")
    read = read_translation(tmp_path / "w.safetensors")
    assert not read.is_foreign
    assert read.weights[CLS][:, 0].tolist() == [1, 2, 0]
    assert read.weights[REG][:, 0].tolist() == list(range(4, 12))


@pytest.mark.parametrize(
    ("state", "shapes", "message", "left"),
    [
        # a blob without counterpart
        (BLOBS, None, r"1 keys of Detectron \(Caffe2\) have no counterpart here \(kps_score", 0),
        # the model has more
        (
            known(),
            {**OURS, "rpn_head.rpn_cls.bias": torch.zeros(3)},
            r"1 keys are missing \(rpn_head",
            0,
        ),
        # the file has more
        (known(), {k: v for k, v in OURS.items() if k != REG}, r"1 are unexpected \(roi_head", 1),
        # another number of classes
        (known(), {**OURS, CLS: torch.zeros(81, 1)}, "made for 2 classes, the model has 80", 1),
    ],
)
def test_a_partial_match_is_refused_unless_told(tmp_path, state, shapes, message, left):
    done = convert(read_translation(state), shapes=shapes)
    assert done.is_partial
    with pytest.raises(InputError, match=rf"{message}.*\. With --partial what fits is written"):
        write(done, tmp_path / "w.pth")
    assert not list(tmp_path.iterdir())
    write(done, tmp_path / "w.pth", partial=True)
    assert len(read_translation(tmp_path / "w.pth").weights) == 7 - left


def test_nothing_in_common(tmp_path):
    done = convert(read_translation(known()), shapes={"layer.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="does not fit the model"):
        write(done, tmp_path / "w.pth", partial=True)
    done = convert(read_translation({"neck.down.weight": torch.zeros(1)}), "mmdet")
    with pytest.raises(InputError, match="nothing to write"):
        write(done, tmp_path / "w.pth", partial=True)


def test_to_mmdetection(tmp_path):
    done = convert(read_translation(known()), "mmdet", OURS)
    assert done.sources["roi_head.bbox_head.fc_cls.weight"] == "cls_score_w"
    assert set(done.made) == {"backbone.bn1.running_mean", "backbone.bn1.running_var"}
    write(done, tmp_path / "w.pth")
    content = load_checkpoint_file(tmp_path / "w.pth")
    assert "roi_head.bbox_head.fc_reg.weight" in content["state_dict"]
    foreign = {"neck.down.weight": torch.zeros(1), **OURS}
    done = convert(read_translation(foreign), "mmdet")
    with pytest.raises(InputError, match=r"no layer for 1 weights \(neck\.down\.weight\)"):
        write(done, tmp_path / "x.pth")


@pytest.mark.parametrize(
    "meta", [{"dataset_meta": {"classes": ("a", "ä")}}, {"CLASSES": ("a", "ä")}]
)
def test_class_names_go_along(tmp_path, meta):
    done = convert(read_translation({"state_dict": {CLS: torch.ones(3, 1)}, "meta": meta}))
    assert "2 class names" in write(done, tmp_path / "w.pth")
    write(done, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        assert read_trained(tmp_path / name)[1] == ("a", "ä")
    meta = torch.load(tmp_path / "w.pth", weights_only=True)["meta"]
    assert meta["dataset_meta"]["classes"] == meta["CLASSES"] == ("a", "ä")
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert json.loads(file.metadata()["classes"]) == ["a", "ä"]


def test_half_the_size_keeps_vectors(tmp_path):
    weights = {CLS: torch.full((3, 1), 1 / 3), "roi_head.bbox_head.0.fc_cls.bias": torch.ones(3)}
    write(halved(convert(read_translation(weights))), tmp_path / "w.safetensors")
    read = read_trained(tmp_path / "w.safetensors")[0]
    assert read[CLS].dtype == torch.float16 and read[CLS][0].item() == 0.333251953125  # 1365 / 4096
    assert read["roi_head.bbox_head.0.fc_cls.bias"].dtype == torch.float32


def test_the_account_by_hand():
    shapes = {**OURS, REG: torch.zeros(4, 1), "rpn_head.rpn_cls.bias": torch.zeros(3)}
    del shapes["backbone.conv1.weight"]
    text = format_account(convert(read_translation(BLOBS), shapes=shapes))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[2:] == [
        "read 7 names of Detectron (Caffe2)",
        "mapped 3 names of cascadekit",  # two scales and the classifier
        "made 2 statistics of frozen norms: mean 0, variance 1: 2",
        "ignored 1 momentum of the optimizer: 1",
        "unknown 1 kps_score_w",
        "missing 1 rpn_head.rpn_cls.bias",
        "not in the model 1 backbone.conv1.weight",
        f"of another shape 1 {REG}",
    ]
    # aligned: the numbers start in one column
    starts = {re.search(r" \d", line).start() for line in text.splitlines()[2:]}
    assert len(starts) == 1


def test_verbose_lists_every_key():
    shapes = {**OURS, REG: torch.zeros(4, 1), "rpn_head.rpn_cls.bias": torch.zeros(3)}
    del shapes["backbone.conv1.weight"]
    text = format_account(convert(read_translation(BLOBS), shapes=shapes), verbose=True)
    for key in (*BLOBS, *shapes):
        if key != "backbone.bn1.num_batches_tracked":
            assert f"  {key}" in text, key
    assert "roi_head.bbox_head.0.fc_cls.weight (3, 1)" in text
