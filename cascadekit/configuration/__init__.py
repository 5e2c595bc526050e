"""Configs: read with clear errors, traced to the line that set a value, checked before use."""

from __future__ import annotations

from cascadekit.configuration.checks import check_config
from cascadekit.configuration.loading import apply_options, parse_options, read_config
from cascadekit.configuration.origins import (
    KeyPath,
    Origin,
    Origins,
    config_origins,
    find_origin,
)
from cascadekit.configuration.printing import diff_configs, format_config

__all__ = [
    "KeyPath",
    "Origin",
    "Origins",
    "apply_options",
    "check_config",
    "config_origins",
    "diff_configs",
    "find_origin",
    "format_config",
    "parse_options",
    "read_config",
]
