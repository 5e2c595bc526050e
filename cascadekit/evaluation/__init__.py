"""Metrics on plain records, and the registered metric that feeds them from a Runner."""

from cascadekit.evaluation.coco_ap import CocoScores, evaluate_coco
from cascadekit.evaluation.coco_metric import CocoMetric
from cascadekit.evaluation.recall import BoxRecall, box_recall
from cascadekit.evaluation.stage_table import (
    StageTable,
    compute_stage_table,
    stage_table_markdown,
    stage_table_text,
)

__all__ = [
    "BoxRecall",
    "CocoMetric",
    "CocoScores",
    "StageTable",
    "box_recall",
    "compute_stage_table",
    "evaluate_coco",
    "stage_table_markdown",
    "stage_table_text",
]
