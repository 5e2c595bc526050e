"""From a tiny detector to a file of proposals, and a Fast R-CNN that starts from it."""

import hashlib
import io
from contextlib import redirect_stdout
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope

from cascadekit.apis import dump_proposals, load_config, load_detector, train
from cascadekit.datasets import ProposalFile
from cascadekit.errors import InputError
from cascadekit.proposal_files import split_loader
from cascadekit.registry import DATASETS, MODELS, SCOPE
from cascadekit.structures.given_proposals import stored_proposals

TINY = Path(__file__).parent / "tiny.py"
NO_MASKS = {"model.roi_head.mask_pool": None, "model.roi_head.mask_head": None}
RESIZE = dict(type="Resize", scale=(96, 80))  # 64 x 64 becomes 80 x 80


def train_alone(config, work_dir):
    """Train without a validation at the end."""
    config = deepcopy(config)
    for key in ("val_dataloader", "val_cfg", "val_evaluator"):
        config[key] = None
    return train(config, work_dir, seed=0, device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(config, checkpoint) of two iterations; pictures are resized by 5/4."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASCADEKIT_DATA", str(tmp_path_factory.mktemp("data")))
        work_dir = tmp_path_factory.mktemp("run")
        config = load_config(TINY, options={**NO_MASKS, "train_cfg.max_iters": 2})
        for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
            config[loader].dataset.pipeline.insert(1, RESIZE)
        train_alone(config, work_dir)
        yield config, work_dir / "iter_2.pth"


@pytest.fixture(scope="module")
def files(trained, tmp_path_factory):
    """Split -> file of its proposals."""
    config, checkpoint = trained
    folder = tmp_path_factory.mktemp("proposals")
    for split in ("train", "val"):
        dump_proposals(config, checkpoint, folder / f"{split}.safetensors", split, device="cpu")
    return {split: str(folder / f"{split}.safetensors") for split in ("train", "val")}


def fast(config, files, stages=(0.5, 0.6)):
    """The same detector without an RPN."""
    config = deepcopy(config)
    config.model.rpn_head = None
    config.model.roi_head.stage_ious = stages
    for loader, split in (("train", "train"), ("val", "val"), ("test", "val")):
        step = dict(type="LoadProposals", file=files[split])
        config[f"{loader}_dataloader"].dataset.pipeline.insert(1, step)
    return config


def test_what_is_in_the_file(trained, files):
    config, checkpoint = trained
    stored = ProposalFile(files["train"])
    assert len(stored) == 6
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    expected = {"config": str(config.filename), "checkpoint": str(checkpoint), "split": "train"}
    assert stored.made_by.items() >= {**expected, "checkpoint_sha256": digest}.items()
    assert stored.made_by["boxes"] == "proposals" and stored.made_by["most"] == 1000
    for image_id in stored.ids:
        boxes, scores = stored.read(image_id, size=(64, 64))
        assert 0 < len(boxes) <= 50  # test_proposals keeps 50
        assert boxes.min() >= 0 and boxes.max() <= 64
        assert (np.diff(scores) <= 0).all()


def predictions(model, config):
    """Predictions of the whole validation set."""
    with DefaultScope.overwrite_default_scope(SCOPE):
        dataset = DATASETS.build(config.val_dataloader.dataset)
    with torch.no_grad():
        batch = pseudo_collate([dataset[i] for i in range(len(dataset))])
        data = model.data_preprocessor(batch, False)
        return model.predict(data["inputs"], data["data_samples"])


def test_predictions_equal_those_from_the_rpn(trained, files):
    config, checkpoint = trained
    whole = load_detector(config, checkpoint, "cpu")
    config = fast(config, files)
    with DefaultScope.overwrite_default_scope(SCOPE):
        without = MODELS.build(config.model).eval()
    state = {k: v for k, v in whole.state_dict().items() if not k.startswith("rpn_head.")}
    without.load_state_dict(state)
    pairs = zip(predictions(whole, config), predictions(without, config), strict=True)
    for expected, found in pairs:
        assert len(expected.detections) > 0
        assert torch.equal(found.detections.labels, expected.detections.labels)
        for name in ("boxes", "scores"):
            ours, theirs = getattr(found.detections, name), getattr(expected.detections, name)
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stages", [(0.5,), (0.5, 0.6, 0.7)])
def test_fast_rcnn_trains_on_them(trained, files, tmp_path, stages):
    config = fast(trained[0], files, stages)
    config.train_cfg.max_iters = 1
    runner = train_alone(config, tmp_path)
    assert runner.iter == 1
    losses = runner.message_hub.log_scalars
    for stage in range(1, len(stages) + 1):
        for part in ("cls", "bbox"):
            value = losses[f"train/stage{stage}.loss_{part}"].current()
            assert np.isfinite(value) and value > 0
    assert not [name for name in losses if "rpn" in name]


def test_boxes_after_a_stage(trained, tmp_path):
    """They are what the trace of a prediction shows, with the best class score of the stage."""
    config, checkpoint = trained
    out = tmp_path / "stage.safetensors"
    count = dump_proposals(config, checkpoint, out, "val", stage=1, most=20, device="cpu")
    stored = ProposalFile(out)
    assert stored.made_by["boxes"] == "after stage 1"
    assert count == sum(len(stored.read(i)[0]) for i in stored.ids)
    model = load_detector(config, checkpoint, "cpu")
    for prediction in predictions(model, config):
        boxes, scores = stored.read(prediction.info.image_id)
        trace = prediction.stages[0]
        assert len(boxes) == 20
        best, rows = trace.scores[:, :-1].amax(1).sort(descending=True, stable=True)
        np.testing.assert_allclose(scores, best[:20], rtol=1e-5)
        expected = trace.output_boxes[rows[:20]].clamp(0, 64)
        np.testing.assert_allclose(boxes, expected, rtol=1e-5, atol=1e-4)


def test_it_says_what_it_wrote(trained, tmp_path, capsys):
    out = tmp_path / "p.safetensors"
    count = dump_proposals(*trained, out, "val", most=3, device="cpu")
    assert count == 9
    assert capsys.readouterr().out.endswith(f"9 boxes of 3 pictures: {out}\n")


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("p.pkl", {}, r"must end in \.safetensors"),
        ("p.safetensors", {"split": "trian"}, "split must be train, val, test, got 'trian'"),
        ("p.safetensors", {"stage": 3}, "stage 3: this model runs 2 at test time"),
        ("p.safetensors", {"stage": -1}, "stage 0 or more"),
        ("p.safetensors", {"most": 0}, "most must be 1 or more"),
    ],
)
def test_faults(trained, tmp_path, out, options, message):
    with pytest.raises(InputError, match=message), redirect_stdout(io.StringIO()):
        dump_proposals(*trained, tmp_path / out, device="cpu", **options)
    assert not list(tmp_path.iterdir())


# The loader


def config_with(train_dataset, test_pipeline):
    train_loader = dict(batch_size=8, batch_sampler=dict(type="X"), dataset=train_dataset)
    dataset = dict(type="B", pipeline=test_pipeline, test_mode=True)
    test_loader = dict(batch_size=1, num_workers=2, dataset=dataset)
    loaders = dict(train_dataloader=train_loader, test_dataloader=test_loader)
    return Config(dict(**loaders, val_dataloader=None))


def test_a_training_set_is_read_as_at_test_time():
    flip, load = dict(type="RandomFlip"), dict(type="LoadImage")
    config = config_with(dict(type="A", min_size=32, pipeline=[load, flip]), [load])
    loader = split_loader(config, "train")
    assert loader["dataset"] == dict(type="A", min_size=32, pipeline=[load], test_mode=True)
    assert loader["batch_size"] == 1 and loader["num_workers"] == 2
    assert loader["sampler"] == dict(type="mmengine.DefaultSampler", shuffle=False)
    assert "batch_sampler" not in loader
    assert config.train_dataloader.dataset.pipeline == [load, flip]  # the config stays


def test_wrappers_are_taken_off_and_joined_sets_stay_joined():
    steps = [dict(type="LoadImage")]
    parts = [dict(type="A", pipeline=steps), dict(type="RepeatDataset", dataset=dict(type="B"))]
    joined = dict(type="mmengine.ConcatDataset", datasets=parts)
    config = config_with(dict(type="RepeatDataset", times=3, dataset=joined), [])
    dataset = split_loader(config, "train")["dataset"]
    whole = [dict(type=t, pipeline=[], test_mode=True) for t in "AB"]
    assert dataset == dict(type="mmengine.ConcatDataset", datasets=whole)


def test_a_fast_rcnn_s_boxes_start_from_the_proposals_of_the_same_split():
    load, mine, theirs = (
        dict(type="LoadImage"),
        dict(type="cascadekit.LoadProposals", file="train"),
        dict(type="cascadekit.LoadProposals", file="val"),
    )
    config = config_with(dict(type="A", pipeline=[load, mine, dict(type="Flip")]), [load, theirs])
    assert split_loader(config, "train")["dataset"]["pipeline"] == [load, mine]
    assert split_loader(config, "test")["dataset"]["pipeline"] == [load, theirs]


def test_no_such_loader():
    config = config_with(dict(type="A", pipeline=[]), [])
    with pytest.raises(InputError, match="has no val_dataloader"):
        split_loader(config, "val")


def test_stages_of_a_fast_rcnn(trained, files, tmp_path):
    """Dumped from a Fast R-CNN: stage 0 gives back what it was given."""
    config, checkpoint = trained
    config = fast(config, files)
    state = torch.load(checkpoint, weights_only=False)
    rpn = [k for k in state["state_dict"] if k.startswith("rpn_head.")]
    for key in rpn:
        del state["state_dict"][key]
    torch.save(state, tmp_path / "fast.pth")
    out = tmp_path / "again.safetensors"
    dump_proposals(config, tmp_path / "fast.pth", out, "train", device="cpu")
    before, after = ProposalFile(files["train"]), ProposalFile(out)
    for image_id in before.ids:
        for a, b in zip(before.read(image_id), after.read(image_id), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-5)


def test_a_pipeline_without_a_picture_file(files):
    """A photo is no picture of the data set: there are no proposals for it, and it is named."""
    steps = [dict(type="LoadImage"), dict(type="LoadProposals", file=files["val"])]
    with DefaultScope.overwrite_default_scope(SCOPE):
        pipeline = Compose([*steps, dict(type="PackInputs", with_masks=False)])
    image = np.zeros((64, 64, 3), np.uint8)
    known = ProposalFile(files["val"]).ids[0]
    sample = pipeline({"img": image, "img_id": known, "instances": []})["data_samples"]
    assert len(stored_proposals([sample])) > 0
    with pytest.raises(InputError, match="picture 'photo': no proposals"):
        pipeline({"img": image, "img_id": "photo", "instances": []})
