"""The quality lab: what each stage of a detector does, measured.

Each instrument is a file with three functions on values of `records.py`: `compute_*` (a small
frozen dataclass of numbers), `plot_*` (a matplotlib Figure) and `*_table` (rows of text). None runs
a model: `collect.py` records what the one stage loop does, and everything is read from that.
"""
