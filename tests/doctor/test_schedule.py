import pytest

from cascadekit.doctor.schedule import schedule_findings, training_length
from tests.doctor.makers import checks, plain_config

LOOP = "train_cfg"


def look(pictures=300, **options):
    """300 pictures, 900 iterations of 8: 24 epochs."""
    return checks(schedule_findings(plain_config(**options), pictures))


def test_as_it_is():
    found = look()
    assert list(found) == ["schedule.length"]
    assert "24.0 epochs" in found["schedule.length"].what


@pytest.mark.parametrize(
    ("pictures", "options", "check"),
    [
        (100_000, {}, "schedule.short"),
        (20, {}, "schedule.long"),  # 360 epochs
        (5, {}, "schedule.batch"),
        (300, {"optim_wrapper.optimizer.lr": 0.1}, "schedule.rate_far"),
        (300, {"optim_wrapper.optimizer": {"type": "SGD", "lr": 0.1}}, "schedule.rate_far"),
        (300, {"optim_wrapper.optimizer": {"type": "SGD", "lr": 1e-4}}, "schedule.rate_far"),
        (300, {"train_cfg.max_iters": 400}, "schedule.cut_off"),  # the cosine ends at 900
        (300, {"train_cfg.max_iters": 150}, "schedule.warm_up"),  # of 100
        (300, {"train_cfg.val_interval": 1000}, "schedule.never_validated"),
        (300, {"val_dataloader": None}, "schedule.no_validation"),
    ],
)
def test_a_row_for_each_fault(pictures, options, check):
    found = look(pictures, **options)
    assert found[check].fix and found[check].severity != "note"


@pytest.mark.parametrize(
    ("rate", "batch", "scaled", "far"),
    [
        (0.02, 16, False, False),  # Detectron's rule
        (0.0025, 2, False, False),
        (0.02, 2, False, True),  # eight times
        (0.02, 2, True, False),  # auto_scale_lr divides by 8
        (0.0025, 16, False, True),
    ],
)
def test_rate_and_batch(rate, batch, scaled, far):
    options = {
        "optim_wrapper.optimizer": {"type": "SGD", "lr": rate},
        "train_dataloader.batch_size": batch,
    }
    if scaled:
        options["auto_scale_lr"] = {"enable": True, "base_batch_size": 16}
    found = look(**options)
    assert ("schedule.rate_far" in found) == far
    assert ("schedule.rate" in found) == scaled


def test_steps_that_never_come():
    steps = [{"type": "MultiStepLR", "by_epoch": False, "milestones": [600, 1200], "gamma": 0.1}]
    found = look(param_scheduler=steps)
    assert "[1200]" in found["schedule.milestones"].what
    assert "schedule.milestones" not in look(param_scheduler=[{**steps[0], "milestones": [600]}])


def test_length_by_epochs_and_of_nothing():
    config = plain_config()
    assert training_length(config, 300, 8) == (900, 24)
    assert training_length(config, 0, 8) == (900, 0)
    config.train_cfg = {"by_epoch": True, "max_epochs": 12}
    assert training_length(config, 20, 8) == (36, 12)  # 3 iterations an epoch


def test_without_a_training_there_is_nothing_to_say():
    assert look(train_cfg=None) == {}
    assert "schedule.length" not in look(pictures=0)
