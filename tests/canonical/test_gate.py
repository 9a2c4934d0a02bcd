from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.command import Command
from canonical.gate import CHECKS, may_send
from canonical.lifecycle import TRANSITIONS, State, Trigger
from tests.factories import NOW, CommandFactory, EnvelopeFactory, GovernanceFactory

ENVELOPE = EnvelopeFactory.create()
SECOND = timedelta(seconds=1)


def command(**over: Any) -> Command:
    governance = {name[3:]: over.pop(name) for name in list(over) if name.startswith("of_")}
    return CommandFactory.create(envelope=ENVELOPE, governance=GovernanceFactory.create(**governance), **over)


def test_a_command_in_order_may_be_sent() -> None:
    assert may_send(command(), NOW) is None


DENIALS: list[tuple[str, dict[str, Any], Trigger | None]] = [
    ("not-ready", {"state": State.PARKED}, None),
    ("not-due", {"due_at": NOW + SECOND}, None),
    ("deadline-passed", {"not_after": NOW}, Trigger.DEADLINE_PASSED),
    ("consent-unreadable", {"of_consent_version_now": None}, Trigger.CONSENT_ENDED),
    ("consent-revoked", {"of_consent_active": False}, Trigger.CONSENT_ENDED),
    ("consent-ended", {"of_consent_until": NOW}, Trigger.CONSENT_ENDED),
    ("consent-changed", {"of_consent_version_now": 2}, Trigger.CONSENT_ENDED),
    ("switch-unreadable", {"of_switches_known": False}, Trigger.PAUSED),
    ("switched-off-tenant", {"of_switches_off": ("tenant", "app")}, Trigger.PAUSED),
    ("approval-lapsed", {"of_approval_required": True}, Trigger.APPROVAL_LAPSED),
]


@pytest.mark.parametrize(("reason", "over", "trigger"), DENIALS, ids=[row[0] for row in DENIALS])
def test_each_fact_alone_denies_with_its_own_reason(reason: str, over: dict[str, Any], trigger: Trigger | None) -> None:
    denial = may_send(command(**over), NOW)
    assert denial is not None
    assert (denial.reason, denial.trigger) == (reason, trigger)


@pytest.mark.parametrize(("reason", "over", "trigger"), DENIALS, ids=[row[0] for row in DENIALS])
def test_a_denial_that_moves_the_command_is_a_move_of_the_life_cycle(
    reason: str, over: dict[str, Any], trigger: Trigger | None
) -> None:
    assert trigger is None or (State.READY, trigger) in TRANSITIONS, reason


def approved(**over: Any) -> Command:
    made = command(of_approval_required=True, of_approval_until=NOW + SECOND, **over)
    return made.evolve(
        governance=made.governance.__class__(**{**vars(made.governance), "approval_digest": made.digest})
    )


def test_an_approval_of_exactly_this_command_opens_the_gate() -> None:
    assert may_send(approved(), NOW) is None


def test_an_approval_of_other_bytes_does_not() -> None:
    denial = may_send(approved().evolve(digest=b"\0" * 32), NOW)
    assert denial is not None
    assert denial.trigger is Trigger.APPROVAL_LAPSED


def test_an_approval_ends_in_the_second_that_it_names() -> None:
    assert may_send(approved(), NOW + SECOND) is not None


def test_boundaries_count_as_over() -> None:
    assert may_send(command(not_after=NOW + SECOND), NOW) is None
    assert may_send(command(of_consent_until=NOW + SECOND), NOW) is None
    assert may_send(command(due_at=NOW), NOW) is None


def test_what_ends_a_command_is_told_before_what_only_delays_it() -> None:
    everything = {name: value for _, over, _ in DENIALS[1:] for name, value in over.items()}
    reasons = []
    made = command(**everything)
    for check in CHECKS:
        denial = check(made, NOW)
        if denial is not None:
            reasons.append(denial.reason)
    assert reasons == ["deadline-passed", "consent-revoked", "approval-lapsed", "switch-unreadable", "not-due"]
    first = may_send(made, NOW)
    assert first is not None
    assert first.reason == "deadline-passed"


MOMENTS = st.sampled_from([None, NOW - SECOND, NOW, NOW + SECOND])


@given(
    state=st.sampled_from(State),
    due=st.sampled_from([NOW - SECOND, NOW, NOW + SECOND]),
    not_after=MOMENTS,
    version_now=st.sampled_from([None, 1, 2]),
    active=st.booleans(),
    until=MOMENTS,
    known=st.booleans(),
    off=st.sampled_from([(), ("connection",)]),
    required=st.booleans(),
    fits=st.sampled_from([None, False, True]),
    approved_until=MOMENTS,
)
def test_the_gate_opens_only_when_every_single_fact_is_in_order(
    *, state: State, due: Any, not_after: Any, version_now: Any, active: bool, until: Any, known: bool, off: Any,
    required: bool, fits: bool | None, approved_until: Any,
) -> None:  # fmt: skip
    made = command(
        state=state, due_at=due, not_after=not_after, of_consent_version_now=version_now, of_consent_active=active,
        of_consent_until=until, of_switches_known=known, of_switches_off=off, of_approval_required=required,
        of_approval_digest={None: None, False: b"x", True: TEMPLATE_DIGEST}[fits], of_approval_until=approved_until,
    )  # fmt: skip
    in_order = (
        state is State.READY
        and due <= NOW
        and (not_after is None or not_after > NOW)
        and version_now == 1
        and active
        and (until is None or until > NOW)
        and known
        and not off
        and (not required or (fits is True and approved_until is not None and approved_until > NOW))
    )
    assert (may_send(made, NOW) is None) == in_order


TEMPLATE_DIGEST = command().digest
