"""Reading VOC xml: values, and one clear error per fault."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from cascadekit.datasets import VOCDataset, read_voc_classes
from cascadekit.errors import InputError
from cascadekit.registry import DATASETS

DATA = Path(__file__).parents[2] / "../shared/data"


def item(name="cat", box=(3, 4, 12, 8), more=""):
    tags = "".join(
        f"<{tag}>{v}</{tag}>" for tag, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{tags}</bndbox></object>"


def xml(*items, size="<size><width>20</width><height>10</height></size>", filename="a.jpg"):
    return f"<annotation><filename>{filename}</filename>{size}{''.join(items)}</annotation>"


def picture(path, width=20, height=10):
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)


@pytest.fixture
def make(tmp_path):
    """Write a.xml beside a.jpg and build the data set."""

    def build(content, **arguments):
        picture(tmp_path / "a.jpg")
        (tmp_path / "a.xml").write_text(content)
        return VOCDataset(str(tmp_path), **arguments)

    return build


def test_record(make, tmp_path):
    dataset = make(xml(item("dog"), item("cat", more="<difficult>1</difficult>")))
    assert dataset.metainfo["classes"] == ("cat", "dog") == read_voc_classes(str(tmp_path))
    assert dataset.metainfo["has_masks"] is False
    info = dataset.get_data_info(0)
    assert info["img_path"] == str(tmp_path / "a.jpg")
    assert (info["img_id"], info["width"], info["height"]) == ("a", 20, 10)
    dog, cat = info["instances"]
    assert dog == {
        "bbox": [2.0, 3.0, 12.0, 8.0],  # counted from 1, last pixel included
        "label": 1,
        "area": 50.0,
        "iscrowd": 0,
        "ignore": 0,  # no <difficult>
        "segmentation": None,
    }
    assert cat["ignore"] == 1
    assert dataset.get_cat_ids(0) == [1]  # the difficult cat is not learned


@pytest.mark.parametrize(
    ("box", "one_based", "expected"),
    [
        ((3, 4, 12, 8), False, [3, 4, 12, 8]),
        ((1, 1, 20, 10), True, [0, 0, 20, 10]),  # the whole picture
        ((1, 1, 2, 2), True, [0, 0, 2, 2]),  # two pixels
        ((3.5, 4, 12.25, 8), True, [2.5, 3, 12.25, 8]),
        ((0, 0, 25, 8), True, [0, 0, 20, 8]),  # cut at the border
    ],
)
def test_boxes(make, box, one_based, expected):
    dataset = make(xml(item(box=box)), one_based=one_based)
    assert dataset.get_data_info(0)["instances"][0]["bbox"] == expected


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (5, 5, 9, 5), (9, 5, 5, 8), (30, 2, 35, 8)])
def test_empty_boxes_are_dropped_and_counted(make, box):
    dataset = make(xml(item(), item(box=box)))
    assert len(dataset.get_data_info(0)["instances"]) == 1
    assert dataset.tally.empty == 1


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size/>",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>20</width></size>",
        "<size><width></width><height>10</height></size>",
    ],
)
def test_size_is_read_from_the_picture(make, size):
    info = make(xml(item(), size=size)).get_data_info(0)
    assert (info["width"], info["height"]) == (20, 10)


@pytest.mark.parametrize(
    ("word", "ignore"),
    [("0", 0), ("1", 1), ("", 0), ("Unspecified", 0), ("false", 0), ("True", 1), (" 1 ", 1)],
)
def test_words_for_difficult(make, word, ignore):
    dataset = make(xml(item(), item(more=f"<difficult>{word}</difficult>")))
    assert [i["ignore"] for i in dataset.get_data_info(0)["instances"]] == [0, ignore]


def test_parts_of_an_object_are_not_objects(make):
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    dataset = make(xml(item("person", more=part)))
    assert dataset.metainfo["classes"] == ("person",)


@pytest.mark.parametrize("name", ["b.JPG", "b.jpeg", "b.png", "b.Png"])
def test_picture_of_the_same_stem(tmp_path, name):
    picture(tmp_path / name.lower())
    (tmp_path / name.lower()).rename(tmp_path / name)
    (tmp_path / "b.xml").write_text(xml(item(), filename=""))
    assert VOCDataset(str(tmp_path)).get_data_info(0)["img_path"] == str(tmp_path / name)


def test_picture_of_the_filename_tag(tmp_path):
    picture(tmp_path / "photo.bmp")
    (tmp_path / "b.xml").write_text(xml(item(), filename="C:\\old\\photo.bmp"))
    assert VOCDataset(str(tmp_path)).get_data_info(0)["img_path"] == str(tmp_path / "photo.bmp")


def test_the_stem_wins_over_a_stale_filename(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.jpg")
        (tmp_path / f"{name}.xml").write_text(xml(item(), filename="a.jpg"))
    paths = [VOCDataset(str(tmp_path)).get_data_info(i)["img_path"] for i in range(2)]
    assert paths == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]


@pytest.fixture
def devkit(tmp_path):
    """Three pictures in the devkit's folders; c.xml is empty."""
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    for name, items in (("a", [item("cat")]), ("b", [item("dog")]), ("c", [])):
        picture(tmp_path / f"JPEGImages/{name}.jpg")
        (tmp_path / f"Annotations/{name}.xml").write_text(xml(*items))

    def build(**arguments):
        return VOCDataset(str(tmp_path / "JPEGImages"), str(tmp_path / "Annotations"), **arguments)

    return build


def test_split_file(devkit, tmp_path):
    split = tmp_path / "val.txt"
    split.write_text("b 1\na -1\n\n")  # second column as in VOC's files of one class
    dataset = devkit(split_file=str(split))
    assert [dataset.get_data_info(i)["img_id"] for i in range(2)] == ["b", "a"]
    split.write_text("b\n")
    # The classes of all xml files: every split gives the same labels.
    assert devkit(split_file=str(split)).metainfo["classes"] == ("cat", "dog")


@pytest.mark.parametrize(
    ("arguments", "count"), [({}, 2), ({"keep_empty": True}, 3), ({"test_mode": True}, 3)]
)
def test_which_pictures_are_kept(devkit, arguments, count):
    assert len(devkit(**arguments)) == count


@pytest.fixture
def years(tmp_path):
    """Two devkits, as VOC 2007 and 2012: lists of their folders of pictures, xml and splits."""
    for year, name, kind in (("2007", "000001", "cat"), ("2012", "2008_000002", "dog")):
        for folder in ("Annotations", "JPEGImages"):
            (tmp_path / year / folder).mkdir(parents=True)
        for stem in (name, f"{name}x"):
            picture(tmp_path / year / "JPEGImages" / f"{stem}.jpg")
            (tmp_path / year / "Annotations" / f"{stem}.xml").write_text(xml(item(kind)))
        (tmp_path / year / "trainval.txt").write_text(f"{name}\n")
    return [
        [str(tmp_path / year / part) for year in ("2007", "2012")]
        for part in ("JPEGImages", "Annotations", "trainval.txt")
    ]


def test_several_years_follow_each_other(years):
    dataset = VOCDataset(*years)
    records = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [r["img_id"] for r in records] == ["000001", "2008_000002"]
    assert [r["img_path"].split("/")[-3] for r in records] == ["2007", "2012"]
    assert [r["instances"][0]["label"] for r in records] == [0, 1]
    classes = read_voc_classes(*years[:2])
    assert dataset.metainfo["classes"] == classes == ("cat", "dog")  # of both together
    assert dataset.source == ", ".join(years[2])
    assert len(VOCDataset(*years[:2])) == 4  # without split files all


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, a, s: (i, a, s[0]), "got 2, 2 and 1 paths"),
        (lambda i, a, s: (i, a[0], s), "got 2, 1 and 2 paths"),
        (lambda i, a, s: ([], [], []), "got 0, 0 and 0 paths"),
        (lambda i, a, s: (i[:1] * 2, a[:1] * 2, s[:1] * 2), "2 pictures are named '000001'"),
    ],
)
def test_faults_of_several_years(years, change, message):
    with pytest.raises(InputError, match=message):
        VOCDataset(*change(*years))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("b\nd\n", "lists 'd', but there is no .*d.xml"),
        ("\n", "lists no pictures"),
        ("a\na\n", "lists 'a' twice"),
        (None, "split file not found"),
    ],
)
def test_faults_of_the_split_file(devkit, tmp_path, content, message):
    split = tmp_path / "val.txt"
    if content is not None:
        split.write_text(content)
    with pytest.raises(InputError, match=message):
        devkit(split_file=str(split))


def without(tag):
    return xml(item()).replace(f"<{tag}>", "<x>").replace(f"</{tag}>", "</x>")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation><object>", "a.xml is not valid xml"),
        ("", "a.xml is not valid xml"),
        (without("name"), "a.xml: <object> has no <name>"),
        (without("bndbox"), "a.xml: object 'cat' has no <bndbox>"),
        (without("xmin"), "a.xml: <bndbox> has no <xmin>"),
        (without("ymin"), "<bndbox> has no <ymin>"),
        (without("xmax"), "<bndbox> has no <xmax>"),
        (without("ymax"), "<bndbox> has no <ymax>"),
        (xml(item()).replace("<width>20", "<width>wide"), "<width> must be a number, got 'wide'"),
        (xml(item(name=" ")), "<object> has no <name>, or it is empty"),
        (xml(item(box=("left", 1, 5, 5))), "<xmin> must be a number, got 'left'"),
        (xml(), "leaves no picture"),
    ],
)
def test_faults_of_the_xml(make, content, message):
    with pytest.raises(InputError, match=message):
        make(content)


def test_unknown_class(make):
    with pytest.raises(InputError, match=r"'cats' is not in.*Did you mean 'cat'"):
        make(xml(item()), classes=["cats"])


def test_missing_picture(tmp_path):
    (tmp_path / "a.xml").write_text(xml(item()))
    with pytest.raises(InputError, match=r"no picture for .*a\.xml.*\.jpg.*'a\.jpg'"):
        VOCDataset(str(tmp_path))


@pytest.mark.parametrize(
    ("folder", "message"),
    [("nothing", "folder of pictures not found"), (".", "has no .xml files")],
)
def test_missing_folders(tmp_path, folder, message):
    with pytest.raises(InputError, match=message):
        VOCDataset(str(tmp_path / folder))


@pytest.fixture
def masked(tmp_path):
    """a.xml has three objects; a.png the masks of the first two, b.xml no mask picture."""
    for name in "ab":
        picture(tmp_path / f"{name}.jpg")
    boxes = [(3, 4, 12, 8), (14, 2, 18, 6), (1, 9, 5, 10)]
    (tmp_path / "a.xml").write_text(xml(*(item(box=box) for box in boxes)))
    (tmp_path / "b.xml").write_text(xml(item()))
    (tmp_path / "masks").mkdir()

    def build(labels, **arguments):
        image = Image.fromarray(labels.astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])  # as VOC's: indices into colours
        image.save(tmp_path / "masks/a.png")
        return VOCDataset(str(tmp_path), mask_dir=str(tmp_path / "masks"), **arguments)

    return build


def mask_picture():
    labels = np.zeros((10, 20))
    labels[3:8, 2:12] = 255  # the border that belongs to nobody
    labels[4:7, 3:11] = 1
    labels[2:6, 13:18] = 2
    return labels


def test_masks(masked):
    dataset = masked(mask_picture())
    assert dataset.metainfo["has_masks"] is True
    a, b = (dataset.get_data_info(k)["instances"] for k in range(2))
    bitmaps = [coco_mask.decode(i["segmentation"]) for i in a[:2]]
    assert [bitmap.sum() for bitmap in bitmaps] == [3 * 8, 4 * 5]
    assert bitmaps[0][4:7, 3:11].all()
    assert a[0]["area"] == 50.0  # of the box, as the devkit counts
    assert a[2]["segmentation"] is None and b[0]["segmentation"] is None
    assert dataset.tally.no_mask == 2


def test_a_mask_beside_its_box_is_none(masked):
    labels = mask_picture()
    labels[labels == 2] = 3  # the third object is elsewhere
    a = masked(labels).get_data_info(0)["instances"]
    assert [i["segmentation"] is None for i in a] == [False, True, True]


def test_faults_of_masks(masked):
    labels = mask_picture()
    labels[labels == 2] = 3
    labels[labels == 1] = 2
    with pytest.raises(InputError, match=r"2 of 2 masks lie outside.*not SegmentationClass"):
        masked(labels)
    with pytest.raises(InputError, match=r"masks/a\.png is 20 x 9 pixels .* has 20 x 10"):
        masked(mask_picture()[:9])


def test_registered():
    assert DATASETS.get("VOCDataset") is VOCDataset


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not beside the repository")
@pytest.mark.parametrize(
    ("image_dir", "ann_dir", "split", "pictures", "objects", "empty"),
    [
        ("cards/train", None, None, 296, 527, 0),
        ("cards/test", None, None, 67, 143, 0),
        # BloodImage_00338 and _00343 have a box of no area; 4888 boxes in all
        ("bccd/JPEGImages", "bccd/Annotations", None, 364, 4886, 2),
        ("bccd/JPEGImages", "bccd/Annotations", "bccd/ImageSets/Main/test.txt", 72, 945, 0),
    ],
)
def test_real_sets(image_dir, ann_dir, split, pictures, objects, empty):
    dataset = VOCDataset(
        str(DATA / image_dir),
        None if ann_dir is None else str(DATA / ann_dir),
        None if split is None else str(DATA / split),
    )
    assert len(dataset) == pictures
    assert (dataset.tally.objects, dataset.tally.empty) == (objects, empty)
