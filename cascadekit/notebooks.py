"""Execute the notebooks: each `src/NAME.py` becomes `NAME.ipynb` beside `src`, with its outputs.

The source is what people edit and review (jupytext's percent format); the notebook is what they
read. Only `run_notebook` writes one, so that both are always in step, and running it twice on one
machine writes the same file but for numbers that differ.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cascadekit.errors import InputError, check_word, did_you_mean
from cascadekit.whole_file import write_text

BUDGETS = ("reader", "smoke")
KERNEL = "python3"
HASH = "code_sha256"  # key in a notebook's metadata
WIDGETS = "application/vnd.jupyter.widget-state+json"
# Pictures above this size are stored with 256 colours: grain makes them several times as large.
LARGE_PICTURE = 120_000  # bytes
PNG = "iVBOR"  # how one begins in base64
# Seconds a cell may take: a reader's may train, one that hangs in a test should cost little.
TIMEOUTS = {"reader": 3600, "smoke": 120}


def notebook_sources(folder: str | os.PathLike[str], names: Sequence[str] = ()) -> list[Path]:
    """Sources of the notebooks in a folder, in order of name.

    Args:
        folder: with `src/*.py`.
        names: only these, each a name ("00_quickstart") or its beginning ("00"); none: all.

    Returns:
        At least one file.

    Raises:
        InputError: the folder has no sources, or none of a name.
    """
    found = {path.stem: path for path in sorted((Path(folder) / "src").glob("*.py"))}
    if not found:
        raise InputError(f"{folder} has no notebooks: expected src/*.py in it")
    for name in names:
        if not any(stem.startswith(name) for stem in found):
            raise InputError(
                f"no notebook named {name!r}: there are {', '.join(found)}."
                f"{did_you_mean(name, found)}"
            )
    return [p for stem, p in found.items() if not names or stem.startswith(tuple(names))]


def notebook_of(source: str | os.PathLike[str]) -> Path:
    """The notebook that belongs to a source: `folder/src/NAME.py` -> `folder/NAME.ipynb`."""
    path = Path(source)
    return path.parent.parent / f"{path.stem}.ipynb"


def read_source(path: str | os.PathLike[str]) -> Any:
    """A source as a notebook without outputs.

    Args:
        path: py:percent file.

    Returns:
        An nbformat notebook; its cells are numbered, so that their ids stay from run to run.

    Raises:
        InputError: jupytext is not installed.
    """
    notebook = _library("jupytext").read(path, fmt="py:percent")
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    spec = {"name": KERNEL, "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook.metadata = _library("nbformat").from_dict({"kernelspec": spec})
    notebook.metadata[HASH] = code_hash(notebook)
    return notebook


def code_hash(notebook: Any) -> str:
    """SHA-256 of the code cells, which tells whether outputs belong to a source."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def with_budget(notebook: Any, budget: str) -> Any:
    """A copy that runs with a budget: another than the reader's is set after `parameters`.

    Args:
        notebook: of `read_source`.
        budget: one of `BUDGETS`.

    Returns:
        The copy; for "smoke" it has one cell more.

    Raises:
        InputError: there is no such budget, or no cell tagged `parameters`.
    """
    check_word("budget", budget, BUDGETS)
    changed = copy.deepcopy(notebook)
    tags = [cell.metadata.get("tags", []) for cell in changed.cells]
    places = [number for number, own in enumerate(tags) if "parameters" in own]
    if len(places) != 1:
        raise InputError(f"expected one cell tagged 'parameters', got {len(places)}")
    if budget != BUDGETS[0]:
        cell = _library("nbformat").v4.new_code_cell(f"BUDGET = {budget!r}", id="injected")
        cell.metadata["tags"] = ["injected-parameters"]
        changed.cells.insert(places[0] + 1, cell)
    return changed


def execute(notebook: Any, folder: str | os.PathLike[str], timeout: float) -> Any:
    """Run all cells in a fresh kernel.

    Args:
        notebook: of `read_source` or `with_budget`; it gets the outputs.
        folder: working directory of the kernel.
        timeout: seconds that one cell may take.

    Returns:
        The notebook.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised; the message holds its traceback.
        nbclient.exceptions.CellTimeoutError: a cell took too long.
    """
    client = _library("nbclient").NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name=KERNEL,
        record_timing=False,  # time stamps would change the file each time
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def stable(notebook: Any) -> Any:
    """A copy fit to be stored: without what differs from run to run, and with small pictures.

    Args:
        notebook: executed.

    Returns:
        The copy, with ids of widgets by number, without versions of Python and lines of progress.
    """
    text = json.dumps(notebook)
    state = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
    for number, model in enumerate(state):
        text = text.replace(model, f"{number:032x}")
    changed = _library("nbformat").from_dict(json.loads(text))
    changed.metadata.get("language_info", {}).pop("version", None)
    for model in changed.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {}).values():
        for buffer in model.get("buffers", ()):
            if buffer["data"].startswith(PNG):
                buffer["data"] = _small(buffer["data"])
    for cell in changed.cells:
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = _small(output.data["image/png"])
    return changed


def _small(encoded: str) -> str:
    """A PNG in base64, as it is or, if it is large, with a palette of its own 256 colours."""
    from PIL import Image  # comes with matplotlib

    if len(encoded) * 3 / 4 <= LARGE_PICTURE:
        return encoded
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    # Colours far apart rather than the most frequent ones: letters and thin lines keep theirs.
    few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, 1, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    few.save(stream, "png", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def _joined(outputs: Sequence[Any]) -> list[Any]:
    """Pieces of one stream as one output, as a kernel cuts them by its speed; no empty outputs."""
    joined: list[Any] = []
    for output in outputs:
        if output.get("data", {}).get("text/html") == "":  # where a line of progress was
            continue
        before = joined[-1] if joined else None
        if before is not None and "name" in output and before.get("name") == output.name:
            before.text += output.text
        else:
            joined.append(output)
    return joined


def run_notebook(
    source: str | os.PathLike[str], budget: str = "reader", timeout: float | None = None
) -> float:
    """Execute one notebook, its folder as working directory; the reader's is written.

    Args:
        source: `folder/src/NAME.py`; the notebook is `folder/NAME.ipynb`.
        budget: one of `BUDGETS`; only what ran with "reader" is kept.
        timeout: seconds that one cell may take; None: as `TIMEOUTS`.

    Returns:
        Seconds it took.

    Raises:
        InputError: the source has no parameters, or a library is missing.
        nbclient.exceptions.CellExecutionError: a cell raised; nothing is written then.
    """
    start, target = time.perf_counter(), notebook_of(source)
    limit = TIMEOUTS[budget] if timeout is None else timeout
    ran = execute(with_budget(read_source(source), budget), target.parent, limit)
    if budget == BUDGETS[0]:
        write_text(target, _library("nbformat").writes(stable(ran)) + "\n")
    return time.perf_counter() - start


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise InputError(
            f"{name} is not installed: pip install 'cascadekit[notebooks]' (make lab does)"
        ) from None
