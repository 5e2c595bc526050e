"""A file is there whole, or as it was."""

import os

import pytest

from cascadekit.errors import InputError
from cascadekit.whole_file import whole_file, write_json, write_text


def test_the_file_is_there_when_the_block_ends(tmp_path):
    file = tmp_path / "deep" / "x.bin"
    with whole_file(file) as passing:
        passing.write_bytes(b"new")
        assert passing.parent == file.parent and passing.name.startswith(".")
        assert not file.exists()
    assert file.read_bytes() == b"new"
    assert list(file.parent.iterdir()) == [file]


def test_a_block_that_raises_changes_nothing(tmp_path):
    file = tmp_path / "x.txt"
    file.write_text("old")

    def half():
        with whole_file(file) as passing:
            passing.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with (
        pytest.raises(InputError, match=r"x\.txt cannot be written"),
        whole_file(tmp_path / "x.txt"),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["folder", "file/x.txt"])  # a folder; below a file
def test_a_place_that_takes_no_file(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError, match=f"{place} cannot be written"):
        write_text(tmp_path / place, "words")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_others_may_read_it_even_if_its_writer_says_no(tmp_path):
    (tmp_path / "usual").write_text("")
    with whole_file(tmp_path / "x") as passing:
        passing.touch(mode=0o600)
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", b""),
        ("café ☕", "café ☕".encode()),
        ("file_\udce9.png", b"file_?.png"),  # a name in another encoding, as Python reads it
    ],
)
def test_text(tmp_path, text, written):
    write_text(tmp_path / "x", text)
    assert (tmp_path / "x").read_bytes() == written


@pytest.mark.parametrize(
    ("value", "indent", "text"),
    [
        ({"a": [1, None]}, None, '{"a": [1, null]}'),
        ([], 1, "[]\n"),
        ({"a": True}, 1, '{\n "a": true\n}\n'),
    ],
)
def test_json(tmp_path, value, indent, text):
    write_json(tmp_path / "x.json", value, indent)
    assert (tmp_path / "x.json").read_text() == text


def test_json_has_no_nan(tmp_path):
    file = tmp_path / "x.json"
    write_json(file, 1)
    with pytest.raises(ValueError, match=r"Out of range|not JSON compliant"):
        write_json(file, {"ap": float("nan")})
    assert file.read_text() == "1"
