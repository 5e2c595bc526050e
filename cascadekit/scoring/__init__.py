"""Score anybody's detection files by their benchmark's own protocol; no model, no pictures."""

from cascadekit.scoring.files import METRICS, FileOptions, Report, evaluate_files

__all__ = ["METRICS", "FileOptions", "Report", "evaluate_files"]
