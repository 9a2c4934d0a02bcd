from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from canonical.ports import Timings

SOME = st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(hours=1))


@given(request=SOME, slowest_commit=SOME, search_lag=SOME, margin=SOME, send_within=SOME)
def test_the_quarantine_outlasts_all_that_may_still_change_the_chart(**parts: timedelta) -> None:
    timings = Timings(**parts)
    assert timings.quarantine > timings.request + timings.slowest_commit + timings.search_lag


@given(request=SOME, slowest_commit=SOME, search_lag=SOME, margin=SOME, send_within=SOME)
def test_the_lease_outlasts_the_request_and_the_wait_before_it(**parts: timedelta) -> None:
    timings = Timings(**parts)
    assert timings.lease > timings.send_within + timings.request
