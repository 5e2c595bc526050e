"""Hooks that stop a run early and say why; and what keeps a run that is interrupted."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log

from cascadekit.engine.interruption import undisturbed
from cascadekit.errors import InputError
from cascadekit.registry import HOOKS


@HOOKS.register_module()
class CheckData(Hook):
    """Before a loop starts: the data set's classes and masks fit the model, and it is not empty."""

    def before_train(self, runner: Any) -> None:
        """Check the training set."""
        self._check(runner, runner.train_dataloader, "train")

    def before_val(self, runner: Any) -> None:
        """Check the validation set."""
        self._check(runner, runner.val_dataloader, "val")

    def before_test(self, runner: Any) -> None:
        """Check the test set."""
        self._check(runner, runner.test_dataloader, "test")

    @staticmethod
    def _check(runner: Any, loader: Any, split: str) -> None:
        dataset, detector = loader.dataset, getattr(runner.model, "module", runner.model)
        # VOC has a folder as `source` and an empty `ann_file`.
        names = (getattr(dataset, key, None) for key in ("source", "ann_file"))
        source = next(filter(None, names), type(dataset).__name__)
        if len(dataset) == 0:
            raise InputError(
                f"the {split} data set {source} has no picture to use: all were empty or filtered"
            )
        classes = (getattr(dataset, "metainfo", None) or {}).get("classes")
        wanted = getattr(detector, "num_classes", None)
        if classes is not None and wanted is not None and len(classes) != wanted:
            raise InputError(
                f"model.num_classes is {wanted}, but the {split} data set {source} has "
                f"{len(classes)} classes ({', '.join(classes[:10])}"
                f"{', ...' if len(classes) > 10 else ''}). Set model.num_classes={len(classes)}, "
                "or pass the data with --data, which sets it"
            )
        has_masks = bool(getattr(getattr(detector, "roi_head", None), "mask_stages", ()))
        if split == "train" and has_masks and not _any_mask(dataset):
            raise InputError(
                f"the model has a mask head, but no object in {source} has a segmentation. Use a "
                "config without masks, such as configs/lite/cascade_lite.py"
            )


def _any_mask(dataset: Any, most: int = 200) -> bool:
    """Whether one of the first `most` pictures has an object with a segmentation."""
    if not hasattr(dataset, "get_data_info"):
        return True  # another project's data set: let it try
    for i in range(min(len(dataset), most)):
        instances = dataset.get_data_info(i).get("instances", [])
        if any(instance.get("segmentation") or instance.get("mask") for instance in instances):
            return True
    return False


@HOOKS.register_module()
class StopOnInvalidLoss(Hook):
    """Stop when a loss is no longer finite, and name the loss.

    Args:
        interval: iterations between checks; each waits for the device.

    Raises:
        InputError: from the hook, with the losses of that iteration and what usually causes it.
    """

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Look at every `interval`-th iteration's losses."""
        if not outputs or not self.every_n_train_iters(runner, self.interval):
            return
        losses = {k: float(torch.as_tensor(v).detach()) for k, v in outputs.items() if "loss" in k}
        bad = [k for k, v in losses.items() if v != v or abs(v) == float("inf")]
        if bad:
            rate = ", ".join(f"{lr:.2g}" for lr in runner.optim_wrapper.get_lr()["lr"][:1])
            raise InputError(
                f"{', '.join(bad)} not finite at iteration {runner.iter + 1} (learning rate "
                f"{rate}): lower the learning rate, lengthen the warm-up, or clip gradients "
                "(optim_wrapper.clip_grad.max_norm); the last checkpoint is in "
                f"{runner.work_dir}"
            )


def save_interrupted(runner: Any) -> str | None:
    """Write a checkpoint of a run that is stopped from outside, so that `--resume` continues.

    Args:
        runner: in the middle of training; at most the iteration under way is lost.

    Returns:
        The file's path; None where not one iteration was done yet.
    """
    if runner.iter == 0:  # perhaps data or weights are still being read
        return None
    name = f"interrupted_iter_{runner.iter}.pth"
    path = f"{runner.work_dir}/{name}"
    with undisturbed():
        # mmengine would count the iteration that was cut off as done.
        runner.save_checkpoint(
            runner.work_dir,
            name,
            save_param_scheduler=True,
            meta={"epoch": runner.epoch, "iter": runner.iter},
            by_epoch=False,
        )
        with open(f"{runner.work_dir}/last_checkpoint", "w") as pointer:
            pointer.write(path)
    print_log(f"interrupted: saved {path}; go on with --resume", logger="current")
    return path
