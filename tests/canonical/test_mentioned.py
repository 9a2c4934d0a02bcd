"""What a new entry names is in the chart, this patient's, and no error; else a person decides."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.errors import NeedsPersonError
from canonical.mentioned import check_mentioned

HERS = {"reference": "Patient/p1"}


def kind(told: dict[str, Any] | None) -> str:
    with pytest.raises(NeedsPersonError) as caught:
        check_mentioned(told, {"Patient/p1"})
    return caught.value.kind


@pytest.mark.parametrize("name", ["subject", "patient", "for"])
def test_an_entry_of_this_patient_passes_by_whichever_name_its_type_has_for_one(name: str) -> None:
    check_mentioned({name: HERS, "status": "final", "verificationStatus": {"text": "x"}}, {"Patient/p1"})
    assert kind({name: {"reference": "Patient/p2"}}) == "wrong_patient"


@pytest.mark.parametrize("told", [{}, {"subject": "Patient/p1"}, {"subject": {"display": "Ms Lopez"}}])
def test_an_entry_that_does_not_say_whose_it_is_does_not_pass(told: dict[str, Any]) -> None:
    assert kind(told) == "wrong_patient"


def test_what_is_not_there_does_not_pass() -> None:
    assert kind(None) == "mentioned_gone"


@pytest.mark.parametrize("name", ["status", "verificationStatus"])
def test_what_was_marked_as_an_error_does_not_pass(name: str) -> None:
    assert kind({"subject": HERS, name: "entered-in-error"}) == "mentioned_in_error"
