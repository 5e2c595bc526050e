import pytest

from cascadekit.configuration import apply_options, find_origin, loading, parse_options, read_config
from cascadekit.errors import InputError

TEXT = """model = dict(
    type='Det',
    num_classes=80,
    heads=[dict(type='H', n=1), dict(type='G', n=2)],
)
sizes = (1, 2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.02))
"""


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "cascade.py"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("a.b=1", "a.b", 1),
        ("a=1.5", "a", 1.5),
        ("a=1e-3", "a", 0.001),
        ("a=true", "a", True),
        ("a=None", "a", None),
        ("a=text", "a", "text"),
        ("a=", "a", ""),
        ("x=[1,2]", "x", [1, 2]),
        ("x=1,2", "x", [1, 2]),
        ("x=(1,2)", "x", (1, 2)),
        ("x=[(1, 2), (a, b)]", "x", [(1, 2), ("a", "b")]),
        ("a=b=c", "a", "b=c"),  # only the first = counts
    ],
)
def test_options_are_read(word, key, value):
    assert parse_options([word]) == {key: value}


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ("a.b", "'a.b' is not KEY=VALUE"),
        ("=1", "is not KEY=VALUE"),
        ("a..b=1", "is not KEY=VALUE"),
        (".a=1", "is not KEY=VALUE"),
        ("x=[1,2", "brackets in 'x=\\[1,2' do not match"),  # the shell ate the rest
        ("x=(1,2", "brackets"),
    ],
)
def test_malformed_options(word, match):
    with pytest.raises(InputError, match=match):
        parse_options([word])


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("model.num_classes=3", ("model", "num_classes"), 3),
        ("model.heads.1.n=5", ("model", "heads", 1, "n"), 5),
        ("sizes=[3]", ("sizes",), [3]),
        ("model.weights=None", ("model", "weights"), None),  # new, near nothing
        ("train_cfg.max_epochs=1", ("train_cfg", "max_epochs"), 1),  # new, below a new dict
        ("val_dataloader=None", ("val_dataloader",), None),  # a key of the Runner
    ],
)
def test_options_change_value_and_origin(config_file, option, path, value):
    config, origins = read_config(config_file, parse_options([option]))
    found = config
    for key in path:
        found = found[key]
    assert found == value
    assert str(find_origin(origins, path)) == "command line"
    assert find_origin(origins, ("model", "type")).line == 2  # others keep theirs


def test_a_dict_as_option_marks_only_what_it_sets(config_file):
    config, origins = read_config(config_file, {"optim_wrapper.optimizer": {"lr": 1.0}})
    assert config.optim_wrapper.optimizer.to_dict() == {"type": "SGD", "lr": 1.0}
    assert str(find_origin(origins, ("optim_wrapper", "optimizer", "lr"))) == "command line"
    assert find_origin(origins, ("optim_wrapper", "optimizer", "type")).line == 7


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ("model.num_clases=3", r"model has no 'num_clases'\. Did you mean 'model\.num_classes'"),
        ("modle.num_classes=3", r"the config has no 'modle'\. Did you mean 'model'"),
        ("optim_wrapper.optimiser.lr=1", r"Did you mean 'optim_wrapper\.optimizer'"),
        ("model.heads.2.n=1", "model.heads is a list of 2; expected an index from 0 to 1, got '2'"),
        ("model.heads.n=1", "got 'n'"),
        ("model.heads.0.tpye=1", r"Did you mean 'model\.heads\.0\.type'"),
        ("sizes.0=3", "sizes is a tuple and can only be set as a whole"),
        ("model.num_classes.x=3", "model.num_classes is 80, so nothing below it can be set"),
    ],
)
def test_options_that_cannot_be_meant(config_file, option, match):
    config, origins = read_config(config_file)
    before, known = config.pretty_text, dict(origins)
    with pytest.raises(InputError, match=match):
        apply_options(config, origins, parse_options(["model.type=Other", option]))
    assert config.pretty_text == before
    assert origins == known


def test_the_right_line_is_named(config_file):
    with pytest.raises(InputError, match=r"cascade\.py:3\)\?"):
        read_config(config_file, {"model.num_clases": 3})


def test_missing_file_names_its_neighbours(config_file):
    with pytest.raises(InputError, match=r"no config file .*Did you mean 'cascade\.py'"):
        read_config(config_file.with_name("casacde.py"))


def test_missing_file_names_packaged_configs(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_packaged", lambda: ["lite/cascade_lite", "cascade_r50"])
    with pytest.raises(InputError, match=r"Did you mean 'lite/cascade_lite'.*config_path"):
        read_config(tmp_path / "cascade_lit.py")


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.txt", "x = 1", r"a config is a \.py file .*not '\.txt'"),
        ("a.py", "x = 1\ny = dict(\n", r"a\.py:2: '\(' was never closed"),
        ("a.py", "x = 1\ny = undefined", r"a\.py:2: .*NameError: name 'undefined'"),
        ("a.py", "d = {}\n\nx = d['k']", r"a\.py:3: .*'k'"),
        ("a.py", "x = 1 / 0", r"a\.py:1: .*ZeroDivisionError"),
        ("a.py", "_base_ = 'b.py'\nx = _base_.nothing", r"a\.py:2: .*nothing"),
        ("a.py", "_base_ = 'b.py'\ny = dict(z=1)", r"a\.py: .*y.* cannot inherit"),  # dict on int
        ("a.py", "_base_ = ['b.py', 'c.py']", r"a\.py: .*Duplicate key"),
        ("a.py", "x = 1\0", "not a Python file|null byte"),
        ("a.json", "{", r"a\.json: the config cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, text, match):
    (tmp_path / "b.py").write_text("y = 1\n")
    (tmp_path / "c.py").write_text("y = 2\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=match):
        read_config(tmp_path / name)


def test_a_folder_and_a_binary_file(tmp_path):
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"is a folder; .*a\.py"):
        read_config(tmp_path)
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        read_config(tmp_path / "a.py")


def test_an_error_in_a_base_names_the_base(tmp_path):
    (tmp_path / "b.py").write_text("\n\ny = undefined\n")
    (tmp_path / "a.py").write_text("_base_ = 'b.py'\n")
    with pytest.raises(InputError, match=r"b\.py:3: "):
        read_config(tmp_path / "a.py")


def test_yaml_configs_have_no_lines_but_load(tmp_path):
    (tmp_path / "a.yaml").write_text("a:\n  b: 1\n")
    config, origins = read_config(tmp_path / "a.yaml", {"a.b": 2})
    assert config.a.b == 2
    assert {k: str(v) for k, v in origins.items()} == {("a", "b"): "command line"}


def test_reading_does_not_import_torch(tmp_path):
    import subprocess
    import sys

    (tmp_path / "a.py").write_text("x = 1\n")
    code = (
        "import sys; from cascadekit.configuration import read_config; "
        f"read_config({str(tmp_path / 'a.py')!r}); sys.exit('torch' in sys.modules)"
    )
    root = loading.__file__.rsplit("cascadekit", 1)[0]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


def test_configs_of_the_package_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "configs/lite/cascade_lite.py"
    assert read_config(name)[0].model.roi_head.stage_ious == (0.5, 0.6, 0.7)
    own = tmp_path / name  # a file of one's own comes first
    own.parent.mkdir(parents=True)
    own.write_text("model = dict(mine=1)")
    assert read_config(name)[0].model == {"mine": 1}
    with pytest.raises(InputError, match="no config file configs/lite/cascade_lit"):
        read_config("configs/lite/cascade_lit.py")
