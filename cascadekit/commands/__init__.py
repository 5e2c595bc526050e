"""The commands `cascadekit train|test|predict|config|env`, and the scripts of tools/.

Each module has `DESCRIPTION`, `add_arguments(parser)` and `run(arguments)`; heavy imports wait
until `run`, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

# command -> module, script in tools/
COMMANDS = {
    "train": "train",
    "test": "test",
    "evaluate": "evaluate",
    "predict": "predict",
    "diagnose": "diagnose",
    "suggest": "suggest",
    "proposals": "dump_proposals",
    "config": "print_config",
    "recipes": "recipes",
    "cost": "cost",
    "prune-fc": "prune_fc",
    "convert": "convert_checkpoint",
    "convert-dataset": "convert_dataset",
    "doctor": "doctor",
    "browse": "browse_dataset",
    "export": "export",
    "reproduce": "reproduce",
    "env": "env",
}


def _parser(name: str, program: str) -> argparse.ArgumentParser:
    module = import_module(f"cascadekit.commands.{COMMANDS[name]}")
    parser = argparse.ArgumentParser(
        prog=program,
        description=module.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def run(name: str, arguments: Sequence[str], program: str) -> int:
    """Run one command.

    Args:
        name: a key of `COMMANDS`.
        arguments: what follows it on the command line.
        program: how the user called it, for the usage line.

    Returns:
        The exit status: 0 or what the command gives, 2 for bad input (one message, no traceback),
        130 when interrupted.
    """
    parsed = _parser(name, program).parse_args(arguments)
    from cascadekit.errors import InputError

    try:
        status = import_module(f"cascadekit.commands.{COMMANDS[name]}").run(parsed)
    except InputError as error:
        print(f"error: {_plain(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return status or 0


def _plain(message: str) -> str:
    """The message alone; torch wraps an error of a data loader's worker in its traceback."""
    return message.rsplit("cascadekit.errors.InputError: ", 1)[-1].strip()


def script(name: str) -> None:
    """Entry of tools/NAME.py."""
    sys.exit(run(name, sys.argv[1:], program=sys.argv[0]))


def main() -> None:
    """Entry of the `cascadekit` command."""
    import cascadekit

    if len(sys.argv) > 1 and sys.argv[1] in COMMANDS:
        sys.exit(run(sys.argv[1], sys.argv[2:], program=f"cascadekit {sys.argv[1]}"))
    parser = argparse.ArgumentParser(
        prog="cascadekit",
        description="High-quality two-stage detection and segmentation.\n\n"
        + "\n".join(
            f"  cascadekit {name:9} {_parser(name, '').description.splitlines()[0]}"
            for name in COMMANDS
        )
        + "\n\nExample: cascadekit train configs/shapes/cascade_mask_shapes.py --work-dir run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--version", action="version", version=cascadekit.__version__)
    parser.parse_args()
