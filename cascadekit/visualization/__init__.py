"""Pictures as matplotlib Figures, and three viewers; importing this never imports pyplot."""

from typing import TYPE_CHECKING, Any

from cascadekit.visualization.draw import draw_detections, save_figure
from cascadekit.visualization.stage_strip import draw_stages

if TYPE_CHECKING:
    from cascadekit.visualization.dataset_browser import DatasetBrowser
    from cascadekit.visualization.quality_viewer import QualityViewer
    from cascadekit.visualization.stage_viewer import StageViewer

__all__ = [
    "DatasetBrowser",
    "QualityViewer",
    "StageViewer",
    "draw_detections",
    "draw_stages",
    "save_figure",
]


def __getattr__(name: str) -> Any:
    """Import a viewer when it is asked for: drawing needs no ipywidgets."""
    if name == "DatasetBrowser":
        from cascadekit.visualization.dataset_browser import DatasetBrowser

        return DatasetBrowser
    if name == "QualityViewer":
        from cascadekit.visualization.quality_viewer import QualityViewer

        return QualityViewer
    if name == "StageViewer":
        from cascadekit.visualization.stage_viewer import StageViewer

        return StageViewer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
