"""The other half of the cascade's loss weights: faster heads for lighter losses.

The paper weights the losses of stage k by 1, 1/2, 1/4 ("decay") or 1/S ("avg"). In the released
codes the heads are to learn at full speed all the same; only the shared backbone is to feel the
weights. So the learning rate of head k is multiplied by the inverse of its weight.
"""

from __future__ import annotations

from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from cascadekit.errors import InputError, did_you_mean
from cascadekit.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class HeadLearningRate:
    """Optimizer with one parameter group per learning rate and decay, the stages' heads apart.

    Args:
        optim_wrapper_cfg: mmengine's `optim_wrapper` config, with `optimizer`.
        paramwise_cfg: our options:
            `backbone_lr` (1.0): multiplier for the backbone.
            `scale_weight_decay` (False): let the head multipliers scale weight decay as well, as
            Caffe does; Detectron, and we by default, keep the decay step of all parameters alike.
            `bias_lr` (1.0): multiplier for biases outside the backbone and of no norm, on top of
            their head's. Both released codes: 2 (so that Caffe's heads have 2, 4, 8).
            `bias_weight_decay` (None): weight decay of these biases; None: that of the weights.
            Detectron: 0; Caffe: as the weights, but 0 in the RPN's two output layers.
            `norm_weight_decay` (None): weight decay of scale and shift of all norms that are
            trained; None: that of the weights. Detectron: 0 (group norm).

    Raises:
        InputError: another option, or a value that is no number of 0 or more.

    Source: paper section 5.3 and the released code: multipliers 1, 2, 4 for the weights 1, 1/2,
    1/4. With `loss_scaling="gradient"` the losses are not scaled and neither are the rates, and
    with "loss_only" the losses alone are. The backbone's biases keep its rate: Caffe gives VGG's
    and AlexNet's none, and ResNets have none to train.
    """

    NUMBERS = ("backbone_lr", "bias_lr", "bias_weight_decay", "norm_weight_decay")
    OPTIONS = (*NUMBERS, "scale_weight_decay")

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        options = dict(paramwise_cfg or {})
        for key, value in options.items():
            place = f"optim_wrapper.paramwise_cfg.{key}"
            if key not in self.OPTIONS:
                raise InputError(
                    f"{place}: HeadLearningRate knows {', '.join(self.OPTIONS)}."
                    f"{did_you_mean(key, self.OPTIONS)}"
                )
            number = isinstance(value, int | float) and value >= 0
            if key in self.NUMBERS and not number and not (value is None and "decay" in key):
                raise InputError(f"{place} must be a number of 0 or more, got {value!r}")
        self.wrapper = dict(optim_wrapper_cfg)
        self.optimizer = dict(self.wrapper.pop("optimizer"))
        self.backbone_lr = float(options.get("backbone_lr", 1.0))
        self.bias_lr = float(options.get("bias_lr", 1.0))
        self.bias_weight_decay: float | None = options.get("bias_weight_decay")
        self.norm_weight_decay: float | None = options.get("norm_weight_decay")
        self.scale_weight_decay = bool(options.get("scale_weight_decay", False))

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer wrapper of a detector (bare or wrapped for distributed training)."""
        detector = getattr(model, "module", model)
        rate = self.optimizer["lr"]
        decay = self.optimizer.get("weight_decay", 0.0)
        # The plain rate's group comes first: its rate is the one that logs show.
        plain: dict[str, Any] = {"params": [], "lr": rate, "weight_decay": decay}
        groups: dict[tuple[float, float], dict[str, Any]] = {(rate, decay): plain}
        norms = norm_parameters(detector)
        for name, parameter in detector.named_parameters():
            if not parameter.requires_grad:
                continue
            factor = head_factor(name, detector)
            own_rate, own_decay = rate * factor, decay
            if name in norms:
                own_decay = decay if self.norm_weight_decay is None else self.norm_weight_decay
            elif name.endswith(".bias") and not name.startswith("backbone."):
                own_rate *= self.bias_lr
                own_decay = decay if self.bias_weight_decay is None else self.bias_weight_decay
            if name.startswith("backbone."):
                own_rate *= self.backbone_lr
            if not self.scale_weight_decay:
                own_decay /= factor
            group = {"params": [], "lr": own_rate, "weight_decay": own_decay}
            groups.setdefault((own_rate, own_decay), group)["params"].append(parameter)
        used = [group for group in groups.values() if group["params"]]
        optimizer = OPTIMIZERS.build({**self.optimizer, "params": used})
        wrapper = {"type": "OptimWrapper", **self.wrapper, "optimizer": optimizer}
        built: OptimWrapper = OPTIM_WRAPPERS.build(wrapper)
        return built


def norm_parameters(detector: nn.Module) -> set[str]:
    """Names of the scales and shifts of batch, group, layer and instance norms."""
    kinds = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    return {
        f"{path}.{name}" if path else name
        for path, module in detector.named_modules()
        if isinstance(module, kinds)
        for name, _ in module.named_parameters(recurse=False)
    }


def head_factor(name: str, detector: nn.Module) -> float:
    """Learning rate multiplier of one parameter: 1 / loss weight of its stage's box head."""
    head = getattr(detector, "roi_head", None)
    prefix = "roi_head.bbox_head."
    if not name.startswith(prefix) or getattr(head, "loss_scaling", "gradient") != "loss":
        return 1.0
    stage = int(name[len(prefix) :].split(".", 1)[0])
    return 1.0 / float(head.stage_loss[stage])  # type: ignore[union-attr, index]
