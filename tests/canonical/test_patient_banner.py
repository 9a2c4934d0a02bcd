from datetime import date
from typing import Any

import pytest

from canonical.case_views import UNREAD
from canonical.patient_banner import age, allergies_in_words, banner, birth

ON = date(2026, 11, 26)
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"use": "old", "family": "Rey"}, {"use": "official", "given": ["Ana"], "family": "Lopez"}],
    "birthDate": "1961-04-02",
    "gender": "female",
    "identifier": [
        {"system": "urn:example:other", "value": "999"},
        {"type": {"coding": [{"code": "MR"}]}, "system": "urn:example:mrn", "value": "00042"},
    ],
}
ENCOUNTER: dict[str, Any] = {
    "status": "in-progress",
    "class": {"code": "IMP", "display": "inpatient encounter"},
    "location": [
        {"status": "completed", "location": {"display": "Emergency"}},
        {"status": "active", "location": {"display": "Ward 3, bed 12"}},
    ],
}


def allergy(text: str, **more: Any) -> dict[str, Any]:
    return {"code": {"text": text}, "clinicalStatus": "active", "verificationStatus": "confirmed", **more}


def test_it_names_the_patient_by_everything_that_tells_people_apart() -> None:
    shown = banner(PATIENT, [allergy("penicillin", criticality="high")], encounter=ENCOUNTER, on=ON)
    assert shown.name == "Ana Lopez"
    assert shown.birth == "1961-04-02, 65 years"
    assert (shown.sex, shown.record_number) == ("female", "00042")
    assert shown.place == "inpatient encounter, Ward 3, bed 12, in-progress"
    assert shown.allergies == "1 active, the worst: penicillin (criticality high)"
    assert not shown.identity_in_question


def test_what_was_not_read_is_said_and_never_blank() -> None:
    shown = banner(None, None, encounter=None, on=ON, identity_in_question=True)
    assert {shown.name, shown.birth, shown.sex, shown.record_number, shown.place, shown.allergies} == {UNREAD}
    assert shown.identity_in_question
    bare = banner({"resourceType": "Patient", "name": [{"use": "official"}]}, [], encounter={}, on=ON)
    assert {bare.name, bare.birth, bare.sex, bare.place} == {UNREAD}
    assert bare.record_number == "none recorded", "who was read and has no number is not who could not be read"


def test_a_command_without_a_visit_is_not_said_to_have_one_that_could_not_be_read() -> None:
    assert banner(PATIENT, [], encounter=None, on=ON, is_visit=False).place == "no visit named"
    assert banner(PATIENT, [], encounter=None, on=ON, is_visit=True).place == UNREAD


def test_another_number_is_never_shown_as_the_record_number() -> None:
    other = {**PATIENT, "identifier": [{"system": "urn:example:other", "value": "999"}]}
    assert banner(other, [], encounter=None, on=ON).record_number == "none recorded"


@pytest.mark.parametrize(
    ("born", "told"),
    [
        (date(2026, 11, 26), "0 days"),
        (date(2026, 11, 25), "1 day"),
        (date(2026, 9, 27), "60 days"),
        (date(2026, 9, 26), "2 months"),
        (date(2024, 11, 27), "23 months"),
        (date(2024, 11, 26), "2 years"),
        (date(1961, 11, 27), "64 years"),
        (date(1961, 11, 26), "65 years"),
        (date(2026, 11, 27), "not born yet"),
    ],
)
def test_an_age_is_told_in_the_unit_by_which_people_are_dosed(born: date, told: str) -> None:
    assert age(born, ON) == told


def test_a_partial_birth_date_is_never_completed() -> None:
    assert birth({"birthDate": "1961"}, ON) == "1961, age not known: the date is not complete"
    assert birth({"birthDate": "1961-04-02", "deceasedBoolean": True}, ON) == "1961-04-02, deceased"


def test_the_worst_allergy_is_found_by_criticality_or_reaction() -> None:
    severe = allergy("latex", reaction=[{"severity": "severe"}])
    mild = allergy("egg", reaction=[{"severity": "mild"}], criticality="low")
    assert allergies_in_words([mild, severe]) == "2 active, the worst: latex (severe reaction)"
    assert allergies_in_words([mild]) == "1 active, the worst: egg (criticality low)"
    assert allergies_in_words([allergy("dust")]) == "1 active, the worst: dust"


def test_what_is_over_or_refuted_does_not_count() -> None:
    over = allergy("egg", clinicalStatus="resolved")
    wrong = allergy("penicillin", verificationStatus="entered-in-error")
    assert allergies_in_words([over, wrong]) == "none recorded; nobody stated that there are none"


def test_nothing_recorded_is_not_nothing_known() -> None:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "716186003"}], "text": "No known allergy"}
    assert allergies_in_words([]) == "none recorded; nobody stated that there are none"
    assert allergies_in_words([{**allergy(""), "code": code}]) == "No known allergy"
