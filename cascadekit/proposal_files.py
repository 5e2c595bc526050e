"""Write the proposals of a detector, for a Fast R-CNN to start from."""

from __future__ import annotations

import hashlib
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine import Config

from cascadekit import __version__
from cascadekit.datasets.proposal_files import check_target, write_proposals
from cascadekit.engine.proposals import detector_proposals
from cascadekit.errors import InputError
from cascadekit.progress import track

SPLITS = ("train", "val", "test")


def dump_proposals(
    config: Config | str | os.PathLike[str],
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    split: str = "train",
    stage: int = 0,
    most: int = 1000,
    device: str | None = None,
) -> int:
    """Run a detector over all pictures of a data set and keep its boxes, with a progress bar.

    Args:
        config: of `load_config`, or a path; its test pipeline reads the pictures, without flips.
        checkpoint: trained weights.
        out: the file to write, ending in .safetensors; 1000 boxes of COCO's 118,287 training
            pictures are 2.4 GB, and are in memory until they are written.
        split: "train", "val" or "test": the data set of that loader, with all its pictures.
        stage: 0: what enters stage 1 (the RPN's proposals); k: the boxes after stage k, with the
            best class score of its head. They overlap: nothing is suppressed after a stage.
        most: the best so many of each picture.
        device: "cpu", "cuda", "cuda:1"; None: a GPU if there is one.

    Returns:
        How many boxes were written.

    Raises:
        InputError: a file, split or stage that cannot be used.
    """
    from cascadekit.apis import load_config, load_detector, open_loader

    check_target(out)
    if most < 1 or stage < 0:
        raise InputError(f"most must be 1 or more and stage 0 or more, got {most} and {stage}")
    config = deepcopy(config) if isinstance(config, Config) else load_config(config)
    loader = open_loader(config, split)
    detector = load_detector(config, checkpoint, device)
    made_by = {
        "config": str(config.filename),
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest(),
        "boxes": f"after stage {stage}" if stage else "proposals",
        "most": most,
        "data": str(getattr(loader.dataset, "source", type(loader.dataset).__name__)),
        "split": split,
        "cascadekit": __version__,
    }
    batches = track(loader, description="Proposals", total=len(loader))
    count = write_proposals(out, detector_proposals(detector, batches, stage, most), made_by)
    print(f"{count} boxes of {len(loader.dataset)} pictures: {out}")
    return count


def split_loader(config: Config, split: str) -> dict[str, Any]:
    """A loader of all pictures of a split, read as at test time.

    Args:
        config: a resolved config.
        split: one of `SPLITS`.

    Returns:
        A data loader's config: the test loader with the split's data set. Wrappers that repeat or
        balance are taken off.

    Raises:
        InputError: another word, or the config has no such data set.
    """
    if split not in SPLITS:
        raise InputError(f"split must be {', '.join(SPLITS)}, got {split!r}")
    wanted = config.get(f"{split}_dataloader")
    if wanted is None:
        raise InputError(f"{config.filename} has no {split}_dataloader to take pictures from")
    loader: dict[str, Any] = deepcopy(config.test_dataloader.to_dict())
    pipeline = loader["dataset"]["pipeline"]
    loader.pop("batch_sampler", None)
    loader["sampler"] = {"type": "mmengine.DefaultSampler", "shuffle": False}
    loader["drop_last"] = False
    loader["dataset"] = _whole(deepcopy(wanted.dataset.to_dict()), pipeline)
    return loader


def _whole(dataset: dict[str, Any], pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    """A data set's config, giving every picture once through another pipeline."""
    if "dataset" in dataset:  # RepeatDataset and its like
        return _whole(dataset["dataset"], pipeline)
    if "datasets" in dataset:  # ConcatDataset
        return {**dataset, "datasets": [_whole(d, pipeline) for d in dataset["datasets"]]}
    own = {_kind(step): step for step in dataset.get("pipeline", ())}
    # A Fast R-CNN's boxes after stage k start from proposals of the same pictures.
    steps = [own.get(_kind(s), s) if _kind(s) == "LoadProposals" else s for s in pipeline]
    return {**dataset, "pipeline": steps, "test_mode": True}


def _kind(step: dict[str, Any]) -> str:
    return str(step["type"]).rsplit(".", 1)[-1]
