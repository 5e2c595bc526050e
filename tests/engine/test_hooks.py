"""Faults that stop a run before it wastes time."""

import re
from types import SimpleNamespace

import pytest
import torch

from cascadekit.engine import CheckData, StopOnInvalidLoss, save_interrupted
from cascadekit.errors import InputError


class Data:
    """What CheckData looks at in a data set."""

    def __init__(self, classes=("a", "b", "c"), length=2, segmentation=None, **attributes):
        self.metainfo = {"classes": classes}
        self.length = length
        self.segmentation = segmentation
        self.__dict__.update(attributes)

    def __len__(self):
        return self.length

    def get_data_info(self, index):
        return {"instances": [{"segmentation": self.segmentation}]}


def runner_with(model, data):
    loader = SimpleNamespace(dataset=data)
    loaders = {f"{split}_dataloader": loader for split in ("train", "val", "test")}
    return SimpleNamespace(model=model, **loaders)


POLYGON = [[0, 0, 4, 0, 4, 4]]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_right_data_passes(tiny, split):
    hook = CheckData()
    getattr(hook, f"before_{split}")(runner_with(tiny(), Data(segmentation=POLYGON)))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_another_number_of_classes(tiny, split):
    data = Data(classes=("a", "b"), ann_file="x.json", segmentation=POLYGON)
    message = (
        rf"model\.num_classes is 3, but the {split} data set x\.json has 2 classes \(a, b\)\. "
        r"Set model\.num_classes=2, or pass the data with --data"
    )
    with pytest.raises(InputError, match=message):
        getattr(CheckData(), f"before_{split}")(runner_with(tiny(), data))


def test_many_classes_are_cut(tiny):
    names = tuple(f"c{k}" for k in range(11))
    with pytest.raises(InputError, match=r"c9, \.\.\.\)"):
        CheckData().before_train(runner_with(tiny(), Data(names)))


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_set(tiny, split):
    with pytest.raises(InputError, match=f"the {split} data set x.json has no picture to use"):
        getattr(CheckData(), f"before_{split}")(
            runner_with(tiny(), Data(length=0, ann_file="x.json"))
        )


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"ann_file": "x.json"}, r"x\.json"),
        ({"ann_file": "", "source": "voc/folder"}, "voc/folder"),  # VOC has no one file
        ({}, "Data"),
    ],
)
def test_a_mask_head_without_masks(tiny, attributes, name):
    runner = runner_with(tiny(), Data(**attributes))
    with pytest.raises(InputError, match=f"mask head, but no object in {name} has a segmentation"):
        CheckData().before_train(runner)
    CheckData().before_val(runner)  # boxes can be measured without masks


def test_masks_are_not_needed_without_a_mask_head(tiny):
    CheckData().before_train(runner_with(tiny(masks=False), Data()))


def test_data_and_models_of_other_projects_pass():
    CheckData().before_train(runner_with(torch.nn.Linear(1, 1), Data(classes=None)))


def test_a_wrapped_model_is_looked_into(tiny):
    wrapper = SimpleNamespace(module=tiny())
    with pytest.raises(InputError, match="num_classes is 3"):
        CheckData().before_train(runner_with(wrapper, Data(classes=("a",))))


def training(iteration=0):
    wrapper = SimpleNamespace(get_lr=lambda: {"lr": [0.02]})
    return SimpleNamespace(iter=iteration, optim_wrapper=wrapper, work_dir="run")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_losses_that_are_not_finite(value):
    outputs = {
        "loss": torch.tensor(value, requires_grad=True),  # as train_step gives it
        "rpn.loss_cls": torch.tensor(0.5),
        "stage1.loss_bbox": torch.tensor(value),
        "stage1.iou_before": torch.tensor(float("nan")),  # no loss
    }
    message = (
        r"^loss, stage1\.loss_bbox not finite at iteration 1 \(learning rate 0\.02\): .*"
        r"optim_wrapper\.clip_grad\.max_norm.*the last checkpoint is in run$"
    )
    with pytest.raises(InputError, match=message):
        StopOnInvalidLoss(interval=1).after_train_iter(training(), 0, outputs=outputs)


def test_finite_losses_pass():
    outputs = {"loss": torch.tensor(1.0), "stage1.iou_before": torch.tensor(float("nan"))}
    StopOnInvalidLoss(interval=1).after_train_iter(training(), 0, outputs=outputs)
    StopOnInvalidLoss(interval=1).after_train_iter(training(), 0, outputs=None)


def test_it_looks_every_so_many_iterations():
    hook, outputs = StopOnInvalidLoss(interval=10), {"loss": torch.tensor(float("nan"))}
    for iteration in range(9):
        hook.after_train_iter(training(iteration), 0, outputs=outputs)
    with pytest.raises(InputError, match="at iteration 10 "):
        hook.after_train_iter(training(9), 0, outputs=outputs)


def test_what_an_interruption_saves(tmp_path):
    saved = []

    def save(folder, name, **options):
        saved.append((folder, name, options))

    runner = SimpleNamespace(iter=7, epoch=0, work_dir=str(tmp_path), save_checkpoint=save)
    path = save_interrupted(runner)
    assert path == str(tmp_path / "interrupted_iter_7.pth")
    assert (tmp_path / "last_checkpoint").read_text() == path
    ((_, _, options),) = saved
    assert options["meta"] == {"epoch": 0, "iter": 7}  # the one under way does not count


def test_nothing_is_saved_before_the_first_iteration(tmp_path):
    assert save_interrupted(SimpleNamespace(iter=0, work_dir=str(tmp_path))) is None
    assert not list(tmp_path.iterdir())


def test_warnings_are_not_raised_by_looking(recwarn):
    outputs = {"loss": torch.ones((), requires_grad=True) * 2}
    StopOnInvalidLoss(interval=1).after_train_iter(training(), 0, outputs=outputs)
    assert not [w for w in recwarn if re.search("requires_grad", str(w.message))]
