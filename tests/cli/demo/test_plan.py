"""Every action of the demonstration is judged at the door as its kind says, and the same seed makes the same actions."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from canonical import exact_json
from canonical.envelope import parse_envelope
from canonical.errors import RefusedError
from canonical.judgement import check_content, check_target
from cli.demo.intents import Intent, Kind
from cli.demo.people import people_of
from cli.demo.plan import FEWEST, ONCE, Planner, cohort, counts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOME_COMMAND = "0190c1b4-0000-7000-8000-000000000000"


def planned(actions: int, seed: int) -> list[Intent]:
    return Planner(people_of(cohort(seed, actions)), seed, now=NOW).plan(actions)


def door_says(intent: Intent) -> str | None:
    aimed = intent.on(SOME_COMMAND) if intent.kind in {Kind.CORRECTED, Kind.RETRACTED} else intent
    try:
        envelope = parse_envelope(exact_json.dumps(aimed.envelope))
        check_target(envelope)
        check_content(envelope, NOW)
    except RefusedError as refused:
        return refused.code
    return None


@pytest.mark.parametrize(("actions", "seed"), [(FEWEST, 1), (60, 2), (300, 3), (300, 8)])
def test_the_doors_own_rules_refuse_what_is_meant_to_be_refused_and_nothing_else(actions: int, seed: int) -> None:
    intents = planned(actions, seed)
    assert len(intents) == actions
    assert {it.kind for it in intents} == set(Kind)
    assert [(it.name, door_says(it)) for it in intents] == [(it.name, it.ending.code) for it in intents]


def test_the_same_seed_plans_the_same_actions_and_another_seed_others() -> None:
    assert planned(60, 5) == planned(60, 5)
    assert [it.envelope["action"] for it in planned(60, 5)] != [it.envelope["action"] for it in planned(60, 6)]


def test_nothing_but_the_revocation_touches_the_patient_whose_consent_ends() -> None:
    intents = planned(300, 4)
    revoked = next(it for it in intents if it.kind is Kind.REVOKED)
    same = [it.kind for it in intents if it.envelope["consent"] == revoked.envelope["consent"]]
    assert same == [Kind.IN_FLIGHT, Kind.REVOKED]


def test_no_entry_of_the_chart_is_changed_by_two_actions() -> None:
    targets = [it.envelope["target"]["reference"] for it in planned(300, 4) if "target" in it.envelope]
    assert len(targets) == len(set(targets))


def test_a_medicine_is_started_that_is_not_on_the_list_but_for_the_one_that_shows_what_happens_then() -> None:
    people = people_of(cohort(4, 300))
    listed = {it.reference: {one.name for one in it.medications} for it in people}
    for intent in Planner(people, 4, now=NOW).plan(300):
        if intent.operation != "MedicationChange.start":
            continue
        own, name = listed[intent.envelope["patient"]["reference"]], intent.envelope["action"]["medication"]["text"]
        assert (name in own) is (intent.kind is Kind.STARTED_AGAIN), intent.kind
        own.add(name)


def test_a_confirmed_action_goes_out_under_the_key_of_the_unconfirmed_one() -> None:
    intents = {it.name: it for it in planned(300, 4)}
    confirmed = [it for it in intents.values() if it.kind is Kind.CONFIRMED]
    assert confirmed
    assert all(it.of and it.key and it.key == intents[it.of].key for it in confirmed)


def test_no_two_readings_of_a_patient_are_of_the_same_minute() -> None:
    once = [it for it in planned(300, 4) if it.kind is not Kind.CONFIRMED]
    creates = [it for it in once if it.operation == "VitalReading.record"]
    moments = Counter(
        (it.envelope["patient"]["reference"], it.envelope["action"]["effectiveDateTime"]) for it in creates
    )
    assert max(moments.values()) == 1


@pytest.mark.parametrize("actions", [FEWEST, 57, 300, 1000])
def test_the_kinds_add_up_to_the_number_wanted(actions: int) -> None:
    wanted = counts(actions)
    assert sum(wanted.values()) == actions
    assert all(wanted[kind] == 1 for kind in ONCE)
    assert min(wanted.values()) >= 1


def test_too_few_actions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        counts(FEWEST - 1)
