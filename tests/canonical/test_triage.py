from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product

import pytest

from canonical.action import action_specs
from canonical.policy import PROTECTED
from canonical.queue_policy import ROLLBACKS, SIGNIFICANCES
from canonical.triage import Rollback, may_merge, rollback, triage
from tests.canonical.policies import policies, queue, shipped


@pytest.mark.parametrize(
    ("action", "operation", "way"),
    [
        ("VitalReading", "record", Rollback.TAKES_BACK),
        ("VitalReading", "correct", Rollback.CHANGES_BACK),
        ("VitalReading", "retract", Rollback.BY_HAND),
        ("MedicationChange", "changeDose", Rollback.CHANGES_BACK),
        ("ClinicalNote", "addendum", Rollback.TAKES_BACK),
        ("CareMessage", "send", Rollback.TAKES_BACK),
    ],
)
def test_the_way_back_is_known_before_anything_is_sent(action: str, operation: str, way: Rollback) -> None:
    assert rollback(action, operation) is way


def test_every_operation_has_a_way_back_and_no_taking_back_is_taken_back() -> None:
    for spec in action_specs().values():
        for name, rule in spec.operations.items():
            assert (rollback(spec.type, name) is Rollback.BY_HAND) or not rule.takes_back


@pytest.mark.parametrize(("significance", "way"), list(product(SIGNIFICANCES, ROLLBACKS)))
@pytest.mark.parametrize("protected", [True, False])
def test_no_rung_merges_what_is_protected_and_significant(significance: str, way: str, *, protected: bool) -> None:
    policy = replace(policies().action("CareTask"), protected=protected)
    allowed = may_merge(policy, significance, Rollback(way), queue().merge)
    assert allowed is not (protected and significance == "high")
    assert may_merge(policy, significance, Rollback(way), ()) is False


def test_the_words_of_the_ladder_are_those_of_the_ways_back() -> None:
    assert set(ROLLBACKS) == set(Rollback)


def test_a_case_is_as_severe_as_the_most_severe_that_waits_behind_it() -> None:
    alone = triage(shipped(), severity=3, action_type="CareTask", operation="update")
    behind = triage(shipped(), severity=3, action_type="CareTask", operation="update", behind=(4, 1))
    assert (alone.severity, behind.severity) == (3, 1)


def test_what_is_protected_and_hard_to_undo_comes_first() -> None:
    easy = triage(shipped(), severity=2, action_type="VitalReading", operation="record")
    dose = triage(shipped(), severity=2, action_type="MedicationChange", operation="changeDose")
    gone = triage(shipped(), severity=2, action_type="AllergyUpdate", operation="retract")
    assert sorted((easy, dose, gone), key=lambda one: one.order) == [gone, dose, easy]
    assert (gone.severity, dose.severity) == (1, 2)
    assert triage(shipped(), severity=1, action_type="AllergyUpdate", operation="retract").severity == 1


def test_an_ehr_that_cannot_undo_it_makes_a_case_more_urgent_and_takes_it_from_the_machine() -> None:
    dose = partial(triage, shipped(), severity=2, action_type="MedicationChange", operation="changeDose")
    assert (dose().severity, dose(way=Rollback.BY_HAND).severity) == (2, 1)
    assert dose(way=Rollback.BY_HAND).order < dose().order
    task = partial(triage, shipped(), severity=4, action_type="CareTask", operation="update", significance="medium")
    assert task(overlapping=False, way=Rollback.CHANGES_BACK).may_merge
    assert not task(overlapping=False, way=Rollback.BY_HAND).may_merge


def test_what_overlaps_is_on_no_rung() -> None:
    for action in sorted(PROTECTED | {"CareTask"}):
        operation = next(iter(action_specs()[action].operations))
        assert not triage(policies(), severity=4, action_type=action, operation=operation).may_merge
    free = triage(
        shipped(), severity=4, action_type="CareTask", operation="update", significance="medium", overlapping=False
    )
    assert free.may_merge
