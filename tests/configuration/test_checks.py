import sys
from types import ModuleType

import pytest
from mmengine import registry as mm
from mmengine.config import Config
from mmengine.registry import Registry

from cascadekit.configuration import Origin, check_config
from cascadekit.configuration.places import accepted_arguments
from cascadekit.errors import InputError

SCOPE = "origintest"


class Detector:
    def __init__(self, num_classes, neck=None, heads=(), train_proposals=2000, init_cfg=None):
        pass


class Neck:
    def __init__(self, in_channels, out_channels=256, extra=None):
        pass


class Anything:
    def __init__(self, first, **kwargs):
        pass


class Coder:
    """No __init__ of its own: takes nothing."""


class Points:
    def __init__(self, root, pipeline=(), metainfo=None, dataset=None):
        pass


class Flip:
    def __init__(self, prob=0.5):
        pass


class Precision:
    def __init__(self, metric="bbox"):
        pass


class Rates:
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        pass


@pytest.fixture(scope="module", autouse=True)
def _scope():
    """A package with registries of its own below mmengine's, as cascadekit has."""
    module = ModuleType(f"{SCOPE}.registry")
    parts = {
        "MODELS": [Detector, Neck, Anything],
        "TASK_UTILS": [Coder],
        "DATASETS": [Points],
        "TRANSFORMS": [Flip],
        "METRICS": [Precision],
        "OPTIM_WRAPPER_CONSTRUCTORS": [Rates],
    }
    for root, classes in parts.items():
        parent = getattr(mm, root)
        child = Registry(parent.name, parent=parent, scope=SCOPE)
        for part in classes:
            child.register_module(module=part)
    sys.modules[SCOPE], sys.modules[f"{SCOPE}.registry"] = ModuleType(SCOPE), module
    yield
    for root in parts:
        del getattr(mm, root).children[SCOPE]
    del sys.modules[SCOPE], sys.modules[f"{SCOPE}.registry"]


def whole() -> dict:
    """A config with something in every place, all of it right."""
    pipeline = [{"type": "Flip", "prob": 0.1}]
    loader = {
        "batch_size": 2,
        "num_workers": 0,
        "persistent_workers": False,
        "num_batch_per_epoch": 3,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "batch_sampler": None,
        "collate_fn": {"type": "pseudo_collate"},
        "dataset": {"type": "Points", "root": "x", "pipeline": pipeline, "metainfo": {"type": "?"}},
    }
    return {
        "default_scope": SCOPE,
        "my_variable": {"type": "never built"},
        "pipeline": pipeline,
        "test_pipeline": pipeline,
        "work_dir": "x",
        "model": {
            "type": f"{SCOPE}.Detector",  # with scope; num_classes is not given
            "neck": {"type": "Neck", "in_channels": [1], "_scope_": SCOPE},
            "heads": [{"type": "Coder"}, {"type": "Anything", "whatever": 1}],
            "init_cfg": {"type": "Normal", "std": 0.1},
        },
        "train_dataloader": loader,
        "val_dataloader": loader,
        "train_cfg": {"by_epoch": True, "max_epochs": 2, "val_interval": 1},
        "val_cfg": {"type": "ValLoop"},
        "test_cfg": {},
        "val_evaluator": [{"type": "Precision", "metric": "bbox"}],
        "test_evaluator": {"type": "Evaluator", "metrics": [{"type": "Precision"}]},
        "optim_wrapper": {
            "type": "AmpOptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
            "clip_grad": {"max_norm": 1},
            "paramwise_cfg": {"norm_decay_mult": 0},
        },
        "param_scheduler": [{"type": "LinearLR", "start_factor": 0.1, "convert_to_iter_based": 1}],
        "default_hooks": {
            "checkpoint": {"type": "CheckpointHook", "priority": 3},
            "timer": None,
            "logger": {"type": "LoggerHook"},
        },
        "custom_hooks": [{"type": "EMAHook"}],
        "visualizer": {"type": "Visualizer", "name": "v", "vis_backends": []},
        "vis_backends": [{"type": "LocalVisBackend"}],
        "log_processor": {"window_size": 3},
        "env_cfg": {"mp_cfg": {"type": "never built"}},
    }


def put(config: dict, path: str, value) -> dict:
    *parents, last = path.split(".")
    for key in parents:
        config = config[int(key)] if isinstance(config, list) else config[key]
    config[last] = value
    return config


@pytest.mark.parametrize("wrap", [dict, Config])
def test_a_right_config_passes(wrap):
    check_config(wrap(whole()))


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("model.type", "Detectr", r"model\.type: no model 'Detectr' .*Did you mean 'Detector'"),
        ("model.neck.type", "Nekc", r"model\.neck\.type: .*Did you mean 'Neck'"),
        ("model.neck.type", f"{SCOPE}.Nek", rf"Did you mean '{SCOPE}\.Neck'"),
        ("model.neck.type", "nowhere.Neck", "No package 'nowhere' with a registry is installed"),
        ("model.heads.0.type", "Codr", r"model\.heads\.0\.type: no model 'Codr'"),
        ("model.init_cfg.type", "Norml", r"no weight initializer 'Norml' .*'Normal'"),
        ("train_dataloader.dataset.type", "Point", r"no dataset 'Point' .*'Points'"),
        (
            "train_dataloader.dataset.pipeline.0.type",
            "Flipp",
            r"train_dataloader\.dataset\.pipeline\.0\.type: no transform 'Flipp' .*'Flip'",
        ),
        ("train_dataloader.sampler.type", "DefaultSampl", r"no data sampler .*'DefaultSampler'"),
        ("train_dataloader.collate_fn.type", "pseudo_colate", r"no function .*'pseudo_collate'"),
        ("val_evaluator.0.type", "Precison", r"val_evaluator\.0\.type: no metric .*'Precision'"),
        ("test_evaluator.metrics.0.type", "Precison", r"no metric"),
        ("optim_wrapper.type", "AmpOptimWraper", r"no optim wrapper .*'AmpOptimWrapper'"),
        ("optim_wrapper.optimizer.type", "SDG", r"no optimizer 'SDG' .*'SGD'"),
        (
            "optim_wrapper.constructor",
            "Ratse",
            r"optim_wrapper\.constructor: .*Did you mean 'Rates'",
        ),
        ("param_scheduler.0.type", "LinarLR", r"no param scheduler .*'LinearLR'"),
        ("default_hooks.checkpoint.type", "CheckpintHook", r"no hook .*'CheckpointHook'"),
        ("custom_hooks.0.type", "EMAHok", r"custom_hooks\.0\.type: no hook .*'EMAHook'"),
        ("val_cfg.type", "ValLop", r"no loop .*'ValLoop'"),
        ("visualizer.type", "Visualiser", r"no visualizer .*'Visualizer'"),
        ("vis_backends.0.type", "LocalVisBackends", r"no visbackend .*'LocalVisBackend'"),
        ("model.type", "Zzzz", r"Import the module that registers it"),  # near nothing
    ],
)
def test_unregistered_types(path, value, match):
    config = whole()
    put(config, path, value)
    with pytest.raises(InputError, match=match):
        check_config(config)


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("model.num_clases", r"model\.num_clases: Detector has no argument .*'num_classes'"),
        ("model.neck.out_chanels", r"model\.neck\.out_chanels: Neck .*'out_channels'"),
        ("model.heads.0.n", r"Coder has no argument 'n'\. It takes no arguments"),
        ("train_dataloader.batchsize", r"DataLoader has no argument .*'batch_size'"),
        ("train_dataloader.dataset.rot", r"Points has no argument 'rot'\. Did you mean 'root'"),
        ("train_dataloader.dataset.pipeline.0.probability", r"Flip .*It takes prob"),
        ("train_dataloader.sampler.shufle", r"DefaultSampler .*'shuffle'"),
        ("train_cfg.max_epoch", r"EpochBasedTrainLoop .*'max_epochs'"),  # no type given
        ("val_cfg.fp_16", r"ValLoop .*'fp16'"),
        ("optim_wrapper.optimizer.momentom", r"SGD has no argument .*'momentum'"),
        ("default_hooks.logger.intervall", r"LoggerHook .*'interval'"),
        ("val_evaluator.0.metrics", r"Precision .*'metric'"),
        ("log_processor.window", r"LogProcessor .*'window_size'"),
    ],
)
def test_arguments_nobody_takes(path, match):
    config = whole()
    put(config, path, 1)
    with pytest.raises(InputError, match=match):
        check_config(config)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("train_dataloder", "train_dataloader"),
        ("optim_wraper", "optim_wrapper"),
        ("param_schedulers", "param_scheduler"),
        ("default_hook", "default_hooks"),
        ("train_config", "train_cfg"),
        ("modle", "model"),
    ],
)
def test_misspelt_keys_at_the_top(key, near):
    with pytest.raises(InputError, match=f"{key}: unknown key. Did you mean '{near}'"):
        check_config({**whole(), key: 1})


@pytest.mark.parametrize(
    "key",
    # Variables that configs of mm-style projects have.
    [
        *("dataset_type", "data_root", "train_pipeline", "val_pipeline", "backend_args", "base_lr"),
        *("max_epochs", "num_classes", "image_size", "classes", "metainfo", "norm_cfg", "interval"),
        *("file_client_args", "optimizer", "lr_config", "train_batch_size_per_gpu", "checkpoint"),
        *("train_dataset", "val_dataset", "pretrained", "stage2_num_epochs", "tta_pipeline"),
    ],
)
def test_variables_of_the_user_pass(key):
    check_config({**whole(), key: 1})


def test_several_problems_come_at_once_with_their_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = whole()
    config["model"]["type"] = "Detectr"
    config["model"]["neck"]["out_chanels"] = 1
    origins = {
        ("model",): Origin(str(tmp_path / "a.py"), 1),
        ("model", "neck", "out_chanels"): Origin(str(tmp_path / "b.py"), 7),
    }
    with pytest.raises(InputError) as caught:
        check_config(config, origins)
    head, first, second = str(caught.value).splitlines()
    assert head == "2 problems in the config:"
    assert first.startswith("a.py:1: model.type: ")  # the nearest ancestor's line
    assert second.startswith("b.py:7: model.neck.out_chanels: ")


def test_a_flood_of_problems_is_cut(tmp_path):
    config = whole()
    config["custom_hooks"] = [{"type": "Nohook"} for _ in range(13)]
    with pytest.raises(InputError) as caught:
        check_config(config)
    assert str(caught.value).splitlines()[-1] == "and 3 more"


def test_unscoped_name_without_default_scope():
    with pytest.raises(InputError, match=rf"write '{SCOPE}\.Detector' or set default_scope"):
        check_config({"model": {"type": "Detector"}})


def test_scope_key_reaches_what_is_below():
    check_config({"model": {"_scope_": SCOPE, "type": "Detector", "neck": {"type": "Neck"}}})


def test_foreign_default_scope_falls_back_to_mmengine():
    hooks = {"timer": {"type": "IterTimerHook"}}
    check_config({"default_scope": "not_installed", "default_hooks": hooks})


def test_custom_optimizer_constructor_takes_what_it_wants():
    config = whole()
    config["optim_wrapper"].update(constructor="Rates", head_rates=[1, 2, 4])
    check_config(config)


def test_named_optim_wrappers_are_not_one():
    wrapper = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 1}}
    check_config({"optim_wrapper": {"constructor": None, "a": wrapper, "b": wrapper}})


def test_types_may_be_classes():
    check_config({"model": {"type": Detector, "num_classes": 1}})
    with pytest.raises(InputError, match="Detector has no argument 'classes'"):
        check_config({"model": {"type": Detector, "classes": 1}})


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Neck, {"in_channels", "out_channels", "extra"}),
        (Anything, None),  # **kwargs
        (Coder, set()),
        (lambda a, b=1: None, {"a", "b"}),
        (lambda *a, b: None, {"b"}),
        (dict, None),  # built in, does not say
    ],
)
def test_accepted_arguments(part, expected):
    assert accepted_arguments(part) == expected


def test_the_check_changes_nothing():
    config = Config(whole())
    before = config.pretty_text
    check_config(config)
    assert config.pretty_text == before
