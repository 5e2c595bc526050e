"""Metrics on plain records, and the registered metrics that feed them from a Runner."""

from cascadekit.evaluation.arrays import ScoredBoxes
from cascadekit.evaluation.citypersons_metric import CityPersonsMetric
from cascadekit.evaluation.coco_ap import CocoScores, evaluate_coco
from cascadekit.evaluation.coco_metric import CocoMetric
from cascadekit.evaluation.kitti_ap import (
    KittiDetections,
    KittiScores,
    KittiTruth,
    evaluate_kitti,
)
from cascadekit.evaluation.kitti_metric import KittiMetric
from cascadekit.evaluation.miss_rate import MissRates, PersonTruth, evaluate_miss_rate
from cascadekit.evaluation.recall import BoxRecall, box_recall
from cascadekit.evaluation.recall_metric import ProposalRecallMetric
from cascadekit.evaluation.stage_table import (
    StageTable,
    compute_stage_table,
    stage_table_markdown,
    stage_table_text,
)
from cascadekit.evaluation.voc_ap import (
    VocDetections,
    VocScores,
    VocTruth,
    evaluate_voc,
    evaluate_voc_as_coco,
)
from cascadekit.evaluation.voc_metric import VocMetric
from cascadekit.evaluation.widerface_ap import FaceTruth, WiderFaceScores, evaluate_widerface
from cascadekit.evaluation.widerface_metric import WiderFaceMetric

__all__ = [
    "BoxRecall",
    "CityPersonsMetric",
    "CocoMetric",
    "CocoScores",
    "FaceTruth",
    "KittiDetections",
    "KittiMetric",
    "KittiScores",
    "KittiTruth",
    "MissRates",
    "PersonTruth",
    "ProposalRecallMetric",
    "ScoredBoxes",
    "StageTable",
    "VocDetections",
    "VocMetric",
    "VocScores",
    "VocTruth",
    "WiderFaceMetric",
    "WiderFaceScores",
    "box_recall",
    "compute_stage_table",
    "evaluate_coco",
    "evaluate_kitti",
    "evaluate_miss_rate",
    "evaluate_voc",
    "evaluate_voc_as_coco",
    "evaluate_widerface",
    "stage_table_markdown",
    "stage_table_text",
]
