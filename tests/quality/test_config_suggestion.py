import json
import math
from pathlib import Path

import pytest

from cascadekit.apis import build_detector, load_config
from cascadekit.errors import InputError
from cascadekit.quality.config_suggestion import config_text, suggest, write_config
from cascadekit.quality.tables import as_json
from tests.quality import makers

OBJECT = [0, 0, 100, 100]
TINY = Path(__file__).parents[1] / "tiny.py"


def box(dx, dy, dw=0.0):
    """The object moved by parts of its size, and wider by a part."""
    return [100 * dx, 100 * dy, 100 * (1 + dx + dw), 100 * (1 + dy)]


def detector(images=30):
    """Boxes a fifth off in all directions (IoU about .6), brought to a twentieth (about .9)."""
    signs = [(1, 0), (-1, 0), (0, 1), (0, -1)] * 2
    far = [[500 + i, 500, 600 + i, 600] for i in range(24)]
    start = [box(0.2 * x, 0.2 * y, 0.1 * (i % 2)) for i, (x, y) in enumerate(signs)]
    end = [box(0.05 * x, 0.05 * y, 0.02 * (i % 2)) for i, (x, y) in enumerate(signs)]
    end = [[x1, y1, x2, y2 + i % 3] for i, (x1, y1, x2, y2) in enumerate(end)]
    stage = makers.stage([*start, *far], [*end, *far])
    tall = [[x1, y1, x2, y2 + 5 * (i % 3)] for i, (x1, y1, x2, y2) in enumerate(start)]
    other = makers.stage([*tall, *far], [*end, *far])
    truth = makers.truth([OBJECT])
    both = [makers.image(truth, [stage]), makers.image(truth, [other])]
    return makers.recording(both * (images // 2))


def test_the_suggestion():
    found = suggest(detector())
    assert found.stage_ious == (0.5, 0.65, 0.8)
    first, second, third = found.delta_stds
    # dx of the four boxes: -.2, 15 / 110 (it is wider), 0 and -5 / 110; their std is .120.
    assert first[0] == 0.12
    # After the regressor -.05, 4 / 102, 0 and -1 / 102: .032.
    assert second[0] == 0.032
    assert third[0] < second[0]  # extrapolated
    assert all(f"{std:.2g}" == f"{std:g}" for std in first)  # two digits
    assert [s.stds_from.split(",")[1].split()[0] for s in found.stages] == [
        "measured",
        "measured",
        "extrapolated",
    ]
    assert found.forecast is not None


def test_options_are_what_a_config_takes(monkeypatch, tmp_path):
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path))
    found = suggest(detector(), stages=2)
    options = found.options()
    json.dumps(options)
    config = load_config(TINY, options=options)
    head = build_detector(config).roi_head
    assert [a.pos_iou for a in head.assigner] == list(found.stage_ious)
    assert [c.stds for c in head.bbox_coder] == list(found.delta_stds)


def test_few_positives_keep_the_standard_stds():
    samples = makers.sample_recording(
        [makers.samples([0.6, 0.1], stds=(0.12, 0.12, 0.24, 0.24), output_ious=[0.8, 0.1])]
    )
    found = suggest(samples=samples, stages=3)
    assert found.delta_stds == (
        (0.12, 0.12, 0.24, 0.24),
        (0.06, 0.06, 0.12, 0.12),
        (0.04, 0.04, 0.08, 0.08),
    )
    assert "the standard: only 1 positives" in found.stages[0].stds_from
    assert found.forecast is None  # samples say nothing of what objects are boxed like


@pytest.mark.parametrize(
    "recording",
    [
        makers.recording(),  # no images
        makers.recording([makers.image(makers.truth([OBJECT]), [makers.stage()])]),  # no rois
    ],
)
def test_nothing_to_suggest_from(recording):
    with pytest.raises(InputError, match="nothing to suggest a cascade from"):
        suggest(recording)
    with pytest.raises(InputError, match="give a recording"):
        suggest()


def test_a_written_config_makes_the_cascade(tmp_path, monkeypatch):
    monkeypatch.setenv("CASCADEKIT_DATA", str(tmp_path / "data"))
    found = suggest(detector())
    file = write_config(found, TINY, tmp_path / "deep" / "mine.py")
    config = load_config(file)
    own, base = config.model.roi_head, load_config(TINY).model.roi_head
    assert tuple(own.stage_ious) == found.stage_ious
    assert [tuple(row) for row in own.delta_stds] == list(found.delta_stds)
    changed = {key for key in own if own[key] != base.get(key)}
    assert changed == {"stage_ious", "delta_stds"}
    text = file.read_text()
    assert text.startswith('"""The cascade that the proposal-quality report suggests for tiny.py.')
    assert "Forecast: cannot tell" in text  # two objects are too few
    assert "stage 3: " in text and "(extrapolated)" in text
    assert not Path(text.split('_base_ = "')[1].split('"')[0]).is_absolute()
    compile(text, str(file), "exec")


def test_one_stage_is_still_a_tuple():
    text = config_text(suggest(detector(), stages=1), "base.py")
    assert "stage_ious=(0.5,)," in text


def test_nothing_is_overwritten_by_accident(tmp_path):
    found = suggest(detector(4), stages=1)
    file = tmp_path / "mine.py"
    file.write_text("precious")
    with pytest.raises(InputError, match="exists"):
        write_config(found, TINY, file)
    assert file.read_text() == "precious"
    write_config(found, TINY, file, overwrite=True)
    assert file.read_text() != "precious"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mine.yaml", "ends in .py"),
        (str(TINY), "the config to start from"),
    ],
)
def test_bad_targets(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = TINY.read_text()
    with pytest.raises(InputError, match=message):
        write_config(suggest(detector(4)), TINY, path, overwrite=True)
    assert TINY.read_text() == before


def test_the_report_has_it_all():
    text = "\n".join(suggest(detector()).report())
    for part in (
        "Suggested stages",
        "- The proposals support",
        "Can a cascade help?",
        "- Forecast",
    ):
        assert part in text
    assert "stage_ious=(0.5, 0.65, 0.8)," in text


def test_it_can_be_written_as_json():
    numbers = as_json(suggest(detector()))
    json.dumps(numbers, allow_nan=False)
    assert numbers["stages"][1]["u"] == 0.65
    assert not math.isnan(numbers["quality"]["choices"][1]["share"])
