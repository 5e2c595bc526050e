"""Pages that the site makes: reference, tutorials, texts of files."""

import base64
import re

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbconvert")

from website import reference_pages, source_pages, tutorial_pages  # noqa: E402
from website.repository import ROOT  # noqa: E402

PNG = base64.b64encode(b"\x89PNG").decode()
WIDGET = "application/vnd.jupyter.widget-view+json"


def test_the_reference_has_every_module():
    rooms = reference_pages.rooms()
    listed = [module for modules in rooms.values() for module in modules]
    there = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "cascadekit").rglob("*.py")
        if "configs" not in path.parts and path.stem != "__main__"
    }
    assert set(listed) == there and len(listed) == len(there)
    assert "cascadekit.apis" in rooms[reference_pages.BASICS]
    assert rooms["structures"][:2] == ["cascadekit.structures", "cascadekit.structures.boxes"]


def test_reference_pages():
    assert reference_pages.room_page("a", ["x.a", "x.a.b"]) == (
        "# cascadekit.a\n\n::: x.a\n\n::: x.a.b\n"
    )
    # A package shows what it defines, not what it hands on.
    page = reference_pages.room_page("models", ["cascadekit.models", "cascadekit.models.losses"])
    assert page.split("\n\n")[1:] == [
        "::: cascadekit.models\n    options:\n      members: false",
        "::: cascadekit.models.losses\n",
    ]
    assert '"config_path"' in reference_pages.room_page("cascadekit", ["cascadekit"])
    text = reference_pages.index_page({"structures": []})
    assert "| [structures](structures.md) | Values that travel" in text


@pytest.fixture
def notebook(tmp_path):
    """A notebook with each kind of output."""
    v4 = nbformat.v4
    outputs = [
        v4.new_output("stream", text="said\n"),
        v4.new_output("display_data", {"image/png": PNG, "text/plain": "<Figure>"}),
        v4.new_output("display_data", {WIDGET: {"model_id": "a"}, "image/png": PNG}),
        v4.new_output("display_data", {"text/markdown": "| a |\n|---|\n| 1 |"}),
        v4.new_output(
            "execute_result",
            {"text/html": "<style scoped>td {}</style>\n<table></table>", "text/plain": "x"},
        ),
    ]
    book = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# A title\n\n**Is it\nso?** See [the zoo](../docs/zoo.md)."),
            v4.new_code_cell("1 + 1", outputs=outputs),
        ],
        metadata={"widgets": {"x": 1}, "language_info": {"name": "python"}},
    )
    path = tmp_path / "00_a.ipynb"
    nbformat.write(book, path)
    return path


def test_a_tutorial(notebook):
    made = tutorial_pages.tutorial(notebook)
    assert (made.name, made.title, made.question) == ("00_a", "A title", "Is it so?")
    assert made.links == ("../docs/zoo.md",) and "[the zoo](../zoo.md)" in made.markdown
    assert "```python\n1 + 1\n```" in made.markdown
    assert "    said" in made.markdown and "| a |" in made.markdown
    # A widget is shown by its picture; it would need a kernel, and scripts of other machines.
    assert len(made.pictures) == 2 and set(made.pictures.values()) == {b"\x89PNG"}
    assert all(f"]({name})" in made.markdown for name in made.pictures)
    assert "<table>" in made.markdown
    assert not re.search("scoped|model_id|<Figure>|http", made.markdown)


def test_the_list_of_tutorials(notebook):
    text = tutorial_pages.index_page([tutorial_pages.tutorial(notebook)])
    assert "- [A title](00_a.md). Is it so?" in text
    assert "None has been executed" in tutorial_pages.index_page([])


def test_a_file_as_a_page():
    page = source_pages.source_page("cascadekit/ops.py")
    assert '``` { .python linenums="1" }' in page
    assert (ROOT / "cascadekit/ops.py").read_text().splitlines()[0] in page
    # Fences of the text do not end the page's.
    assert source_pages.source_page("CONTRIBUTING.md").count("\n````") == 2


def test_a_folder_as_a_page():
    page = source_pages.source_page("configs/lite")
    assert "- [cascade_lite.py](lite/cascade_lite.py.md)" in page
