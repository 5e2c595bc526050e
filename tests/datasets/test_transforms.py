"""Read, flip, pack: hand-worked numbers and one clear error per fault."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from cascadekit.datasets import LoadImage, PackInputs, RandomFlip, Resize, read_image
from cascadekit.datasets.transforms import from_array, transform_boxes, transform_mask
from cascadekit.errors import InputError
from cascadekit.registry import TRANSFORMS
from cascadekit.structures.samples import ImageInfo, image_infos, to_targets

RED_BGR = [0, 0, 255]


def save(path, array, mode=None):
    Image.fromarray(array, mode).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((3, 4, 3), (255, 0, 0), np.uint8), RED_BGR),
        (np.full((3, 4), 90, np.uint8), [90, 90, 90]),  # grey
        (np.full((3, 4, 4), (255, 0, 0, 0), np.uint8), RED_BGR),  # transparent
        (np.full((3, 4, 2), (90, 255), np.uint8), [90, 90, 90]),  # grey with alpha
        (np.full((3, 4), 90 * 256 + 7, np.uint16), [90, 90, 90]),  # 16 bit
    ],
)
def test_read_image_kinds(tmp_path, array, expected):
    image = read_image(save(tmp_path / "a.png", array))
    assert image.shape == (3, 4, 3)
    assert image.dtype == np.uint8
    assert (image == expected).all()


def test_palette_and_name_that_is_not_ascii(tmp_path):
    picture = Image.fromarray(np.full((3, 4, 3), (255, 0, 0), np.uint8)).convert("P")
    picture.save(tmp_path / "größe 图.png")
    assert (read_image(str(tmp_path / "größe 图.png")) == RED_BGR).all()


def turned_jpeg(path):
    """4 x 8 pixels (width x height) stored, tagged to be shown as 8 x 4."""
    picture = Image.fromarray(np.zeros((8, 4, 3), np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(path, exif=exif)
    return str(path)


def test_exif_rotation_is_ignored_unless_asked_for(tmp_path):
    path = turned_jpeg(tmp_path / "a.jpg")
    assert read_image(path).shape == (8, 4, 3)
    assert read_image(path, exif_rotation=True).shape == (4, 8, 3)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.97])
def test_cut_off_files_are_errors(tmp_path, suffix, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = tmp_path / f"whole.{suffix}"
    save(path, noise)
    content = path.read_bytes()
    broken = tmp_path / f"broken.{suffix}"
    broken.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="broken"):
        read_image(str(broken))


def test_data_after_the_end_mark_is_harmless(tmp_path):
    path = tmp_path / "a.jpg"
    save(path, np.zeros((8, 8, 3), np.uint8))
    path.write_bytes(path.read_bytes() + b"x" * 5000)
    assert read_image(str(path)).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jpg", None, "cannot be read.*none.jpg"),
        ("text.jpg", b"hello", r"text.jpg \(5 bytes\) is not a picture"),
        ("empty.jpg", b"", r"empty.jpg \(0 bytes\) is not a picture"),
    ],
)
def test_read_image_faults(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_image(str(tmp_path / name))


def test_load_image(tmp_path):
    path = save(tmp_path / "a.png", np.zeros((3, 4, 3), np.uint8))
    results = LoadImage()({"img_path": path, "height": 3, "width": 4})
    assert results["img"].shape == (3, 4, 3)
    assert results["img_shape"] == results["ori_shape"] == (3, 4)
    assert results["scale_factor"] == (1.0, 1.0)
    assert results["flip"] is False


def test_load_image_takes_an_array():
    assert LoadImage()({"img": np.zeros((3, 4, 3), np.uint8)})["ori_shape"] == (3, 4)


def test_from_array_is_rgb():
    results = from_array(np.full((3, 4, 3), (255, 0, 0), np.uint8), 7)
    assert (results["img"] == RED_BGR).all()
    (info,) = image_infos([PackInputs()(results)["data_samples"]])
    assert info == ImageInfo((3, 4), (3, 4), 7, "", False)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 4), (3, 4, 1), (0, 4, 3)])
def test_from_array_faults(shape):
    with pytest.raises(InputError, match="RGB array, got"):
        from_array(np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match="float64"):
        from_array(np.zeros((3, 4, 3)))


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [(4, 5, "is 4 x 8 pixels.*says 5 x 4.*resized"), (4, 8, "says 8 x 4.*exif_rotation=True")],
)
def test_size_on_disk_must_be_the_annotation_s(tmp_path, height, width, message):
    path = turned_jpeg(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=message):
        LoadImage()({"img_path": path, "height": height, "width": width})


def loaded(height, width):
    return LoadImage()({"img": np.zeros((height, width, 3), np.uint8)})


def test_flip():
    results = LoadImage()({"img": np.arange(6, dtype=np.uint8).reshape(1, 2, 3)})
    flipped = RandomFlip(1.0)(results)
    assert flipped["img"].tolist() == [[[3, 4, 5], [0, 1, 2]]]
    assert flipped["flip"] is True
    assert RandomFlip(1.0)(flipped)["flip"] is False  # twice is not at all
    assert RandomFlip(0.0)(loaded(2, 2))["flip"] is False


@pytest.mark.parametrize("prob", [-0.1, 1.1])
def test_flip_faults(prob):
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        RandomFlip(prob)


@pytest.mark.parametrize(
    ("flipped", "box", "expected"),
    [
        (False, [1, 2, 3, 4], [2, 6, 6, 12]),  # x * 2, y * 3
        (True, [1, 2, 3, 4], [14, 6, 18, 12]),  # 20 - 6, 20 - 2
        (True, [0, 0, 10, 5], [0, 0, 20, 15]),  # the whole picture
        (True, [9, 4, 10, 5], [0, 12, 2, 15]),  # the last pixel becomes the first
    ],
)
def test_transform_boxes(flipped, box, expected):
    info = ImageInfo(size=(15, 20), original_size=(5, 10), flipped=flipped)
    moved = transform_boxes(np.array([box]), info)
    assert moved.dtype == torch.float32
    assert moved.tolist() == [expected]
    assert info.to_original(moved).tolist() == [box]  # the way back


def full(crop, height, width):
    (x1, y1, x2, y2), bitmap = crop
    mask = np.zeros((height, width), np.uint8)
    mask[y1:y2, x1:x2] = bitmap
    return mask


L_SHAPE = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]], np.uint8)


def rle_of(bitmap):
    return coco_mask.encode(np.asfortranarray(bitmap))


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(("height", "width"), [(3, 4), (6, 8), (9, 4), (7, 9), (2, 3), (1, 1)])
def test_rle_mask_is_resized_to_the_nearest_pixel(height, width, flipped):
    info = ImageInfo(size=(height, width), original_size=(3, 4), flipped=flipped)
    expected = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            source_x = int((x + 0.5) * 4 / width + 1e-9)
            expected[y, x] = L_SHAPE[int((y + 0.5) * 3 / height + 1e-9), source_x]
    if flipped:
        expected = expected[:, ::-1]
    assert (full(transform_mask(rle_of(L_SHAPE), info), height, width) == expected).all()


@pytest.mark.parametrize("flipped", [False, True])
def test_polygon_mask_is_scaled_and_mirrored_before_it_is_drawn(flipped):
    # columns 1..2 and rows 1..1 of a 4 x 3 picture, twice as large: 2..5 and 2..3 of 8 x 6
    polygon = [[1, 1, 3, 1, 3, 2, 1, 2]]
    info = ImageInfo(size=(6, 8), original_size=(3, 4), flipped=flipped)
    expected = np.zeros((6, 8), np.uint8)
    expected[2:4, 2:6] = 1
    assert (full(transform_mask(polygon, info), 6, 8) == expected).all()


def test_mirrored_polygon_lands_on_the_other_side():
    polygon = [[0, 0, 1, 0, 1, 3, 0, 3]]  # first column of 4
    info = ImageInfo(size=(3, 4), original_size=(3, 4), flipped=True)
    assert full(transform_mask(polygon, info), 3, 4).tolist() == [[0, 0, 0, 1]] * 3


@pytest.mark.parametrize("segmentation", [None, [[1, 1, 2, 2]], rle_of(0 * L_SHAPE)])
def test_no_mask_gives_an_empty_window(segmentation):
    window, bitmap = transform_mask(segmentation, ImageInfo((3, 4), (3, 4)))
    assert (window[2] - window[0]) * (window[3] - window[1]) == bitmap.size == 0


def instance(box, label=0, iscrowd=0, ignore=0, segmentation=None):
    return {
        "bbox": box,
        "label": label,
        "area": 1.0,
        "iscrowd": iscrowd,
        "ignore": ignore,
        "segmentation": segmentation,
    }


def packed(instances, pack=None, **more):
    results = {
        "img": np.arange(36, dtype=np.uint8).reshape(3, 4, 3),
        "img_id": 5,
        "img_path": "a.png",
        "instances": instances,
        **more,
    }
    results = RandomFlip(1.0)(Resize((8, 6), keep_ratio=False)(LoadImage()(results)))
    return (pack or PackInputs())(results)


def test_pack():
    instances = [
        instance([0, 0, 2, 3], label=2, segmentation=rle_of(L_SHAPE)),
        instance([2, 0, 4, 1], label=1, iscrowd=1),
        instance([1, 0, 4, 3], label=1, segmentation=None),
        instance([0, 0, 1, 1], label=0, ignore=1),
        instance([1, 1, 1 + 1e-9, 2]),  # vanishes in float32
    ]
    item = packed(instances)
    assert item["inputs"].dtype == torch.uint8
    assert item["inputs"].shape == (3, 6, 8)
    assert item["inputs"].is_contiguous()
    assert item["inputs"][:, 0, 7].tolist() == [0, 1, 2]  # BGR of the first pixel, mirrored
    sample = item["data_samples"]
    (info,) = image_infos([sample])
    assert info == ImageInfo((6, 8), (3, 4), 5, "a.png", True)
    (targets,) = to_targets([sample])
    assert targets.boxes.tolist() == [[4, 0, 8, 6], [0, 0, 6, 6]]
    assert targets.boxes.dtype == torch.float32
    assert targets.labels.tolist() == [2, 1]
    assert targets.labels.dtype == torch.int64
    assert targets.ignored_boxes.tolist() == [[0, 0, 4, 2], [6, 0, 8, 2]]
    assert len(targets.masks) == 2
    expected = np.kron(L_SHAPE, np.ones((2, 2), np.uint8))[:, ::-1]
    assert (targets.masks.to_bitmaps()[0].numpy() == expected).all()
    assert targets.masks.windows[1].tolist() == [0, 0, 0, 0]  # has no mask to learn
    assert sample.metainfo["instances"] == []  # training carries no records


@pytest.mark.parametrize("instances", [[], [instance([0, 0, 2, 2], ignore=1)]])
def test_pack_without_objects(instances):
    (targets,) = to_targets([packed(instances)["data_samples"]])
    assert targets.boxes.shape == (0, 4)
    assert targets.labels.shape == (0,)
    assert targets.labels.dtype == torch.int64
    assert targets.ignored_boxes.shape == (len(instances), 4)
    assert targets.masks.to_bitmaps().shape == (0, 6, 8)


def test_pack_of_a_bare_picture():
    item = PackInputs()(LoadImage()({"img": np.zeros((3, 4, 3), np.uint8)}))
    (targets,) = to_targets([item["data_samples"]])
    assert targets.boxes.shape == (0, 4)


def test_pack_without_masks():
    (targets,) = to_targets([packed([], PackInputs(with_masks=False))["data_samples"]])
    assert targets.masks is None


def test_test_mode_carries_the_records_in_pixels_of_the_file():
    instances = [instance([0, 0, 2, 3]), instance([2, 0, 4, 1], iscrowd=1)]
    sample = packed(instances, test_mode=True)["data_samples"]
    assert sample.metainfo["instances"] == instances


def test_masks_wanted_but_none_there():
    with pytest.raises(InputError, match=r"no masks.*with_masks=False"):
        packed([], has_masks=False)
    packed([], has_masks=False, test_mode=True)  # evaluation needs none
    packed([], PackInputs(with_masks=False), has_masks=False)


@pytest.mark.parametrize("kind", [LoadImage, Resize, RandomFlip, PackInputs])
def test_registered(kind):
    assert TRANSFORMS.get(kind.__name__) is kind


def test_opencv_reads_what_pillow_wrote(tmp_path):
    # A check of the tests' own helper: red as Pillow sees it is (0, 0, 255) for OpenCV.
    path = save(tmp_path / "a.png", np.full((2, 2, 3), (255, 0, 0), np.uint8))
    assert (cv2.imread(path) == RED_BGR).all()
