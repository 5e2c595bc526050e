"""Pictures by stem, and split files."""

import pytest

from cascadekit.datasets.folders import (
    SUFFIXES,
    each_path,
    file_names,
    files_of_split,
    picture_of,
    read_stems,
    text_lines,
)
from cascadekit.errors import InputError
from tests.datasets import makers


@pytest.mark.parametrize(
    ("paths", "expected"), [("a", ["a"]), (["a", "b"], ["a", "b"]), (("a",), ["a"]), ([], [])]
)
def test_each_path(paths, expected):
    assert each_path(paths) == expected


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".JPG", ".Png"])
def test_picture_of_any_suffix_and_case(tmp_path, suffix):
    (tmp_path / f"Cell 1{suffix}").touch()
    names = file_names(str(tmp_path))
    assert picture_of("Cell 1", names, str(tmp_path), "x") == tmp_path / f"Cell 1{suffix}"


def test_no_picture(tmp_path):
    (tmp_path / "cell1.png").touch()
    message = r"no picture for me: looked in .* for cel1 with \.jpg.*Did you mean 'cell1\.png'"
    with pytest.raises(InputError, match=message):
        picture_of("cel1", file_names(str(tmp_path)), str(tmp_path), "me")
    with pytest.raises(InputError, match="folder of pictures not found"):
        file_names(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("content", "stems"),
    [
        (b"b\na\n", ["b", "a"]),  # in the order of the file
        (b"a 1\r\nb -1\r\n\r\n", ["a", "b"]),  # VOC's second column, and Windows
        (b"\xef\xbb\xbfa\n", ["a"]),  # a byte order mark
    ],
)
def test_stems(tmp_path, content, stems):
    (tmp_path / "val.txt").write_bytes(content)
    assert read_stems(tmp_path / "val.txt") == stems


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n \n", "lists no pictures"),
        ("a\nb\na\n", "lists 'a' twice"),
        ("a\n", r"lists 'a', but there is no .*a\.xml"),
    ],
)
def test_faults(tmp_path, content, message):
    split = tmp_path / "val.txt"
    split.write_text(content)
    with pytest.raises(InputError, match=message):
        files_of_split(split, str(tmp_path), ".xml")


def test_faults_of_the_file(tmp_path):
    makers.text(tmp_path / "train.txt", "a")
    with pytest.raises(InputError, match=r"list not found: .*trian\.txt.*\. Do so\. Did you mean"):
        text_lines(tmp_path / "trian.txt", "list", "Do so.")
    (tmp_path / "val.txt").write_bytes(b"\xff\xfe\x81")
    with pytest.raises(InputError, match=r"val\.txt is not a text file .*expected a list"):
        text_lines(tmp_path / "val.txt", "list", "")
