"""What a person sees while a detector trains: one line that tells the stages apart."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import torch
from mmengine.dist import is_distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import LogProcessor, Runner
from torch import nn
from torch.utils.data import DataLoader

from cascadekit.engine.interruption import start_worker
from cascadekit.registry import LOG_PROCESSORS

# How the Runner's long reports begin: versions, the whole config, the list of hooks. They stay in
# the log file of the run, and would push everything else off the screen.
LONG_REPORTS = ("\n----", "Config:", "Hooks will be executed", "Exp name:")

# Notes of mmengine on its own insides, about which a user can do nothing.
INTERNAL = (
    '"FileClient" will be',
    '"HardDiskBackend" is',
    "Distributed training is not used,",
    "Fast sampler-level resume is unavailable",
)

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


class ConsoleFilter(logging.Filter):
    """Keeps the Runner's long reports off the console, and in `quiet_console` all but warnings."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the console shows a record."""
        if _quiet.get() and record.levelno < logging.WARNING:
            return False
        return not record.getMessage().startswith(LONG_REPORTS + INTERNAL)


@contextmanager
def quiet_console() -> Iterator[None]:
    """Only warnings and errors reach the console; log files are as always."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


class DetectionRunner(Runner):
    """mmengine's Runner with a console a person can follow; its log file is unchanged."""

    _stamps: ClassVar[set[str]] = set()  # of all runs of this process

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Set the environment up, with a time stamp that no other run of this process has.

        mmengine keeps logs, curves and counters by it, to the second: a short evaluation right
        after a short training would write into the training's.
        """
        if self.launcher == "pytorch" and not torch.cuda.is_available() and not is_distributed():
            join_processes(**env_cfg.get("dist_cfg", {}))
        super().setup_env(env_cfg)
        stamp, again = self._timestamp, 2
        while self._timestamp in self._stamps:
            self._timestamp, again = f"{stamp}_{again}", again + 1
        self._stamps.add(self._timestamp)

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Wrap the model for several processes; on a CPU without the GPU's number."""
        if not self.distributed or model_wrapper_cfg is not None or torch.cuda.is_available():
            wrapped: nn.Module = super().wrap_model(model_wrapper_cfg, model)
            return wrapped
        return MMDistributedDataParallel(module=model, broadcast_buffers=False)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict[str, Any],
        seed: int | None = None,
        diff_rank_seed: bool = False,
    ) -> DataLoader:
        """Build a data loader whose workers leave interruptions to this process."""
        loader = Runner.build_dataloader(dataloader, seed, diff_rank_seed)
        loader.worker_init_fn = partial(start_worker, loader.worker_init_fn)
        return loader

    def load_or_resume(self) -> None:
        """Take up weights or a run; the log says which, mmengine's reader need not print it too."""
        with redirect_stdout(io.StringIO()):
            super().load_or_resume()

    def build_logger(
        self, log_level: int | str = "INFO", log_file: str | None = None
    ) -> logging.Logger:
        """Build the logger; its console handler leaves out the long reports."""
        logger = super().build_logger(log_level, log_file)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(ConsoleFilter())
        return logger


def join_processes(backend: str = "gloo", timeout: float = 1800) -> None:
    """Join the other processes of a torchrun without GPUs.

    mmengine's own way begins with choosing a GPU, also for gloo.

    Args:
        backend: of torch.distributed.
        timeout: seconds until a process that waits for the others gives up.
    """
    torch.distributed.init_process_group(backend, timeout=timedelta(seconds=timeout))


def leave_processes() -> None:
    """Part from the other processes of a torchrun when the work is done; alone: nothing.

    Without it gloo's threads still run while Python ends, and now and then abort the process.
    """
    if is_distributed():
        torch.distributed.destroy_process_group()


@LOG_PROCESSORS.register_module()
class StageLog(LogProcessor):
    """Losses and IoU of each stage in one readable line; scalars for curves are mmengine's own.

    IoU a>b: mean IoU with their objects of the stage's positives before and after its regressor,
    as the released Detectron code logs it.
    """

    def get_log_after_iter(
        self, runner: Runner, batch_idx: int, mode: str
    ) -> tuple[dict[str, Any], str]:
        """The scalars and the line after an iteration."""
        scalars, text = super().get_log_after_iter(runner, batch_idx, mode)
        if mode != "train":
            return scalars, text
        eta = runner.message_hub.runtime_info.get("eta")
        left = f"  eta {timedelta(seconds=int(eta))}" if eta is not None else ""
        width = len(str(runner.max_iters))
        head = f"iter {runner.iter + 1:{width}}/{runner.max_iters}{left}"
        return scalars, f"{head}  {stage_line(scalars)}"

    def get_log_after_epoch(
        self, runner: Runner, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict[str, Any], str]:
        """The scalars and the line after a pass over the validation or test set."""
        scalars, text = super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)
        values = {
            name.rsplit("/", 1)[-1].removesuffix("_AP"): value
            for name, value in scalars.items()
            if name.endswith("_AP") and "stage_" not in name and "class/" not in name
        }
        if not values:
            return scalars, text
        return scalars, f"{mode}: " + ", ".join(f"{k} AP {100 * v:.1f}" for k, v in values.items())


def stage_line(scalars: Mapping[str, Any]) -> str:
    """One line from the smoothed scalars of a training iteration.

    Args:
        scalars: with `loss`, `time`, `lr`, and per part `rpn.loss_cls`, `stage1.iou_before`, ...

    Returns:
        E.g. "0.58 s  lr 1.0e-03  loss 2.310 | rpn cls .24 box .01 | 1 cls .76 box .27 IoU .59>.63".
    """
    head = [
        f"{scalars['time']:.2f} s" if "time" in scalars else "",
        # Not base_lr, which mmengine does not scale with the batch size.
        f"lr {scalars['lr']:.1e}" if "lr" in scalars else "",
        f"loss {scalars['loss']:.3f}" if "loss" in scalars else "",
    ]
    parts: dict[str, list[str]] = {}
    for name, value in scalars.items():
        part, _, what = name.partition(".")
        if what.startswith("loss_"):
            what = what.removeprefix("loss_").replace("bbox", "box")
            parts.setdefault(part, []).append(f"{what} {value:.3f}")
        elif what == "iou_before" and f"{part}.iou_after" in scalars:
            after = scalars[f"{part}.iou_after"]
            parts.setdefault(part, []).append(f"IoU {value:.3f}>{after:.3f}")
    named = [f"{part.replace('stage', 'stage ')} {' '.join(t)}" for part, t in parts.items()]
    return " | ".join(["  ".join(word for word in head if word), *named])
