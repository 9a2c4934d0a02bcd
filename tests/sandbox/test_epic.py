"""Epic's quirks, each played over HTTP."""

from typing import Any

import httpx
import pytest

from tests.sandbox.vendor import (
    CLOSED,
    LOINC,
    OPEN,
    accept_all,
    allergy,
    concept,
    note,
    play,
    problem,
    quantity,
    vendor_code,
    vital,
)
from tests.sandbox_fixture import RunningSandbox


@pytest.fixture
def epic(sandbox: RunningSandbox, fhir: httpx.Client) -> httpx.Client:
    play(sandbox, "epic")
    return fhir


def quirks(sandbox: RunningSandbox, **changes: object) -> None:
    sandbox.settings(quirks=changes)


def test_a_create_answers_with_a_relative_location_and_nothing_else(epic: httpx.Client) -> None:
    answer = epic.post("Observation", json=vital())
    assert (answer.status_code, answer.content) == (201, b"")
    kind, _, made = answer.headers["Location"].partition("/")
    assert (kind, epic.get(f"Observation/{made}").status_code) == ("Observation", 200)
    assert "ETag" not in answer.headers
    assert "versionId" not in epic.get(f"Observation/{made}").json()["meta"]


def test_the_body_comes_where_it_is_preferred(epic: httpx.Client) -> None:
    answer = epic.post("Observation", json=vital(), headers={"Prefer": "return=representation"})
    assert answer.json()["resourceType"] == "Observation"


def test_an_allergy_and_a_problem_wait_in_the_holding_tank(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    for resource in (allergy(), problem("provisional")):
        answer = epic.post(resource["resourceType"], json=resource)
        assert answer.status_code == 201
        assert epic.get(answer.headers["Location"]).status_code == 404
        assert epic.get(resource["resourceType"], params={"patient": "p1"}).json()["total"] == 0
    for reference in accept_all(sandbox):
        assert epic.get(reference).status_code == 200


def test_what_a_clinician_rejects_never_was(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    epic.post("AllergyIntolerance", json=allergy())
    (reference,) = accept_all(sandbox, "reject")
    assert epic.get(reference).status_code == 404
    assert sandbox.admin.get("held").json()["held"] == []


def test_if_none_exist_is_ignored_and_a_replay_makes_a_second_record(
    epic: httpx.Client, sandbox: RunningSandbox
) -> None:
    marked = allergy(identifier=[{"system": "urn:test", "value": "a"}])
    for _ in range(2):
        answer = epic.post("AllergyIntolerance", json=marked, headers={"If-None-Exist": "identifier=urn:test|a"})
        assert answer.status_code == 201
    assert len(accept_all(sandbox)) == 2


def test_a_vital_at_the_same_instant_is_refused_with_59189_though_it_is_stored(
    epic: httpx.Client, sandbox: RunningSandbox
) -> None:
    epic.post("Observation", json=vital())
    again = epic.post("Observation", json=vital(value=90))
    assert (again.status_code, vendor_code(again)) == (400, "59189")
    assert [it["valueQuantity"]["value"] for it in sandbox.resources("Observation")] == [72]
    assert epic.post("Observation", json=vital(effectiveDateTime="2026-03-01T10:01:00Z")).status_code == 201


def test_a_lost_answer_of_a_vital_is_told_as_59189_on_the_replay(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "commit_then_drop", "times": 1})
    with pytest.raises(httpx.TransportError):
        epic.post("Observation", json=vital())
    assert vendor_code(epic.post("Observation", json=vital())) == "59189"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "Observation/x"),
        ("POST", "MedicationStatement"),
        ("POST", "MedicationRequest"),
        ("POST", "Task"),
        ("POST", "Communication"),
        ("DELETE", "Observation/x"),
        ("PATCH", "Observation/x"),
        ("POST", "Provenance"),
    ],
)
def test_what_was_not_granted_answers_403_with_an_empty_body(epic: httpx.Client, method: str, path: str) -> None:
    answer = epic.request(method, path, json={})
    assert (answer.status_code, answer.content) == (403, b"")


def test_the_statement_names_updates_that_an_app_is_not_given(epic: httpx.Client) -> None:
    rest = epic.get("metadata").json()["rest"][0]
    stated = {it["type"]: {code["code"] for code in it["interaction"]} for it in rest["resource"]}
    assert stated["Observation"] == {"create", "update", "read", "search-type"}
    assert stated["AllergyIntolerance"] == {"create", "read", "search-type"}
    assert "interaction" not in rest


def test_a_narrow_update_can_be_licensed(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(withheld=[])
    place = epic.post("DocumentReference", json=note()).headers["Location"]
    resource = {**epic.get(place).json(), "docStatus": "preliminary"}
    assert epic.put(place, json=resource, headers={"If-Match": 'W/"old"'}).status_code == 200


@pytest.mark.parametrize(
    ("resource", "status", "code"),
    [
        (problem("confirmed"), 422, "59012"),
        (problem("provisional", verificationStatus=None), 422, "59012"),
        (problem("provisional", code=concept("urn:other", "1", "x")), 400, "59111"),
        (problem("provisional", note=[{"text": "x" * 451}]), 400, "59159"),
        (problem("provisional", note=[{"text": "a"}, {"text": "b"}]), 400, "59111"),
        (allergy(clinicalStatus=concept("urn:x", "inactive")), 400, "59111"),
        (allergy(verificationStatus=concept("urn:x", "confirmed")), 400, "59111"),
        (allergy(reaction=[{"manifestation": [{"text": "a"}, {"text": "b"}]}]), 400, "59111"),
        (allergy(modifierExtension=[{"url": "urn:x", "valueBoolean": True}]), 400, "59111"),
        (allergy(implicitRules="urn:x"), 400, "59111"),
        (vital(status="amended"), 400, "59111"),
        ({**vital(), "code": {"coding": [{"code": "a"}, {"code": "b"}]}}, 400, "59105"),
        (vital(note=[{"text": "x" * 255}]), 400, "59159"),
        (vital(category=None), 400, "59108"),
        (vital(encounter=None), 400, "59144"),
        (vital(encounter={"reference": f"Encounter/{CLOSED}"}), 400, "59159"),
        (note(type=concept(LOINC, "18842-5")), 400, "59111"),
        (note(context=None), 400, "59144"),
        (note(content=[{"attachment": {"contentType": "application/pdf", "data": "AA=="}}]), 400, "59111"),
        ({"resourceType": "Patient", "name": [{"family": "New"}]}, 400, "59108"),
    ],
)
def test_a_value_it_does_not_accept_is_fatal_with_its_number(
    epic: httpx.Client, resource: dict[str, Any], status: int, code: str
) -> None:
    answer = epic.post(resource["resourceType"], json=resource)
    assert (answer.status_code, vendor_code(answer)) == (status, code)


def test_an_allergy_comes_back_with_another_text_and_without_category_and_date(
    epic: httpx.Client, sandbox: RunningSandbox
) -> None:
    epic.post("AllergyIntolerance", json=allergy())
    (reference,) = accept_all(sandbox)
    found = epic.get(reference).json()
    assert found["code"]["text"] == "Amoxicillin"
    assert not {"category", "recordedDate"} & found.keys()


def test_a_value_comes_back_in_the_organisations_unit(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    quirks(sandbox, default_units={"29463-7": ("[oz_av]", 1)})
    place = epic.post("Observation", json=vital("29463-7", 72.5, "kg")).headers["Location"]
    assert epic.get(place).json()["valueQuantity"] == {**quantity(2557.4, "[oz_av]"), "unit": "[oz_av]"}


def test_the_unit_of_a_blood_pressure_is_ignored(epic: httpx.Client) -> None:
    halves = [
        {"code": concept(LOINC, "8480-6"), "valueQuantity": quantity(16, "kPa")},
        {"code": concept(LOINC, "8462-4"), "valueQuantity": quantity(80, "mm[Hg]")},
    ]
    place = epic.post("Observation", json=vital("85354-9", valueQuantity=None, component=halves)).headers["Location"]
    found = [it["valueQuantity"] for it in epic.get(place).json()["component"]]
    assert [(it["value"], it["code"]) for it in found] == [(16, "mm[Hg]"), (80, "mm[Hg]")]


def test_a_note_keeps_its_first_attachment_and_is_signed_by_the_background_user(epic: httpx.Client) -> None:
    two = note()["content"] * 2
    place = epic.post("DocumentReference", json=note(CLOSED, content=two)).headers["Location"]
    found = epic.get(place).json()
    assert (len(found["content"]), found["author"]) == (1, [{"display": "Interface, Background"}])


def test_more_notes_than_a_day_takes_are_told_to_try_again_tomorrow(
    epic: httpx.Client, sandbox: RunningSandbox
) -> None:
    quirks(sandbox, documents_per_day=1)
    answers = [epic.post("DocumentReference", json=note()) for _ in range(3)]
    assert vendor_code(answers[-1]) == "4135"
    assert 1 <= len(sandbox.resources("DocumentReference")) <= 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rows_missing": ["8867-4"]}, "59188"),
        ({"patient_entered_flowsheet": False}, "59187"),
        ({"restricted_patients": ["p1"]}, "4130"),
    ],
)
def test_a_gap_or_a_policy_of_the_site_has_its_own_number(
    epic: httpx.Client, sandbox: RunningSandbox, changes: dict[str, Any], code: str
) -> None:
    quirks(sandbox, **changes)
    assert vendor_code(epic.post("Observation", json=vital(performer=[{"reference": "Patient/p1"}]))) == code


def test_a_duplicate_allergy_may_be_refused_with_59141(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    quirks(sandbox, same_allergy="refuse")
    epic.post("AllergyIntolerance", json=allergy())
    accept_all(sandbox)
    assert vendor_code(epic.post("AllergyIntolerance", json=allergy())) == "59141"


def test_only_assigned_questionnaires_are_taken(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    quirks(sandbox, questionnaires=["urn:phq"])
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed", "subject": {"reference": "Patient/p1"}}
    assert epic.post("QuestionnaireResponse", json={**answers, "questionnaire": "urn:own"}).status_code == 400
    assert epic.post("QuestionnaireResponse", json={**answers, "questionnaire": "urn:phq"}).status_code == 201


def test_a_patient_create_finds_the_patient_who_is_there(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    person = {
        "resourceType": "Patient",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "000-00-0001"}],
    }
    first, second = (epic.post("Patient", json=person) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["Location"] == first.headers["Location"]


def test_a_bundle_is_refused(epic: httpx.Client) -> None:
    assert epic.post("", json={"resourceType": "Bundle", "type": "transaction"}).status_code == 404


def test_the_encounter_can_end_under_a_write(epic: httpx.Client, sandbox: RunningSandbox) -> None:
    assert sandbox.admin.post("close", json={"reference": f"Encounter/{OPEN}"}).is_success
    assert vendor_code(epic.post("Observation", json=vital())) == "59159"
