from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from processes.child_spec import Backoff


def test_each_end_in_a_row_doubles_the_wait_up_to_the_cap() -> None:
    backoff = Backoff(first=timedelta(seconds=1), cap=timedelta(seconds=10))
    assert [backoff.before_restart(n).total_seconds() for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(st.integers(min_value=1, max_value=10**9))
def test_no_number_of_ends_breaks_the_cap(ends_in_a_row: int) -> None:
    backoff = Backoff()
    assert backoff.first <= backoff.before_restart(ends_in_a_row) <= backoff.cap
