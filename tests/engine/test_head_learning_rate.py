"""Parameter groups of a cascade, worked out by hand."""

import pytest
from torch import nn

from cascadekit.engine import HeadLearningRate
from cascadekit.engine.head_learning_rate import head_factor
from cascadekit.errors import InputError

RATE, DECAY = 0.02, 1e-4


def groups(model, paramwise=None, decay=DECAY):
    """Parameter name -> (learning rate, weight decay) of the optimizer that is built."""
    optimizer = {"type": "SGD", "lr": RATE, "momentum": 0.9, "weight_decay": decay}
    built = HeadLearningRate({"type": "OptimWrapper", "optimizer": optimizer}, paramwise)(model)
    names = {id(p): n for n, p in model.named_parameters()}
    found = {}
    for group in built.optimizer.param_groups:
        for parameter in group["params"]:
            assert names[id(parameter)] not in found  # in one group only
            found[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    return found


@pytest.mark.parametrize(
    ("rule", "factors"),
    [
        ("decay", (1, 2, 4)),  # losses weigh 1, 1/2, 1/4
        ("avg", (3, 3, 3)),  # losses weigh 1/3
        ([1.0, 0.1, 2.0], (1, 10, 0.5)),
    ],
)
@pytest.mark.parametrize("scale_weight_decay", [False, True])
def test_heads_learn_by_the_inverse_of_their_loss_weight(tiny, rule, factors, scale_weight_decay):
    model = tiny(stage_loss=rule)
    found = groups(model, {"scale_weight_decay": scale_weight_decay})
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, (rate, decay) in found.items():
        factor = 1.0
        if name.startswith("roi_head.bbox_head."):
            factor = factors[int(name.split(".")[2])]
        assert rate == pytest.approx(RATE * factor), name
        # The step of decay is rate * decay: the same for all, unless Caffe's way is asked for.
        step = RATE * DECAY * (factor if scale_weight_decay else 1)
        assert rate * decay == pytest.approx(step), name


CAFFE = {"scale_weight_decay": True, "bias_lr": 2.0}
DETECTRON = {"bias_lr": 2.0, "bias_weight_decay": 0.0, "norm_weight_decay": 0.0}


@pytest.mark.parametrize(
    ("rules", "name", "rate", "step"),
    [
        # Rate over the base's, and step of decay (rate * decay) over the base's, of each code.
        # Caffe: multipliers 1, 2, 4 of weights and 2, 4, 8 of biases, which decay takes as well.
        (CAFFE, "roi_head.bbox_head.0.fc_cls.weight", 1, 1),
        (CAFFE, "roi_head.bbox_head.1.fc_cls.weight", 2, 2),
        (CAFFE, "roi_head.bbox_head.2.shared_fcs.0.weight", 4, 4),
        (CAFFE, "roi_head.bbox_head.0.fc_cls.bias", 2, 2),
        (CAFFE, "roi_head.bbox_head.1.shared_fcs.0.bias", 4, 4),
        (CAFFE, "roi_head.bbox_head.2.fc_reg.bias", 8, 8),
        (CAFFE, "rpn_head.rpn_conv.weight", 1, 1),
        (CAFFE, "rpn_head.rpn_conv.bias", 2, 2),
        (CAFFE, "backbone.stem.bias", 1, 1),  # VGG's biases are as its weights
        (CAFFE, "neck.norm.bias", 1, 1),
        # Detectron: the heads' gradient is scaled, then decay is added; no decay of biases
        (DETECTRON, "roi_head.bbox_head.2.fc_cls.weight", 4, 1),
        (DETECTRON, "roi_head.bbox_head.0.fc_cls.bias", 2, 0),
        (DETECTRON, "roi_head.bbox_head.2.fc_cls.bias", 8, 0),
        (DETECTRON, "rpn_head.rpn_reg.weight", 1, 1),
        (DETECTRON, "rpn_head.rpn_reg.bias", 2, 0),
        (DETECTRON, "neck.norm.weight", 1, 0),
        (DETECTRON, "neck.norm.bias", 1, 0),  # of a norm, so no bias
        (DETECTRON, "backbone.stem.weight", 1, 1),
        (DETECTRON, "roi_head.bbox_head.1.norm.bias", 2, 0),  # a norm in a head has its factor
        # alone
        ({"norm_weight_decay": 3 * DECAY}, "roi_head.bbox_head.1.norm.weight", 2, 3),
        ({"bias_weight_decay": 3 * DECAY}, "roi_head.bbox_head.2.fc_cls.bias", 4, 3),
        ({"bias_lr": 3.0, "backbone_lr": 0.1}, "neck.lateral_convs.0.conv.bias", 3, 3),
        ({"bias_lr": 3.0, "backbone_lr": 0.1}, "backbone.stem.bias", 0.1, 0.1),
        ({"norm_weight_decay": None, "bias_weight_decay": None}, "neck.norm.bias", 1, 1),
        ({}, "roi_head.bbox_head.2.fc_cls.bias", 4, 1),
    ],
)
def test_rules_of_biases_and_norms(tiny, rules, name, rate, step):
    model = tiny()
    model.neck.norm = nn.GroupNorm(2, 8)
    model.roi_head.bbox_head[1].norm = nn.BatchNorm2d(8)
    found = groups(model, rules)
    assert set(found) == {name for name, _ in model.named_parameters()}
    assert found[name][0] == pytest.approx(RATE * rate)
    assert found[name][0] * found[name][1] == pytest.approx(RATE * DECAY * step)


@pytest.mark.parametrize("rule", ["decay", "avg"])
def test_losses_scaled_alone_need_no_rates(tiny, rule):
    """Mmdetection's way: the stage weights scale the losses and nothing makes up for it."""
    found = groups(tiny(stage_loss=rule, loss_scaling="loss_only"))
    assert set(found.values()) == {(RATE, DECAY)}


def test_a_model_without_stages_has_one_rate(tiny):
    model = tiny()
    model.roi_head = None
    assert set(groups(model).values()) == {(RATE, DECAY)}


def test_mask_heads_are_not_scaled(tiny):
    found = groups(tiny(mask_strategy="d"))
    rates = {rate for name, (rate, _) in found.items() if "mask_head" in name}
    assert rates == {RATE}


@pytest.mark.parametrize("rule", ["decay", "avg"])
def test_gradient_scaling_needs_no_rates(tiny, rule):
    found = groups(tiny(stage_loss=rule, loss_scaling="gradient"))
    assert set(found.values()) == {(RATE, DECAY)}


def test_backbone_rate(tiny):
    found = groups(tiny(), {"backbone_lr": 0.1})
    for name, (rate, decay) in found.items():
        if name.startswith("backbone."):
            assert (rate, decay) == (pytest.approx(0.1 * RATE), DECAY)
    assert found["neck.lateral_convs.0.conv.weight"] == (RATE, DECAY)


def test_a_backbone_as_fast_as_a_head_stays_apart(tiny):
    """Two groups of one rate but different decay must not be thrown together."""
    found = groups(tiny(), {"backbone_lr": 2.0})
    assert found["backbone.stem.weight"] == (2 * RATE, DECAY)
    assert found["roi_head.bbox_head.1.fc_cls.weight"] == (2 * RATE, DECAY / 2)


def test_frozen_weights_are_left_out(tiny):
    model = tiny()
    for parameter in model.backbone.stem.parameters():
        parameter.requires_grad_(False)
    found = groups(model)
    assert "backbone.stem.weight" not in found and "backbone.layers.0.weight" in found


def test_no_weight_decay(tiny):
    assert {decay for _, decay in groups(tiny(), decay=0).values()} == {0}


def test_a_model_wrapped_for_distributed_training(tiny):
    class Wrapper:
        module = tiny()

    optimizer = {"type": "SGD", "lr": RATE}
    built = HeadLearningRate({"optimizer": optimizer})(Wrapper())
    assert sorted(g["lr"] / RATE for g in built.optimizer.param_groups) == [1, 2, 4]


def test_one_stage_has_one_group(tiny):
    assert set(groups(tiny(stage_ious=(0.5,))).values()) == {(RATE, DECAY)}


def test_another_model_has_one_rate(tiny):
    assert head_factor("roi_head.bbox_head.0.x", tiny().neck) == 1


def test_unknown_option():
    with pytest.raises(
        InputError, match=r"paramwise_cfg\.backbone_rl: .*Did you mean 'backbone_lr"
    ):
        HeadLearningRate({"optimizer": {"type": "SGD", "lr": 1}}, {"backbone_rl": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bias_lr": "2"}, r"paramwise_cfg\.bias_lr must be a number of 0 or more, got '2'"),
        ({"bias_lr": None}, r"paramwise_cfg\.bias_lr must be"),
        ({"backbone_lr": -1}, r"paramwise_cfg\.backbone_lr must be"),
        ({"bias_weight_decay": -0.1}, r"paramwise_cfg\.bias_weight_decay must be"),
        ({"norm_decay": 0}, r"paramwise_cfg\.norm_decay: .*knows"),
    ],
)
def test_faults(options, message):
    with pytest.raises(InputError, match=message):
        HeadLearningRate({"optimizer": {"type": "SGD", "lr": 1}}, options)


def test_the_config_it_is_given_is_not_changed(tiny):
    config = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}}
    HeadLearningRate(config)(tiny())
    assert config == {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}}
