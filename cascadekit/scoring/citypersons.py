"""CityPersons' annotations and json of detections."""

from __future__ import annotations

import numpy as np

from cascadekit.datasets.citypersons_files import PersonPicture, read_citypersons
from cascadekit.datasets.detection_files import read_person_found
from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.miss_rate import MissRates, PersonTruth, match_persons
from cascadekit.scoring.scored import Scored, Scorer
from cascadekit.scoring.truth_files import Place, read_json_rows
from cascadekit.visualization.metric_plots import Line, Panel

ROWS = ("boxes_xywh", "visible", "ignored")
MARK = b'"devkit"'


def open_citypersons(place: Place) -> Scorer:
    """Read ground truth: val_gt.json, anno_val.mat, the folder of jsons, or a converted json.

    Args:
        place: the path; a split has no meaning.

    Returns:
        What scores a json of detections.

    Raises:
        InputError: it cannot be read.
    """
    numbers, truths = _truths(place)

    def score(source: str, draws: bool) -> Scored:
        found = read_person_found(source, numbers)
        matches = match_persons(truths, [ScoredBoxes(rows.boxes, rows.scores) for rows in found])
        scores = matches.scores()
        return Scored(
            metric="citypersons",
            source=source,
            num_images=len(truths),
            num_detections=sum(len(rows.scores) for rows in found),
            figures=lambda weights: matches.scores(weights).as_dict(),
            main="MR50_Reasonable",
            lower_is_better=True,
            kind="miss-rate",
            panels=_panels(scores),
            notes=_notes(scores),
        )

    return score


def _truths(place: Place) -> tuple[list[int | str], list[PersonTruth]]:
    """Numbers of the pictures, rising (equal scores rank in that order), and their rows."""
    found: dict[int | str, PersonTruth] = {}
    if place.path.suffix == ".json" and MARK in place.path.read_bytes():
        for picture in read_json_rows(place.path, ROWS, "CityPersons"):
            found[picture.image_id] = PersonTruth(**{key: picture.rows[key] for key in ROWS})
    else:
        for one in read_citypersons(place.path):
            found[one.number] = _truth(one)
    numbers = sorted(found, key=lambda number: (isinstance(number, str), number))
    return numbers, [found[number] for number in numbers]


def _truth(picture: PersonPicture) -> PersonTruth:
    return PersonTruth(
        [row.box_xywh for row in picture.rows],
        [row.ratio for row in picture.rows],
        [row.label != 1 for row in picture.rows],
    )


def _panels(scores: MissRates) -> tuple[Panel, ...]:
    ious = next(iter(scores.curves.values()), {})
    return tuple(
        Panel(
            f"IoU {iou:g}",
            tuple(
                Line(
                    f"{name}: MR {100 * by_iou[iou].miss_rate:.1f}",
                    by_iou[iou].fppi,
                    1 - by_iou[iou].recall,
                )
                for name, by_iou in scores.curves.items()
                if by_iou[iou].objects
            ),
        )
        for iou in ious
    )


def _notes(scores: MissRates) -> tuple[str, ...]:
    curves = [
        (f"MR{100 * iou:g} {n}", c) for n, by in scores.curves.items() for iou, c in by.items()
    ]
    wrapped = [name for name, curve in curves if curve.wrapped]
    full = [name for name, curve in curves if np.any(curve.recall_at_points == 1)]
    notes = []
    if wrapped:
        notes.append(
            f"at the lowest rates of false positives no detection is left in {', '.join(wrapped)}, "
            "and the devkit then reads the recall of all of them, which flatters"
        )
    if full:
        notes.append(
            f"a recall of 1 makes the whole miss rate 0, as the devkit counts: {', '.join(full)}"
        )
    return tuple(notes)
