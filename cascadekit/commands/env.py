"""Print what is installed, what will run, and what is missing."""

from __future__ import annotations

import argparse

DESCRIPTION = """Print versions, device and op back end, and what this system lacks, with the fix.

Example:
  cascadekit env"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line: no arguments."""


def run(args: argparse.Namespace) -> None:
    """Print the report."""
    from cascadekit.environment import environment_report

    print(environment_report())
