"""The example of docs/metrics.md runs and prints what the page says."""

import re
from pathlib import Path

from cascadekit import evaluation

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/metrics.md", "exec"), {})
    (printed,) = re.findall(r"^prints `(.*?)`", PAGE, re.MULTILINE)
    assert capsys.readouterr().out.strip() == printed


def test_everything_named_is_there():
    names = re.findall(r"`(evaluate_\w+|\w+Truth|\w+Detections|ScoredBoxes|CocoScores)\b", PAGE)
    assert len(set(names)) > 10
    assert [name for name in names if not hasattr(evaluation, name)] == []
