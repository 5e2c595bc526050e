"""Execute the notebooks and rewrite them with their outputs, or try them in a small budget.

With the budget "reader", the default, every notebooks/NAME.ipynb is made anew from
notebooks/src/NAME.py. With "smoke" they run in seconds on little, as in CI, and nothing is written.

Example:
    python tools/run_notebooks.py                        # all, for readers
    python tools/run_notebooks.py 00 03 --budget smoke   # try two of them
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"


def main() -> int:
    """Run the chosen notebooks one after the other; the exit status says whether all went well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="00_quickstart, or 00 [all]")
    parser.add_argument("--budget", choices=("reader", "smoke"), default="reader", help="[reader]")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds a cell may take")
    args = parser.parse_args()

    from cascadekit.errors import InputError
    from cascadekit.notebooks import notebook_of, notebook_sources, run_notebook

    try:
        for source in notebook_sources(FOLDER, args.names):
            seconds = run_notebook(source, args.budget, args.timeout)
            target = notebook_of(source)
            written = f"  {target.stat().st_size / 1e6:.2f} MB" if args.budget == "reader" else ""
            print(f"{source.stem:28} {seconds:6.1f} s{written}", flush=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
