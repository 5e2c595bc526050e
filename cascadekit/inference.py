"""Detect objects in pictures, one after the other, and draw what the stages did."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope

from cascadekit.errors import InputError
from cascadekit.registry import DATASETS, SCOPE
from cascadekit.structures.samples import ImageInfo, Prediction, Targets

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def image_files(source: str | os.PathLike[str]) -> list[Path]:
    """The picture, or the pictures of a folder in order of name.

    Args:
        source: a file of any kind, or a folder, not searched deeper, of files named as pictures.

    Returns:
        At least one file.

    Raises:
        InputError: no such file or folder, or no picture in it.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such picture or folder")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise InputError(f"{path} holds no picture ({', '.join(IMAGE_SUFFIXES)})")
    return files


def predict(
    detector: torch.nn.Module, images: Iterable[str | os.PathLike[str] | np.ndarray]
) -> Iterator[Prediction]:
    """Detect objects, one picture after the other, with the trace of every stage.

    Args:
        detector: of `load_detector`.
        images: files, or (H, W, 3) uint8 RGB arrays.

    Yields:
        Prediction: one for each picture, in its pixels; it may hold no detections.

    Raises:
        InputError: a picture cannot be read; it is named.
    """
    from cascadekit.datasets.transforms import from_array

    load, *rest = detector.test_pipeline
    with DefaultScope.overwrite_default_scope(SCOPE):
        file_pipeline, array_pipeline = Compose([load, *rest]), Compose(rest)
    for number, image in enumerate(images):
        if isinstance(image, np.ndarray):
            sample = array_pipeline(from_array(image, number))
        else:
            sample = file_pipeline({"img_path": str(image), "img_id": number, "instances": []})
        with torch.no_grad():
            batch = detector.data_preprocessor(pseudo_collate([sample]), False)
            (prediction,) = detector.predict(batch["inputs"], batch["data_samples"])
        yield prediction


def read_picture(info: ImageInfo) -> np.ndarray:
    """The picture of an image as (H, W, 3) uint8 RGB, pixels of the file.

    Args:
        info: names the file.

    Returns:
        The picture.

    Raises:
        InputError: it is missing, cut off, or not a picture.
    """
    from cascadekit.datasets.transforms import read_image

    return read_image(info.path)[:, :, ::-1]  # BGR to RGB


def draw_example(
    detector: torch.nn.Module, config: Config, path: str | os.PathLike[str], index: int = 0
) -> None:
    """Draw one picture of a config's test set: its boxes stage by stage, beside its truth.

    Args:
        detector: of `load_detector`.
        config: whose `test_dataloader` names the data set.
        path: PNG to write.
        index: number of the picture in the data set.

    Raises:
        InputError: the data set or the picture cannot be read.
    """
    from cascadekit.visualization import draw_stages, save_figure

    with DefaultScope.overwrite_default_scope(config.get("default_scope") or SCOPE):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    record = dataset.get_data_info(index)
    (prediction,) = predict(detector, [record["img_path"]])
    objects = [i for i in record["instances"] if not (i["iscrowd"] or i["ignore"])]
    boxes = torch.tensor([i["bbox"] for i in objects], dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor([i["label"] for i in objects], dtype=torch.long)
    truth = Targets(boxes, labels, boxes.new_zeros(0, 4))
    image = read_picture(prediction.info)
    save_figure(draw_stages(image, prediction, truth, dataset.metainfo["classes"]), path)
