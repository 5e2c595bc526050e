"""Pictures of what stages mended and broke."""

import numpy as np

from cascadekit.quality.stage_errors import compute_stage_errors
from cascadekit.quality.stage_pictures import choose_pictures, draw_picture, picture_caption
from tests.quality import makers
from tests.quality.test_object_flow import at, six_objects


def pair(before, after, score=0.9):
    """An image with one object that two stages find with these IoUs (tenths)."""
    found = {
        "1": makers.found([at(0, before)], scores=[0.9]),
        "2": makers.found([at(0, after)], scores=[score]),
    }
    stages = [
        makers.stage([at(0, 6)], [at(0, before)]),
        makers.stage([at(0, before)], [at(0, after)]),
    ]
    return makers.image(makers.truth([at(0)]), stages, found, size=(20, 40))


def chosen(images, most=2):
    recording = makers.recording(images, ("cat", "dog"), (0.5, 0.6), "2")
    flow = compute_stage_errors(recording, gains=False).flow
    return recording, flow, choose_pictures(flow, most)


def test_those_that_changed_most_come_first():
    images = [pair(6, 8), pair(6, 9), pair(6, 7), pair(9, 6), pair(8, 2), pair(4, 9)]
    _, _, pictures = chosen(images)
    assert [(p.image, p.mended) for p in pictures] == [(5, True), (1, True), (4, False), (3, False)]
    assert {(p.before, p.after) for p in pictures} == {("1", "2")}


def test_many_objects_go_before_one():
    _, _, pictures = chosen([pair(4, 10), six_objects()], most=1)
    assert [p.image for p in pictures] == [1, 1]
    # Mended: the fourth object (.4 to .8) before the second; broken: the fifth before the third.
    assert [p.objects for p in pictures] == [(4, 2), (5, 3)]  # the first image has one object


def test_captions():
    recording, flow, (mended, broken) = chosen([six_objects()], most=1)
    caption = picture_caption(recording, flow, mended)
    assert caption.startswith("image 0: stage 2 mends 2 objects (cat missed to tight (0.80), ")
    assert caption.endswith("cat loose (0.60) to tight (0.90)).")
    assert "stage 2 breaks 2 objects (cat loose (0.60) to missed, cat tight (0.80)" in (
        picture_caption(recording, flow, broken)
    )


def test_a_long_caption_is_cut():
    objects = makers.truth([at(20 * i) for i in range(6)])
    found = {
        k: makers.found([at(20 * i, height) for i in range(6)])
        for k, height in (("1", 6), ("2", 9))
    }
    rois = makers.stage([at(20 * i, 6) for i in range(6)])
    image = makers.image(objects, [rois, rois], found, size=(20, 120))
    recording, flow, (picture,) = chosen([image])
    assert picture_caption(recording, flow, picture).endswith(" and 2 more).")


def test_nothing_changed():
    empty = makers.image(detections={"1": makers.found(), "2": makers.found()})
    for images in ([], [empty], [pair(9, 9)]):
        assert chosen(images)[2] == ()


def test_a_drawing_follows_the_boxes():
    recording, flow, pictures = chosen([pair(6, 9), pair(9, 6), pair(9, 9, score=0.1)])
    assert len(pictures) == 3

    def read(info):
        return np.full((*info.original_size, 3), 128, np.uint8)

    for picture in pictures:
        figure = draw_picture(recording, flow, picture, 0.3, read)
        names = [axes.get_label() for axes in figure.axes]
        assert names == [f"{row}-{k}" for k in range(3) for row in ("stage", "zoom")]
        texts = " ".join(t.get_text() for t in figure.texts)
        ious = ("0.60", "0.90") if picture.mended else ("0.90",)
        assert all(f"IoU {value}" in texts for value in ious)


def test_a_broken_object_is_drawn_alone():
    record = six_objects()
    recording, flow, (_, broken) = chosen([record], most=1)
    figure = draw_picture(
        recording, flow, broken, 0.3, lambda info: np.zeros((*info.original_size, 3), np.uint8)
    )
    footer = [t.get_text() for t in figure.texts if "matched" in t.get_text()]
    assert "1 of 1 matched" in footer[0]
