"""Every command on every page is one that the program it calls would take."""

import shlex
from pathlib import Path

import pytest

from cascadekit.commands import run
from tests.shell_commands import Command, UnknownCommandError, check, commands_of

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "cascadekit" / "shipped").glob("*.md")),
]
NOTEBOOKS = sorted((ROOT / "notebooks" / "src").glob("*.py"))


def text_of(path):
    """A page; of a notebook's source the sentences."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    lines = [line[2:] for line in text.splitlines() if line.startswith("# ") and "%%" not in line]
    return "\n".join(lines)


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_is_known(page):
    faults = []
    for command in commands_of(text_of(page)):
        try:
            check(command)
        except UnknownCommandError as error:
            faults.append(f"{command.text}\n    {error}")
    assert not faults, "\n".join(faults)


@pytest.mark.slow
def test_the_start_page_predicts(tmp_path):
    """The second of its two commands is run; the first one made this environment."""
    (command,) = [c for c in commands_of(text_of(ROOT / "docs/index.md")) if "predict" in c.text]
    words = shlex.split(command.text)[1:]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert run(words[0], [*words[1:], "--out", str(tmp_path)], "cascadekit") == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"predictions.json", "shapes.png", "shapes_stages.png"}


def test_there_are_commands():
    found = [command for page in PAGES for command in commands_of(text_of(page))]
    assert sum(command.complete for command in found) > 30
    assert sum(not command.complete for command in found) > 40


def test_how_commands_are_found():
    page = (
        "Use `make test`, `cascadekit.FPN`, `tools/test.py` or `cascadekit train|test`.\n\n"
        "```bash\nD=configs/lite  # where\npython tools/train.py \\\n  $D/cascade_lite.py  # one\n"
        "cd x && make demo\n```\n\n```python\ncascadekit = `make nothing`\n```\n"
        "`cascadekit reproduce list | run`, `cascadekit\nenv`"
    )
    assert [(c.text, c.complete) for c in commands_of(page)] == [
        ("python tools/train.py configs/lite/cascade_lite.py", True),
        ("cd x", True),
        ("make demo", True),
        ("make test", False),
        ("tools/test.py", False),
        ("cascadekit train", False),
        ("cascadekit test", False),
        ("cascadekit reproduce list", False),
        ("cascadekit reproduce run", False),
        ("cascadekit env", False),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cascadekit trian configs/cascade_r50.py", "no command 'trian'"),
        ("cascadekit train", "arguments are required: CONFIG"),
        ("python tools/train.py configs/cascade_r5O.py", "no configs/cascade_r5O.py"),
        ("python tools/train.py configs/cascade_r50.py --sede 0", "--sede"),
        ("python tools/train.py configs/cascade_r50.py --see 0", "--see"),  # no abbreviations
        ("python tools/trian.py configs/cascade_r50.py", "no tools/trian.py"),
        ("python tools/demo.py --itres 3", "--itres"),
        ("torchrun --nproc_per_nod 8 tools/train.py x.py --launcher", "expected one argument"),
        ("torchrun --nproc_per_node 8 tools/train.py x.py --lauch pytorch", "--lauch"),
        ("make nonsense", "no target nonsense"),
        ("pip install -e '.[nope]'", "knows no nope"),
        ("pip install nonsense", "knows no nonsense"),
        ("python -m pytest tests/nothing.py", "no tests/nothing.py"),
        ("cascadekit reproduce runn", "invalid choice"),
        ("frobnicate x", "nothing here knows"),
    ],
)
def test_a_wrong_command_is_seen(text, words):
    with pytest.raises(UnknownCommandError, match=words):
        check(Command(text, True))


@pytest.mark.parametrize(
    "text",
    ["cascadekit trian", "tools/train.py --sede 0", "tools/nothing.py", "cascadekit nothing"],
)
def test_a_wrong_mention_is_seen(text):
    with pytest.raises(UnknownCommandError):
        check(Command(text, False))


@pytest.mark.parametrize(
    "text", ["tools/train.py", "tools/convert_dataset.py FORMAT IN OUT.json", "cascadekit env"]
)
def test_a_mention_may_leave_arguments_out(text):
    check(Command(text, False))
