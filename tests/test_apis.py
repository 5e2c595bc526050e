"""From a config file to a trained checkpoint, its scores and its predictions."""

import json
import os
import re
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

import cascadekit
from cascadekit import apis
from cascadekit.apis import evaluate, image_files, load_config, load_detector, predict, train
from cascadekit.errors import InputError
from cascadekit.models import CascadeRCNN

TINY = Path(__file__).parent / "tiny.py"
NO_MASKS = {"model.roi_head.mask_pool": None, "model.roi_head.mask_head": None}


@pytest.fixture(scope="module", autouse=True)
def data_root(tmp_path_factory):
    """Where the shapes of this file are drawn, once."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("data")
        patch.setenv("CASCADEKIT_DATA", str(root))
        yield root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data_root):
    """Folder of a run of 4 iterations."""
    work_dir = tmp_path_factory.mktemp("run")
    train(load_config(TINY), work_dir, seed=0)
    return work_dir


@pytest.fixture
def pictures(data_root, trained):
    """The three validation pictures."""
    return sorted(data_root.glob("*-val-3x*/images/*.png"))


@pytest.fixture
def coco(tmp_path):
    """The function that writes a COCO set of two classes: `coco(name)` gives the json's path."""

    def write(name="train", categories=("cat", "dog")):
        images = tmp_path / "photos"
        images.mkdir(exist_ok=True)
        data = {"images": [], "annotations": [], "categories": []}
        for k, category in enumerate(categories):
            data["categories"].append({"id": 10 + k, "name": category})
        for i in range(2):
            image = np.full((64, 96, 3), 100, np.uint8)
            image[8:40, 16:56] = 20 + 200 * i
            cv2.imwrite(str(images / f"{i}.png"), image)
            polygon = [16, 8, 56, 8, 56, 40, 16, 40]
            box = {"id": i, "image_id": i, "category_id": 10 + i, "bbox": [16, 8, 40, 32]}
            data["images"].append({"id": i, "file_name": f"{i}.png", "width": 96, "height": 64})
            data["annotations"].append({**box, "area": 1280, "segmentation": [polygon]})
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(data))
        return str(file)

    return write


def log_of(work_dir):
    """All that was logged by the runs in a folder."""
    return "\n".join(file.read_text() for file in sorted(Path(work_dir).glob("*/*.log")))


def iterations(work_dir):
    """The numbers in front of the log's training lines."""
    return [int(n) for n in re.findall(r"iter +(\d+)/\d+ ", log_of(work_dir))]


def test_training_leaves_a_run_that_can_be_read(trained):
    pointer = Path((trained / "last_checkpoint").read_text().strip())
    assert pointer == trained / "iter_4.pth"
    assert {"iter_2.pth", "iter_4.pth", "tiny.py"} <= {file.name for file in trained.iterdir()}
    log = log_of(trained)
    assert iterations(trained) == [1, 2, 3, 4]
    number = r"\d+\.\d{3}"
    for stage in (1, 2):
        part = rf"\| stage {stage} cls {number} box {number} IoU {number}>{number}"
        assert len(re.findall(part, log)) == 4
    assert "val: bbox AP" in log and "segm AP" in log


def test_the_saved_config_is_resolved_and_reads_the_same(trained):
    again = load_config(trained / "tiny.py")
    ours = load_config(TINY)
    assert again.model.to_dict() == ours.model.to_dict()
    assert again.randomness.seed == 0


def test_the_same_seed_gives_the_same_weights(trained, tmp_path):
    torch.rand(7)  # whatever ran before must not matter
    train(load_config(TINY, options={"train_cfg.max_iters": 2}), tmp_path, seed=0)
    first, second = (
        torch.load(folder / "iter_2.pth", weights_only=False)["state_dict"]
        for folder in (trained, tmp_path)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_train_leaves_the_callers_config_alone(tmp_path):
    config = load_config(TINY, options={"train_cfg.max_iters": 1})
    before = config.pretty_text
    train(config, tmp_path)
    assert config.pretty_text == before


def test_resume_goes_on_where_it_stopped(tmp_path):
    train(load_config(TINY, options={"train_cfg.max_iters": 2}), tmp_path, seed=0)
    runner = train(load_config(TINY), tmp_path, resume=True, seed=0)
    assert runner.iter == 4
    assert iterations(tmp_path) == [1, 2, 3, 4]
    momentum = runner.optim_wrapper.optimizer.state_dict()["state"]
    assert momentum and all("momentum_buffer" in state for state in momentum.values())


def test_a_run_that_started_from_weights_goes_on_from_its_own(trained, tmp_path):
    """The second of two steps: `load_from` is where it starts, not where it goes on."""
    options = {"load_from": str(trained / "iter_4.pth"), "train_cfg.max_iters": 2}
    train(load_config(TINY, options=options), tmp_path, resume=True, seed=0)  # nothing yet
    runner = train(
        load_config(TINY, options={**options, "train_cfg.max_iters": 3}), tmp_path, resume=True
    )
    assert runner.iter == 3
    assert iterations(tmp_path) == [1, 2, 3]


def test_nothing_to_resume_starts_anew(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(apis, "print_log", lambda text, logger: told.append(text))
    options = {"train_cfg.max_iters": 1}
    assert train(load_config(TINY, options=options), tmp_path, resume=True).iter == 1
    assert told == [f"nothing to resume in {tmp_path}: starting anew"]


def test_weights_alone_cannot_be_resumed(tmp_path):
    torch.save({"state_dict": {"x": torch.zeros(1)}}, tmp_path / "weights.pth")
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "weights.pth"))
    with pytest.raises(InputError, match=r"weights\.pth cannot be resumed from: it lacks meta"):
        train(load_config(TINY), tmp_path, resume=True)


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    step, calls = CascadeRCNN.train_step, []

    def third_is_interrupted(self, data, optim_wrapper):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(self, data, optim_wrapper)

    # Without its own checkpoint at 2, so that only the interruption can have saved.
    config = load_config(TINY, options={"default_hooks.checkpoint.interval": 100})
    monkeypatch.setattr(CascadeRCNN, "train_step", third_is_interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path, seed=0)
    saved = Path((tmp_path / "last_checkpoint").read_text().strip())
    assert saved == tmp_path / "interrupted_iter_2.pth" and saved.is_file()
    assert train(config, tmp_path, resume=True).iter == 4
    assert iterations(tmp_path) == [1, 2, 3, 4]


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    config = load_config(TINY, options={"optim_wrapper.optimizer.lr": 1e30})
    with pytest.raises(InputError, match=r"loss.* not finite at iteration 2 .*rate 6.7e\+29"):
        train(config, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_mixed_precision_needs_a_gpu(tmp_path):
    with pytest.raises(InputError, match="--amp: mixed precision needs a GPU"):
        train(load_config(TINY), tmp_path, amp=True)


def test_evaluate(trained, tmp_path):
    metrics = evaluate(load_config(TINY), trained / "iter_4.pth", tmp_path)
    for row in ("", "stage_1/", "stage_2/", "stage_1~2/"):
        for kind in ("bbox", "segm"):
            assert 0 <= metrics[f"coco/{row}{kind}_AP"] <= 1
    # What is reported is the ensemble.
    assert metrics["coco/bbox_AP50"] == metrics["coco/stage_1~2/bbox_AP50"]
    boxes = json.loads((tmp_path / "results.bbox.json").read_text())
    masks = json.loads((tmp_path / "results.segm.json").read_text())
    assert {entry["image_id"] for entry in boxes} == {1, 2, 3}
    assert len(boxes) == len(masks) and all("counts" in m["segmentation"] for m in masks)
    summary = json.loads((tmp_path / "results.summary.json").read_text())
    assert summary["images"] == 3
    assert summary["scores"]["bbox_AP"] == metrics["coco/bbox_AP"]


def test_evaluate_gives_what_validation_gave(trained, tmp_path):
    metrics = evaluate(load_config(TINY), trained / "iter_4.pth", tmp_path, stage_table=False)
    logged = re.search(r"val: bbox AP ([\d.]+)", log_of(trained)).group(1)
    assert f"{100 * metrics['coco/bbox_AP']:.1f}" == logged
    assert not any("stage_" in name for name in metrics)


def test_evaluate_other_data_in_the_checkpoints_classes(coco, tmp_path):
    options = {"train_cfg.max_iters": 2}
    train(load_config(TINY, data=coco(), images=str(tmp_path / "photos"), options=options), "run")
    # The same classes in another order of ids: labels must stay those of the training.
    other = coco("test", categories=("dog", "cat"))
    photos = str(tmp_path / "photos")
    config = load_config(TINY)
    evaluate(config, "run/iter_2.pth", tmp_path / "test", data=other, images=photos)
    summary = json.loads((tmp_path / "test" / "results.summary.json").read_text())
    assert list(summary["classes"]) == ["cat", "dog"]
    with pytest.raises(InputError, match=r"'dog' is not in .*three\.json, which has: cat, cow"):
        other = coco("three", categories=("cat", "cow"))
        evaluate(config, "run/iter_2.pth", tmp_path / "test", data=other, images=photos)


def test_a_detector_predicts_files_and_arrays_alike(trained, pictures):
    detector = load_detector(TINY, trained / "iter_4.pth", device="cpu")
    assert detector.classes == ("star", "burst", "arrow", "double_arrow", "crescent", "comb")
    assert not detector.training
    from_files = list(predict(detector, pictures))
    arrays = [cv2.imread(str(picture))[:, :, ::-1] for picture in pictures]
    from_arrays = list(predict(detector, arrays))
    assert [p.info.path for p in from_files] == [str(picture) for picture in pictures]
    assert sum(len(p.detections) for p in from_files) > 0
    for a, b in zip(from_files, from_arrays, strict=True):
        assert torch.equal(a.detections.boxes, b.detections.boxes)
        assert torch.equal(a.detections.scores, b.detections.scores)
        assert len(a.stages) == 2
        assert a.detections.mask_probs.shape == (len(a.detections), 8, 8)


def test_a_detector_with_test_time_augmentation(trained, pictures):
    options = {"tta_views.scales": (2.0,), "model.roi_head.postprocess.score_threshold": 0.05}
    config = load_config(TINY, options=options)
    before = config.pretty_text
    detector = load_detector(config, trained / "iter_4.pth", device="cpu", tta=True)
    assert config.pretty_text == before
    assert type(detector).__name__ == "TestTimeAug" and not detector.training
    assert detector.roi_head.postprocess.vote_iou == 0.9  # of the settings that ship
    assert detector.roi_head.postprocess.score_threshold == 0.05  # the config's
    plain = load_detector(config, trained / "iter_4.pth", device="cpu")
    assert plain.state_dict().keys() == detector.state_dict().keys()
    arrays = [cv2.imread(str(picture))[:, :, ::-1] for picture in pictures]
    for found, usual, array in zip(
        predict(detector, pictures),
        predict(plain, pictures),
        predict(detector, arrays),
        strict=True,
    ):
        assert len(found.detections) > 0 and len(found.stages) == 2
        assert found.detections.mask_probs.shape == (len(found.detections), 8, 8)
        assert not torch.equal(found.detections.scores, usual.detections.scores)
        assert torch.equal(found.stages[1].output_boxes, usual.stages[1].output_boxes)
        assert torch.equal(found.detections.boxes, array.detections.boxes)


def test_evaluate_with_test_time_augmentation(trained, tmp_path):
    config = load_config(TINY)
    metrics = evaluate(config, trained / "iter_4.pth", tmp_path, tta=True)
    assert 0 <= metrics["coco/bbox_AP"] <= 1 and 0 <= metrics["coco/segm_AP"] <= 1
    assert not any("stage_" in name for name in metrics)  # one choice of stages is merged
    boxes = json.loads((tmp_path / "results.bbox.json").read_text())
    assert {entry["image_id"] for entry in boxes} == {1, 2, 3}
    # One view, and no votes: what the plain test gives.
    once = {"tta_views.scales": (), "tta_views.flip": False, "tta_model.postprocess.vote_iou": None}
    config = load_config(TINY, options=once)
    single = evaluate(config, trained / "iter_4.pth", tmp_path / "one", tta=True)
    plain = evaluate(config, trained / "iter_4.pth", tmp_path / "plain", stage_table=False)
    assert single == pytest.approx(plain, nan_ok=True)
    one, other = ((tmp_path / name / "results.segm.json").read_text() for name in ("one", "plain"))
    assert one == other


def test_a_fresh_process_knows_our_names(trained, pictures, tmp_path, monkeypatch):
    """Before any Runner has set a scope, as in a notebook that only predicts."""
    monkeypatch.setattr(DefaultScope, "_instance_dict", OrderedDict())
    assert DefaultScope.get_current_instance() is None
    detector = load_detector(TINY, trained / "iter_4.pth")  # its types are written without scope
    assert len(list(predict(detector, pictures))) == 3
    apis.draw_example(detector, load_config(TINY), tmp_path / "example.png")
    assert (tmp_path / "example.png").is_file()
    apis.build_detector(load_config(TINY))


def test_the_checkpoints_classes_win(coco, tmp_path):
    options = {"train_cfg.max_iters": 2}
    config = load_config(TINY, data=coco(), images=str(tmp_path / "photos"), options=options)
    train(config, tmp_path / "run")
    detector = load_detector(TINY, tmp_path / "run" / "iter_2.pth")  # the file says 6
    assert detector.classes == ("cat", "dog")
    assert detector.num_classes == 2


def test_predict_names_a_picture_that_is_not_one(trained, tmp_path):
    (tmp_path / "a.png").write_text("hello")
    detector = load_detector(TINY, trained / "iter_4.pth")
    with pytest.raises(InputError, match=r"a\.png \(5 bytes\) is not a picture"):
        list(predict(detector, [tmp_path / "a.png"]))
    with pytest.raises(InputError, match=r"\(H, W, 3\) uint8 RGB array, got \(4, 4\) float32"):
        list(predict(detector, [np.zeros((4, 4), np.float32)]))


def test_shapes_replace_any_data(tmp_path):
    path = cascadekit.config_path("lite/cascade_mask_lite")
    config = load_config(path, data="shapes")
    assert config.model.num_classes == 6
    assert config.train_dataloader.dataset.type == "cascadekit.ShapesDataset"
    for loader in ("val_dataloader", "test_dataloader"):
        dataset = config[loader].dataset
        assert (dataset.type, dataset.split) == ("cascadekit.ShapesDataset", "val")
        assert dataset.test_mode


def test_own_coco_json(coco, tmp_path):
    photos = str(tmp_path / "photos")
    config = load_config(TINY, coco(), photos, coco("val", ("dog", "cat")), photos)
    assert config.model.num_classes == 2
    # Labels follow the training set where the other file has another order.
    assert config.val_dataloader.dataset.classes == ["cat", "dog"]
    config.train_cfg.max_iters = 1
    runner = train(config, tmp_path / "run")
    assert runner.train_dataloader.dataset.metainfo["classes"] == ("cat", "dog")
    assert runner.model.roi_head.bbox_head[1].fc_cls.out_features == 3  # and background
    assert "val: bbox AP" in log_of(tmp_path / "run")


def test_other_validation_data_alone_follow_the_configs_classes(coco, tmp_path):
    base = {"type": "CocoDataset", "ann_file": coco(), "image_dir": str(tmp_path / "photos")}
    (tmp_path / "mine.py").write_text(
        f"_base_ = {str(TINY)!r}\n"
        f"train_dataloader = dict(dataset=dict(_delete_=True, pipeline=[], **{base!r}))\n"
    )
    config = load_config(tmp_path / "mine.py", val_data=coco("val", ("dog", "cat")))
    assert config.model.num_classes == 2
    assert config.val_dataloader.dataset.classes == ["cat", "dog"]


def test_without_validation_data_nothing_is_validated(coco, tmp_path):
    config = load_config(TINY, coco(), str(tmp_path / "photos"))
    assert config.val_dataloader is config.val_cfg is config.val_evaluator is None
    config.train_cfg.max_iters = 1
    train(config, tmp_path / "run")
    assert "val" not in re.sub(r".*(interval|eval).*", "", log_of(tmp_path / "run").split("\n")[-2])
    assert (tmp_path / "run" / "iter_1.pth").is_file()


def write_voc(folder, name="cat"):
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "a.jpg"), np.full((64, 96, 3), 90, np.uint8))
    box = "<xmin>5</xmin><ymin>5</ymin><xmax>40</xmax><ymax>40</ymax>"
    item = f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"
    (folder / "a.xml").write_text(f"<annotation><filename>a.jpg</filename>{item}</annotation>")
    return folder


def test_voc_folder(tmp_path):
    folder = write_voc(tmp_path / "voc")
    options = {"train_cfg.max_iters": 1, **NO_MASKS}
    options["train_dataloader.dataset.pipeline.2.with_masks"] = False
    config = load_config(TINY, data=str(folder), options=options)
    assert config.model.num_classes == 1
    runner = train(config, tmp_path / "run")
    assert runner.train_dataloader.dataset.metainfo["classes"] == ("cat",)


def test_a_mask_head_needs_masks(tmp_path):
    config = load_config(TINY, data=str(write_voc(tmp_path / "voc")))
    with pytest.raises(InputError, match=r"no object in .*voc has a segmentation"):
        train(config, tmp_path / "run")


def test_another_schedule():
    path = cascadekit.config_path("shapes/cascade_mask_shapes")
    config, plain = load_config(path, schedule="lite_short"), load_config(path)
    assert config.train_cfg.max_iters == 300 and plain.train_cfg.max_iters != 300
    assert config.param_scheduler[1].end == 300
    assert config.model == plain.model
    # 1x scales the learning rate with the batch; the demo's schedule does not.
    assert load_config(path, schedule="1x").auto_scale_lr.base_batch_size == 16
    assert "auto_scale_lr" not in load_config("configs/faster_r50.py", schedule="lite")


def test_a_schedule_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("train_cfg = dict(type='IterBasedTrainLoop', max_iters=7)\n")
    config = load_config(TINY, schedule=str(file))
    assert config.train_cfg.max_iters == 7
    assert "optim_wrapper" not in config


def test_unknown_schedule():
    with pytest.raises(InputError, match=r"no schedule named 'lit': .*Did you mean 'lite'"):
        load_config(TINY, schedule="lit")


def test_coco_is_not_there(tmp_path, monkeypatch):
    path = cascadekit.config_path("faster_r50")
    config = load_config(path, options={"model.backbone.weights": None})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        train(config, "run")
    message = str(caught.value)
    assert str(tmp_path / "data/coco/annotations/instances_train2017.json") in message
    assert "--data shapes" in message and "\n" not in message


def test_options_come_last():
    assert load_config(TINY, data="shapes", options={"model.num_classes": 9}).model.num_classes == 9


def test_image_files(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [file.name for file in image_files(tmp_path)] == ["a.png", "b.JPG"]
    assert image_files(str(tmp_path / "a.png")) == [tmp_path / "a.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no picture"):
        image_files(tmp_path / "empty")
    with pytest.raises(InputError, match="nowhere: no such picture or folder"):
        image_files(tmp_path / "nowhere")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_no_gpu(device, trained, tmp_path):
    with pytest.raises(InputError, match=f"--device {device}: no CUDA device was found"):
        train(load_config(TINY), tmp_path, device=device)
    with pytest.raises(InputError, match=f"--device {device}: no CUDA device was found"):
        load_detector(TINY, trained / "iter_4.pth", device)


def test_interrupted_before_anything_was_learned(tmp_path, monkeypatch):
    def interrupted(self, data, optim_wrapper):
        raise KeyboardInterrupt

    monkeypatch.setattr(CascadeRCNN, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(load_config(TINY), tmp_path)
    assert not list(tmp_path.glob("*.pth")) and not (tmp_path / "last_checkpoint").exists()


def test_build_detector_loads_backbone_weights(tmp_path):
    path = cascadekit.config_path("faster_r50")
    options = {"model.backbone.weights": str(tmp_path / "gone.pth")}
    with pytest.raises(InputError, match=r"no checkpoint file .*gone\.pth"):
        apis.build_detector(load_config(path, options=options))
    detector = apis.build_detector(load_config(TINY))
    assert detector.training and isinstance(detector, CascadeRCNN)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch, request):
    """Nothing a test writes lands in the repository; `configs` is found as users find it."""
    (tmp_path / "configs").symlink_to(Path(cascadekit.__file__).parent / "configs")
    monkeypatch.chdir(tmp_path)
    assert os.getcwd() == str(tmp_path)
