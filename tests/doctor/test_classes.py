import pytest
from mmengine import Config

from cascadekit.doctor.classes import class_findings, class_table, counts
from tests.doctor.makers import checks, raw_object, raw_picture, raw_set


def filled(role="train", classes=("cat", "dog"), source="ann.json", wanted=(), **numbers):
    """A set with so many objects of each class."""
    objects = [raw_object(label=name) for name, n in numbers.items() for _ in range(n)]
    own = raw_set(raw_picture(*objects), role=role, classes=classes)
    return type(own)(**{**own.__dict__, "source": source, "wanted": wanted})


def look(*sets, num_classes=2):
    config = Config({"model": {"num_classes": num_classes}})
    return checks(class_findings(config, sets))


def test_all_is_well():
    assert look(filled(cat=30, dog=40), filled("val", cat=3, dog=4)) == {}


@pytest.mark.parametrize(
    ("train", "val", "check", "severity"),
    [
        # the same names in another order: label 0 is something else
        (
            dict(cat=30, dog=30),
            dict(cat=1, dog=1, classes=("dog", "cat")),
            "class.differ",
            "error",
        ),
        (
            dict(cat=30, dog=30, cow=30, classes=("cat", "dog", "cow")),
            dict(cat=1, dog=1),
            "class.differ",
            "error",
        ),
        (dict(cat=30, dog=30), dict(cat=1), "class.not_measured", "warning"),
        (dict(cat=30, dog=3), dict(cat=1, dog=1), "class.rare", "warning"),
        (dict(cat=400, dog=30), dict(cat=1, dog=1), "class.balance", "warning"),
    ],
)
def test_a_row_for_each_fault(train, val, check, severity):
    found = look(filled(**train), filled("val", **val), num_classes=len(train.get("classes", "ab")))
    assert found[check].severity == severity and found[check].what


def test_a_class_that_is_not_learned():
    found = look(filled(cat=30), filled("val", cat=1, dog=1))
    assert found["class.not_learned"].severity == "error"
    assert found["class.unused"].where == "train"


def test_count_of_the_model():
    found = list(class_findings(Config({"model": {"num_classes": 80}}), [filled(cat=30, dog=30)]))
    assert [f.check for f in found] == ["class.count"] and "80" in found[0].what


def test_spelling():
    found = look(filled(cat=30, classes=("cat", "Cat "), **{"Cat ": 30}))
    assert "'Cat ' (30 objects)" in found["class.spelling"].what
    assert look(filled(classes=("a", "b"), a=30, b=30)) == {}
    assert "class.spelling" not in look(filled(classes=("+", "-"), **{"+": 30, "-": 30}))


def test_classes_that_the_config_leaves_out():
    found = look(filled(cat=30, dog=30, wanted=("cat",)), num_classes=1)
    assert list(found) == ["class.left_out"] and "30 dog" in found["class.left_out"].what


def test_regions_do_not_count():
    own = raw_set(raw_picture(raw_object(), raw_object(region=True)))
    assert counts([own]) == {"cat": 1}
    table = class_table([own])
    assert table.rows == (("cat", "1", "1"), ("dog", "0", "0"))


def test_no_sets():
    assert look() == {}
    assert look(raw_set(classes=())) == {}
