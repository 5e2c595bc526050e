"""The whole diagnosis, on hand-made recordings and on tiny detectors of every kind."""

import json

import numpy as np
import pytest

from cascadekit.quality.diagnosis import SECTIONS, build_report, diagnose
from cascadekit.quality.measurements import Measurements
from cascadekit.quality.report import write_report
from cascadekit.quality.stage_errors import compute_stage_errors
from tests.quality import makers
from tests.quality.test_collect import CLASSES, TWO, batches, sample_of
from tests.quality.test_object_flow import six_objects
from tests.quality.test_report import check_page

NAMES = [
    "stage_errors",
    "pictures",
    "ap_curves",
    "stage_matrix",
    "localisation",
    "classifier_loss",
    "proposal_recall",
    "proposal_swap",
    "iou_histograms",
    "delta_statistics",
    "proposal_quality",
    "cascade_forecast",
]


def measurements(images=(), ious=(0.5,), final="1", samples=None, read=None):
    recording = makers.recording(images, ("a", "b"), ious, final)
    errors = compute_stage_errors(recording)
    return Measurements(recording, errors, None, None, samples, "not asked for", read)


def grey(info):
    return np.full((*info.original_size, 3), 90, np.uint8)


def test_every_instrument_has_a_section():
    report = build_report(measurements(), "Title", {"Config": "c.py"})
    assert [section.name for section in report.sections] == NAMES and len(SECTIONS) == len(NAMES)
    assert report.title == "Title" and report.facts["Config"] == "c.py"


def test_nothing_at_all():
    """No images: every section is there, or says why not."""
    report = build_report(measurements())
    assert not any(section.findings for section in report.sections)
    assert report.facts["Stages"] == "none recorded"
    assert report.section("iou_histograms").skipped == "not asked for"
    assert report.section("pictures").skipped == "nobody said where the pictures are"
    json.dumps(report.as_json(), allow_nan=False)


def test_two_stages_by_hand():
    stages = [makers.samples([0.3, 0.6, 0.8, 0.9]), makers.samples([0.7, 0.8], 0.6, stage=1)]
    samples = makers.sample_recording(stages)
    report = build_report(measurements([six_objects()], (0.5, 0.6), "2", samples, grey))
    assert report.facts["Pictures"] == "1, with 6 objects that count"
    assert report.facts["Classes"] == "a, b"
    pictures = report.section("pictures")
    assert [p.caption.split(":")[1][:14] for p in pictures.pictures] == [
        " stage 2 mends",
        " stage 2 break",
    ]
    assert "delta_stds=[" in report.section("delta_statistics").snippet
    numbers = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert numbers["sections"]["stage_errors"]["numbers"]["final"] == "2"
    for section in report.sections:
        assert section.skipped or (section.pictures and section.numbers)
        assert section.intro.endswith((".", "?"))


# Tiny detectors of every kind


def loader_of_three():
    """Pictures with two objects, with none, and with a crowd only."""
    return batches(sample_of(0, TWO, [0, 2]), sample_of(1), sample_of(2, TWO, [1, 1], iscrowd=1))


HEAD = dict(type="cascadekit.BBoxHead", in_channels=8, fc_channels=16)
KINDS = {
    "cascade with masks": dict(masks=True),
    "one stage": dict(masks=False, stage_ious=(0.5,)),
    "class-specific": dict(masks=False, bbox_head={**HEAD, "class_agnostic": False}),
    "iterative": dict(masks=False, stage_ious=(0.5,), test_iterations=3),
    "integral": dict(
        masks=False,
        bbox_head=[HEAD, {**HEAD, "regress": False}, {**HEAD, "regress": False}],
        flow=dict(type="cascadekit.StageFlow", rois="shared"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_detector(kind, tiny, tmp_path):
    detector = tiny(**KINDS[kind])
    detector.classes = CLASSES
    report = diagnose(
        detector, loader_of_three(), loader_of_three(), read_picture=grey, score_threshold=0.0
    )
    html, numbers = write_report(report, tmp_path)
    check_page(html.read_text())
    json.loads(numbers.read_text())
    skipped = {section.name for section in report.sections if section.skipped}
    one_head = kind in ("one stage", "iterative")
    expected = {"pictures", "stage_matrix"} if kind == "one stage" else set()
    expected |= set() if one_head else {"cascade_forecast"}
    assert skipped | {"pictures"} == expected | {"pictures"}  # there may be nothing to show
    assert ("Measured" in report.facts) == (kind == "cascade with masks")
    assert bool(report.notes) == (kind in ("iterative", "integral"))
    assert report.facts["Pictures"] == "3, with 2 objects that count"


@pytest.mark.slow
def test_no_objects_anywhere(tiny, tmp_path):
    detector = tiny(masks=False)
    detector.classes = CLASSES
    loader = batches(sample_of(0), sample_of(1))
    html, _ = write_report(diagnose(detector, loader, loader), tmp_path)
    assert "0 objects that count" in check_page(html.read_text()).text


@pytest.mark.slow
def test_without_training_pictures(tiny):
    detector = tiny(masks=False)
    detector.classes = CLASSES
    report = diagnose(detector, loader_of_three(), max_images=2)
    assert report.facts["Pictures"] == "2, with 2 objects that count"
    assert report.section("iou_histograms").skipped == "no training pictures were given"
