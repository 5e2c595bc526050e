"""Whether length, learning rate and validation of a training fit the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine import Config

from cascadekit.doctor.finding import ERROR, NOTE, WARNING, Finding, plural

SHORT, LONG = 1.0, 300.0  # epochs; below, some pictures are never seen; above, few are seen often
# Detectron's rule: SGD learns with .02 for 16 pictures, and with the rate in proportion otherwise.
SGD_RATE = 0.02 / 16
FAR = 4.0  # times more or less than that, from which on it is worth a word
ADAM_HIGH = 5e-3  # AdamW's rates in use lie between 1e-5 and 1e-3


def schedule_findings(config: Config, num_pictures: int) -> list[Finding]:
    """Look at the schedule.

    Args:
        config: of `load_config`.
        num_pictures: of the training set; 0 where that is not known.

    Returns:
        What does not fit, and what to expect.
    """
    if config.get("train_cfg") is None or config.get("train_dataloader") is None:
        return []
    batch = int(config.train_dataloader.get("batch_size", 1))
    iterations, epochs = training_length(config, num_pictures, batch)
    found = list(_rate(config, batch))
    if num_pictures:
        found = [*_length(num_pictures, batch, iterations, epochs), *found]
    if iterations:
        found += _schedulers(config, iterations, epochs)
    return [*found, *_validation(config, iterations, epochs)]


def training_length(config: Config, num_pictures: int, batch: int) -> tuple[float, float]:
    """Iterations and epochs of a training on one device; 0 where that cannot be told."""
    loop = config.train_cfg
    per_epoch = max(-(-num_pictures // batch), 1) if num_pictures else 0
    if "max_iters" in loop:
        iterations = float(loop["max_iters"])
        return iterations, iterations * batch / num_pictures if num_pictures else 0.0
    epochs = float(loop.get("max_epochs", 0))
    return epochs * per_epoch, epochs


def _length(pictures: int, batch: int, iterations: float, epochs: float) -> Iterator[Finding]:
    said = (
        f"{iterations:g} iterations of {batch} pictures are {epochs:.1f} epochs of "
        f"{plural(pictures, 'picture')} (on one device)"
    )
    if batch > pictures:
        yield Finding(
            "schedule.batch",
            WARNING,
            "config",
            f"a batch has {batch} pictures, but there are {pictures}: some are in it twice",
            f"--cfg-options train_dataloader.batch_size={max(pictures // 2, 1)}",
        )
    if epochs < SHORT:
        wanted = round(12 * pictures / batch)
        yield Finding(
            "schedule.short",
            WARNING,
            "config",
            f"{said}: not every picture is seen",
            f"--cfg-options train_cfg.max_iters={wanted} (12 epochs, as the 1x schedule has on "
            "COCO), with the steps of param_scheduler in proportion; or --schedule",
        )
    elif epochs > LONG:
        yield Finding(
            "schedule.long",
            WARNING,
            "config",
            f"{said}: every picture is seen very often",
            "Validate often and keep the best checkpoint, or train fewer iterations; flips and "
            "several sizes help against learning by heart",
        )
    else:
        yield Finding("schedule.length", NOTE, "config", said)


def _rate(config: Config, batch: int) -> Iterator[Finding]:
    optimizer = (config.get("optim_wrapper") or {}).get("optimizer") or {}
    rate, kind = optimizer.get("lr"), str(optimizer.get("type", ""))
    if not isinstance(rate, int | float):
        return
    scaling = config.get("auto_scale_lr") or {}
    base = scaling.get("base_batch_size")
    if scaling.get("enable") and base:
        rate *= batch / base
        yield Finding(
            "schedule.rate",
            NOTE,
            "config",
            f"the learning rate follows the batch: {optimizer['lr']:g} for {base} pictures, "
            f"{rate:g} for {batch} (times the number of devices)",
        )
    if kind.endswith("SGD"):
        times = rate / (SGD_RATE * batch)
        # Heads on the paper's other data sets learn more slowly on purpose.
        if times > FAR or (times < 1 / FAR and not scaling.get("enable")):
            yield Finding(
                "schedule.rate_far",
                WARNING,
                "config",
                f"SGD with a rate of {rate:g} for {batch} pictures: {times:.2g} times Detectron's "
                f"rule, .02 for 16",
                f"--cfg-options optim_wrapper.optimizer.lr={SGD_RATE * batch:g}, or "
                "auto_scale_lr=dict(enable=True, base_batch_size=16)",
            )
    elif "Adam" in kind and rate > ADAM_HIGH:
        yield Finding(
            "schedule.rate_far",
            WARNING,
            "config",
            f"{kind} with a rate of {rate:g}: rates in use are 0.001 and less",
            "--cfg-options optim_wrapper.optimizer.lr=0.001",
        )


def _schedulers(config: Config, iterations: float, epochs: float) -> Iterator[Finding]:
    """Schedulers that end or step after the training does, or long before."""
    last = 0.0
    for own in config.get("param_scheduler") or ():
        by_epoch = own.get("by_epoch", True)
        length = epochs if by_epoch else iterations
        unit = "epochs" if by_epoch else "iterations"
        kind = str(own["type"]).rsplit(".", 1)[-1]
        late = [m for m in own.get("milestones", ()) if m >= length]
        end = own.get("end") or 0
        if late:
            yield Finding(
                "schedule.milestones",
                WARNING,
                "config",
                f"{kind} has steps at {late}, but the training ends after {length:g} {unit}: the "
                "rate does not fall there",
                f"param_scheduler: milestones of {length * 2 / 3:.0f} and {length * 8 / 9:.0f}",
                len(late),
            )
        elif "Cosine" in kind and end > 1.2 * length:
            yield Finding(
                "schedule.cut_off",
                WARNING,
                "config",
                f"{kind} ends at {end} {unit}, but the training after {length:g}: the rate is "
                "still high at the end",
                f"param_scheduler: end={length:g}",
            )
        elif kind == "LinearLR" and end > 0.5 * length > 0:
            yield Finding(
                "schedule.warm_up",
                WARNING,
                "config",
                f"the warm-up lasts {end} of {length:g} {unit}",
                "param_scheduler: a shorter warm-up, or a longer training",
            )
        last = max(last, end / length if length else 0.0)
    if 0.5 < last < 0.8 and not any("milestones" in s for s in config.param_scheduler):
        yield Finding(
            "schedule.ends_early",
            NOTE,
            "config",
            f"the schedulers end after {100 * last:.0f} % of the training; the rate stays there",
        )


def _validation(config: Config, iterations: float, epochs: float) -> Iterator[Finding]:
    loader: Any = config.get("val_dataloader")
    if loader is None:
        yield Finding(
            "schedule.no_validation",
            WARNING,
            "config",
            "there is no validation: nobody sees whether it learns by heart",
            "--val-data, or a data set with a validation split",
        )
        return
    interval = config.train_cfg.get("val_interval", 1)
    length = iterations if "max_iters" in config.train_cfg else epochs
    if length and interval > length:
        yield Finding(
            "schedule.never_validated",
            ERROR if interval > 10 * length else WARNING,
            "config",
            f"validation comes every {interval}, but the training ends after {length:g}",
            f"--cfg-options train_cfg.val_interval={max(int(length) // 3, 1)}",
        )
