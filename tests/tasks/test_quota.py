from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import pytest

from canonical.admission import AdmissionStore, BusyError
from tasks.quota import RECOUNT_AFTER, HourlyQuota
from tests.factories import NOW
from tests.reception import Clock


@dataclass
class Counted:
    """A store that counts what it is told it holds, at our own port."""

    held: int = 0
    oldest: timedelta = timedelta(minutes=20)
    asked: int = 0

    def accepted(self, _tenant: str, _app: str, *, within: timedelta) -> tuple[int, timedelta]:
        assert within == timedelta(hours=1)
        self.asked += 1
        return self.held, self.oldest


def quota(store: Counted, clock: Clock, limit: int = 3) -> HourlyQuota:
    return HourlyQuota(store=cast("AdmissionStore", store), limit=limit, clock=clock)


def test_the_database_is_asked_once_in_a_while_and_at_the_limit() -> None:
    store, clock = Counted(), Clock()
    hourly = quota(store, clock)
    for _ in range(3):
        hourly.check("north", "visits")
        hourly.count("north", "visits")
    assert store.asked == 1
    store.held = 3
    with pytest.raises(BusyError) as busy:
        hourly.check("north", "visits")
    assert (store.asked, busy.value.retry_after) == (2, timedelta(minutes=40))


def test_what_other_processes_accepted_is_seen_after_a_while() -> None:
    store, clock = Counted(), Clock()
    hourly = quota(store, clock)
    hourly.check("north", "visits")
    store.held = 3
    hourly.check("north", "visits")
    clock.now = NOW + RECOUNT_AFTER
    with pytest.raises(BusyError):
        hourly.check("north", "visits")


@pytest.mark.parametrize("other", [("south", "visits"), ("north", "other")])
def test_every_tenant_and_app_is_counted_apart(other: tuple[str, str]) -> None:
    store, clock = Counted(), Clock()
    hourly = quota(store, clock, limit=1)
    hourly.check("north", "visits")
    hourly.count("north", "visits")
    hourly.check(*other)


def test_when_an_hour_has_passed_it_goes_on() -> None:
    store, clock = Counted(held=3, oldest=timedelta(hours=1)), Clock()
    hourly = quota(store, clock)
    with pytest.raises(BusyError) as busy:
        hourly.check("north", "visits")
    assert busy.value.retry_after == timedelta(seconds=1)
    store.held = 2
    clock.now = NOW + timedelta(seconds=1)
    hourly.check("north", "visits")


def test_a_full_hour_is_not_counted_again_for_every_refusal() -> None:
    store, clock = Counted(held=3), Clock()
    hourly = quota(store, clock)
    for second in range(10):
        clock.now = NOW + timedelta(seconds=second)
        with pytest.raises(BusyError) as busy:
            hourly.check("north", "visits")
        assert busy.value.retry_after == timedelta(minutes=40) - timedelta(seconds=second)
    assert store.asked == 1
    store.held = 2
    clock.now = NOW + RECOUNT_AFTER
    hourly.check("north", "visits")
    assert store.asked == 2
