import textwrap
from pathlib import Path

import pytest
from mmengine.config import Config

from cascadekit.configuration import Origin, config_origins, find_origin
from cascadekit.configuration.origins import dotted, override
from cascadekit.configuration.printing import leaves
from cascadekit.errors import InputError


def write(folder: Path, **files: str) -> Path:
    """Write NAME.py for each; the last one's path comes back. Texts start at their second line."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return path


def lines(path: Path) -> dict[str, str]:
    """Dotted leaf of the config as mmengine resolves it -> "file:line" of the origin found."""
    origins = config_origins(path)
    found = {}
    for leaf, _ in leaves(Config.fromfile(str(path)).to_dict()):
        origin = find_origin(origins, leaf)
        found[dotted(leaf)] = f"{Path(origin.file).stem}:{origin.line}" if origin else "?"
    return found


BASE = """
    num = 3
    model = dict(
        type='Det',
        neck=dict(type='FPN', out=256),
        heads=[
            dict(type='H', n=1),
            {'type': 'G', 'n': 2},
        ],
        empty=dict(),
    )
"""


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        # nothing changed: all from the base
        ("", {"num": "base:1", "model.neck.out": "base:4", "model.heads.1.n": "base:7"}),
        # one key of a nested dict
        ("model = dict(neck=dict(out=9))", {"model.neck.out": "child:2", "model.type": "base:3"}),
        # braces instead of dict()
        (
            "model = {'neck': {'out': 9}}",
            {"model.neck.out": "child:2", "model.neck.type": "base:4"},
        ),
        # a new key
        ("model = dict(\n  extra=1)", {"model.extra": "child:3", "model.type": "base:3"}),
        # the inherited part is dropped
        (
            "model = dict(\n neck=dict(\n  _delete_=True,\n  type='PAN'))",
            {"model.neck.type": "child:5", "model.type": "base:3"},
        ),
        ("model = dict(_delete_=True, type='X')", {"model.type": "child:2", "num": "base:1"}),
        # lists replace as a whole
        ("model = dict(heads=[dict(type='Z')])", {"model.heads.0.type": "child:2"}),
        # a scalar replaces a dict
        ("model = dict(neck=None)", {"model.neck": "child:2"}),
        # names, calls, f-strings: where they stand
        (
            "lr = 0.1\nrate = lr\nname = f'{lr}'\nsize = max(1, 2)\nminus = -1",
            {"rate": "child:3", "name": "child:4", "size": "child:5", "minus": "child:6"},
        ),
        # a name for a literal of the same file opens up
        (
            "pipe = [\n dict(type='A'),\n]\nloader = dict(dataset=dict(pipe=pipe))",
            {"pipe.0.type": "child:3", "loader.dataset.pipe.0.type": "child:3"},
        ),
        # changed after the fact
        (
            "d = dict(a=dict(b=1))\nd['a']['b'] = 2\nd.update(x=1)\nd['c'] = 3",
            {"d.a.b": "child:3", "d.c": "child:5", "d.x": "child:2"},  # update(): nearest ancestor
        ),
        ("d = dict(a=1, b=2)\ndel d['a']", {"d.b": "child:2"}),
        ("a, b = 1, dict(c=2)", {"a": "child:2", "b.c": "child:2"}),
        ("a: int = 1", {"a": "child:2"}),
        ("a = 1\na += 1", {"a": "child:3"}),
        ("a = [1]\nif True:\n  a = dict(b=1)", {"a.b": "child:4"}),
        # taken apart and put together: the line of the whole
        ("p = [1]\nd = dict(q=[*p, dict(x=1)])", {"d.q.1.x": "child:3"}),
        ("p = dict(x=1)\nd = dict(**p, y=2)", {"d.x": "child:2", "d.y": "child:3"}),
        # values of the base, by mmengine's two notations
        ("n = _base_.num\nm = {{_base_.num}}", {"n": "child:2", "m": "child:3"}),
        # a base's part that is laid over again
        ("a = _base_.model.neck", {"a.type": "child:2", "a.out": "child:2"}),
    ],
)
def test_every_leaf_has_its_line(tmp_path, child, expected):
    path = write(tmp_path, base=BASE, child="")
    path.write_text(f"_base_ = './base.py'\n{child}\n")
    found = lines(path)
    assert {key: found.get(key) for key in expected} == expected
    assert "?" not in found.values()


def test_chain_of_three_and_two_bases(tmp_path):
    path = write(
        tmp_path,
        low="""
            a = dict(x=1, y=2, z=3)
        """,
        other="""
            b = 1
            _private = 2
        """,
        middle="""
            _base_ = ['low.py', 'other.py']
            a = dict(y=5)
        """,
        top="""
            _base_ = ['middle.py']
            a = dict(
                z=6)
        """,
    )
    found = lines(path)
    assert found["a.x"] == "low:1"
    assert found["a.y"] == "middle:2"
    assert found["a.z"] == "top:3"
    assert found["b"] == "other:1"


def test_opaque_base_keeps_its_line_below_a_child(tmp_path):
    path = write(
        tmp_path,
        base="""
            import copy
            d = copy.deepcopy(dict(a=1, b=2))
        """,
        child="""
            _base_ = 'base.py'
            d = dict(b=3)
        """,
    )
    assert lines(path) == {"d.a": "base:2", "d.b": "child:2"}


def test_yaml_base_is_known_by_file(tmp_path):
    (tmp_path / "base.yaml").write_text("a:\n  b: 1\nc: 2\n")
    path = write(tmp_path, child="_base_ = 'base.yaml'\nc = 3\n")
    assert lines(path) == {"a.b": "base:0", "c": "child:2"}
    assert str(config_origins(path)[("a",)]).endswith("base.yaml")


@pytest.mark.parametrize(
    ("files", "match"),
    [
        (
            {"coco": "a = 1", "child": "x = 1\n_base_ = ['./cocoo.py']"},
            r"child\.py:2: _base_ file './cocoo\.py' does not exist .*Did you mean 'coco\.py'",
        ),
        ({"b": "_base_ = 'a.py'", "a": "_base_ = 'b.py'"}, r"based on itself .*a\.py -> b\.py"),
        ({"a": "x = 1\ny = dict(\nz = )"}, r"a\.py:3: invalid syntax, in: z = \)"),
        ({"a": "x = '{{ fileDirname }}'\ny = {{$HOME:x}} +"}, r"a\.py:2: "),
    ],
)
def test_faults(tmp_path, files, match):
    path = write(tmp_path, **files)
    with pytest.raises(InputError, match=match):
        config_origins(path)


def test_environment_placeholder_outside_of_quotes(tmp_path):
    path = write(tmp_path, a="x = 1\nroot = {{$ROOT_OF_DATA:3}}\n")
    assert config_origins(path)[("root",)].line == 2


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("a", "b"), 2),
        (("a", "b", 0, "c"), 2),  # nearest ancestor
        (("a", "x"), 1),
        (("z",), None),
        ((), None),
    ],
)
def test_find_origin(path, line):
    origins = {("a",): Origin("f", 1), ("a", "b"): Origin("f", 2)}
    found = find_origin(origins, path)
    assert (found.line if found else None) == line


def test_override_drops_what_was_below():
    origins = {("a",): Origin("f", 1), ("a", "b"): Origin("f", 2), ("ab",): Origin("f", 3)}
    override(origins, [("a",)])
    assert {dotted(k): str(v) for k, v in origins.items()} == {"a": "command line", "ab": "f:3"}


def test_names_are_relative_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(Origin(str(tmp_path / "c" / "x.py"), 12)) == "c/x.py:12"
    assert str(Origin(str(tmp_path.parent / "x.py"), 12)) == f"{tmp_path.parent / 'x.py'}:12"
