"""WiderFace as text and as .mat: values, dummy rows, subsets, and one clear error per fault."""

import numpy as np
import pytest

from cascadekit.datasets import WiderFaceDataset
from cascadekit.datasets.widerface_files import read_subsets, read_widerface
from cascadekit.errors import InputError
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.widerface_ap import FaceTruth, evaluate_widerface
from cascadekit.registry import DATASETS
from tests.datasets import makers

SPLIT = "wider_face_split/wider_face_val"


def write(root, form="text"):
    makers.wider_pictures(root)
    if form == "mat":
        pytest.importorskip("scipy")
        return makers.wider_mat(root / f"{SPLIT}.mat")
    return makers.wider_text(root / f"{SPLIT}_bbx_gt.txt", dummy=form != "no dummy")


def build(root, file, **arguments):
    return WiderFaceDataset(str(root / "WIDER_val/images"), str(file), **arguments)


def records(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


@pytest.mark.parametrize("form", ["text", "no dummy", "mat"])
def test_record(tmp_path, form):
    dataset = build(tmp_path, write(tmp_path, form), test_mode=True)
    assert dataset.metainfo["classes"] == ("face",)
    first, empty, last = records(dataset)
    assert [r["img_id"] for r in (first, empty, last)] == list(makers.FACES)
    assert first["img_path"].endswith("WIDER_val/images/0--Parade/0_Parade_a_1_849.jpg")
    face, invalid = first["instances"]  # the third has no width
    assert dataset.tally.empty == 1
    assert face == {
        "bbox": [10.0, 5.0, 30.0, 30.0],
        "label": 0,
        "area": 500.0,
        "iscrowd": 0,
        "ignore": 0,
        "segmentation": None,
        "blur": 0,
        "expression": 0,
        "illumination": 0,
        "invalid": 0,
        "occlusion": 0,
        "pose": 0,
    }
    assert (invalid["ignore"], invalid["invalid"], invalid["blur"]) == (1, 1, 2)
    assert empty["instances"] == []  # the row 0 0 0 0 is no face
    assert last["instances"][0]["bbox"] == [1, 2, 4, 6]
    assert "devkit" not in first  # nobody said which faces are easy
    assert len(build(tmp_path, dataset.source)) == 2


@pytest.mark.parametrize("form", ["text", "mat"])
def test_subsets_and_the_evaluation(tmp_path, form):
    pytest.importorskip("scipy")
    folder = makers.wider_subsets(tmp_path / "ground_truth")
    dataset = build(tmp_path, write(tmp_path, form), subset_dir=str(folder), test_mode=True)
    first, empty, last = records(dataset)
    assert [[i[s] for s in ("easy", "medium", "hard")] for i in first["instances"]] == [
        [True, True, True],
        [False, False, True],
    ]
    # All rows as written, also those that are no instance; MATLAB counts them from 1.
    assert first["devkit"]["boxes_xywh"] == [[10, 5, 20, 25], [40, 5, 10, 10], [60, 5, 0, 8]]
    assert first["devkit"]["hard"] == [True, True, False]
    assert empty["devkit"]["boxes_xywh"] == [[0, 0, 0, 0]]
    assert last["devkit"]["easy"] == [False] and last["devkit"]["hard"] == [True]
    truths = [FaceTruth(**record["devkit"]) for record in (first, empty, last)]
    found = [ScoredBoxes([[10, 5, 20, 25]], [0.9]), ScoredBoxes([[5, 5, 9, 9]], [0.5]), NOTHING]
    curves = evaluate_widerface(truths, found).curves
    assert [curves[s][0.5].faces for s in ("easy", "medium", "hard")] == [1, 2, 3]
    # The dummy row keeps the detection in a picture without faces: a false positive.
    assert curves["easy"][0.5].detections[-1] == 2 and curves["easy"][0.5].found[-1] == 1


NOTHING = ScoredBoxes(np.zeros((0, 4)), [])


def test_training_ignores_invalid_faces(tmp_path):
    pipeline = [
        dict(type="cascadekit.LoadImage"),
        dict(type="cascadekit.PackInputs", with_masks=False),
    ]
    sample = build(tmp_path, write(tmp_path), pipeline=pipeline)[0]["data_samples"]
    assert sample.gt_instances.bboxes.tolist() == [[10, 5, 30, 30]]
    assert sample.ignored_instances.bboxes.tolist() == [[40, 5, 50, 15]]


def test_rows_of_boxes_alone(tmp_path):
    """As some tools write them; the flags are then unknown, and no face is invalid."""
    faces = {name: [row[:4] for row in rows] for name, rows in makers.FACES.items()}
    makers.wider_pictures(tmp_path)
    file = makers.wider_text(tmp_path / "faces.txt", faces)
    (face, second), _ = (r["instances"] for r in records(build(tmp_path, file)))
    assert face["blur"] == -1 and second["ignore"] == 0


NAME = "0--Parade/a.jpg"
ROW = "1 2 3 4 0 0 0 0 0 0"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty; expected a picture's path"),
        ([ROW], r"line 1: expected EVENT/PICTURE\.jpg, got '1 2 3"),
        ([NAME], "line 2: expected the number of faces, got ''"),
        ([NAME, "two"], "line 2: expected the number of faces, got 'two'"),
        ([NAME, "2", ROW], f"line 4: {NAME} says 2 faces, but row 2 is not one"),
        ([NAME, "2", ROW, NAME, "0"], f"line 4: {NAME} says 2 faces, but row 2 is not one"),
        ([NAME, "1", ROW, ROW], r"line 4: expected EVENT/PICTURE.*as many rows as it says"),
        ([NAME, "1", "1 2 3"], r"line 3: expected 10 numbers \(x y w h blur"),
        ([NAME, "1", ROW.replace("3", "wide")], "line 3: expected 10 numbers .*got '1 2 wide"),
        ([NAME, "1", ROW.replace("3", "nan")], "line 3: expected 10 numbers"),
    ],
)
def test_faults_of_the_text(tmp_path, lines, message):
    with pytest.raises(InputError, match=rf"faces\.txt.*{message}"):
        read_widerface(makers.text(tmp_path / "faces.txt", *lines))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("face_bbx_list"), "no variable 'face_bbx_list', it has: blur_label_list"),
        (lambda m: m.pop("pose_label_list"), "no variable 'pose_label_list'"),
        (lambda m: m.update(event_list=m["event_list"][:1]), "event_list has 1 events, .* list 2"),
        (
            lambda m: m["file_list"].__setitem__((0, 0), m["file_list"][1, 0]),
            "1 pictures, .* has 2",
        ),
        (
            lambda m: m["face_bbx_list"][1, 0].__setitem__((0, 0), np.zeros((1, 3))),
            r"1_Handshaking_c_1_3: face_bbx_list must be numbers of 4 columns, .*\(1, 3\)",
        ),
        (
            lambda m: m["blur_label_list"][1, 0].__setitem__((0, 0), np.zeros((2, 1))),
            r"1 boxes, but blur_label_list has 2 rows \(event 2, picture 1\)",
        ),
    ],
)
def test_faults_of_the_mat(tmp_path, change, message):
    io = pytest.importorskip("scipy.io")
    file = makers.wider_mat(tmp_path / "faces.mat")
    content = {k: v for k, v in io.loadmat(file).items() if not k.startswith("__")}
    change(content)
    io.savemat(file, content)
    with pytest.raises(InputError, match=rf"faces\.mat.*{message}"):
        read_widerface(file)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[4], [], []], r"the easy list .* has 3 rows, row 4 is listed\. The lists are of the val"),
        ([[0], [], []], "does not fit"),
    ],
)
def test_a_list_of_another_set(tmp_path, rows, message):
    pytest.importorskip("scipy")
    folder = makers.wider_subsets(tmp_path, {**makers.SUBSET_ROWS, "easy": rows})
    with pytest.raises(InputError, match=message):
        build(tmp_path, write(tmp_path), subset_dir=str(folder))


def test_a_list_without_a_picture(tmp_path):
    pytest.importorskip("scipy")
    faces = {name: rows for name, rows in makers.FACES.items() if "Parade_b" not in name}
    folder = makers.wider_subsets(tmp_path, {s: [[], []] for s in makers.SUBSET_ROWS}, faces)
    with pytest.raises(InputError, match="0_Parade_b_1_2 has 1 rows, not there"):
        build(tmp_path, write(tmp_path), subset_dir=str(folder))


def test_missing_files(tmp_path):
    file = write(tmp_path)
    pytest.importorskip("scipy")
    with pytest.raises(InputError, match=r"annotation file not found: .*wider_easy_val\.mat"):
        read_subsets(tmp_path)
    with pytest.raises(InputError, match=r"WiderFace annotation file not found.*Did you mean"):
        read_widerface(file.with_name("wider_face_vall_bbx_gt.txt"))
    with pytest.raises(InputError, match="folder of pictures not found"):
        WiderFaceDataset(str(tmp_path / "WIDER_test"), str(file))
    (tmp_path / "WIDER_val/images/0--Parade/0_Parade_b_1_2.jpg").unlink()
    with pytest.raises(InputError, match=r"picture not found: .*0_Parade_b_1_2\.jpg"):
        build(tmp_path, file)
    with pytest.raises(InputError, match="'person' is not in WiderFace, which has: face"):
        build(tmp_path, file, classes=["person"])


def test_registered():
    assert DATASETS.get("WiderFaceDataset") is WiderFaceDataset
