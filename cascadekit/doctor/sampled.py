"""Some pictures as training sees them: read, resized and packed by the config's own pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine import Config
from mmengine.registry import DefaultScope

from cascadekit.doctor.finding import ERROR, WARNING, Example, Finding, few, plural
from cascadekit.errors import InputError
from cascadekit.progress import quiet_in_notebook, track
from cascadekit.registry import DATASETS, SCOPE
from cascadekit.structures.samples import ImageInfo, Targets, image_infos, to_targets

GIVE_UP = 10  # pictures that fail, after which the rest will too


@dataclass(frozen=True)
class Sampled:
    """Pictures as the network sees them.

    Attributes:
        infos: n of them; may be empty.
        targets: likewise, in network pixels.
        num_pictures: of the whole training set; 0 where it cannot be opened.
        findings: what went wrong.
    """

    infos: tuple[ImageInfo, ...] = ()
    targets: tuple[Targets, ...] = ()
    num_pictures: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def num_objects(self) -> int:
        """Objects to learn in all of them."""
        return sum(len(target.boxes) for target in self.targets)


def sample_training(config: Config, count: int, seed: int = 0) -> Sampled:
    """Run the training pipeline on some pictures.

    Args:
        config: of `load_config`.
        count: how many, drawn at random; all if there are fewer.
        seed: of the draw and of the transforms.

    Returns:
        What came out.
    """
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        scope = DefaultScope.overwrite_default_scope(config.get("default_scope") or SCOPE)
        with scope, quiet_in_notebook():
            dataset = DATASETS.build(config.train_dataloader.dataset)
        return _run(dataset, count)
    except InputError as error:
        return Sampled(findings=(_refused(error),))
    finally:
        np.random.set_state(before)


def _refused(error: InputError) -> Finding:
    return Finding(
        "data.refused",
        ERROR,
        "train",
        f"the training set cannot be opened: {error}",
        "See the other findings: training stops with this message",
    )


def _run(dataset: Any, count: int) -> Sampled:
    total = len(dataset)
    chosen = np.random.permutation(total)[:count].tolist()
    infos: list[ImageInfo] = []
    targets: list[Targets] = []
    failed: list[Example] = []
    for index in track(chosen, description="Pipeline"):
        if len(failed) == GIVE_UP:
            break
        try:
            sample = dataset[index]["data_samples"]
        except InputError as error:
            failed.append(Example(str(dataset.get_data_info(index)["img_path"]), str(error)))
            continue
        infos += image_infos([sample])
        targets += to_targets([sample])
    return Sampled(tuple(infos), tuple(targets), total, tuple(_findings(infos, targets, failed)))


def _findings(
    infos: list[ImageInfo], targets: list[Targets], failed: list[Example]
) -> Iterator[Finding]:
    if failed:
        yield Finding(
            "pipeline.failed",
            ERROR,
            "train",
            f"the pipeline fails on {plural(len(failed), 'picture')}: {failed[0].what}",
            "Training would stop there with this message",
            len(failed),
            few(failed),
        )
    bare = [i for i, t in zip(infos, targets, strict=True) if not len(t.boxes)]
    if bare and len(bare) > len(infos) / 2:
        yield Finding(
            "pipeline.empty",
            WARNING,
            "train",
            f"{len(bare)} of {len(infos)} pictures come out of the pipeline without an object",
            "Do crops cut the objects off? Look with `browse`",
            len(bare),
            few(Example(info.path) for info in bare),
        )
    masks = [t.masks for t in targets if t.masks is not None]
    lacking = sum(int((~m.known()).sum()) for m in masks)
    objects = sum(len(t.boxes) for t in targets)
    if masks and lacking:
        yield Finding(
            "pipeline.no_mask",
            WARNING,
            "train",
            f"{lacking} of {objects} objects have no mask after the pipeline; the mask loss leaves "
            "them out",
            "Draw their masks, or take a config without a mask head",
            lacking,
        )
