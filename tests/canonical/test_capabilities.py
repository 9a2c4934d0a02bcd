import pytest

from canonical.capabilities import (
    Capabilities,
    Interaction,
    Meaning,
    Support,
    Way,
    Write,
    only,
    within_contract,
)

CREATE = ("Observation", Interaction.CREATE)
UPDATE = ("Observation", Interaction.UPDATE)
RECORD = ("VitalReading", "record")
CORRECT = ("VitalReading", "correct")
DECLARED = Capabilities(
    writes={
        CREATE: Write(meaning=Meaning.CREATES),
        UPDATE: Write(meaning=Meaning.REPLACES, flag="vitals_contract"),
    },
    supports={
        RECORD: Support(way=Way.DIRECT, needs=(CREATE,)),
        CORRECT: Support(way=Way.REVIEW, needs=(UPDATE,)),
    },
)


def test_verbs_and_operations_are_derived_from_the_tables() -> None:
    assert DECLARED.interactions == {CREATE, UPDATE}
    assert DECLARED.actions == {RECORD, CORRECT}


def test_operation_that_no_table_names_is_refused_with_a_reason() -> None:
    support = DECLARED.support("CareTask", "create")
    assert support.way is Way.REFUSED
    assert support.why


def test_verb_by_contract_is_there_only_with_its_flag() -> None:
    assert within_contract(DECLARED, {"vitals_contract": True}) == DECLARED
    without = within_contract(DECLARED, {})
    assert without.interactions == {CREATE}
    assert without.actions == {RECORD}
    assert "vitals_contract" in without.support(*CORRECT).why


@pytest.mark.parametrize("flag", [False, None, "true", 1, "yes"])
def test_contract_flag_counts_only_as_a_plain_true(flag: object) -> None:
    assert UPDATE not in within_contract(DECLARED, {"vitals_contract": flag}).interactions


def test_what_the_live_ehr_does_not_offer_is_refused() -> None:
    left = only(DECLARED, frozenset({CREATE, ("Condition", Interaction.CREATE)}))
    assert left.interactions == {CREATE}
    assert left.support(*RECORD).way is Way.DIRECT
    assert left.support(*CORRECT).way is Way.REFUSED
    assert left.support(*CORRECT).why


def test_refused_operation_stays_refused_whatever_the_ehr_offers() -> None:
    never = Support(way=Way.REFUSED, why="An update takes the entry back there.")
    declared = Capabilities(writes=DECLARED.writes, supports={CORRECT: never})
    assert only(declared, frozenset({CREATE, UPDATE})).support(*CORRECT) == never
    assert declared.actions == frozenset()
