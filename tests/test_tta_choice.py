"""`--tta`: what becomes of a config."""

import pytest
from mmengine import Config

import cascadekit
from cascadekit.apis import load_config
from cascadekit.configuration import check_config
from cascadekit.errors import InputError
from cascadekit.tta_choice import choose_tta

FLAGSHIP = cascadekit.config_path("cascade_mask_r50")


def test_the_flagship():
    config = load_config(FLAGSHIP)
    plain = load_config(FLAGSHIP)
    choose_tta(config)
    check_config(config)  # every name in it exists
    assert config.model.type == "cascadekit.TestTimeAug"
    assert config.model.detector == plain.model
    assert config.model.postprocess == {"vote_iou": 0.9}
    load, views = config.test_dataloader.dataset.pipeline
    assert [load, *views.transforms] == plain.test_dataloader.dataset.pipeline
    # Detectron's short edges where the config's own is 800.
    assert [800 * scale for scale in views.scales] == [400, 500, 600, 700, 900, 1000, 1100, 1200]
    assert views.flip
    for key in ("train_dataloader", "val_dataloader", "test_evaluator"):
        assert config[key] == plain[key]


def test_the_config_and_the_command_line_win():
    options = {"tta_views.flip": False, "tta_model.postprocess.nms": "gaussian"}
    config = load_config(FLAGSHIP, options=options)
    choose_tta(config)
    assert config.model.postprocess == {"vote_iou": 0.9, "nms": "gaussian"}
    views = config.test_dataloader.dataset.pipeline[1]
    assert not views.flip and len(views.scales) == 8


def test_a_copy_can_be_changed_alone():
    config = load_config(FLAGSHIP)
    before = config.pretty_text
    choose_tta(config.copy())
    assert config.pretty_text == before


def test_a_misspelt_setting_is_named():
    views = {"type": "cascadekit.TestViews", "scale": (2.0,)}
    with pytest.raises(InputError, match=r"scale.*Did you mean 'scales'"):
        load_config(FLAGSHIP, options={"tta_views": views})


def test_faults():
    config = load_config(FLAGSHIP)
    choose_tta(config)
    with pytest.raises(InputError, match="is TestTimeAug already; leave --tta out"):
        choose_tta(config)
    with pytest.raises(InputError, match="the model has no roi_head"):
        choose_tta(Config({"model": {"type": "CascadeRCNN"}}))
