"""Boxes of a detector as they are stored: frame, order, border, hand-worked."""

import numpy as np
import pytest
import torch

from cascadekit.engine.proposals import boxes_after, detector_proposals
from cascadekit.errors import InputError
from cascadekit.structures.samples import ImageInfo, Proposals, Targets, make_data_sample


class Still(torch.nn.Module):
    """Gives back the proposals that came with the samples."""

    def data_preprocessor(self, batch, training):
        assert training is False
        return batch

    def extract(self, inputs):
        return [inputs]

    def propose(self, pyramid, samples, infos):
        found = [s.proposals for s in samples]
        return Proposals.from_list([f.bboxes for f in found], [f.scores for f in found])


def sample(info, boxes, scores):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    none = torch.zeros(0, 4)
    proposals = Proposals.from_list([boxes], [torch.tensor(scores)])
    return make_data_sample(info, Targets(none, torch.zeros(0).long(), none), (), proposals)


def stored(*samples, most=9):
    batch = {"inputs": torch.zeros(len(samples), 3, 8, 8), "data_samples": list(samples)}
    return list(detector_proposals(Still(), [batch], 0, most))


@pytest.mark.parametrize(
    ("flipped", "expected"),
    [
        # x / 2, y / 3; the second is cut at the border; the third lies beside the picture
        (False, [[1, 2, 3, 4], [9, 0, 10, 5]]),
        # 10 - 3 and 10 - 1; the second lies at the left
        (True, [[7, 2, 9, 4], [0, 0, 1, 5]]),
    ],
)
def test_they_are_in_pixels_of_the_file(flipped, expected):
    info = ImageInfo((15, 20), (5, 10), 7, "some/folder/a.png", flipped)
    boxes = [[2, 6, 6, 12], [18, -3, 26, 99], [20, 0, 30, 15]]
    (picture,) = stored(sample(info, boxes, [0.9, 0.8, 0.7]))
    assert (picture.image_id, picture.name, picture.size) == (7, "a.png", (5, 10))
    assert picture.boxes.dtype == picture.scores.dtype == np.float32
    assert picture.boxes.tolist() == expected
    assert picture.scores.tolist() == pytest.approx([0.9, 0.8])


def test_the_best_of_each_picture_and_pictures_without_any():
    info = ImageInfo((8, 8), (8, 8))
    boxes = [[0, 0, i + 1, 1] for i in range(3)]
    many, none = sample(info, boxes, [0.1, 0.9, 0.5]), sample(info, [], [])
    pictures = stored(none, many, most=2)
    assert [len(p.boxes) for p in pictures] == [0, 2]
    assert pictures[1].boxes[:, 2].tolist() == [2, 3]
    assert pictures[0].boxes.shape == (0, 4)


def test_boxes_after_each_stage(tiny, batch):
    model = tiny(masks=False).eval()
    data = model.data_preprocessor(batch(masks=False), False)
    with torch.no_grad():
        _, stages = model.run_stages(data["inputs"], data["data_samples"])
        for k, stage in enumerate(stages):
            found = boxes_after(model, data, k)  # what enters stage k + 1
            assert torch.equal(found.boxes, stage.proposals.boxes)
            assert torch.equal(found.image_index, stage.proposals.image_index)
        last = boxes_after(model, data, 3)
    assert torch.equal(last.boxes, stages[2].boxes)
    by_hand = torch.stack([row.softmax(0)[:3].max() for row in stages[2].logits])  # 3 classes
    torch.testing.assert_close(last.scores, by_hand)


def test_a_stage_that_does_not_run(tiny, batch):
    model = tiny(masks=False, test_stages="1").eval()
    data = model.data_preprocessor(batch(masks=False), False)
    with torch.no_grad(), pytest.raises(InputError, match="stage 2: this model runs 1 at test"):
        boxes_after(model, data, 2)
