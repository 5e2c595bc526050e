"""What a report says, and what is in its files."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from cascadekit.scoring import FileOptions, evaluate_files
from cascadekit.scoring.report import report_figure, report_json, report_text, write_report
from tests.evaluation.makers import random_case
from tests.scoring import makers


def coco_files(root, seed=3):
    truth, results = random_case(seed)
    for image in range(100, 130):  # enough pictures for intervals
        truth["images"].append({"id": image, "height": 220, "width": 220})
        box = {"image_id": image, "category_id": 3, "bbox": [10, 10, 50, 50]}
        ids = {"id": 1000 + image, "area": 2500, "iscrowd": 0}
        truth["annotations"].append({**box, **ids})
        results.append({**box, "score": 0.3 + image / 1000, "bbox": [10, 10, 50, 41]})
    return makers.coco(root, truth, results), results


def test_tables_without_intervals(tmp_path):
    text = report_text(evaluate_files("kitti", *_paths(makers.kitti(tmp_path))))
    lines = text.splitlines()
    assert lines[0].startswith("kitti, 12 pictures, ")
    assert "KITTI 2D AP, 11 recall points (%)" in lines
    header = next(line for line in lines if "moderate" in line and "note" not in line)
    assert header.split() == ["easy", "moderate", "hard"]
    assert [line.split()[0] for line in lines if line.startswith(("car", "ped"))] == [
        *("car", "pedestrian") * 2,
    ]
    assert "[" not in "".join(lines[lines.index(header) :])  # no intervals
    assert "with 40 objects or fewer" in text


def _paths(files):
    return files.gt, files.dt


def test_citypersons_table_and_notes(tmp_path):
    text = report_text(evaluate_files("citypersons", *_paths(makers.citypersons(tmp_path, 1))))
    assert "CityPersons log-average miss rate (%), lower is better" in text
    assert "Reasonable" in text
    assert "the devkit then reads the recall of all of them" in text  # 12 pictures are few


def test_intervals_and_files(tmp_path):
    files, _ = coco_files(tmp_path)
    report = evaluate_files("coco", *_paths(files), rounds=30)
    text = report_text(report)
    value = 100 * report.spread_a.values["AP50"]
    low, high = report.spread_a.intervals()["AP50"]
    assert low < report.spread_a.values["AP50"] < high
    assert f"{value:.2f} [{100 * low:.1f}, {100 * high:.1f}]" in text
    assert "30 draws of 36 pictures" in text
    again = evaluate_files("coco", *_paths(files), rounds=30)
    assert report_text(again) == text  # the seed is fixed
    written = write_report(report, tmp_path / "out")
    assert [path.name for path in written] == ["scores.json", "curves.png"]
    content = json.loads(written[0].read_text())
    assert content["a"]["figures"]["AP50"] == {
        "value": pytest.approx(value / 100),
        "interval": pytest.approx([low, high]),
    }
    assert content["a"]["figures"]["AR1"]["interval"] == [None, None]
    assert (content["draws"], content["pictures"]) == (30, 36)
    assert np.asarray(Image.open(written[1])).std() > 5


def test_few_pictures_have_no_intervals(tmp_path):
    truth, results = random_case(3)
    files = makers.coco(tmp_path, truth, results)
    text = report_text(evaluate_files("coco", *_paths(files), rounds=20))
    assert "no intervals: 6 pictures are too few" in text
    report = evaluate_files("coco", *_paths(files), files.dt, rounds=2)
    assert report_text(report).endswith("6 pictures are too few to say whether that is chance.")


def test_b_is_better(tmp_path):
    """B's boxes are exact in half of the pictures where A's overlap by 0.82."""
    files, results = coco_files(tmp_path)
    for result in results:
        if result["image_id"] >= 115:
            result["bbox"] = [10, 10, 50, 50]
    b = makers.data.text(tmp_path / "b.json", json.dumps(results))
    report = evaluate_files("coco", *_paths(files), b, rounds=40)
    text = report_text(report)
    assert text.splitlines()[-1].startswith("B is better: AP of B minus A is +")
    assert "over draws of pictures; B is better in 100 % of them." in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("A")}
    assert rows["AP90"].endswith("B is better")
    assert rows["AP50"].endswith("not decided on this data")  # both find them at 0.5
    content = report_json(report)
    assert content["comparison"]["figures"]["AP90"]["share_better"] == 1
    assert content["comparison"]["verdict"] == text.splitlines()[-1]
    back = evaluate_files("coco", files.gt, b, files.dt, rounds=40)
    assert report_text(back).splitlines()[-1].startswith("A is better: AP of B minus A is -")
    same = report_text(evaluate_files("coco", *_paths(files), files.dt, rounds=5))
    assert same.splitlines()[-1].startswith("Not decided on this data: AP of B minus A is +0.00")
    assert "B is better in 50 % of them" in same


def test_lower_is_better_for_miss_rates(tmp_path):
    files = makers.citypersons(tmp_path, 1, images=40)
    content = json.loads(files.dt.read_text())
    worse = [entry for entry in content if entry["score"] < 0]  # half of them are lost
    b = makers.data.text(tmp_path / "b.json", json.dumps(worse))
    report = evaluate_files("citypersons", *_paths(files), b, rounds=60)
    difference, *_ = report.contrast.difference("MR50_All")
    assert difference > 0
    assert report.contrast.verdict("MR50_All") != "B is better"
    assert report.contrast.share_better("MR50_All") < 0.5


@pytest.mark.parametrize("metric", ["kitti", "citypersons", "widerface", "voc"])
def test_every_figure_can_be_drawn(metric, tmp_path):
    files = getattr(makers, metric)(tmp_path)
    report = evaluate_files(metric, *_paths(files), files.dt, rounds=2)
    figure = report_figure(report)
    lines = [line for axis in figure.axes for line in axis.get_lines()]
    dashed = [line for line in lines if line.get_linestyle() == "--"]
    assert dashed
    figure.canvas.draw()
    labels = figure.axes[0].get_legend().get_texts()
    assert labels[0].get_text().startswith("A, ")
    if metric == "citypersons":
        assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"


def test_nothing_to_draw_and_nothing_known(tmp_path):
    """No objects and no detections at all: dashes and an empty plot."""
    truth = {"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    files = makers.coco(tmp_path, truth, [])
    report = evaluate_files("coco", *_paths(files), options=FileOptions(classwise=True))
    assert math.isnan(report.spread_a.values["AP"])
    assert " - " in report_text(report).replace("\n", " ")
    assert report_json(report)["a"]["figures"]["AP"]["value"] is None
    report_figure(report).canvas.draw()
    recall = evaluate_files("recall", *_paths(files))
    assert math.isnan(recall.spread_a.values["AR1000"])
    report_figure(recall).canvas.draw()
