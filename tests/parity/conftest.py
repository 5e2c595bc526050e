"""What the comparisons with other detectors share: the peer, the yardstick, the table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

RELATIVE = 1e-4  # fp32; see `compare`

_DIFFERENCES: dict[str, tuple[float, float]] = {}  # name -> largest difference, largest value


@pytest.fixture(scope="session")
def mmdet() -> SimpleNamespace:
    """mmdetection 3.3 with mmcv's compiled ops; a skip without them, a failure where promised."""
    try:
        mmcv = import_module("mmcv")
        import_module("mmcv.ops")
        version = mmcv.__version__
        # mmdet 3.3 refuses mmcv >= 2.2, whose ops it runs with nevertheless.
        mmcv.__version__ = "2.1.0"
        try:
            import_module("mmdet.models")
        finally:
            mmcv.__version__ = version
    except (ImportError, OSError, AssertionError) as error:
        if os.environ.get("CASCADEKIT_REQUIRE_MMCV_OPS") == "1":
            pytest.fail(f"CASCADEKIT_REQUIRE_MMCV_OPS=1 but mmdetection cannot be used: {error}")
        pytest.skip(f"needs mmdetection 3.3 and mmcv's compiled ops: {error}")
    config_dict = import_module("mmengine").ConfigDict
    registry = import_module("mmdet.registry")
    return SimpleNamespace(
        model=lambda config: registry.MODELS.build(config_dict(config)),
        task=lambda config: registry.TASK_UTILS.build(config_dict(config)),
        config=config_dict,
        nms=import_module("mmdet.models.layers.bbox_nms"),
        masks=import_module("mmdet.structures.mask"),
        sample=import_module("mmdet.structures").DetDataSample,
        rois=import_module("mmdet.structures.bbox").bbox2roi,
    )


@pytest.fixture
def compare() -> Callable[..., None]:
    """`compare(name, ours, theirs)`: equal to 1e-4 of each number and 1e-5 of the largest."""

    def check(name: str, ours: Tensor, theirs: Tensor) -> None:
        ours, theirs = ours.detach().float(), theirs.detach().float()
        assert ours.shape == theirs.shape, f"{name}: {ours.shape} and {theirs.shape}"
        assert ours.numel() > 0, f"{name}: nothing to compare"
        difference = (ours - theirs).abs().max().item()
        largest = theirs.abs().max().item()
        torch.testing.assert_close(
            ours, theirs, rtol=RELATIVE, atol=RELATIVE / 10 * largest, msg=lambda m: f"{name}: {m}"
        )
        # After the check: the table holds only what agreed.
        if difference >= _DIFFERENCES.get(name, (-1.0, 0.0))[0]:
            _DIFFERENCES[name] = (difference, largest)

    return check


@pytest.fixture
def spread() -> Callable[..., None]:
    """`spread(run, {layer: std})`: scale layers so that their outputs have these deviations.

    Initial weights give equal scores and no deltas, on which any two detectors agree.
    """

    def scale(run: Callable[[], Any], wanted: dict[nn.Module, float]) -> None:
        def rescale(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            factor = wanted[layer] / output.std()
            layer.weight.data *= factor
            layer.bias.data *= factor
            hooks.pop(layer).remove()  # the layer may be shared by all levels: once only
            return output * factor

        hooks = {layer: layer.register_forward_hook(rescale) for layer in wanted}
        with torch.no_grad():
            run()
        assert not hooks, "a layer was not run"

    return scale


@pytest.fixture
def randomise() -> Callable[[nn.Module], None]:
    """`randomise(model)`: give batch norms statistics, and all norms weights, worth comparing."""

    def fill(model: nn.Module) -> None:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.uniform_(module.weight, 0.3, 0.9)
                nn.init.normal_(module.bias, std=0.1)

    return fill


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """The same random numbers whichever tests run; the caller's come back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The largest difference of everything compared, and how large the numbers were."""
    if not _DIFFERENCES:
        return
    width = max(map(len, _DIFFERENCES))
    write = terminalreporter.write_line
    terminalreporter.section("largest differences from other detectors")
    write(f"{'compared':<{width}}  {'difference':>10}  {'largest':>9}  {'relative':>9}")
    for name, (difference, largest) in _DIFFERENCES.items():
        relative = difference / largest if largest else 0.0
        write(f"{name:<{width}}  {difference:>10.1e}  {largest:>9.3g}  {relative:>9.1e}")
