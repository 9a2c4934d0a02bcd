import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.clinical_list import is_active

OVER = ["inactive", "resolved", "remission"]
NOT_SO = ["refuted", "entered-in-error"]
LIVE = ["active", "recurrence", "relapse", "dormant", None, {"text": "resolved"}]


@pytest.mark.parametrize("status", OVER)
def test_what_is_over_is_not_active(status: str) -> None:
    assert not is_active({"clinicalStatus": status, "verificationStatus": "confirmed"})


@pytest.mark.parametrize("status", NOT_SO)
def test_what_was_never_so_is_not_active(status: str) -> None:
    assert not is_active({"clinicalStatus": "active", "verificationStatus": status})


@given(st.sampled_from(LIVE), st.sampled_from(["confirmed", "unconfirmed", "provisional", "odd", None, {}]))
def test_whatever_does_not_say_that_it_is_over_counts(clinical: object, verification: object) -> None:
    assert is_active({"clinicalStatus": clinical, "verificationStatus": verification})
