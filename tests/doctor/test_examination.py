import json

import pytest

from cascadekit.doctor.examination import examine
from cascadekit.doctor.page import page, print_findings, write_page
from cascadekit.doctor.sampled import GIVE_UP, sample_training
from cascadekit.errors import InputError
from tests.doctor import makers
from tests.doctor.makers import box, checks, image

FAULTY = {
    "annotations": [box(1), box(2, bbox=(5, 5, 0, 9)), box(3, 2, 2), box(4, 3)],
    "images": [image(1), image(2), image(3)],
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A box without area and a picture that is not there."""
    folder = tmp_path_factory.mktemp("faulty")
    file = makers.coco(folder, **FAULTY)
    (folder / "3.png").unlink()
    return examine(makers.config(file), sample=5)


def test_findings_the_worst_first(faulty):
    order = [f.severity for f in faulty.findings]
    assert order == sorted(order, key=("error", "warning", "note").index)
    found = checks(faulty.findings)
    assert faulty.worst == "error" and "picture.missing" in found and "box.zero_area" in found
    assert "pipeline.failed" in found  # training would stop at the missing picture
    assert faulty.headline.startswith(f"{order.count('error')} errors, ")
    assert [t.title.split(":")[0] for t in faulty.tables][:2] == ["Classes", "Anchors"]


def test_the_report_is_one_file(faulty, tmp_path):
    html, numbers = write_page(faulty, tmp_path / "out")
    text = html.read_text()
    assert "box.zero_area" in text and "data:image/jpeg;base64," in text
    assert "http" not in text.replace("http-equiv", "")  # asks nobody for anything
    data = json.loads(numbers.read_text())
    (finding,) = [f for f in data["findings"] if f["check"] == "box.zero_area"]
    assert finding["count"] == 1 and finding["examples"][0]["boxes"] == [[5, 5, 5, 14]]


def test_the_terminal_names_check_example_and_fix(faulty, capsys):
    print_findings(faulty)
    text = capsys.readouterr().out
    assert "box.zero_area" in text and "-> Remove them" in text and "annotation 2" in text
    assert text.splitlines()[-1] == faulty.headline


def test_names_cannot_break_out_of_the_page(tmp_path):
    categories = [{"id": 1, "name": "<script>alert(1)</script>"}, {"id": 2, "name": "dog"}]
    file = makers.coco(tmp_path, categories=categories, annotations=[box(1, bbox=(5, 5, 0, 9))])
    text = page(examine(makers.config(file), sample=2))
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_an_empty_data_set(tmp_path):
    file = makers.coco(tmp_path, annotations=[], images=[])
    result = examine(makers.config(file))
    found = checks(result.findings)
    assert found["data.refused"].severity == "error"  # no picture to use
    assert page(result)


def test_pictures_without_an_object(tmp_path):
    file = makers.coco(tmp_path, annotations=[])
    found = checks(examine(makers.config(file)).findings)
    assert found["picture.empty"].count == 2 and "data.refused" in found


def test_one_pixel_boxes(tmp_path):
    rows = [box(1, bbox=(5, 5, 1, 1)), box(2, 2, 2, bbox=(0, 0, 1, 1))]
    found = checks(
        examine(makers.config(makers.coco(tmp_path, annotations=rows)), sample=5).findings
    )
    assert found["box.thin"].count == 2 and "box.zero_area" not in found
    assert found["anchors.missed"].severity == "error"


def test_masks_that_are_not_there(tmp_path):
    """A mask config on boxes: the pipeline refuses, and the doctor says it before training does."""
    found = checks(examine(makers.config(makers.coco(tmp_path), masks=True), sample=2).findings)
    assert "no masks" in found["pipeline.failed"].what


def test_classes_against_the_model(tmp_path):
    config = makers.config(makers.coco(tmp_path))
    config.model.num_classes = 80
    assert checks(examine(config, sample=2).findings)["class.count"].severity == "error"


def test_only_the_first_pictures_are_decoded(tmp_path):
    result = examine(makers.config(makers.coco(tmp_path)), sample=2, max_pictures=1)
    assert len(result.states) == 1


@pytest.mark.parametrize("numbers", [{"sample": 0}, {"max_pictures": 0}])
def test_numbers_out_of_range(tmp_path, numbers):
    with pytest.raises(InputError, match="1 picture or more"):
        examine(makers.config(makers.coco(tmp_path)), **numbers)


def test_pictures_as_training_sees_them(tmp_path):
    sampled = sample_training(makers.config(makers.coco(tmp_path)), 9)
    assert (sampled.num_pictures, len(sampled.infos), sampled.num_objects) == (2, 2, 2)
    again = sample_training(makers.config(makers.coco(tmp_path)), 9)
    assert [i.size for i in again.infos] == [i.size for i in sampled.infos]  # seeded
    assert not sampled.findings


def test_a_pipeline_that_always_fails_is_given_up(tmp_path):
    count = GIVE_UP + 5
    pictures = [image(k, "1.png") for k in range(1, count)]
    rows = [box(k, k) for k in range(1, count)]
    file = makers.coco(tmp_path, images=pictures, annotations=rows)
    (tmp_path / "1.png").unlink()
    (finding,) = sample_training(makers.config(file), 100).findings
    assert (finding.check, finding.count) == ("pipeline.failed", GIVE_UP)
