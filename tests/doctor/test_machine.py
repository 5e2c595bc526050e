import pytest

from cascadekit.doctor import machine
from cascadekit.doctor.machine import machine_findings
from cascadekit.doctor.memory import MemoryEstimate, estimate_memory
from cascadekit.doctor.sampled import Sampled
from tests.doctor.makers import checks, plain_config
from tests.doctor.test_anchors import seen

PICTURES = seen([[]], size=(128, 128))


def look(sampled=Sampled(), **options):  # noqa: B008
    return checks(machine_findings(plain_config(**options), sampled, "cpu"))


def test_as_it_is(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    found = look()
    assert {f.severity for f in found.values()} == {"note"}
    assert "torch" in found["machine.versions"].what


def test_workers(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert "num_workers=2" in look(**{"train_dataloader.num_workers": 16})["machine.workers"].fix
    none = {"train_dataloader.num_workers": 0, "val_dataloader.num_workers": 0}
    assert look(**none)["machine.no_workers"].severity == "note"


def test_weights(tmp_path):
    missing = look(**{"load_from": str(tmp_path / "no.pth")})["weights.missing"]
    assert missing.severity == "error" and "no.pth" in missing.what
    found = look(**{"model.backbone.weights": None})
    assert found["weights.none"].severity == "warning"


def test_without_imagehash(monkeypatch):
    whole = machine.find_spec
    monkeypatch.setattr(
        machine, "find_spec", lambda name: None if name == "imagehash" else whole(name)
    )
    assert "cascadekit[doctor]" in look()["machine.no_imagehash"].fix


def test_memory_is_held_against_what_is_free(monkeypatch):
    estimate = MemoryEstimate(800, 150, 50, 1, 1, (128, 128), 8)
    monkeypatch.setattr(machine, "estimate_memory", lambda config, sampled: estimate)
    for free, severity in ((999, "error"), (1100, "warning"), (1 << 50, "note"), (0, "note")):
        monkeypatch.setattr(machine, "_free", lambda device, free=free: ("this machine", free))
        assert look(PICTURES)["machine.memory"].severity == severity


def test_a_model_that_cannot_be_built():
    found = look(PICTURES, **{"model.roi_head.stage_ious": (0.7, 0.5), "model.recipe": "nobody's"})
    assert found["model.refused"].severity == "error" and "machine.memory" not in found


def test_the_estimate_grows_with_batch_and_picture():
    config = plain_config()
    one = estimate_memory(plain_config(**{"train_dataloader.batch_size": 1}), PICTURES)
    eight = estimate_memory(config, PICTURES)
    assert isinstance(one, MemoryEstimate) and one.weights == eight.weights
    # But for a few numbers of the norms, which do not depend on the pictures.
    assert eight.maps == pytest.approx(8 * one.maps, rel=0.02)
    assert eight.picture == (128, 128) and eight.batch == 8
    large = estimate_memory(config, seen([[]], size=(256, 256)))
    assert large.maps == pytest.approx(4 * eight.maps, rel=0.1)  # padding weighs less
    assert one.total == one.weights + one.maps + one.rois
    assert estimate_memory(config, Sampled()) is None


def test_weights_are_counted_by_hand():
    """4 bytes for each number; AdamW keeps a gradient and two numbers for each that learns."""
    config = plain_config()
    found = estimate_memory(config, PICTURES)
    assert found.weights == 4 * (found.parameters + 3 * found.trained)
    assert 0 < found.trained < found.parameters  # the first stage is frozen
