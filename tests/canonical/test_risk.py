from __future__ import annotations

from typing import Any

import pytest

from canonical.action import action_specs
from canonical.policy import ALWAYS_A_PERSON, Direction
from canonical.reviewer import Licence
from canonical.risk import Facts, direction, field_direction, licence_of, person_needed
from canonical.three_way import Comparison, compare
from tests.canonical.policies import policies, shipped
from tests.factories import EnvelopeFactory

NURSE = Facts(licence=Licence.NURSE)
ALLERGY = shipped().action("AllergyUpdate")


def lowered(now: Any, then: Any) -> Comparison:
    said = {} if now is None else {"criticality": now}
    groups = action_specs()["AllergyUpdate"].field_groups
    return compare(base=said, current=said, proposed={"criticality": then}, touched=("criticality",), groups=groups)


@pytest.mark.parametrize(("action", "operation"), sorted(ALWAYS_A_PERSON))
@pytest.mark.parametrize("licence", list(Licence))
def test_what_takes_a_warning_away_needs_a_person_whoever_wrote_it(
    action: str, operation: str, licence: Licence
) -> None:
    facts = Facts(licence=licence, authenticated=True)
    for rules in (shipped(), policies()):
        assert "always-a-person" in person_needed(rules.action(action), operation, facts)
        assert direction(rules.action(action), operation) is Direction.REDUCES


@pytest.mark.parametrize("operation", ["record", "addReaction"])
def test_a_warning_that_a_clinician_adds_follows_the_ordinary_rule(operation: str) -> None:
    assert person_needed(ALLERGY, operation, NURSE) == ()
    assert person_needed(ALLERGY, operation, Facts()) == ("author-not-licensed",)
    assert direction(ALLERGY, operation) is Direction.ADDS


@pytest.mark.parametrize("operation", ["hold", "stop"])
def test_a_hold_or_stop_that_a_clinician_authored_follows_the_ordinary_rule(operation: str) -> None:
    assert person_needed(shipped().action("MedicationChange"), operation, NURSE) == ()


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ("high", "low", Direction.REDUCES),
        ("high", "unable-to-assess", Direction.REDUCES),
        ("unable-to-assess", "low", Direction.REDUCES),
        ("low", "high", Direction.ADDS),
        (None, "low", Direction.ADDS),
        ("high", None, Direction.REDUCES),
        ("of-the-site", "high", Direction.REDUCES),
    ],
)
def test_a_criticality_is_lowered_by_a_person_only(now: Any, then: Any, expected: Direction) -> None:
    seen = lowered(now, then)
    (field,) = seen.author_fields
    assert field_direction(ALLERGY, field) is expected
    needed = person_needed(ALLERGY, "update", Facts(licence=Licence.PRESCRIBER, authenticated=True), seen)
    assert needed == (("lowers-risk",) if expected is Direction.REDUCES else ())


def test_a_field_without_a_scale_and_one_that_stays_have_no_direction() -> None:
    groups = action_specs()["AllergyUpdate"].field_groups
    seen = compare(
        base={"criticality": "low", "code": "a"},
        current={"criticality": "low", "code": "a"},
        proposed={"criticality": "low", "code": "b"},
        touched=("code", "criticality"),
        groups=groups,
    )
    assert {field_direction(ALLERGY, field) for field in seen.fields} == {Direction.NEUTRAL}


@pytest.mark.parametrize(
    ("licence", "authenticated", "asked"),
    [
        (Licence.PRESCRIBER, True, False),
        (Licence.PHARMACIST, True, False),
        (Licence.PRESCRIBER, False, True),
        (Licence.NURSE, True, True),
    ],
)
@pytest.mark.parametrize("operation", sorted(action_specs()["MedicationChange"].operations))
def test_any_change_of_a_high_alert_medicine_needs_a_person_unless_a_prescriber_or_pharmacist_logged_in(
    operation: str, licence: Licence, *, authenticated: bool, asked: bool
) -> None:
    facts = Facts(licence=licence, authenticated=authenticated, high_alert=("insulins",))
    needed = person_needed(shipped().action("MedicationChange"), operation, facts)
    assert needed == (("high-alert-medicine",) if asked else ())


def test_what_a_model_wrote_needs_a_person_whoever_answers_for_it() -> None:
    facts = Facts(licence=Licence.PRESCRIBER, authenticated=True, ai=True)
    assert person_needed(shipped().action("VitalReading"), "record", facts) == ("ai-authored",)


def test_an_author_has_the_licence_of_their_role_and_a_patient_none() -> None:
    said = {
        role: licence_of(EnvelopeFactory.create(author={"role": role}).author)
        for role in ("physician", "nurse", "patient")
    }
    assert said == {"physician": Licence.PRESCRIBER, "nurse": Licence.NURSE, "patient": None}


@pytest.mark.parametrize("authenticated", [True, False])
def test_where_an_app_s_word_is_not_enough_the_author_must_have_logged_in(*, authenticated: bool) -> None:
    facts = Facts(licence=Licence.PRESCRIBER, authenticated=authenticated)
    needed = person_needed(policies().action("MedicationChange"), "changeDose", facts)
    assert needed == (() if authenticated else ("author-not-licensed",))
