from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.outcome import Outcome
from canonical.retry import (
    CLOSES_CONNECTION,
    PASSES_BY_ITSELF,
    Backoff,
    CloseConnection,
    Decision,
    Stop,
    TryAgain,
    decide,
)

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
BACKOFF = Backoff(base=timedelta(seconds=2), cap=timedelta(seconds=60), retry_after_cap=timedelta(minutes=10))


def decided(
    outcome: Outcome, *, attempts: int = 1, budget: int = 3, wish: float | None = None, failures: int = 1
) -> Decision:
    return decide(
        outcome,
        attempts=attempts,
        budget=budget,
        now=NOW,
        retry_after=None if wish is None else timedelta(seconds=wish),
        backoff=BACKOFF,
        random=Random(7),
        failures=failures,
    )


@pytest.mark.parametrize(
    ("outcome", "reason"), [(Outcome.UNAVAILABLE, "outage"), (Outcome.THROTTLED, "throttled"), (Outcome.AUTH, "auth")]
)
@pytest.mark.parametrize("attempts", [1, 3, 99])
def test_a_fault_of_the_connection_closes_it_and_never_costs_the_command(
    outcome: Outcome, reason: str, attempts: int
) -> None:
    decision = decided(outcome, attempts=attempts)
    assert isinstance(decision, CloseConnection)
    assert decision.reason == reason
    assert NOW <= decision.not_before <= NOW + BACKOFF.cap


def test_a_locked_target_is_tried_again_within_the_budget_and_then_a_person_looks() -> None:
    assert isinstance(decided(Outcome.LOCKED, attempts=2), TryAgain)
    assert decided(Outcome.LOCKED, attempts=3) == Stop(reason="attempts-exhausted")


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - set(CLOSES_CONNECTION) - PASSES_BY_ITSELF))
def test_everything_else_stops_at_once_and_says_why(outcome: Outcome) -> None:
    decision = decided(outcome, attempts=0)
    assert decision == Stop(reason=outcome.value.replace("_", "-"))


def test_the_ehr_s_wish_is_kept_up_to_a_bound() -> None:
    asked = decided(Outcome.THROTTLED, wish=120)
    assert isinstance(asked, CloseConnection)
    assert asked.not_before >= NOW + timedelta(seconds=120)
    greedy = decided(Outcome.THROTTLED, wish=86_400)
    assert isinstance(greedy, CloseConnection)
    assert greedy.not_before == NOW + BACKOFF.retry_after_cap


@given(attempts=st.integers(1, 10_000), seed=st.integers())
def test_the_wait_is_never_beyond_the_doubled_base_nor_the_cap(attempts: int, seed: int) -> None:
    wait = BACKOFF.delay(attempts, Random(seed))
    assert timedelta(0) <= wait <= min(BACKOFF.cap, BACKOFF.base * 2 ** min(attempts, 30))


def test_the_jitter_is_full() -> None:
    waits = [BACKOFF.delay(4, Random(seed)) / timedelta(seconds=32) for seed in range(400)]
    assert min(waits) < 0.05
    assert max(waits) > 0.95
    assert 0.4 < sum(waits) / len(waits) < 0.6


def test_a_connection_that_keeps_failing_waits_longer() -> None:
    first = [decided(Outcome.UNAVAILABLE, failures=1)]
    later = [decided(Outcome.UNAVAILABLE, failures=5)]
    assert isinstance(first[0], CloseConnection)
    assert isinstance(later[0], CloseConnection)
    assert later[0].not_before > first[0].not_before
