"""Files of proposals: written and read back, Detectron's, and one clear error per fault."""

import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cascadekit.datasets import PictureProposals, ProposalFile, write_proposals
from cascadekit.errors import InputError

BOXES = np.array([[0, 0, 10, 5], [2.5, 1, 8, 4], [0, 0, 1, 1]], np.float32)
SCORES = np.array([0.2, 0.9, 0.5], np.float32)
NONE = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


def picture(image_id, name="", size=(5, 10), boxes=BOXES, scores=SCORES):
    return PictureProposals(image_id, name, size, boxes, scores)


@pytest.fixture
def file(tmp_path):
    """Three pictures: one with three boxes, one with none, one with an id that is a word."""
    path = tmp_path / "new" / "p.safetensors"
    pictures = [
        picture(7, "a.jpg"),
        picture(9, "b.jpg", (3, 4), *NONE),
        picture("000012", "c.jpg", (5, 10), BOXES[:1], SCORES[:1]),
    ]
    assert write_proposals(path, iter(pictures), {"config": "x.py", "stage": 2}) == 4
    assert [p.name for p in path.parent.iterdir()] == ["p.safetensors"]  # nothing left beside it
    return path


def test_round_trip(file):
    stored = ProposalFile(file)
    assert len(stored) == 3
    assert stored.ids == (7, 9, "000012")
    assert stored.made_by == {"config": "x.py", "stage": 2}
    boxes, scores = stored.read(7, "a.jpg", (5, 10))
    assert boxes.dtype == scores.dtype == np.float32
    assert boxes.tolist() == BOXES[[1, 2, 0]].tolist()  # best first
    assert scores.tolist() == SCORES[[1, 2, 0]].tolist()
    boxes, scores = stored.read(9, "b.jpg", (3, 4))
    assert boxes.shape == (0, 4) and scores.shape == (0,)
    assert stored.read("000012")[0].tolist() == [[0, 0, 10, 5]]


@pytest.mark.parametrize(("most", "count"), [(None, 3), (5, 3), (3, 3), (2, 2), (1, 1)])
def test_the_best_so_many(file, most, count):
    boxes, scores = ProposalFile(file).read(7, most=most)
    assert boxes.tolist() == BOXES[[1, 2, 0]][:count].tolist() and len(scores) == count


def test_equal_scores_keep_their_order(tmp_path):
    boxes = np.arange(40, dtype=np.float32).reshape(10, 4)
    path = tmp_path / "p.safetensors"
    write_proposals(path, [picture(0, boxes=boxes, scores=np.ones(10, np.float32))], {})
    assert ProposalFile(path).read(0)[0].tolist() == boxes.tolist()


def test_another_process_opens_it_anew(file):
    again = pickle.loads(pickle.dumps(ProposalFile(file)))
    assert again.read(7)[0].tolist() == BOXES[[1, 2, 0]].tolist()


def test_nothing_is_written_of_a_run_that_breaks_off(tmp_path):
    def broken():
        yield picture(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_proposals(tmp_path / "p.safetensors", broken(), {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "pictures", "message"),
    [
        ("p.npz", [picture(1)], r"p\.npz: a file of proposals must end in \.safetensors"),
        ("p.safetensors", [], "there is no picture"),
        ("p.safetensors", [picture(1), picture(2), picture(1)], "2 pictures have the id 1"),
    ],
)
def test_faults_of_writing(tmp_path, name, pictures, message):
    with pytest.raises(InputError, match=message):
        write_proposals(tmp_path / name, pictures, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8,), r"picture 8: no proposals .* has 3 pictures, of ids 7, 9, '000012'.*other data set"),
        (("7", "a.jpg"), r"picture '7' \(a\.jpg\): no proposals"),  # a word is no number
        ((7, "z.jpg"), r"picture 7 \(z\.jpg\): the stored proposals are those of a\.jpg"),
        # a picture half as large has another frame
        ((7, "a.jpg", (10, 20)), r"picture of 10 x 5 .*, and this one has 20 x 10"),
    ],
)
def test_a_picture_that_does_not_fit_is_named(file, arguments, message):
    with pytest.raises(InputError, match=message) as error:
        ProposalFile(file).read(*arguments)
    assert str(error.value).startswith(str(file))


def test_the_message_says_what_the_file_was_made_from(tmp_path):
    path = tmp_path / "p.safetensors"
    write_proposals(path, [picture(1)], {"data": "train2017.json"})
    with pytest.raises(InputError, match=r"made from train2017\.json"):
        ProposalFile(path).read(2)


@pytest.mark.parametrize(
    ("boxes", "scores", "message"),
    [
        ([[0, 0, 20, 10]], [0.5], r"reach from 0 to 20, 10 in a picture of 10 x 5 .*pixels of the"),
        ([[-9, 0, 10, 5]], [0.5], "reach from -9 to 10, 5"),
        ([[0, 0, np.nan, 5]], [0.5], "not finite"),
        ([[0, 0, 10, 5]], [np.inf], "not finite"),
    ],
)
def test_boxes_of_another_frame(tmp_path, boxes, scores, message):
    path = tmp_path / "p.safetensors"
    wrong = picture(1, "", (5, 10), np.array(boxes, np.float32), np.array(scores, np.float32))
    write_proposals(path, [wrong], {})
    with pytest.raises(InputError, match=rf"picture 1: .*{message}"):
        ProposalFile(path).read(1, size=(5, 10))


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "train.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match=r"trian.safetensors .*cascadekit proposals.*mean 'train"):
        ProposalFile(tmp_path / "trian.safetensors")


def damaged(tmp_path, file, change):
    """A copy of a file in which one tensor was replaced."""
    from safetensors import safe_open

    tensors = load_file(file)
    with safe_open(file, framework="numpy") as handle:
        header = handle.metadata()
    change(tensors, header)
    path = tmp_path / "damaged.safetensors"
    save_file(tensors, path, metadata=header)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, h: t.pop("sizes"), "holds no proposals"),
        (lambda t, h: h.update(format="weights"), "holds no proposals"),
        (lambda t, h: h.update(version="2"), "holds no proposals .*version 1"),
        (lambda t, h: t.update(boxes=t["boxes"][1:]), "do not fit together"),
        (lambda t, h: t.update(scores=t["scores"][1:]), "do not fit together"),
        (lambda t, h: t.update(ends=t["ends"][::-1].copy()), "do not fit together"),
        (lambda t, h: h.update(ids="[1]"), "do not fit together"),
    ],
)
def test_damaged_files(tmp_path, file, change, message):
    with pytest.raises(InputError, match=message):
        ProposalFile(damaged(tmp_path, file, change))


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100])
def test_files_of_another_kind(tmp_path, content):
    path = tmp_path / "p.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"p\.safetensors \({len(content)} bytes\) is damaged"):
        ProposalFile(path)


# Detectron


def detectron(tmp_path, protocol=4, **content):
    path = tmp_path / "rpn_proposals.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("id_key", ["ids", "indexes"])
@pytest.mark.parametrize("score_key", ["scores", "objectness"])
def test_detectron(tmp_path, id_key, score_key):
    # [0, 0, 9, 4] is all of a picture of 10 x 5, its last pixels being 9 and 4.
    boxes = [np.array([[0, 0, 9, 4], [2, 1, 2, 1]], np.float32), np.zeros((0, 4), np.float32)]
    scores = [np.array([[0.2], [0.9]], np.float32), np.zeros(0, np.float32)]
    content = {"boxes": boxes, score_key: scores, id_key: np.array([139, 285]), "cfg": "MODEL: x"}
    stored = ProposalFile(detectron(tmp_path, **content))
    assert stored.ids == (139, 285) and stored.made_by == {}
    found, ranked = stored.read(139, "000139.jpg", (5, 10))
    assert found.tolist() == [[2, 1, 3, 2], [0, 0, 10, 5]]  # one pixel, and all of them
    assert ranked.tolist() == pytest.approx([0.9, 0.2])
    assert stored.read(285, size=(5, 10))[0].shape == (0, 4)


def test_detectron_s_pickles_are_of_protocol_2(tmp_path):
    path = detectron(tmp_path, protocol=2, boxes=[BOXES], scores=[SCORES], ids=[np.int64(3)])
    assert ProposalFile(path).read(3)[1].tolist() == pytest.approx([0.9, 0.5, 0.2])


def test_detectron2_has_logits_and_borders(tmp_path):
    path = detectron(
        tmp_path,
        boxes=[np.array([[0, 0, 10, 5]], np.float64)],
        objectness_logits=[np.array([2.0])],
        ids=[139],
    )
    found, scores = ProposalFile(path).read(139, size=(5, 10))
    assert found.tolist() == [[0, 0, 10, 5]] and found.dtype == np.float32
    assert scores.tolist() == pytest.approx([1 / (1 + np.exp(-2))])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"boxes": [], "ids": []}, "holds boxes, ids; proposals of Detectron have"),
        ({"blobs": {}}, "holds blobs; proposals"),
        ({"boxes": [BOXES], "scores": [], "ids": [1]}, "1 pictures have boxes, 0 scores and 1 ids"),
        ({"boxes": [], "scores": [], "ids": []}, "holds proposals of no picture"),
    ],
)
def test_faults_of_a_pickle(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        ProposalFile(detectron(tmp_path, **content))


def test_boxes_and_scores_of_a_picture_differ(tmp_path):
    path = detectron(tmp_path, boxes=[BOXES], scores=[SCORES[:2]], ids=[1])
    with pytest.raises(InputError, match="picture 1: 3 boxes and 2 scores"):
        ProposalFile(path).read(1)


def test_a_detectron_file_of_a_resized_picture(tmp_path):
    path = detectron(tmp_path, boxes=[BOXES * 2], scores=[SCORES], ids=[1])
    with pytest.raises(InputError, match=r"picture 1 \(a\.jpg\): the boxes reach"):
        ProposalFile(path).read(1, "a.jpg", (5, 10))


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def test_a_pickle_that_would_run_something_is_not_opened(tmp_path, capsys):
    with pytest.raises(InputError, match=r"was not opened: it asks for builtins\.print"):
        ProposalFile(detectron(tmp_path, boxes=[Harmful()], scores=[SCORES], ids=[1]))
    assert capsys.readouterr().out == ""
