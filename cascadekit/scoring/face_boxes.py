"""Whether files of faces hold x y w h or x1 y1 x2 y2: detected by what finds the annotated faces.

The benchmark's own format is x y w h, but files with corners are handed round, and both read
without a fault. The better reading finds most faces and the other next to none, so the answer is
plain for a whole set; only where files clearly contradict it are they decided one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascadekit.datasets.detection_files import Rows
from cascadekit.errors import check_word
from cascadekit.evaluation.box_overlap import corners, nearest

FORMS = ("xywh", "xyxy")
WORDS = {"xywh": "x y w h", "xyxy": "x1 y1 x2 y2"}
ENOUGH = 0.5  # IoU that counts as found
CLEAR = 3  # a file contradicts its set with this many faces more, and as many times as many


@dataclass(frozen=True)
class FaceForms:
    """What was decided.

    Attributes:
        rows: detections of each picture as x y w h.
        said: what to tell the user, a sentence.
    """

    rows: list[Rows]
    said: str


def as_xywh(
    found: Sequence[Rows],
    names: Sequence[str],
    truths: Sequence[np.ndarray],
    form: str = "auto",
) -> FaceForms:
    """Bring the boxes of all files to x y w h.

    Args:
        found: of each picture, as the files have them.
        names: of the pictures, EVENT/PICTURE.
        truths: (F, 4) annotated faces of each picture, x y w h.
        form: "xywh" or "xyxy", or "auto": detected.

    Returns:
        The boxes and a sentence.

    Raises:
        InputError: no such form.
    """
    check_word("boxes", form, ("auto", *FORMS))
    if form != "auto":
        rows = [_moved(one, form) for one in found]
        return FaceForms(rows, f"boxes are taken as {WORDS[form]}, as --boxes says")
    hits = np.array([_hits(r, t) for r, t in zip(found, truths, strict=True)]).reshape(-1, 2)
    total = hits.sum(0)
    own = FORMS[int(total[1] > total[0])]
    forms = _forms(hits, names, own)
    rows = [_moved(one, f) for one, f in zip(found, forms, strict=True)]
    return FaceForms(rows, _sentence(found, names, forms, total, own))


def _sentence(
    found: Sequence[Rows], names: Sequence[str], forms: Sequence[str], total: np.ndarray, own: str
) -> str:
    other = FORMS[own == FORMS[0]]
    odd = [
        name for name, f, rows in zip(names, forms, found, strict=True) if f != own and rows.names
    ]
    if odd:
        return (
            f"the files mix two kinds of boxes: {len(odd)} are read as {WORDS[other]}, such as "
            f"{odd[0]!r}, the others as {WORDS[own]}, by which of them finds the annotated faces"
        )
    best, rest = max(total), min(total)
    return (
        f"boxes are read as {WORDS[own]}: so the best-scored ones find {best} annotated faces, as "
        f"{WORDS[other]} {rest}"
    )


def _forms(hits: np.ndarray, names: Sequence[str], own: str) -> list[str]:
    """The form of each file: that of the set, unless files contradict it clearly."""
    k = FORMS.index(own)
    against, for_it = hits[:, 1 - k], hits[:, k]
    clear = (against >= CLEAR + for_it) & (against >= CLEAR * for_it)
    if not clear.any():
        return [own] * len(names)
    events = [name.rsplit("/", 1)[0] for name in names]
    of_event: Counter[str] = Counter()
    for event, surplus in zip(events, (against - for_it).tolist(), strict=True):
        of_event[event] += surplus
    other = FORMS[1 - k]
    forms = []
    for event, surplus in zip(events, (against - for_it).tolist(), strict=True):
        vote = surplus or of_event[event]  # a file that says nothing goes with its folder
        forms.append(other if vote > 0 else own)
    return forms


def _hits(rows: Rows, faces: np.ndarray) -> tuple[int, int]:
    """How many faces the best-scored boxes find, read in each form."""
    real = faces[faces.any(1)]
    if not len(real) or not len(rows.scores):
        return 0, 0
    best = np.argsort(-rows.scores, kind="stable")[: 2 * len(real) + 10]
    boxes = rows.boxes[best]
    found = []
    for xyxy in (corners(boxes), boxes):
        face, overlap = nearest(xyxy, corners(real))
        solid = (xyxy[:, 2:] > xyxy[:, :2]).all(1)
        found.append(len(set(face[(overlap >= ENOUGH) & solid].tolist())))
    return found[0], found[1]


def _moved(rows: Rows, form: str) -> Rows:
    if form == "xywh":
        return rows
    size = rows.boxes[:, 2:] - rows.boxes[:, :2]
    boxes = np.concatenate([rows.boxes[:, :2], size], axis=1)
    return Rows(rows.names, boxes, rows.scores, rows.lines)
