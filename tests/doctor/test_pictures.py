import numpy as np
import pytest
from PIL import Image

from cascadekit.doctor.pictures import look_at, look_at_all
from tests.doctor.makers import noise


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def test_a_sound_picture(tmp_path):
    state = look_at(str(noise(tmp_path / "a.jpg")))
    assert (state.fault, state.size, state.mode, state.kind) == ("", (64, 48), "RGB", "JPEG")
    assert state.orientation == 1 and len(state.digest) == 16 and state.tiny.shape == (256,)
    assert 0 <= state.look < 2**64 and state.decodable


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.jpg", b"", "unreadable"),
        ("a.jpg", b"<html>not found</html>", "unreadable"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "unreadable"),  # the signature alone
    ],
)
def test_files_that_are_no_pictures(tmp_path, name, content, fault):
    (tmp_path / name).write_bytes(content)
    assert look_at(str(tmp_path / name)).fault == fault


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp"])
def test_a_file_that_is_cut_off(tmp_path, name):
    path = noise(tmp_path / name, size=(200, 200))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    state = look_at(str(path))
    assert state.fault == "truncated" and state.reason and state.size == (200, 200)


def test_missing_and_a_folder(tmp_path):
    assert look_at(str(tmp_path / "no.png")).fault == "missing"
    assert look_at(str(tmp_path)).fault == "unreadable"


def test_modes_and_turns(tmp_path):
    grey = save(tmp_path / "g.png", np.zeros((4, 6), np.uint8))
    deep = save(tmp_path / "d.png", np.zeros((4, 6), np.uint16))
    clear = save(tmp_path / "c.png", np.zeros((4, 6, 4), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = noise(tmp_path / "t.jpg", exif=exif)
    modes = [look_at(str(p)).mode for p in (grey, deep, clear)]
    assert modes == ["L", "I;16", "RGBA"]
    state = look_at(str(turned))
    assert (state.orientation, state.size) == (6, (64, 48))


def test_one_pixel(tmp_path):
    state = look_at(str(save(tmp_path / "a.png", np.zeros((1, 1, 3), np.uint8))))
    assert (state.fault, state.size) == ("", (1, 1))


def test_each_file_once(tmp_path):
    paths = [str(noise(tmp_path / f"{k}.png", seed=k)) for k in range(3)]
    states = look_at_all([*paths, *paths], workers=2)
    assert list(states) == paths
    assert look_at_all([]) == {}
