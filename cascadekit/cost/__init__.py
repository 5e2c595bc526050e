"""What a detector costs: parameters, arithmetic, time and memory, part by part."""

from cascadekit.cost.measure import ModelCost, PartCost, measure_apart, measure_cost
from cascadekit.cost.tables import cost_rows, cost_tables, cost_text

__all__ = [
    "ModelCost",
    "PartCost",
    "cost_rows",
    "cost_tables",
    "cost_text",
    "measure_apart",
    "measure_cost",
]
