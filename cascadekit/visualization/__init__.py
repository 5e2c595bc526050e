"""Pictures as matplotlib Figures; importing this never imports pyplot."""

from cascadekit.visualization.draw import draw_detections, save_figure
from cascadekit.visualization.stage_strip import draw_stages

__all__ = ["draw_detections", "draw_stages", "save_figure"]
