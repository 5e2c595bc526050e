"""Files in each benchmark's format give the figures of the plain functions, to the last digit."""

from __future__ import annotations

import json
import math
import random
import shutil

import numpy as np
import pytest

from cascadekit.datasets.proposal_files import PictureProposals, write_proposals
from cascadekit.datasets.widerface_files import read_subsets, read_widerface
from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.coco_ap import evaluate_coco
from cascadekit.evaluation.kitti_ap import evaluate_kitti
from cascadekit.evaluation.miss_rate import evaluate_miss_rate
from cascadekit.evaluation.voc_ap import VocDetections, evaluate_voc, evaluate_voc_as_coco
from cascadekit.evaluation.widerface_ap import evaluate_widerface
from cascadekit.scoring import FileOptions, evaluate_files
from tests.evaluation.makers import random_case
from tests.scoring import makers

PLAIN = {
    "kitti": evaluate_kitti,
    "citypersons": evaluate_miss_rate,
    "widerface": evaluate_widerface,
    "voc": evaluate_voc,
}


def figures(metric, files, **options):
    report = evaluate_files(metric, files.gt, files.dt, options=FileOptions(**options))
    return report.spread_a.values


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("metric", PLAIN)
def test_files_give_the_figures_of_the_plain_functions(metric, seed, tmp_path):
    files = getattr(makers, metric)(tmp_path, seed)
    own = PLAIN[metric](files.truths, files.found).as_dict()
    theirs = figures(metric, files)
    assert {name: theirs[name] for name in own} == pytest.approx(own, nan_ok=True, abs=1e-12)
    if metric == "voc":
        coco = evaluate_voc_as_coco(files.truths, files.found).as_dict()
        del coco["AR1"], coco["AR10"]
        assert {name: theirs[f"coco/{name}"] for name in coco} == pytest.approx(coco, nan_ok=True)


def test_kitti_devkit_and_split(tmp_path):
    files = makers.kitti(tmp_path)
    own = evaluate_kitti(files.truths, files.found, "2012").as_dict()
    assert figures("kitti", files, devkit="2012") == pytest.approx(own, nan_ok=True)
    makers.data.text(tmp_path / "ImageSets/val.txt", "000003", "000001")
    part = [3, 1]
    own = evaluate_kitti([files.truths[i] for i in part], [files.found[i] for i in part]).as_dict()
    assert figures("kitti", files, split="val") == pytest.approx(own, nan_ok=True)
    report = evaluate_files("kitti", f"{files.gt}:val", files.dt)
    assert report.spread_a.values == pytest.approx(own, nan_ok=True)
    assert "10 files are of pictures that the ground truth does not have" in report.a.notes[0]


def test_truncation_of_exactly_the_limit_counts(tmp_path):
    """0.30 is 0.3 in double; in float32 it would be more, and the car would not count."""
    line = "Car 0.30 0 0 10 10 60 60 -1 -1 -1 -1 -1 -1 -1"
    makers.data.text(tmp_path / "label_2/000000.txt", line)
    makers.data.text(tmp_path / "data/000000.txt", line + " -3.5")  # scores are logits
    files = makers.Files(tmp_path / "label_2", tmp_path / "data", [], [])
    found = figures("kitti", files)
    assert found["AP11_car_moderate"] == pytest.approx(1 / 11)
    assert math.isnan(found["AP11_car_easy"])


def test_missing_files_are_pictures_without_detections(tmp_path):
    files = makers.kitti(tmp_path)
    (tmp_path / "data/000004.txt").unlink()
    makers.data.text(tmp_path / "stats_car_detection.txt", "0.5 0.5")  # as the devkit leaves it
    empty = type(files.found[4])([], [], [])
    own = evaluate_kitti(files.truths, [*files.found[:4], empty, *files.found[5:]]).as_dict()
    report = evaluate_files("kitti", files.gt, tmp_path)  # the folder above `data` will do
    assert report.spread_a.values == pytest.approx(own, nan_ok=True)
    assert "1 of 12 pictures have no file of detections, such as '000004'" in report.a.notes[0]


def test_citypersons_ranks_ties_by_image_id(tmp_path):
    """The list of images and that of results may be in any order."""
    files = makers.citypersons(tmp_path, 1)
    content = json.loads(files.dt.read_text())
    for entry in content:
        entry["score"] = round(entry["score"])  # many ties
    by_image = sorted(content, key=lambda entry: -entry["image_id"])
    files.dt.write_text(json.dumps(by_image))
    found = [
        ScoredBoxes(
            [e["bbox"] for e in content if e["image_id"] == k],
            [e["score"] for e in content if e["image_id"] == k],
        )
        for k in range(1, 13)
    ]
    own = evaluate_miss_rate(files.truths, found).as_dict()
    assert figures("citypersons", files) == pytest.approx(own, nan_ok=True)


def test_citypersons_takes_pedestrians_alone(tmp_path):
    files = makers.citypersons(tmp_path, 2)
    own = figures("citypersons", files)
    content = json.loads(files.dt.read_text())
    riders = [{**entry, "category_id": 2, "score": 99.0} for entry in content]
    files.dt.write_text(json.dumps(riders + content))
    assert figures("citypersons", files) == pytest.approx(own, nan_ok=True, abs=0)


def test_citypersons_mat_is_as_json(tmp_path):
    makers.data.city_mat(tmp_path / "anno_val.mat", name="anno_val_aligned")
    makers.data.city_json(tmp_path / "val_gt.json")
    results = [{"image_id": 1, "category_id": 1, "bbox": [10, 5, 20, 40], "score": 0.5}]
    dt = makers.data.text(tmp_path / "dt.json", json.dumps(results))
    both = [
        figures("citypersons", makers.Files(tmp_path / name, dt, [], []))
        for name in ("anno_val.mat", "val_gt.json")
    ]
    assert both[0] == pytest.approx(both[1], nan_ok=True)
    assert both[0]["MR50_All"] == 0  # its one pedestrian, 40 pixels high, is found


@pytest.mark.parametrize("form", ["xywh", "xyxy"])
def test_widerface_boxes_are_detected(form, tmp_path):
    files = makers.widerface(tmp_path, 3, form=form)
    own = evaluate_widerface(files.truths, files.found).as_dict()
    report = evaluate_files("widerface", files.gt, files.dt)
    assert report.spread_a.values == pytest.approx(own, nan_ok=True, abs=1e-12)
    words = {"xywh": "x y w h", "xyxy": "x1 y1 x2 y2"}[form]
    assert f"boxes are read as {words}: so the best-scored ones find" in report.a.notes[0]
    other = "xyxy" if form == "xywh" else "xywh"
    forced = evaluate_files("widerface", files.gt, files.dt, options=FileOptions(boxes=other))
    assert forced.spread_a.values["AP50_hard"] < own["AP50_hard"] / 2
    assert "as --boxes says" in forced.a.notes[0]


def test_widerface_text_and_nested_folders(tmp_path):
    """The text file beside wider_face_split, lists in eval_tools; --subsets names another place."""
    files = makers.widerface(tmp_path, 3)
    own = figures("widerface", files)
    faces = {
        p.name: [[*map(float, b), *[0] * 6] for b in p.boxes_xywh]
        for p in read_widerface(files.gt / "wider_face_val.mat")
    }
    root = tmp_path / "wider"
    makers.data.wider_text(root / "wider_face_split/wider_face_val_bbx_gt.txt", faces)
    gt = makers.Files(root, files.dt, [], [])
    with pytest.raises(InputError, match="name their folder with --subsets"):
        figures("widerface", gt)
    assert figures("widerface", gt, subsets=str(files.gt)) == own
    shutil.copytree(files.gt, root / "eval_tools/ground_truth")
    assert figures("widerface", gt) == own


def test_voc_ranks_ties_by_line(tmp_path):
    """All scores alike: the order of the class's file decides, as MATLAB's stable sort has it."""
    files = makers.voc(tmp_path, 4)
    aps = set()
    for seed in range(4):
        order: dict[str, list[tuple[int, int]]] = {}
        for file in files.dt.glob("*.txt"):
            lines = [line.split() for line in file.read_text().splitlines()]
            lines = makers.shuffled([[stem, "0.5", *box] for stem, _, *box in lines], seed)
            makers.data.text(file, *(" ".join(words) for words in lines))
            order[file.stem.rsplit("_", 1)[1]] = lines
        found = []
        for i in range(12):
            own = [
                (name, list(map(float, words[2:])), k)
                for name, lines in order.items()
                for k, words in enumerate(lines)
                if int(words[0]) == i
            ]
            names, boxes, ranks = ([one[j] for one in own] for j in range(3))
            found.append(VocDetections(names, boxes, [0.5] * len(own), ranks))
        expected = evaluate_voc(files.truths, found).as_dict()
        values = figures("voc", files)
        assert {k: values[k] for k in expected} == pytest.approx(expected)
        aps.add(round(values["AP50_VOC10"], 9))
    assert len(aps) > 1  # otherwise the order would not matter here


def test_voc_split_and_classes(tmp_path):
    files = makers.voc(tmp_path)
    makers.data.text(tmp_path / "ImageSets/Main/few.txt", "000002", "000005")
    with pytest.raises(InputError, match="is not among the 2 of the ground truth"):
        figures("voc", files, split="few")
    every = figures("voc", files, split="test", classwise=True)
    assert set(every) >= {"class/Car/AP50_VOC07", "class/Van/AP50_VOC10", "coco/AP"}
    (tmp_path / "results/comp4_det_test_Van.txt").unlink()
    report = evaluate_files("voc", files.gt, files.dt)
    assert report.a.notes == ("no detections of: Van",)
    assert report.spread_a.values["AP50_VOC10"] < every["AP50_VOC10"]


def test_voc_json_of_any_origin(tmp_path):
    """COCO boxes become pixels from 1; `ignore` is difficult."""
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50]},
            {"image_id": 1, "category_id": 1, "bbox": [100, 10, 50, 50], "ignore": 1},
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    gt = makers.data.text(tmp_path / "gt.json", json.dumps(truth))
    rows = ["a 0.9 101 11 150 60", "a 0.8 11 11 60 60"]
    makers.data.text(tmp_path / "dt/comp4_det_val_cat.txt", *rows)
    found = figures("voc", makers.Files(gt, tmp_path / "dt", [], []))
    assert found["AP50_VOC07"] == found["AP50_VOC10"] == 1
    assert found["coco/AP95"] == pytest.approx(1)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_coco(iou_type, tmp_path):
    truth, results = random_case(3, masks=iou_type == "segm")
    for record in results:
        if isinstance(record.get("segmentation"), dict):
            counts = record["segmentation"]["counts"]
            record["segmentation"]["counts"] = counts.decode()
    files = makers.coco(tmp_path, truth, results)
    own = evaluate_coco(truth, results, iou_type)
    found = figures("coco", files, iou_type=iou_type, classwise=True)
    by_class = {f"class/{name}/AP": value for name, value in own.ap_by_class.items()}
    assert found == pytest.approx({**own.as_dict(), **by_class}, nan_ok=True)


def test_recall_of_results_and_of_stored_proposals(tmp_path):
    truth, results = random_case(5)
    for k, record in enumerate(results):
        record["score"] = 0.001 * k
    files = makers.coco(tmp_path, truth, results)
    found = figures("recall", files)
    assert 0 < found["AR100"] <= 1
    pictures = []
    for image in truth["images"]:
        own = [r for r in results if r["image_id"] == image["id"]]
        boxes = np.array([r["bbox"] for r in own], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array([r["score"] for r in own], np.float32)
        pictures.append(PictureProposals(image["id"], "", (220, 220), boxes, scores))
    write_proposals(tmp_path / "p.safetensors", pictures, {})
    stored = evaluate_files("recall", files.gt, tmp_path / "p.safetensors")
    assert stored.spread_a.values == pytest.approx(found, nan_ok=True)


@pytest.mark.parametrize("metric", PLAIN)
def test_a_false_alarm_never_helps(metric, tmp_path):
    """Property of the whole path, files included; WiderFace's new score must not stretch the range.

    CityPersons' devkit flatters where no detection is left at a rate (`wrapped`), and there a false
    alarm may help; from 100 pictures on one false alarm is never too many.
    """
    images = 120 if metric == "citypersons" else 12
    files = getattr(makers, metric)(tmp_path, 7, images)
    before = figures(metric, files)
    rng = random.Random(7)
    if metric == "kitti":
        stem = f"{rng.randrange(12):06d}"
        with (tmp_path / f"data/{stem}.txt").open("a") as file:
            file.write(f"Car -1 -1 -10 900 10 980 90 {makers.SPACE} 1.25\n")
    elif metric == "citypersons":
        content = json.loads(files.dt.read_text())
        box = {"image_id": 5, "category_id": 1, "bbox": [900, 10, 30, 80], "score": 9.0}
        files.dt.write_text(json.dumps([box, *content][::-1]))
    elif metric == "widerface":
        path = next((tmp_path / "pred").rglob("*.txt"))
        name, count, *rows = path.read_text().splitlines()
        makers.data.text(path, name, int(count) + 1, *rows, "900 10 30 30 0.25")
    else:
        with (tmp_path / "results/comp4_det_test_Car.txt").open("a") as file:
            file.write("000003 1.25 900 10 980 90\n")
    after = figures(metric, files)
    worse = [name for name in before if after[name] != before[name]]
    for name in before:
        if math.isnan(before[name]):
            continue
        sign = -1 if name.startswith("MR") else 1
        assert sign * after[name] <= sign * before[name] + 1e-12, name
    assert worse  # something was added


def test_faults_of_the_call(tmp_path):
    files = makers.kitti(tmp_path)
    for arguments, message in (
        (("kiti", files.gt, files.dt), "Did you mean 'kitti'"),
        (
            ("kitti", tmp_path / "label_3", files.dt),
            "ground truth not found.*Did you mean 'label_2'",
        ),
        (("kitti", files.gt, tmp_path / "dat"), "not found"),
        (("kitti", files.gt, files.gt), "no score; detections have 16 columns"),
        (("kitti", files.dt / "000000.txt", files.dt), "not json"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate_files(*arguments)
    with pytest.raises(InputError, match="a split is for kitti and voc"):
        evaluate_files("coco", files.gt, files.dt, options=FileOptions(split="val"))
    with pytest.raises(InputError, match="no split 'vall'"):
        evaluate_files("kitti", files.gt, files.dt, options=FileOptions(split="vall"))
    with pytest.raises(InputError, match="--bootstrap must be 0 or more"):
        evaluate_files("kitti", files.gt, files.dt, rounds=-1)


def test_ignored_objects_are_said(tmp_path):
    """The original overwrites `ignore` by `iscrowd`; who compares should know."""
    truth, results = random_case(3, crowds=False, ignored=True)
    files = makers.coco(tmp_path, truth, results)
    odd = sum(a["ignore"] for a in truth["annotations"])
    (note,) = evaluate_files("coco", files.gt, files.dt).a.notes
    assert note.startswith(f"{odd} objects that are no crowds have ignore 1")
    truth, results = random_case(3)
    files = makers.coco(tmp_path, truth, results)
    assert evaluate_files("coco", files.gt, files.dt, rounds=3).a.notes == ()


@pytest.mark.parametrize("backend", ["pycocotools", "faster_coco_eval"])
def test_intervals_are_the_same_whatever_the_back_end(backend, tmp_path):
    pytest.importorskip(backend, reason=f"no {backend} here")
    files = makers.coco(tmp_path, *random_case(4))
    draws = evaluate_files(
        "coco", files.gt, files.dt, rounds=4, options=FileOptions(backend=backend)
    ).spread_a.distribution.draws
    own = evaluate_files("coco", files.gt, files.dt, rounds=4).spread_a.distribution.draws
    assert np.array_equal(draws, own, equal_nan=True)


@pytest.mark.parametrize("metric", PLAIN)
def test_the_order_of_pictures_changes_nothing(metric, tmp_path):
    files = getattr(makers, metric)(tmp_path, 9)
    before = figures(metric, files)
    if metric in ("kitti", "voc"):
        stems = makers.shuffled([f"{i:06d}" for i in range(12)], 9)
        split = makers.data.text(tmp_path / "order.txt", *stems)
        after = figures(metric, files, split=str(split))
    elif metric == "citypersons":
        content = json.loads(files.gt.read_text())
        content["images"] = makers.shuffled(content["images"], 9)
        content["annotations"] = makers.shuffled(content["annotations"], 9)
        files.gt.write_text(json.dumps(content))
        files.dt.write_text(json.dumps(makers.shuffled(json.loads(files.dt.read_text()), 9)))
        after = figures(metric, files)
    else:
        # Events and their pictures the other way round, in the lists too.
        faces = {
            p.name: [[*b, *[0] * 6] for b in p.boxes_xywh.tolist()]
            for p in read_widerface(files.gt / "wider_face_val.mat")
        }
        subsets = read_subsets(files.gt)
        names = list(faces)[::-1]
        rows = {s: [(own[n] + 1).tolist() for n in names] for s, own in subsets.items()}
        turned = {name: faces[name] for name in names}
        makers.data.wider_mat(files.gt / "wider_face_val.mat", turned)
        makers.data.wider_subsets(files.gt, rows, turned)
        assert read_widerface(files.gt / "wider_face_val.mat")[0].name == names[0]
        after = figures(metric, files)
    assert after == pytest.approx(before, nan_ok=True, abs=1e-12)
