"""Hints."""

import re

import pytest

from cascadekit.errors import InputError, check_word, did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("casade", ["cascade", "faster"], " Did you mean 'cascade'?"),
        ("CASCADE", ["cascade"], " Did you mean 'cascade'?"),  # case is the commonest slip
        ("fpn", ["FPN"], " Did you mean 'FPN'?"),
        ("cat", ["cat_a", "cat_b"], " Did you mean 'cat_b' or 'cat_a'?"),
        ("xyz", ["cascade"], ""),
        ("a", [], ""),
        ("", ["a"], ""),
        ("dog", iter(["dogs"]), " Did you mean 'dogs'?"),  # any iterable
        ("dog", ["dogs", "dogs"], " Did you mean 'dogs'?"),  # said once
    ],
)
def test_did_you_mean(name, known, hint):
    assert did_you_mean(name, known) == hint


def test_no_more_than_asked_for():
    known = ["name1", "name2", "name3", "name4"]
    assert did_you_mean("name", known).count(" or ") == 2
    assert " or " not in did_you_mean("name", known, most=1)


def test_who_catches_value_errors_catches_ours():
    assert issubclass(InputError, ValueError)


def test_one_of_a_few_words():
    check_word("rule", "b", ["a", "b"])
    check_word("rule", "b", {"b": 1})
    expected = "rule must be one of all, first, got 'frist'. Did you mean 'first'?"
    with pytest.raises(InputError, match=re.escape(expected)):
        check_word("rule", "frist", ("all", "first"))
    with pytest.raises(InputError, match="got 3"):
        check_word("rule", 3, ("all",))
