from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from canonical.clinical_time import ClinicalTime
from canonical.envelope import PatientIdentity
from canonical.errors import NeedsPersonError
from canonical.patient_match import check_patient, folded, mismatches
from tests.factories import Json, patient_json

TIME = ClinicalTime("2026-03-10T10:30:00-04:00")


def identity(**over: Any) -> PatientIdentity:
    return PatientIdentity.model_validate(patient_json(**over), by_alias=True, by_name=False)


def chart(**over: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "active": True,
        "birthDate": "1961-04-02",
        "name": [{"use": "official", "family": "Lopez", "given": ["Ana"]}],
        "identifier": [{"system": "urn:mrn", "value": "4711"}],
    } | over


def kind(patient: Json | None, who: PatientIdentity | None = None, time: ClinicalTime | None = TIME) -> str:
    try:
        check_patient(patient, who or identity(), time)
    except NeedsPersonError as stopped:
        return stopped.kind
    return ""


def test_the_reason_never_tells_who_it_is() -> None:
    with pytest.raises(NeedsPersonError) as raised:
        check_patient(chart(birthDate="1961-04-03"), identity(), TIME)
    assert str(raised.value) == "The chart's patient differs in: birthDate."


def test_the_patient_that_the_author_means_passes() -> None:
    assert kind(chart()) == ""


@pytest.mark.parametrize("family", ["LOPEZ", "López", "lo-pez", "Lo Pez", "L'opez"])
def test_case_accents_hyphens_and_spaces_do_not_count(family: str) -> None:
    assert kind(chart(name=[{"family": family}])) == ""
    assert kind(chart(), identity(family=family)) == ""


@pytest.mark.parametrize(("one", "other"), [
    ("Straße", "STRASSE"), ("O’Neil", "O'Neil"), ("Nguyễn", "Nguyen"), ("김", "김"), ("Ångström", "angstrom"),
])  # fmt: skip
def test_one_name_written_in_two_ways_is_one_name(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(("one", "other"), [
    ("Lopez", "Lopes"), ("कि", "का"), ("が", "か"), ("김", "긴"), ("Ли", "Лі"), ("الله", "اللة"), ("李", "季"),
])  # fmt: skip
def test_two_names_stay_two_in_every_script(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_a_previous_name_counts() -> None:
    names = [{"use": "official", "family": "Smith"}, {"use": "maiden", "family": "Lopez", "period": {"end": "1990"}}]
    assert kind(chart(name=names)) == ""


@pytest.mark.parametrize(("patient", "wrong"), [
    (chart(birthDate="1961-04-03"), ["birthDate"]),
    (chart(birthDate="1961"), ["birthDate"]),
    (chart(name=[{"family": "Lopes"}]), ["family"]),
    (chart(name=[{"text": "Ana Lopez"}]), ["family"]),
    (chart(name=[]), ["family"]),
    (chart(name=None, birthDate=None), ["birthDate", "family"]),
], ids=["day", "partial", "letter", "text only", "no name", "nothing"])  # fmt: skip
def test_what_differs_is_named_and_goes_to_a_person(patient: Json, wrong: list[str]) -> None:
    assert mismatches(patient, identity()) == wrong
    assert kind(patient) == "identity_mismatch"


def test_a_patient_who_is_not_there_goes_to_a_person() -> None:
    assert kind(None) == "identity_mismatch"


def test_an_identifier_is_compared_by_system_and_value() -> None:
    who = identity(identifier={"system": "urn:mrn", "value": "4711"})
    assert kind(chart(), who) == ""
    assert mismatches(chart(identifier=[{"system": "urn:ssn", "value": "4711"}]), who) == ["identifier"]
    assert mismatches(chart(identifier=[{"system": "urn:mrn", "value": "47110"}]), who) == ["identifier"]
    assert mismatches(chart(identifier=None), who) == ["identifier"]


def test_a_name_of_signs_only_equals_nothing() -> None:
    assert mismatches(chart(name=[{"family": "."}]), identity(family="-")) == ["family"]


@pytest.mark.parametrize("over", [
    {"active": False},
    {"link": [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]},
], ids=["inactive", "replaced"])  # fmt: skip
def test_a_merged_or_closed_record_goes_to_a_person_even_if_all_else_fits(over: Json) -> None:
    assert kind(chart(**over)) == "merged_patient"


def test_a_link_to_the_record_that_was_replaced_is_harmless() -> None:
    assert kind(chart(link=[{"other": {"reference": "Patient/p0"}, "type": "replaces"}])) == ""


@pytest.mark.parametrize(("over", "time", "expected"), [
    ({"deceasedBoolean": False}, TIME, ""),
    ({"deceasedBoolean": True}, TIME, "deceased"),
    ({"deceasedDateTime": "2026-03-09"}, TIME, "deceased"),
    ({"deceasedDateTime": "2026-03-10"}, TIME, ""),
    ({"deceasedDateTime": "2026-03-10T14:29:00Z"}, TIME, "deceased"),
    ({"deceasedDateTime": "2026-03-10T14:31:00Z"}, TIME, ""),
    ({"deceasedDateTime": "2027"}, TIME, ""),
    ({"deceasedDateTime": "2027"}, None, "deceased"),
    ({"deceasedDateTime": "last spring"}, TIME, "deceased"),
    ({"deceasedDateTime": 2020}, TIME, "deceased"),
], ids=str)  # fmt: skip
def test_an_entry_about_a_time_after_death_goes_to_a_person(
    over: Json, time: ClinicalTime | None, expected: str
) -> None:
    assert kind(chart(**over), time=time) == expected


LETTERS = st.sampled_from("abcdefghijklmnopqrstuvwxyzéñüßøłжи李김が")
NAMES = st.text(LETTERS, min_size=2, max_size=12)
DAYS = st.dates().map(lambda day: day.isoformat())


@st.composite
def one_step(draw: st.DrawFn, text: str, letters: st.SearchStrategy[str]) -> str:
    """Return ``text`` with one letter changed, left out, put in, or two neighbours swapped."""
    at = draw(st.integers(0, len(text) - 1))
    letter = draw(letters)
    swapped = text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
    steps = [text[:at] + letter + text[at + 1 :], text[:at] + text[at + 1 :], text[:at] + letter + text[at:], swapped]
    return draw(st.sampled_from(steps))


@given(st.data(), NAMES)
def test_any_one_step_change_of_a_family_name_is_noticed(data: st.DataObject, family: str) -> None:
    other = data.draw(one_step(family, LETTERS))
    assume(other and folded(other) != folded(family))
    assert mismatches(chart(name=[{"family": other}]), identity(family=family)) == ["family"]


@given(family=NAMES)
def test_folding_never_makes_a_letter_disappear(family: str) -> None:
    assert len(folded(family)) >= len(family)


@given(st.data(), DAYS)
def test_any_one_step_change_of_a_birth_date_is_noticed(data: st.DataObject, day: str) -> None:
    other = data.draw(one_step(day, st.sampled_from("0123456789-")))
    assume(other != day)
    assert mismatches(chart(birthDate=other), identity(birthDate=day)) == ["birthDate"]


@given(st.data(), st.text("0123456789ABC-", min_size=2, max_size=12))
def test_any_one_step_change_of_an_identifier_is_noticed(data: st.DataObject, value: str) -> None:
    other = data.draw(one_step(value, st.sampled_from("0123456789ABC-")))
    assume(other != value)
    who = identity(identifier={"system": "urn:mrn", "value": value})
    assert mismatches(chart(identifier=[{"system": "urn:mrn", "value": other}]), who) == ["identifier"]
