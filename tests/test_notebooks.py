"""The notebooks: in step with their sources, fit to be read, and running (marker `notebook`)."""

import ast
import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from cascadekit.errors import InputError

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

from cascadekit import notebooks  # noqa: E402

FOLDER = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted((FOLDER / "src").glob("*.py"))
BY_NAME = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)

MOST_BYTES, MOST_CELLS, MOST_LINES, MOST_FUNCTIONS = 1_000_000, 25, 15, 2
# Widgets that capture output can stall a notebook that runs without a browser.
FORBIDDEN = re.compile(
    r"\binteract(ive(_output)?)?\(|widgets\.Output|import Output\b|^[!%]+pip", re.M
)
MACHINE = re.compile(r"/(?:root|work|home|tmp|Users)/|site-packages|\bat 0x[0-9a-f]{6}")
ENCODED = re.compile(r"[A-Za-z0-9+/=]{200,}")  # pictures; any letters can come up in them
VIEW = "application/vnd.jupyter.widget-view+json"


def source_faults(source: Path) -> list[str]:
    """What a source has that readers should not have to put up with."""
    cells = notebooks.read_source(source).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    found = []
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        found.append("the first cell is no title")
    if len(code) > MOST_CELLS:
        found.append(f"{len(code)} code cells")
    if not code or "%matplotlib inline" not in code[0].source:
        found.append("the first code cell has no %matplotlib inline")
    if not code or "assert" not in code[-1].source:
        found.append("the last code cell checks nothing")
    for number, cell in enumerate(code):
        if (lines := len(cell.source.splitlines())) > MOST_LINES:
            found.append(f"code cell {number} has {lines} lines")
        if word := FORBIDDEN.search(cell.source):
            found.append(f"code cell {number} has {word[0]!r}")
    tree = ast.parse("\n".join(re.sub(r"^[%!].*", "", cell.source, flags=re.M) for cell in code))
    nodes = list(ast.walk(tree))
    if any(isinstance(node, ast.ClassDef) for node in nodes):
        found.append("a class")
    if sum(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in nodes) > MOST_FUNCTIONS:
        found.append("too many functions")
    return found + parameter_faults(code)


def parameter_faults(code: list) -> list[str]:
    """What is wrong with the cell whose values CI changes."""
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        return [f"{len(tagged)} cells tagged parameters"]
    values = {}
    for node in ast.parse(tagged[0].source).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            return ["parameters holds more than NAME = value"]
        try:
            values[node.targets[0].id] = ast.literal_eval(node.value)
        except ValueError:
            return [f"{node.targets[0].id} is no literal"]
    return [] if values.get("BUDGET") == "reader" else ['parameters has no BUDGET = "reader"']


def notebook_faults(source: Path) -> list[str]:
    """What is wrong with the stored notebook of a source."""
    path = notebooks.notebook_of(source)
    if not path.is_file():
        return ["it was not executed: make notebooks"]
    text = path.read_text(encoding="utf-8")
    found = [f"{len(text)} bytes"] if len(text) > MOST_BYTES else []
    if place := MACHINE.search(ENCODED.sub("", text)):
        found.append(f"of one machine only: {place[0]!r}")
    notebook, wanted = nbformat.reads(text, 4), notebooks.read_source(source)
    if [(c.cell_type, c.source) for c in notebook.cells] != [
        (c.cell_type, c.source) for c in wanted.cells
    ]:
        return [*found, "cells differ from the source: make notebooks"]
    if notebook.metadata.get(notebooks.HASH) != notebooks.code_hash(wanted):
        found.append("outputs are of other code: make notebooks")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("not executed from top to bottom")
    return found + output_faults(notebook, [o for cell in code for o in cell.outputs])


def output_faults(notebook, outputs: list) -> list[str]:
    """What is wrong with outputs and the state of widgets."""
    found = []
    if any(output.output_type == "error" for output in outputs):
        found.append("an error")
    if any(output.get("name") == "stderr" for output in outputs):
        found.append("warnings or progress in stderr")
    if not any("image/png" in output.get("data", {}) for output in outputs):
        found.append("no picture")
    shown = {o.data[VIEW]["model_id"] for o in outputs if VIEW in o.get("data", {})}
    widgets = notebook.metadata.get("widgets")
    state = (widgets or {}).get(notebooks.WIDGETS, {}).get("state")
    # Code hosts show no notebook at all whose widgets have no `state`.
    if (widgets is not None and not state) or not shown <= set(state or ()):
        found.append("widgets without their state")
    return found


def test_every_notebook_has_a_source():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {path.stem for path in SOURCES}


def test_the_list_has_them_all():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\((\w+\.ipynb)\)", text) == [f"{path.stem}.ipynb" for path in SOURCES]


@BY_NAME
def test_sources_are_fit_to_read(source):
    assert not source_faults(source)


@BY_NAME
def test_notebooks_are_in_step_and_whole(source):
    assert not notebook_faults(source)


# The rules see what they are for


GOOD = """# %% [markdown]
# # A title

# %%
# %matplotlib inline
from matplotlib.figure import Figure

# %% tags=["parameters"]
BUDGET = "reader"
SIZE = (2, 1)

# %%
figure = Figure(figsize=SIZE if BUDGET == "reader" else (1, 1))
figure.add_subplot()
figure

# %%
import ipywidgets

print(BUDGET)
ipywidgets.IntSlider(value=3)

# %%
assert SIZE
"""
PICTURE = {"output_type": "display_data", "data": {"image/png": "iVBO"}, "metadata": {}}
SLIDER = {"output_type": "display_data", "data": {VIEW: {"model_id": "0a"}}, "metadata": {}}


@pytest.fixture
def good(tmp_path):
    """A source, and a notebook of it as if executed."""
    source = tmp_path / "src" / "00_try.py"
    source.parent.mkdir()
    source.write_text(GOOD)
    notebook = notebooks.read_source(source)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
    code[2].outputs = nbformat.from_dict([PICTURE])
    code[3].outputs = nbformat.from_dict([SLIDER])
    notebook.metadata.widgets = {notebooks.WIDGETS: {"state": {"0a": {"state": {}}}}}
    nbformat.write(notebook, notebooks.notebook_of(source))
    return source


def test_a_good_one_passes(good):
    assert source_faults(good) == []
    assert notebook_faults(good) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# # A title", "# A title"),
        ("# %matplotlib inline\n", ""),
        ("assert SIZE", "SIZE"),
        ("print(BUDGET)", "interact(print, a=1)"),
        ("print(BUDGET)", "ipywidgets.Output()"),
        ("print(BUDGET)", "# !pip install this"),
        ("print(BUDGET)", "class A: pass"),
        ("print(BUDGET)", "print(BUDGET)\n" * 14),
        ("print(BUDGET)", "f = 1\ndef f(): pass\ndef g(): pass\ndef h(): pass"),
        ("print(BUDGET)", "print(BUDGET)\n" + "# %%\na = 1\n" * 21),
        (' tags=["parameters"]', ""),
        ('BUDGET = "reader"', 'BUDGET = "smoke"'),
        ("SIZE = (2, 1)", "SIZE = tuple(range(2))"),
        ("SIZE = (2, 1)", "print(1)"),
    ],
)
def test_a_fault_of_a_source_is_seen(good, old, new):
    assert GOOD.count(old) == 1
    good.write_text(GOOD.replace(old, new))
    assert len(source_faults(good)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# A title", "# Another title"),
        ('"code_sha256": "', '"code_sha256": "0'),
        ('"execution_count": 2', '"execution_count": 7'),
        ('"execution_count": 2', '"execution_count": null'),
        ("image/png", "image/svg+xml"),
        ('"0a": {', '"0b": {'),  # a widget that is shown and was not kept
        ('"state": {\n', '"states": {\n'),
        ("iVBO", "iVBO /tmp/x"),
        ("iVBO", "<Figure at 0x7f0011aa22bb>"),
        ("iVBO", "A" * 1_000_000),
    ],
)
def test_a_fault_of_a_notebook_is_seen(good, old, new):
    path = notebooks.notebook_of(good)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert len(notebook_faults(good)) == 1


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
        {"output_type": "stream", "name": "stderr", "text": "100%"},
    ],
)
def test_a_fault_of_an_output_is_seen(good, output):
    path = notebooks.notebook_of(good)
    notebook = nbformat.read(path, 4)
    notebook.cells[-1].outputs = nbformat.from_dict([output])
    nbformat.write(notebook, path)
    assert len(notebook_faults(good)) == 1


def test_a_source_that_was_not_executed_is_seen(good):
    notebooks.notebook_of(good).unlink()
    assert len(notebook_faults(good)) == 1


# cascadekit/notebooks.py


def test_choosing_notebooks(tmp_path):
    with pytest.raises(InputError, match=r"expected src/\*\.py"):
        notebooks.notebook_sources(tmp_path)
    (tmp_path / "src").mkdir()
    for name in ("01_b", "00_a"):
        (tmp_path / "src" / f"{name}.py").write_text("")
    chosen = [path.stem for path in notebooks.notebook_sources(tmp_path)]
    assert chosen == ["00_a", "01_b"]
    assert [p.stem for p in notebooks.notebook_sources(tmp_path, ["01"])] == ["01_b"]
    with pytest.raises(InputError, match=r"no notebook named '01_c'.*Did you mean '01_b'"):
        notebooks.notebook_sources(tmp_path, ["00", "01_c"])


def test_another_budget_is_set_after_the_parameters(good):
    plain = notebooks.read_source(good)
    assert notebooks.with_budget(plain, "reader").cells == plain.cells
    small = notebooks.with_budget(plain, "smoke")
    assert len(small.cells) == len(plain.cells) + 1
    assert small.cells[3].source == "BUDGET = 'smoke'"
    assert "parameters" in small.cells[2].metadata.tags
    with pytest.raises(InputError, match="budget must be one of reader, smoke"):
        notebooks.with_budget(plain, "tiny")
    plain.cells[2].metadata = nbformat.from_dict({})
    with pytest.raises(InputError, match="one cell tagged 'parameters', got 0"):
        notebooks.with_budget(plain, "smoke")


def test_the_hash_is_of_code_alone(good):
    before = notebooks.code_hash(notebooks.read_source(good))
    good.write_text(GOOD.replace("A title", "Another title"))
    assert notebooks.code_hash(notebooks.read_source(good)) == before
    good.write_text(GOOD.replace("SIZE = (2, 1)", "SIZE = (3, 1)"))
    assert notebooks.code_hash(notebooks.read_source(good)) != before


def test_pieces_of_a_stream_are_joined(good):
    notebook = notebooks.read_source(good)
    pieces = [{"output_type": "stream", "name": "stdout", "text": text} for text in ("a", "b\n")]
    notebook.cells[1].outputs = nbformat.from_dict([*pieces, PICTURE, pieces[0]])
    texts = [output.get("text") for output in notebooks.stable(notebook).cells[1].outputs]
    assert texts == ["ab\n", None, "a"]


def test_large_pictures_are_stored_with_fewer_colours(good):
    noise = np.random.default_rng(0).integers(90, 166, (200, 300, 3), np.uint8)
    plain = np.full((200, 300, 3), 200, np.uint8)
    notebook = notebooks.read_source(good)
    for pixels in (noise, plain):
        data = {"image/png": base64.b64encode(cv2.imencode(".png", pixels)[1]).decode()}
        notebook.cells[1].outputs = nbformat.from_dict([{**PICTURE, "data": data}])
        (output,) = notebooks.stable(notebook).cells[1].outputs
        stored = base64.b64decode(output.data["image/png"])
        shown = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == pixels.shape
        assert (
            np.abs(shown.astype(int) - pixels).mean() < 12
        )  # noise of 76 levels is the worst case
        assert len(stored) < 0.5 * pixels.size
    assert output.data == data  # a small one stays as it is


def test_so_are_those_of_widgets(good):
    noise = np.random.default_rng(0).integers(90, 166, (200, 300, 3), np.uint8)
    data = [base64.b64encode(cv2.imencode(k, noise)[1]).decode() for k in (".png", ".jpg")]
    buffers = [{"data": own, "encoding": "base64", "path": ["value"]} for own in data]
    notebook = notebooks.read_source(good)
    state = {32 * str(k): {"buffers": [own]} for k, own in enumerate(buffers)}
    notebook.metadata.widgets = {notebooks.WIDGETS: {"state": {**state, "none": {}}}}
    stored = notebooks.stable(notebook).metadata.widgets[notebooks.WIDGETS].state
    (few,), (photo,) = [own["buffers"] for own in list(stored.values())[:2]]
    assert len(few["data"]) < 0.6 * len(data[0]) and photo["data"] == data[1]
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(few["data"]), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == noise.shape


@pytest.mark.notebook
def test_running_twice_writes_the_same_file(good):
    path = notebooks.notebook_of(good)
    path.unlink()
    notebooks.run_notebook(good, "smoke")
    assert not path.exists()
    assert notebooks.run_notebook(good) > 0
    assert notebook_faults(good) == []
    first = path.read_bytes()
    notebooks.run_notebook(good)
    assert path.read_bytes() == first
    state = json.loads(first)["metadata"]["widgets"][notebooks.WIDGETS]["state"]
    assert [s["state"]["value"] for s in state.values() if "value" in s["state"]] == [3]


@pytest.mark.notebook
def test_a_cell_that_raises_writes_nothing(good):
    before = notebooks.notebook_of(good).read_bytes()
    good.write_text(GOOD.replace("print(BUDGET)", 'raise ValueError("as meant")'))
    with pytest.raises(Exception, match="as meant"):
        notebooks.run_notebook(good)
    assert notebooks.notebook_of(good).read_bytes() == before
    assert [path.name for path in good.parent.parent.iterdir() if path.is_file()] == [
        "00_try.ipynb"
    ]


@pytest.mark.notebook
@BY_NAME
def test_it_runs_in_the_small_budget(source, tmp_path):
    notebook = notebooks.with_budget(notebooks.read_source(source), "smoke")
    ran = notebooks.execute(notebook, FOLDER, timeout=notebooks.TIMEOUTS["smoke"])
    code = [cell for cell in ran.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert output_faults(ran, [output for cell in code for output in cell.outputs]) == []
