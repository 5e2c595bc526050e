import pytest
from mmengine.config import Config

from cascadekit.configuration import Origin, diff_configs, format_config
from cascadekit.configuration.printing import leaves


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": 1}}, [(("a", "b"), 1)]),
        ({"a": [1, 2]}, [(("a",), [1, 2])]),  # plain lists stay whole
        ({"a": [{"b": 1}, 2]}, [(("a", 0, "b"), 1), (("a", 1), 2)]),
        ({"a": [[{"b": 1}]]}, [(("a", 0, 0, "b"), 1)]),
        ({"a": {}, "b": [], "c": None}, [(("a",), {}), (("b",), []), (("c",), None)]),
    ],
)
def test_leaves(value, expected):
    assert list(leaves(value)) == expected


def test_columns_line_up():
    config = Config({"a": {"type": "FPN"}, "long_name": [1, 2], "free": None})
    origins = {("a",): Origin("x.py", 1), ("long_name",): Origin("x.py", 12)}
    assert format_config(config, origins).splitlines() == [
        "a.type    = 'FPN'   # x.py:1",
        "long_name = [1, 2]  # x.py:12",
        "free      = None",  # nobody knows who set it
    ]


def test_one_long_value_does_not_push_all_comments():
    text = format_config({"a": 1, "b": "x" * 90}, {("a",): Origin("f", 1), ("b",): Origin("f", 2)})
    first, second = text.splitlines()
    assert first == "a = 1  # f:1"
    assert second == f"b = {'x' * 90!r}  # f:2"


def test_comments_can_be_dimmed():
    text = format_config({"a": 1}, {("a",): Origin("f", 1)}, color=True)
    assert text == "a = 1  \x1b[2m# f:1\x1b[0m"


def test_empty_config():
    assert format_config(Config({}), {}) == ""


def test_differences():
    a = Config({"same": 1, "lr": 0.02, "model": {"old": [1]}, "kinds": (1, 2)})
    b = Config({"same": 1, "lr": 0.01, "model": {"new_key": 3}, "kinds": [1, 2]})
    assert diff_configs(a, b).splitlines() == [
        "~ lr             0.02 -> 0.01",
        "- model.old      [1]",
        "~ kinds          (1, 2) -> [1, 2]",
        "+ model.new_key  3",
    ]


def test_no_difference():
    assert diff_configs(Config({"a": {"b": 1}}), {"a": {"b": 1}}) == ""
