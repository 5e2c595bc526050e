"""What the recording of detectron2 and the tests make by rule: weights, pictures, masks.

Both sides call these functions, so that a fixture holds results and no inputs beyond a seed, a few
factors and the objects' boxes. Needs numpy and torch only: the recorder runs without cascadekit and
the tests without detectron2.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

K = 5  # classes
CHANNELS = 48  # of the pyramid and the RPN
FC = 96  # width of the fully connected layers
MASK_CHANNELS = 24
SAMPLED = 10**6  # more anchors or rois than there are: no sample is random
PER_LEVEL = 150  # proposals of a level before NMS
TRAIN_PROPOSALS, TEST_PROPOSALS = 150, 60  # of a picture after it
# Height and width of the network's pictures, padded together to 128 x 160, and of the files.
SIZES = [(128, 160), (101, 149), (77, 96)]
FILES = [(256, 320), (101, 149), (120, 143)]
EMPTY = 2  # the picture that has no objects in training
EDGE_FACTOR = 8.0  # of the regressors, where boxes are to leave the picture
PASTED = 6  # masks of a picture that are recorded at the file's size


@dataclass(frozen=True)
class Case:
    """One detector: detectron2's yaml and what it has."""

    yaml: str
    stages: int
    masks: bool
    agnostic: bool  # one regressor for all classes


CASES = {
    "faster": Case("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml", 1, False, False),
    "faster_agnostic": Case("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml", 1, False, True),
    "mask": Case("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml", 1, True, False),
    "mask_agnostic": Case("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml", 1, True, True),
    "cascade": Case("Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml", 3, False, True),
    "cascade_mask": Case("Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml", 3, True, True),
}


def weight(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """Uniform numbers for the parameter that detectron2 calls `name`, sized to keep activations.

    RandomState's stream is frozen: every version of numpy gives the same numbers.
    """
    numbers = np.random.RandomState(zlib.crc32(f"{seed} {name}".encode())).uniform(-1, 1, shape)
    if name.endswith("running_var"):
        numbers = 1 + numbers / 2
    elif name.endswith("norm.weight"):
        # Residual branches are weak: sixteen of them add up.
        numbers = (0.8 + numbers / 5) * (0.3 if ".conv3." in name else 1)
    elif name.endswith("weight"):
        # Variance 2 / fan-in for rectified inputs; the pyramid's inputs of 1 / fan-in add up. Each
        # filter adds up to 0: what all inputs share would drown what varies in a deep network.
        inputs = (0,) if "deconv" in name else tuple(range(1, len(shape)))
        if "deconv" not in name:
            places = numbers.reshape(shape[0], -1, 49 if "fc1" in name else math.prod(shape[2:]))
            numbers = (places + 4 * places.mean(2, keepdims=True)).reshape(shape)
        numbers = numbers - numbers.mean(inputs, keepdims=True)
        numbers = numbers / (numbers.std() * math.sqrt(3))
        fan_in = math.prod(shape[axis] for axis in inputs)
        numbers = numbers * math.sqrt((3 if "fpn" in name else 6) / fan_in)
        if "stem" in name:
            numbers = numbers / 60  # pixels have values of this size
    else:
        numbers = numbers / (5 if name.endswith("running_mean") else 10)
    return torch.from_numpy(numbers.astype(np.float32))


def weights(
    shapes: Mapping[str, Sequence[int]], seed: int, last_layers: Mapping[str, Sequence[float]]
) -> dict[str, Tensor]:
    """All parameters; those of `last_layers` have a factor for their weight, then their bias."""
    state = {}
    for name, shape in shapes.items():
        layer, _, kind = name.rpartition(".")
        state[name] = weight(name, tuple(shape), seed)
        if layer in last_layers:
            factor, *bias = last_layers[layer]
            state[name] = torch.tensor(bias) if kind == "bias" else state[name] * factor
    return state


def pictures(seed: int) -> list[Tensor]:
    """(3, H, W) uint8 BGR pictures: coarse colours, enlarged in whole numbers."""
    made = []
    for number, (height, width) in enumerate(SIZES):
        random = np.random.RandomState(1000 * seed + number)
        coarse = random.randint(0, 256, (3, height // 9 + 2, width // 9 + 2))
        y, x = np.arange(height), np.arange(width)
        rows, part_y = y // 9, y % 9
        columns, part_x = x // 9, x % 9
        upper = coarse[:, rows] * (9 - part_y)[:, None] + coarse[:, rows + 1] * part_y[:, None]
        both = upper[:, :, columns] * (9 - part_x) + upper[:, :, columns + 1] * part_x
        made.append(torch.from_numpy((both // 81).astype(np.uint8)))
    return made


def labels_of(count: int) -> Tensor:
    """(count,) classes of a picture's objects."""
    return torch.arange(count) % K


def ellipses(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool: the ellipse in each box, the shape of each object."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    x1, y1, x2, y2 = (side[:, None, None] for side in boxes.unbind(1))
    across, down = (x + 0.5 - (x1 + x2) / 2) / (x2 - x1), (y + 0.5 - (y1 + y2) / 2) / (y2 - y1)
    return across**2 + down**2 < 0.25


def sample(values: Tensor, count: int = 400) -> Tensor:
    """About `count` numbers of a large tensor, evenly spread; all of a small one."""
    flat = values.detach().flatten()
    # An odd step meets all columns of tables with an even number of them.
    return flat[:: max(len(flat) // count, 1) | 1]


def edge_proposals(seed: int) -> list[Tensor]:
    """(40, 4) boxes of each picture: any, along the border, of a pixel, larger than the picture."""
    made = []
    for number, (height, width) in enumerate(SIZES):
        random = np.random.RandomState(1000 * seed + 500 + number)
        corner = random.uniform(0, 0.8, (40, 2)) * (width, height)
        side = random.uniform(8, 60, (40, 2))
        side[:8] = 1.0
        corner[8:16, 0] = width - side[8:16, 0]  # at the right border
        corner[16:24, 1] = 0.0  # at the upper one
        corner[24], side[24] = 0.0, (width, height)
        boxes = np.concatenate([corner, np.minimum(corner + side, (width, height))], 1)
        made.append(torch.from_numpy(boxes.astype(np.float32)))
    return made
