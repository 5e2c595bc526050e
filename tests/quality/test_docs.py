"""The code in docs/quality.md: it is Python, and what it imports is there."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
IMPORT = re.compile(r"^(?:from|import) [^(\n]*(?:\([^)]*\))?", re.MULTILINE)


def test_there_is_code():
    assert BLOCKS and IMPORT.findall("x = 1\nfrom a import (\n    b,\n)\n") == [
        "from a import (\n    b,\n)"
    ]


@pytest.mark.parametrize("code", BLOCKS)
def test_imports(code):
    compile(code, str(PAGE), "exec")
    exec("\n".join(IMPORT.findall(code)), {})
