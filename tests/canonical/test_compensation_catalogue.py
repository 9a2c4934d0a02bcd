"""The catalogue of compensations: never more than the ladder allows and the EHR can do, and always a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import Capabilities, Support, Way
from canonical.compensation_catalogue import Degree, Means, best_way_back, narrowed, ways_to_undo
from canonical.triage import Rollback, rollback

HARDEST_LAST = [Rollback.TAKES_BACK, Rollback.CHANGES_BACK, Rollback.BY_HAND]
OPERATIONS = [(spec.type, operation) for spec in action_specs().values() for operation in spec.operations]


def can(*operations: tuple[str, str], way: Way = Way.DIRECT) -> Capabilities:
    return Capabilities(writes={}, supports={name: Support(way=way) for name in operations})


@pytest.mark.parametrize(
    ("action", "operation", "able", "means", "degree"),
    [
        ("VitalReading", "record", ["retract", "correct"], Means.ENTERED_IN_ERROR, Degree.REVERSIBLE),
        ("VitalReading", "record", ["correct"], Means.CORRECTIVE_ENTRY, Degree.PARTLY),
        ("VitalReading", "record", [], Means.NONE, Degree.NOT),
        ("VitalReading", "retract", ["retract", "correct"], Means.NONE, Degree.NOT),
        ("CareTask", "create", ["cancel"], Means.CANCEL_TASK, Degree.REVERSIBLE),
        ("OrderRequest", "propose", ["cancel"], Means.CANCEL_TASK, Degree.REVERSIBLE),
        ("ClinicalNote", "create", ["replace"], Means.SUPERSEDING_DOCUMENT, Degree.PARTLY),
        ("ClinicalNote", "create", ["retract", "replace"], Means.ENTERED_IN_ERROR, Degree.REVERSIBLE),
        ("MedicationChange", "hold", ["resume"], Means.CORRECTIVE_ENTRY, Degree.PARTLY),
        ("MedicationChange", "stop", ["start", "resume", "correct"], Means.NONE, Degree.NOT),
    ],
)
def test_the_farthest_way_comes_first(
    action: str, operation: str, able: list[str], means: Means, degree: Degree
) -> None:
    best = best_way_back(can(*((action, name) for name in able)), action, operation)
    assert (best.means, best.degree) == (means, degree)


def test_what_the_ehrs_staff_must_accept_is_partly_undone_and_says_so() -> None:
    best = best_way_back(can(("VitalReading", "retract"), way=Way.REVIEW), "VitalReading", "record")
    assert best.degree is Degree.PARTLY
    assert "staff accept" in best.sentence


def test_where_only_the_vendors_own_screen_can_its_words_are_told() -> None:
    told = replace(can(), compensations={"VitalReading": "by hand in the chart review"})
    assert "(by hand in the chart review)" in best_way_back(told, "VitalReading", "record").sentence
    assert "chart review" not in best_way_back(told, "VitalReading", "correct").sentence


@given(able=st.sets(st.sampled_from(OPERATIONS)), name=st.sampled_from(OPERATIONS))
def test_no_ehr_promises_more_than_it_can_or_the_ladder_allows(
    able: set[tuple[str, str]], name: tuple[str, str]
) -> None:
    ways = ways_to_undo(can(*able), *name)
    assert ways
    assert all(way.sentence.endswith((".", ")")) for way in ways)
    assert all((way.operation is None) == (way.degree is Degree.NOT) == (way.means is Means.NONE) for way in ways)
    assert all((name[0], way.operation) in able for way in ways if way.operation is not None)
    ladder, rung = rollback(*name), narrowed(ways)
    assert rung is not None
    assert HARDEST_LAST.index(rung) >= HARDEST_LAST.index(ladder)
    if ladder is Rollback.BY_HAND:
        assert ways[0].degree is Degree.NOT
    if ladder is Rollback.CHANGES_BACK:
        assert {way.degree for way in ways} <= {Degree.PARTLY, Degree.NOT}


def test_every_way_back_that_is_declared_is_an_operation_of_its_action() -> None:
    for spec in action_specs().values():
        named = {name for names in spec.undone_by.values() for name in names}
        assert {*spec.undone_by, *named} <= set(spec.operations), spec.type
        assert not any(spec.operations[name].creates or spec.operations[name].takes_back for name in named), spec.type


@pytest.mark.parametrize("key", sorted(adapters()))
def test_every_operation_of_every_ehr_says_how_it_is_undone(key: str) -> None:
    capabilities = adapters()[key].capabilities
    for action, operation in OPERATIONS:
        assert ways_to_undo(capabilities, action, operation)[0].sentence
