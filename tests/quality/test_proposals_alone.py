import pytest
import torch

from cascadekit.errors import InputError
from cascadekit.quality.cascade_forecast import UNCLEAR
from cascadekit.quality.config_suggestion import suggest
from cascadekit.quality.proposal_sets import ImageProposals, ProposalSet
from cascadekit.quality.proposals_alone import proposals_alone, record_proposals
from cascadekit.structures.samples import ImageInfo, Targets, make_data_sample
from tests.quality import makers

OBJECT = [0.0, 0, 100, 100]
SHIFTED = [25.0, 0, 125, 100]  # IoU .6
FAR = [500.0, 500, 600, 600]


def some(boxes, from_gt=None):
    box = makers.boxes_of(boxes)
    copies = torch.zeros(len(box), dtype=torch.bool) if from_gt is None else torch.tensor(from_gt)
    return ImageProposals(box, torch.ones(len(box)), copies)


def test_boxes_and_truth_make_a_suggestion():
    one = some([SHIFTED, FAR, FAR, FAR])
    info = ImageInfo((600, 600), (600, 600))
    recording = proposals_alone([one] * 5, [makers.truth([OBJECT])] * 5, [info] * 5, ("thing",))
    found = suggest(recording)
    assert [c.basis for c in found.quality.choices] == ["measured", "extrapolated", "extrapolated"]
    assert found.quality.choices[0].share == pytest.approx(0.25)
    # An error of 1/4 is thought to fall to .49 of it: an IoU of .78.
    assert found.quality.supported_later > found.quality.supported == pytest.approx(0.6)
    assert found.forecast.verdict == UNCLEAR
    assert "(assumed as in the paper)" in " ".join(found.report())


def test_copies_of_the_truth_are_no_proposals():
    info = ImageInfo((600, 600), (600, 600))
    own = some([SHIFTED, OBJECT], from_gt=[False, True])
    recording = proposals_alone([own], [makers.truth([OBJECT])], [info])
    assert recording.images[0].stages[0].input_boxes.tolist() == [SHIFTED]


def test_lists_must_fit():
    with pytest.raises(InputError, match="got 1, 0 and 0"):
        proposals_alone([some([])], [], [])


def test_a_loader_gives_the_truth():
    def sample(number):
        info = ImageInfo((300, 300), (600, 600), number)  # seen half as large
        none = torch.zeros(0, 4)
        objects = [{"bbox": OBJECT, "label": 0, "area": None, "iscrowd": 0, "ignore": 0}]
        return make_data_sample(info, Targets(none, torch.zeros(0).long(), none), objects)

    loader = [{"data_samples": [sample(7)]}, {"data_samples": [sample(8)]}]
    stored = ProposalSet({7: some([SHIFTED])}, "a file")
    recording = record_proposals(loader, stored)
    first, second = recording.images
    assert first.stages[0].input_boxes.tolist() == [SHIFTED]
    assert first.truth.boxes.tolist() == [OBJECT]  # pixels of the file, as the proposals
    assert len(second.stages[0].input_boxes) == 0  # not in the file
    assert recording.proposals == "a file"
    assert len(record_proposals(loader, stored, limit=1).images) == 1


def test_no_images():
    recording = proposals_alone([], [], [])
    with pytest.raises(InputError, match="nothing to suggest"):
        suggest(recording)
    assert recording.num_stages == 0
