import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cascadekit.doctor.duplicates import BITS, duplicate_findings, look_alike, same_bytes
from cascadekit.doctor.pictures import PictureState, look_at_all
from tests.doctor.makers import checks, noise, raw_object, raw_picture, raw_set


def make(path, change=None):
    """A picture of seed 0 as it is, or slightly changed."""
    noise(path, seed=0, size=(200, 150))
    if change is not None:
        with Image.open(path) as picture:
            change(picture.copy()).save(path)
    return path


def resaved(picture, **options):
    stream = io.BytesIO()
    picture.save(stream, "JPEG", **options)
    return Image.open(stream)


CHANGES = {
    "smaller": lambda p: p.resize((100, 75)),
    "brighter": lambda p: p.point(lambda v: min(v + 12, 255)),
    "saved badly": lambda p: resaved(p, quality=30),
    "grey": lambda p: p.convert("L"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_pictures_look_alike(tmp_path, name):
    paths = [str(make(tmp_path / "a.png")), str(make(tmp_path / "b.png", CHANGES[name]))]
    paths.append(str(noise(tmp_path / "c.png", seed=5)))
    assert look_alike(paths, look_at_all(paths)) == [paths[:2]]


def test_other_pictures_do_not(tmp_path):
    paths = [str(noise(tmp_path / f"{k}.png", seed=k)) for k in range(30)]
    assert look_alike(paths, look_at_all(paths)) == []


def test_flat_pictures_are_not_alike(tmp_path):
    for k in range(2):
        Image.new("RGB", (20, 20), (k, k, k)).save(tmp_path / f"{k}.png")
    paths = [str(tmp_path / f"{k}.png") for k in range(2)]
    assert look_alike(paths, look_at_all(paths)) == []


def test_buckets_miss_no_pair():
    """All pairs of hashes within reach are found, wherever their bits differ."""
    rng = np.random.default_rng(0)
    tiny = rng.integers(0, 256, 256, dtype=np.uint8)
    base = int(rng.integers(0, 2**63))
    for bits in range(BITS + 2):
        for _ in range(20):
            flipped = base
            for place in rng.choice(64, bits, replace=False).tolist():
                flipped ^= 1 << place
            one = PictureState("a", look=base, tiny=tiny)
            states = {"a": one, "b": replace(one, path="b", look=flipped)}
            assert bool(look_alike(["a", "b"], states)) == (bits <= BITS)


def test_groups_join_through_others():
    tiny = np.arange(256, dtype=np.uint8)
    looks = {"a": 0, "b": 0b111, "c": 0b111111}  # a and c differ in 6 bits
    states = {k: PictureState(k, look=v, tiny=tiny) for k, v in looks.items()}
    assert look_alike(["a", "b", "c"], states) == [["a", "b", "c"]]


def findings(train, val=()):
    sets = [
        raw_set(*(raw_picture(path=p, key=k) for k, p in enumerate(paths)), role=role)
        for role, paths in (("train", train), ("val", val))
    ]
    return checks(duplicate_findings(sets, look_at_all([str(p) for p in (*train, *val)])))


def test_the_same_file_in_both_splits(tmp_path):
    path = noise(tmp_path / "a.png")
    found = findings([path], [path])
    assert list(found) == ["split.shared"]
    assert found["split.shared"].where == "train and val"


def test_a_copy_in_the_other_split(tmp_path):
    path, other = noise(tmp_path / "a.png"), noise(tmp_path / "o.png", seed=1)
    shutil.copy(path, tmp_path / "b.png")
    found = findings([path], [tmp_path / "b.png", other])
    assert list(found) == ["split.same"] and found["split.same"].count == 1
    assert [e.path for e in found["split.same"].examples] == [str(path), str(tmp_path / "b.png")]


def test_alike_in_the_other_split_and_copies_within_one(tmp_path):
    path, other = make(tmp_path / "a.png"), noise(tmp_path / "o.png", seed=1)
    small = make(tmp_path / "b.png", CHANGES["smaller"])
    shutil.copy(other, tmp_path / "p.png")
    found = findings([path, other, tmp_path / "p.png"], [small])
    assert sorted(found) == ["picture.same", "split.alike"]
    assert found["picture.same"].where == "train" and found["picture.same"].severity == "warning"


def test_nothing():
    assert findings([]) == {}
    assert same_bytes([], {}) == []


def test_copies_with_other_objects_are_told(tmp_path):
    """One of the two must be wrong."""
    path = noise(tmp_path / "a.png")
    shutil.copy(path, tmp_path / "b.png")
    sets = [
        raw_set(raw_picture(raw_object(label=label), path=p), role=role)
        for role, p, label in (("train", path, "cat"), ("val", tmp_path / "b.png", "dog"))
    ]
    states = look_at_all([str(path), str(tmp_path / "b.png")])
    (finding,) = duplicate_findings(sets, states)
    assert finding.what.endswith("to the byte; 1 of them with other objects")
    assert [e.what for e in finding.examples] == ["train: 1 cat", "val: 1 dog"]
    assert all(e.boxes for e in finding.examples)
