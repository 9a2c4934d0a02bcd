"""A new allergy retires the statements that nothing is known which it makes untrue, and no other entry."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.fhir_r4 import ADAPTER, WRITES
from adapters.r4.allergy_intolerance import TYPE, retire_none_known
from adapters.r4.change import change_of
from canonical import exact_json
from canonical.capabilities import Meaning
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Interaction, Surrounding
from tests.adapters.commands import command
from tests.adapters.r4.lists import SITE, changed, planned, status
from tests.adapters.r4.test_allergy_intolerance import RECORD, SNOMED, in_chart, of, said


def none_known_entry(scope: str, **over: Any) -> dict[str, Any]:
    entry = in_chart(of("assertNoneKnown", noneKnownScope=scope), id=f"n-{scope}", meta={"versionId": "9"})
    return {name: value for name, value in (entry | over).items() if value is not None}


ALL_SCOPES = ["all", "drug", "food", "environment", "latex"]
RETIRED = {
    "medication": ["all", "drug"],
    "biologic": ["all", "drug"],
    "food": ["all", "food"],
    "environment": ["all", "environment"],
}


@pytest.mark.parametrize("category", sorted(RETIRED))
def test_an_allergy_retires_with_it_what_it_makes_untrue(category: str) -> None:
    beside = tuple(none_known_entry(scope) for scope in ALL_SCOPES)
    first, *rest = planned({**RECORD, "category": [category]}, beside=beside)
    assert (first.interaction, first.is_primary, first.seq) == (Interaction.CREATE, True, 1)
    assert [item.reference for item in rest] == [f"AllergyIntolerance/n-{scope}" for scope in RETIRED[category]]
    for item in rest:
        assert (item.interaction, item.is_primary, item.if_match) == (Interaction.UPDATE, False, "9")
        after = exact_json.parse(item.body)
        before = next(entry for entry in beside if entry["id"] == after["id"])
        assert said(after) == ("inactive", "confirmed")
        assert changed(before, after) == {"clinicalStatus", "identifier"}
    assert len({item.mark for item in (first, *rest)}) == 1 + len(rest)


def test_latex_retires_nothing_known_of_latex_by_code_only() -> None:
    latex = {"coding": [{"system": SNOMED, "code": "111088007"}], "text": "Latex"}
    beside = (none_known_entry("latex"), none_known_entry("food"))
    operations = planned({**RECORD, "code": latex, "category": ["environment"]}, beside=beside)
    assert [item.reference for item in operations] == [None, "AllergyIntolerance/n-latex"]
    assert len(planned({**RECORD, "code": {"text": "latex"}, "category": ["environment"]}, beside=beside)) == 1


def test_what_was_over_already_and_real_allergies_are_left_alone() -> None:
    ended = none_known_entry("all", clinicalStatus=status("allergyintolerance-clinical", "inactive"))
    in_error = none_known_entry(
        "drug", clinicalStatus=None, verificationStatus=status("allergyintolerance-verification", "entered-in-error")
    )
    assert len(planned(RECORD, beside=(ended, in_error, in_chart()))) == 1


def test_nothing_is_retired_without_a_version_or_in_another_chart() -> None:
    for over, kind in (
        ({"meta": None}, "unversioned_target"),
        ({"patient": {"reference": "Patient/p2"}}, "wrong_patient"),
        ({"clinicalStatus": {"text": "dormant"}}, "status_ended"),
    ):
        with pytest.raises(NeedsPersonError) as caught:
            planned(RECORD, beside=(none_known_entry("all", **over),))
        assert caught.value.kind == kind


def test_labels_of_the_new_entry_are_not_put_on_the_old_statement() -> None:
    change = change_of(command(RECORD), SITE, None, beside=(none_known_entry("all"),))
    (revision,) = retire_none_known(replace(change, security=[{"code": "R"}]))
    assert "security" not in revision.after["meta"]


def test_nothing_is_retired_by_a_verb_that_the_ehr_has_not_or_that_means_an_error() -> None:
    update = (TYPE, Interaction.UPDATE)
    retracting = {**WRITES, update: replace(WRITES[update], meaning=Meaning.RETRACTS)}
    creating = {key: write for key, write in WRITES.items() if key != update}
    around = Surrounding(beside=(none_known_entry("all"),))
    for writes in (retracting, creating):
        ehr = replace(ADAPTER, capabilities=replace(ADAPTER.capabilities, writes=writes))  # type: ignore[type-var]
        with pytest.raises(UnsupportedActionError):
            ehr.plan(command(RECORD), around, SITE)
        assert len(ehr.plan(command(RECORD), Surrounding(), SITE)) == 1
