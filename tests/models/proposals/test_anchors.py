"""Anchors worked out by hand."""

import math

import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.models.proposals.anchors import AnchorGenerator


def test_one_cell_by_hand():
    generator = AnchorGenerator(strides=[4], scales=[8], ratios=[0.5, 1.0, 2.0])
    (level,) = generator.grid_anchors([(1, 1)])
    wide, tall = 32 * math.sqrt(2) / 2, 32 / math.sqrt(2) / 2  # half sides, area 32 * 32
    expected = [
        [-wide, -tall, wide, tall],  # ratio 1/2: half as high as wide
        [-16, -16, 16, 16],
        [-tall, -wide, tall, wide],
    ]
    torch.testing.assert_close(level, torch.tensor(expected))


def test_whole_pixels():
    generator = AnchorGenerator([4], scales=[8], ratios=[0.5, 1.0], whole_pixels=True)
    # Half sides of 22.63 and 11.31; 16 stays.
    assert generator.cell_anchors(0).tolist() == [[-23, -11, 23, 11], [-16, -16, 16, 16]]


def test_grid_goes_row_by_row():
    generator = AnchorGenerator(strides=[8, 16], scales=[1], ratios=[1.0])
    first, second = generator.grid_anchors([(2, 3), (1, 1)])
    centres = (first[:, :2] + first[:, 2:]) / 2
    assert centres.tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]
    assert second.tolist() == [[-8, -8, 8, 8]]


def test_empty_map_and_faults():
    generator = AnchorGenerator(strides=[8], scales=[1])
    assert generator.grid_anchors([(0, 5)])[0].shape == (0, 4)
    with pytest.raises(ValueError, match="2 maps but 1 strides"):
        generator.grid_anchors([(1, 1), (1, 1)])
    with pytest.raises(ValueError, match="ratios"):
        AnchorGenerator(ratios=[])


# The FPN+ of the released Caffe code: (1.375 s, 0.6875 s), (0.6875 s, 1.375 s), (s, s).
FPN_PLUS = [
    [(44, 22), (22, 44), (32, 32)],
    [(88, 44), (44, 88), (64, 64)],
    [(176, 88), (88, 176), (128, 128)],
    [(352, 176), (176, 352), (256, 256), (704, 352), (352, 704), (512, 512)],
]


def test_sizes_written_out():
    generator = AnchorGenerator([4, 8, 16, 32], sizes=FPN_PLUS, center_offset=0.5)
    assert generator.num_anchors == (3, 3, 3, 6)
    maps = [(2, 3), (1, 2), (1, 1), (1, 1)]
    levels = generator.grid_anchors(maps)
    assert [len(level) for level in levels] == [18, 6, 3, 6]
    # The second cell of the first row at stride 4 has its middle at (6, 2).
    assert levels[0][3:6].tolist() == [
        [6 - 22, 2 - 11, 6 + 22, 2 + 11],
        [6 - 11, 2 - 22, 6 + 11, 2 + 22],
        [6 - 16, 2 - 16, 6 + 16, 2 + 16],
    ]
    for level, sizes in zip(levels, FPN_PLUS, strict=True):
        got = (level[:, 2:] - level[:, :2])[: len(sizes)]
        assert got.tolist() == [list(map(float, size)) for size in sizes]


def test_defaults_are_corners_and_equally_many():
    assert AnchorGenerator().num_anchors == (3,) * 5
    centred = AnchorGenerator([16], [2], [1.0], center_offset=0.5).cell_anchors(0)
    assert centred.tolist() == [[-8, -8, 24, 24]]  # 32 pixels wide around (8, 8)


@pytest.mark.parametrize(
    ("offset", "point", "cell"),
    [
        (0.5, (8.0, 8.0), (0, 0)),  # the middle of the first cell
        (0.5, (15.9, 0.0), (0, 0)),
        (0.5, (16.0, 31.9), (1, 1)),  # cells begin with their border
        (0.5, (-5.0, 999.0), (0, 2)),  # outside: the nearest
        (0.5, (999.0, -1.0), (3, 0)),
        (0.0, (7.9, 8.1), (0, 1)),  # anchors at the corners: the nearest of those
    ],
)
@pytest.mark.parametrize("kind", [0, 1])
def test_the_same_anchor_at_a_point(offset, point, cell, kind):
    generator = AnchorGenerator([8, 16], sizes=[[(8, 8)], [(16, 8), (8, 16)]], center_offset=offset)
    maps = [(5, 9), (3, 4)]  # an odd number of anchors before the second level's pairs
    anchors = torch.cat(generator.grid_anchors(maps))
    start = 45 + 2 * 5 + kind  # some anchor of the second level
    (row,) = generator.moved_to(torch.tensor([start]), torch.tensor([point]), maps).tolist()
    assert (anchors[row, 2:] - anchors[row, :2]).tolist() == [[16, 8], [8, 16]][kind]
    centre = (anchors[row, :2] + anchors[row, 2:]) / 2
    assert centre.tolist() == [16 * (cell[0] + offset), 16 * (cell[1] + offset)]


def test_no_anchors_to_move():
    generator = AnchorGenerator([8, 16], [1], [1.0])
    nothing = torch.zeros(0, dtype=torch.long)
    assert generator.moved_to(nothing, torch.zeros(0, 2), [(2, 2), (0, 3)]).shape == (0,)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([[(8, 8)]], "1 lists for 2 strides"),
        ([[(8, 8)], []], r"sizes\[1\] must be positive"),
        ([[(8, 8)], [(8, 0)]], r"sizes\[1\] must be positive"),
        ([[(8, 8)], [(8, 8, 8)]], r"sizes\[1\] must be positive"),
    ],
)
def test_wrong_sizes(sizes, message):
    with pytest.raises(InputError, match=message):
        AnchorGenerator([8, 16], sizes=sizes)


def test_sides_are_the_caffe_models_sizes():
    """The sizes that the released FPN+ configs write out, e.g. 44 x 22 for 32."""
    generator = AnchorGenerator([4, 32], sides=[[32], [256, 512]])
    assert generator.num_anchors == (3, 6)
    assert generator.sizes[0] == [(44, 22), (22, 44), (32, 32)]
    assert generator.sizes[1][3:] == [(704, 352), (352, 704), (512, 512)]
    other = AnchorGenerator([4], sides=[[10]], shapes=[(1, 2)])
    assert other.sizes == [[(10, 20)]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sides": [[32]]}, "1 lists for 2 strides"),
        ({"sides": [[32], [0]]}, r"sizes\[1\] must be positive"),
        ({"sides": [[32], [64]], "sizes": [[(8, 8)], [(8, 8)]]}, "both sizes and sides"),
    ],
)
def test_wrong_sides(options, message):
    with pytest.raises(InputError, match=message):
        AnchorGenerator([8, 16], **options)
