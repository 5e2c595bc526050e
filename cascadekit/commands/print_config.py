"""Print a resolved config."""

from __future__ import annotations

import argparse

from cascadekit.commands.shared import add_config

DESCRIPTION = """Print a resolved config, each value with the file and line that set it.

Examples:
  python tools/print_config.py configs/cascade_mask_r50.py
  python tools/print_config.py --diff configs/mask_r50.py configs/cascade_mask_r50.py"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_config(parser)
    parser.add_argument("other", nargs="?", metavar="OTHER", help="with --diff: compare with this")
    parser.add_argument("--diff", action="store_true", help="print only what differs")


def run(args: argparse.Namespace) -> None:
    """Print the config or the difference."""
    from cascadekit.configuration import (
        apply_options,
        check_config,
        diff_configs,
        format_config,
        parse_options,
        read_config,
    )
    from cascadekit.errors import InputError

    config, origins = read_config(args.config)
    apply_options(config, origins, parse_options(args.cfg_options))
    check_config(config, origins)
    if not args.diff:
        print(format_config(config, origins))
        return
    if args.other is None:
        raise InputError("--diff needs two configs: print_config.py --diff A.py B.py")
    print(diff_configs(config, read_config(args.other)[0]))
