"""Every number of the matching against pycocotools' own loops, and the other back ends."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cascadekit.errors import InputError
from cascadekit.evaluation.coco_ap import coco_evaluator, evaluate_coco
from cascadekit.evaluation.coco_backends import BACKENDS
from cascadekit.evaluation.coco_matching import accumulate
from tests.evaluation.makers import random_case

OFFICIAL = Path(__file__).parents[2] / "../shared/data/coco_eval"


def original(truth, found, iou_type="bbox", max_dets=(1, 10, 100)):
    """COCOeval's own arrays."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        theirs = coco.loadRes(copy.deepcopy(found))
        evaluator = COCOeval(coco, theirs, iou_type)
        evaluator.params.maxDets = list(max_dets)
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator.eval["precision"], evaluator.eval["recall"]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(6))
def test_every_number_is_that_of_pycocotools(seed, iou_type):
    truth, found = random_case(seed, masks=iou_type == "segm")
    if iou_type == "segm":
        for record in found:  # COCOeval would go by the box's area
            del record["bbox"]
    limits = (1, 2, 100)
    evaluator = coco_evaluator(truth, found, iou_type, limits)
    evaluator.match()
    precision, recall = accumulate(evaluator.evalImgs, evaluator.params)
    their_precision, their_recall = original(truth, found, iou_type, limits)
    # of all sizes at every limit, of each size at the largest
    assert np.array_equal(precision[:, :, :, 0], their_precision[:, :, :, 0])
    assert np.array_equal(precision[..., -1], their_precision[..., -1])
    assert np.array_equal(recall[:, :, 0], their_recall[:, :, 0])
    assert np.array_equal(recall[..., -1], their_recall[..., -1])


def installed(backend):
    missing = find_spec(backend) is None
    return pytest.param(backend, marks=pytest.mark.skipif(missing, reason=f"no {backend} here"))


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("backend", [installed(name) for name in BACKENDS])
def test_back_ends_agree(backend, seed, iou_type):
    ignored = backend == "faster_coco_eval"
    truth, found = random_case(seed, ignored=ignored, masks=iou_type == "segm")
    ours = evaluate_coco(truth, found, iou_type)
    theirs = evaluate_coco(truth, found, iou_type, backend=backend)
    assert theirs.as_dict() == pytest.approx(ours.as_dict(), abs=1e-12, nan_ok=True)
    assert theirs.ap_by_class == pytest.approx(ours.ap_by_class, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("backend", [installed(name) for name in BACKENDS])
def test_back_ends_without_anything(backend):
    """No detection, no object, no picture: as the reference, nan included."""
    truth, found = random_case(1)
    empty = {**truth, "annotations": []}
    none = {"images": [], "annotations": [], "categories": []}
    for a, b in ((truth, []), (empty, found), (none, [])):
        ours = evaluate_coco(a, b).as_dict()
        assert evaluate_coco(a, b, backend=backend).as_dict() == pytest.approx(ours, nan_ok=True)


@pytest.mark.skipif(find_spec("hotcoco") is None, reason="no hotcoco here")
def test_hotcoco_says_what_it_cannot():
    truth, found = random_case(0, ignored=True)
    with pytest.raises(InputError, match="'hotcoco' cannot ignore an object that is no crowd"):
        evaluate_coco(truth, found, backend="hotcoco")


def test_unknown_and_missing_back_ends(monkeypatch):
    truth, found = random_case(0)
    with pytest.raises(InputError, match="Did you mean 'hotcoco'"):
        evaluate_coco(truth, found, backend="hotcoc")
    monkeypatch.setattr("cascadekit.evaluation.coco_backends.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install faster-coco-eval"):
        evaluate_coco(truth, found, backend="faster_coco_eval")


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the 100 real pictures are not here")
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("backend", [installed(name) for name in BACKENDS])
def test_back_ends_on_real_pictures(backend, iou_type):
    truth = json.loads((OFFICIAL / "instances_val2014_100.json").read_text())
    results = json.loads(
        (OFFICIAL / f"instances_val2014_fake{iou_type}100_results.json").read_text()
    )
    ours = evaluate_coco(truth, results, iou_type).as_dict()
    theirs = evaluate_coco(truth, results, iou_type, backend=backend).as_dict()
    assert theirs == pytest.approx(ours, abs=1e-12)
    assert not math.isnan(ours["AP"])
