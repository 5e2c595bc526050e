"""The doctor: what is wrong with a data set or a config, found before a training finds it."""

from cascadekit.doctor.examination import Examination, examine
from cascadekit.doctor.finding import ERROR, NOTE, SEVERITIES, WARNING, Example, Finding
from cascadekit.doctor.repair import cleaned

__all__ = [
    "ERROR",
    "NOTE",
    "SEVERITIES",
    "WARNING",
    "Examination",
    "Example",
    "Finding",
    "cleaned",
    "examine",
]
