"""A head has the number of classes of its model, or there is an error."""

import pytest

from cascadekit.errors import InputError
from cascadekit.models.class_count import with_classes


@pytest.mark.parametrize(
    "config",
    [{"type": "Head"}, {"type": "Head", "num_classes": 6}],  # told; says the same itself
)
def test_the_models_number(config):
    assert with_classes(config, 6) == {"type": "Head", "num_classes": 6}


def test_another_number_is_an_error():
    with pytest.raises(InputError, match=r"Head is given num_classes=7, but the model has 6"):
        with_classes({"type": "Head", "num_classes": 7}, 6)
