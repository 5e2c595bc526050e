"""Two processes (gloo, no GPU) where one of them never sees an object: none waits for the other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# A module of the user's own, as custom_imports brings it in: a backbone and a witness.
PARTS = '''
import json
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from torch import nn
from cascadekit.registry import HOOKS, MODELS


@MODELS.register_module()
class TinyBackbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.layers = nn.ModuleList(nn.Conv2d(8, 8, 3, 2, 1) for _ in range(3))

    def forward(self, images):
        maps = [self.stem(images).relu()]
        for layer in self.layers:
            maps.append(layer(maps[-1]).relu())
        return tuple(maps)


@HOOKS.register_module()
class Witness(Hook):
    """Writes what this process saw: RANK.json."""

    def before_train(self, runner):
        self.keys, self.objects = [], 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.keys.append(sorted(key for key in outputs if "loss" in key))
        self.objects += sum(len(s.gt_instances.bboxes) for s in data_batch["data_samples"])

    def after_train(self, runner):
        weights = [float(p.double().abs().sum()) for p in runner.model.parameters()]
        seen = {"keys": self.keys, "objects": self.objects, "weights": weights}
        with open(f"{get_rank()}.json", "w") as file:
            json.dump(seen, file)
'''

CONFIG = """
_base_ = {tiny!r}
custom_imports = dict(imports=["my_parts"], allow_failed_imports=False)
custom_hooks = [dict(type="cascadekit.CheckData"), dict(type="cascadekit.Witness")]
env_cfg = dict(dist_cfg=dict(backend="nccl", timeout=60))  # a lost partner shows after a minute
"""


def write_data(folder):
    """Six pictures; those with an odd number are empty, and the second process gets just them."""
    data = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "square"}]}
    for i in range(6):
        image = np.full((64, 64, 3), 100, np.uint8)
        data["images"].append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 64})
        if i % 2 == 0:
            image[8:40, 16:48] = 250
            polygon = [16, 8, 48, 8, 48, 40, 16, 40]
            box = {"id": i, "image_id": i, "category_id": 1, "bbox": [16, 8, 32, 32]}
            data["annotations"].append({**box, "area": 1024, "segmentation": [polygon]})
        cv2.imwrite(str(folder / f"{i}.png"), image)
    (folder / "mine.json").write_text(json.dumps(data))


@pytest.mark.slow
@pytest.mark.parametrize("masks", [True, False])
def test_a_process_without_objects(tmp_path, masks):
    write_data(tmp_path)
    (tmp_path / "my_parts.py").write_text(PARTS)
    (tmp_path / "mine.py").write_text(CONFIG.format(tiny=str(ROOT / "tests" / "tiny.py")))
    options = ["train_dataloader.dataset.keep_empty=True", "train_dataloader.sampler.shuffle=False"]
    options += ["train_dataloader.batch_size=1", "train_cfg.max_iters=3"]
    if not masks:
        options += ["model.roi_head.mask_pool=None", "model.roi_head.mask_head=None"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    train = [str(ROOT / "tools" / "train.py"), "mine.py", "--launcher", "pytorch", "--device"]
    train += ["cpu", "--seed", "0", "--work-dir", "run", "--data", "mine.json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*torchrun, *train, "--val-data", "mine.json", "--cfg-options", *options],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert (first["objects"], second["objects"]) == (3, 0)
    assert first["keys"] == second["keys"] and len(first["keys"]) == 3
    assert ("stage2.loss_mask" in first["keys"][0]) == masks
    # They learned from each other's pictures: the weights are one.
    assert first["weights"] == second["weights"]
    assert (tmp_path / "run" / "iter_3.pth").is_file()
    log = "".join(file.read_text() for file in (tmp_path / "run").glob("*/*.log"))
    assert "val: bbox AP" in log
