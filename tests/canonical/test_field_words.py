"""What people call fields."""

import pytest

from canonical.field_words import field_label


@pytest.mark.parametrize(
    ("name", "label"),
    [("valueQuantity", "value"), ("effectivePeriod", "taken"), ("statusReason", "status reason"), ("dosage", "dosage")],
)
def test_a_field_is_called_as_people_call_it(name: str, label: str) -> None:
    assert field_label(name) == label
