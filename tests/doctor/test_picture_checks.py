import numpy as np
import pytest
from PIL import Image

from cascadekit.doctor.picture_checks import picture_findings
from cascadekit.doctor.pictures import look_at_all
from tests.doctor.makers import checks, noise, raw_picture, raw_set


def look(*pictures, **rest):
    own = raw_set(*pictures, **rest)
    return checks(picture_findings(own, look_at_all([p.path for p in own.pictures])))


def exif(value):
    tags = Image.Exif()
    tags[0x0112] = value
    return tags


def array(path, values):
    Image.fromarray(values).save(path)
    return path


def cut(path):
    noise(path, size=(64, 48))
    path.write_bytes(path.read_bytes()[:500])
    return path


def text(path):
    path.write_text("no picture")
    return path


@pytest.mark.parametrize(
    ("make", "size", "check", "severity"),
    [
        (lambda f: f / "no.png", (64, 48), "picture.missing", "error"),
        (lambda f: text(f / "a.png"), (64, 48), "picture.unreadable", "error"),
        (lambda f: cut(f / "a.png"), (64, 48), "picture.truncated", "error"),
        (lambda f: noise(f / "a.png"), (48, 64), "picture.size", "error"),
        (lambda f: noise(f / "a.png"), (128, 96), "picture.size", "error"),
        # stored 64 x 48 with a tag that turns it: annotated as turned, or as stored
        (
            lambda f: noise(f / "a.jpg", exif=exif(6)),
            (48, 64),
            "picture.annotated_turned",
            "error",
        ),
        (lambda f: noise(f / "a.jpg", exif=exif(6)), (64, 48), "picture.exif", "warning"),
        (lambda f: noise(f / "a.jpg", exif=exif(3)), (64, 48), "picture.exif", "warning"),
        (lambda f: noise(f / "a.jpg", exif=exif(1)), (64, 48), None, ""),
        (lambda f: noise(f / "a.png"), (0, 0), None, ""),  # no size is written: nothing to compare
    ],
)
def test_a_row_for_each_fault(tmp_path, make, size, check, severity):
    found = look(raw_picture(path=make(tmp_path), size=size))
    assert list(found) == ([] if check is None else [check])
    if check is not None:
        assert found[check].severity == severity and found[check].fix and found[check].examples


GREY = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


@pytest.mark.parametrize(
    ("values", "check"),
    [
        (GREY, "picture.grey"),
        (GREY.astype(np.uint16) * 9, "picture.deep"),
        (np.dstack([GREY] * 4), "picture.transparent"),
        (np.full((48, 64, 3), 7, np.uint8), "picture.flat"),
        (np.dstack([GREY] * 3), None),
    ],
)
def test_kinds_of_pixels(tmp_path, values, check):
    found = look(raw_picture(path=array(tmp_path / "a.png", values)))
    assert list(found) == ([] if check is None else [check])


def test_listed_twice_and_not_at_all(tmp_path):
    paths = [noise(tmp_path / f"{k}.png", seed=k) for k in range(3)]
    twice = [raw_picture(path=paths[0], key=k) for k in (1, 2)]
    found = look(*twice, raw_picture(path=paths[1], key=3))
    assert found["picture.listed_twice"].count == 1
    assert found["picture.not_annotated"].examples[0].path == str(paths[2])


def test_nothing_to_look_at():
    assert look() == {}
