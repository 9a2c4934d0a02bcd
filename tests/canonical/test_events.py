from __future__ import annotations

import pytest

from canonical.errors import IllegalTransitionError
from canonical.events import move
from canonical.lifecycle import State, Trigger


def test_a_move_carries_where_from_where_to_and_why() -> None:
    made = move(State.READY, Trigger.CONSENT_ENDED, "consent-revoked", version=3)
    assert (made.source, made.target, made.trigger) == (State.READY, State.REJECTED, Trigger.CONSENT_ENDED)
    assert (made.reason, made.detail) == ("consent-revoked", {"version": 3})


def test_a_move_without_a_reason_is_named_by_its_trigger() -> None:
    assert move(State.READY, Trigger.TARGET_MOVED).reason == "target-moved"


def test_a_move_that_the_life_cycle_does_not_have_is_never_made() -> None:
    with pytest.raises(IllegalTransitionError):
        move(State.VERIFIED, Trigger.CLAIMED)
