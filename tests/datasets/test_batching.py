"""Batches of pictures that are shaped alike."""

import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler

from cascadekit.datasets import AspectRatioBatchSampler
from cascadekit.errors import InputError
from cascadekit.registry import DATA_SAMPLERS


class Pictures:
    """Data set of which only the shapes matter: "p" portrait, "l" landscape, "s" square."""

    def __init__(self, shapes):
        self.shapes = shapes
        self.read = 0

    def __len__(self):
        return len(self.shapes)

    def get_data_info(self, index):
        self.read += 1
        width, height = {"p": (2, 3), "l": (3, 2), "s": (2, 2)}[self.shapes[index]]
        return {"width": width, "height": height}


def sampler_of(shapes, shuffle=False):
    return DefaultSampler(Pictures(shapes), shuffle=shuffle, seed=0)


@pytest.mark.parametrize(
    ("shapes", "size", "drop_last", "expected"),
    [
        ("llpp", 2, False, [[0, 1], [2, 3]]),
        ("lplp", 2, False, [[0, 2], [1, 3]]),
        ("lp", 2, False, [[0, 1]]),  # rests are batched together
        ("lp", 2, True, [[0, 1]]),  # and a full batch of rests is kept
        ("lpl", 2, False, [[0, 2], [1]]),
        ("lpl", 2, True, [[0, 2]]),
        ("slp", 2, False, [[0, 1], [2]]),  # square goes with landscape
        ("pppll", 3, False, [[0, 1, 2], [3, 4]]),
        ("llppl" + "p", 4, False, [[0, 1, 4, 2], [3, 5]]),  # rests of 3 and 3
        ("llppl" + "p", 4, True, [[0, 1, 4, 2]]),
    ],
)
def test_batches(shapes, size, drop_last, expected):
    batches = AspectRatioBatchSampler(sampler_of(shapes), size, drop_last)
    assert list(batches) == expected
    assert len(batches) == len(expected)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 50])
@pytest.mark.parametrize("drop_last", [False, True])
def test_every_index_once_and_length_right(size, drop_last):
    shapes = "lppllslpplplllp" * 2 + "p"  # 31
    batches = AspectRatioBatchSampler(sampler_of(shapes, shuffle=True), size, drop_last)
    for epoch in range(3):
        batches.sampler.set_epoch(epoch)
        got = list(batches)
        assert len(got) == len(batches)
        flat = [i for batch in got for i in batch]
        assert len(set(flat)) == len(flat)
        if drop_last:
            assert len(flat) == 31 // size * size
        else:
            assert sorted(flat) == list(range(31))
        portraits = [{shapes[i] == "p" for i in batch} for batch in got]
        assert sum(len(kinds) > 1 for kinds in portraits) <= 1


def test_each_record_is_read_once():
    sampler = sampler_of("lplplp")
    batches = AspectRatioBatchSampler(sampler, 2)
    assert sampler.dataset.read == 0
    for _ in range(3):
        list(batches)
    assert sampler.dataset.read == 6


def test_infinite_sampler():
    batches = iter(AspectRatioBatchSampler(InfiniteSampler(Pictures("lp"), shuffle=False), 2))
    assert [next(batches) for _ in range(4)] == [[0, 0], [1, 1], [0, 0], [1, 1]]


@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
def test_faulty_batch_size(size):
    with pytest.raises(InputError, match="batch_size must be"):
        AspectRatioBatchSampler(sampler_of("lp"), size)


def test_data_set_without_records():
    with pytest.raises(InputError, match="get_data_info"):
        AspectRatioBatchSampler(DefaultSampler([1, 2]), 2)


def test_registered():
    assert DATA_SAMPLERS.get("AspectRatioBatchSampler") is AspectRatioBatchSampler
