"""The shell commands of a page, each held against the program it calls; nothing is run."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from cascadekit.commands import COMMANDS, _parser

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^( *)```(?:bash|sh|shell|console)\n(.*?)^ *```", re.M | re.S)
ANY_BLOCK = re.compile(r"^ *(```+).*?^ *\1", re.M | re.S)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
PROGRAM = re.compile(
    r"(cascadekit|python3?|pip|make|torchrun|git|\.venv/bin/\S+) \S|tools/\w+\.py\b"
)
OURS = ("configs/", "tools/", "docs/images/", "notebooks/")
# What is run elsewhere, and the line that does it.
RUN_BY = {
    "python3 -m venv .venv": ("Makefile", "-m venv $(VENV)"),
    ".venv/bin/pre-commit install": ("pyproject.toml", '"pre-commit>='),
    "git apply": ("tests/test_contributing.py", '"git", "apply"'),
}
SHELL = {"cd", ".", "git clone <this repository>"}
PYTEST_OPTIONS = {"-n": 1, "-m": 1, "-q": 0}


class UnknownCommandError(AssertionError):
    """A command that the program it calls would refuse, or that nothing here knows."""


@dataclass(frozen=True)
class Command:
    """A command as a page has it.

    Attributes:
        text: with blanks instead of line ends.
        complete: in a block that readers copy; else in a sentence, where arguments may be missing.
    """

    text: str
    complete: bool


def commands_of(markdown: str) -> list[Command]:
    """All commands of a page, those of blocks first."""
    found = []
    for match in BLOCK.finditer(markdown):
        variables: dict[str, str] = {}
        for line in match[2].replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if len(words) == 1 and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                name, _, value = words[0].partition("=")
                variables[name] = value
                continue
            for name, value in variables.items():
                line = line.replace(f"${name}", value)
            found += [Command(part, True) for part in _parts(line)]
    for match in INLINE.finditer(ANY_BLOCK.sub("", markdown)):
        text = " ".join(match[1].split())
        if PROGRAM.match(text):
            found += [Command(each, False) for each in _alternatives(text)]
    return found


def _parts(line: str) -> list[str]:
    """The commands of a line, without its comment."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars="&|;")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("&|;"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [" ".join(words) for words in parts if words]


def _alternatives(text: str) -> list[str]:
    """`a b|c` and `a b | c` are two commands."""
    words = re.sub(r" *\| *", "|", text).split(" ")
    for place, word in enumerate(words):
        if "|" in word:
            return [" ".join([*words[:place], each]) for each in word.split("|")]
    return [text]


def check(command: Command) -> None:
    """Hold a command against the real program.

    Args:
        command: of a page.

    Raises:
        UnknownCommandError: it would be refused, names a file of ours that is not there, or is
            none that is known here.
    """
    if command.text in RUN_BY:
        file, line = RUN_BY[command.text]
        if line not in (ROOT / file).read_text(encoding="utf-8"):
            raise UnknownCommandError(f"{file} no longer runs {command.text!r}")
        return
    words = shlex.split(command.text)
    if command.text in SHELL or (words[0] in SHELL and len(words) == 2):
        return
    _check_words(words, command.complete)


def _check_words(words: list[str], complete: bool) -> None:
    program, *rest = words
    if program in ("python", "python3", ".venv/bin/python"):
        program, *rest = rest
    for word in [program, *rest]:
        if word.startswith(OURS) and word not in _made_by_the_example():
            if not list(ROOT.glob(word.rstrip("/"))):
                raise UnknownCommandError(f"there is no {word}")
    if program == "cascadekit":
        _check_ours(rest, complete)
    elif program.startswith("tools/"):
        _check_script(program, rest, complete)
    elif program == "torchrun":
        _check_torchrun(rest)
    elif program == "make":
        _check_make(rest)
    elif program == "pip":
        _check_pip(rest)
    elif [program, *rest[:1]] == ["-m", "pytest"]:
        _check_pytest(rest[1:])
    else:
        raise UnknownCommandError(f"nothing here knows {' '.join(words)!r}")


def _made_by_the_example() -> list[str]:
    """Files that the diff in CONTRIBUTING.md makes."""
    return re.findall(r"^\+\+\+ b/(\S+)", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M)


def _check_ours(words: list[str], complete: bool) -> None:
    if words == ["--version"]:
        return
    if not words or words[0] not in COMMANDS:
        raise UnknownCommandError(f"no command {' '.join(words[:1])!r}: {', '.join(COMMANDS)}")
    parser = _parser(words[0], words[0])
    parser.allow_abbrev = False
    _parse(parser, words[1:], complete)


def _parse(parser: argparse.ArgumentParser, words: list[str], complete: bool) -> None:
    """Parse, where a placeholder stands for any of its choices."""
    if words == ["--help"]:
        return
    for action in parser._actions:
        if action.choices and not action.option_strings:
            any_choice = str(next(iter(action.choices)))
            words = [any_choice if w in (action.metavar, action.dest.upper()) else w for w in words]
    if not complete:
        options = {option for action in parser._actions for option in action.option_strings}
        wrong = [word for word in words if word.startswith("--") and word not in options]
        if wrong:
            raise UnknownCommandError(f"{parser.prog} has no option {', '.join(wrong)}")
        return
    errors = StringIO()
    try:
        with redirect_stderr(errors):
            parser.parse_args(words)
    except SystemExit as stopped:
        raise UnknownCommandError(errors.getvalue().strip().splitlines()[-1]) from stopped


class _Parsed(Exception):
    """A script's own parser has taken its arguments."""


def _check_script(path: str, words: list[str], complete: bool) -> None:
    """A script of tools/: one of ours by its command, any other by its own parser."""
    names = [name for name, module in COMMANDS.items() if f"tools/{module}.py" == path]
    if names:
        _check_ours([names[0], *words], complete)
        return
    if not complete and not words:
        return
    original, arguments = argparse.ArgumentParser.parse_args, sys.argv

    def stop(self: argparse.ArgumentParser, args: object = None, namespace: object = None) -> None:
        self.allow_abbrev = False
        argparse.ArgumentParser.parse_args = original
        _parse(self, words, complete)
        raise _Parsed

    argparse.ArgumentParser.parse_args, sys.argv = stop, [path, *words]
    try:
        runpy.run_path(str(ROOT / path), run_name="__main__")
    except _Parsed:
        return
    finally:
        argparse.ArgumentParser.parse_args, sys.argv = original, arguments
    raise UnknownCommandError(f"{path} did not parse its arguments")


def _check_torchrun(words: list[str]) -> None:
    from torch.distributed.run import get_args_parser

    errors = StringIO()
    try:
        with redirect_stderr(errors):
            parsed = get_args_parser().parse_args(words)
    except SystemExit as stopped:
        raise UnknownCommandError(errors.getvalue().strip().splitlines()[-1]) from stopped
    _check_words(["python", parsed.training_script, *parsed.training_script_args], True)


def _check_make(words: list[str]) -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    if wrong := [word for word in words if word not in targets]:
        raise UnknownCommandError(f"the Makefile has no target {', '.join(wrong)}")


def _check_pip(words: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *(name for names in extras.values() for name in names)]
    known = {re.split(r"[\[<>=]", name)[0] for name in needed} | {"cascadekit", "."}
    if words[:1] != ["install"]:
        raise UnknownCommandError(f"pip {' '.join(words)}")
    for word in words[1:]:
        if word == "-e":
            continue
        name, _, wanted = word.rstrip("]").partition("[")
        wrong = [extra for extra in wanted.split(",") if extra and extra not in extras]
        if name not in known or wrong:
            raise UnknownCommandError(f"pyproject.toml knows no {', '.join(wrong) or name}")


def _check_pytest(words: list[str]) -> None:
    words = list(words)
    while words:
        word = words.pop(0)
        if word in PYTEST_OPTIONS:
            words = words[PYTEST_OPTIONS[word] :]
        elif word not in _made_by_the_example() and not (ROOT / word).exists():
            raise UnknownCommandError(f"pytest: there is no {word}")
