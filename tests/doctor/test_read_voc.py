import pytest

from cascadekit.doctor.read_voc import read_voc
from tests.doctor import makers


def read(root, **config):
    return read_voc({"image_dir": str(root), **config}, "train")


def sound(root, stem="a", **rest):
    makers.noise(root / f"{stem}.png")
    return makers.xml(root / f"{stem}.xml", **rest)


def test_a_sound_folder(tmp_path):
    sound(tmp_path)
    own = read(tmp_path)
    assert not own.findings and own.classes == ("cat",)
    (picture,) = own.pictures
    assert (picture.key, picture.name, picture.size) == ("a", "a.png", (64, 48))
    assert picture.objects[0].box == (10, 10, 31, 31)  # pixels counted from 1, the last included
    assert read(tmp_path, one_based=False).pictures[0].objects[0].box == (11, 11, 31, 31)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("cat", 5, 5, 5, 9), (5, 5, 5, 9)),  # no width: not shifted, which would give it a pixel
        (("cat", 9, 5, 5, 9), (9, 5, 5, 9)),  # corners swapped
        (("cat", "x", 5, 5, 9), None),
        (("cat", "", 5, 5, 9), None),
        (("cat", 5, 5, 6, 6), (4, 4, 6, 6)),
    ],
)
def test_boxes_as_they_are_written(tmp_path, row, expected):
    sound(tmp_path, objects=[row])
    assert read(tmp_path).pictures[0].objects[0].box == expected


def fault_broken(root):
    sound(root)
    (root / "b.xml").write_text("<annotation>")


def fault_no_picture(root):
    sound(root)
    makers.xml(root / "b.xml")


def fault_no_name(root):
    sound(root, objects=[("", 1, 1, 9, 9), ("cat", 1, 1, 9, 9)])


def fault_no_size(root):
    sound(root, size=(0, 0))


def fault_nothing(root):
    root.mkdir()


@pytest.mark.parametrize(
    ("make", "check", "severity", "pictures"),
    [
        (fault_broken, "file.unreadable", "error", 1),
        (fault_no_picture, "picture.missing", "error", 1),
        (fault_no_name, "annotation.no_class", "error", 1),
        (fault_no_size, "file.no_size", "note", 1),
        (fault_nothing, "file.unreadable", "error", 0),
    ],
)
def test_a_row_for_each_fault(tmp_path, make, check, severity, pictures):
    root = tmp_path / "data"
    make(root)
    own = read(root)
    (finding,) = own.findings
    assert (finding.check, finding.severity, finding.count) == (check, severity, 1)
    assert len(own.pictures) == pictures


def test_split_files(tmp_path):
    sound(tmp_path)
    (tmp_path / "train.txt").write_text("a\nb\n")
    own = read(tmp_path, split_file=str(tmp_path / "train.txt"))
    (finding,) = own.findings
    assert finding.check == "file.missing" and "b.xml" in finding.examples[0].path
    missing = read(tmp_path, split_file=str(tmp_path / "no.txt"))
    assert [f.check for f in missing.findings] == ["file.unreadable"]


def test_difficult_objects_are_regions(tmp_path):
    sound(tmp_path, difficult=1)
    assert read(tmp_path).pictures[0].objects[0].region


def test_class_names_come_from_outside_of_the_split_too(tmp_path):
    sound(tmp_path)
    sound(tmp_path, "b", objects=[("dog", 1, 1, 9, 9)])
    (tmp_path / "train.txt").write_text("a\n")
    assert read(tmp_path, split_file=str(tmp_path / "train.txt")).classes == ("cat", "dog")
