from typing import Any

import pytest

from tests.factories import ABSENT, as_bytes, envelope_json
from tests.reception import Reception, put_state

SCOPE = "writeback/consents"


def terms(**over: Any) -> dict[str, Any]:
    """Return a consent as a keeper records it."""
    members: dict[str, Any] = {
        "connection": "north-r4",
        "patient": {"reference": "Patient/p1"},
        "purposes": ["TREAT"],
        "actions": ["*"],
        "apps": ["*"],
        "validFrom": "2026-01-01T00:00:00Z",
    }
    return {name: value for name, value in (members | over).items() if value is not ABSENT}


def put(reception: Reception, reference: str = "consent-9", **over: Any) -> Any:
    headers = reception.as_(scope=SCOPE) | {"Content-Type": "application/json"}
    return reception.client.put(f"/v1/consents/{reference}", content=as_bytes(terms(**over)), headers=headers)


def test_a_consent_is_recorded_relied_on_and_read_with_its_past(reception: Reception) -> None:
    made = put(reception)
    assert (made.status_code, made.json()["version"], made.json()["active"]) == (200, 1, True)
    assert reception.post(envelope_json(consent={"reference": "consent-9"})).status_code == 202
    changed = put(reception, actions=["MedicationChange"])
    assert changed.json()["version"] == 2
    answer = reception.post(envelope_json(consent={"reference": "consent-9"}))
    assert (answer.status_code, answer.json()["code"]) == (403, "consent-absent")
    read = reception.client.get("/v1/consents/consent-9", headers=reception.as_(scope=SCOPE)).json()
    assert [version["version"] for version in read["versions"]] == [1, 2]
    assert read["actions"] == ["MedicationChange"]
    assert "Patient/p1" not in str(read)


def test_recording_the_same_again_makes_no_version(reception: Reception) -> None:
    put(reception, actions=["VitalReading", "MedicationChange"])
    again = put(reception, actions=["MedicationChange", "VitalReading"])
    assert again.json()["version"] == 1


def test_a_revocation_names_what_is_in_flight(reception: Reception) -> None:
    put(reception)
    body = envelope_json(consent={"reference": "consent-9"})
    flying, waiting = (reception.post(body, key=f"revoke-key-{n}").json()["id"] for n in (1, 2))
    put_state(reception.services, flying, "unknown")
    revoked = reception.client.post("/v1/consents/consent-9:revoke", headers=reception.as_(scope=SCOPE))
    document = revoked.json()
    assert revoked.status_code == 200
    assert document["inFlight"] == [{"id": flying, "state": "unknown", "status": "pending"}]
    assert (document["notSent"], document["consent"]["active"], document["consent"]["version"]) == (1, False, 2)
    assert "takes it back" in document["next"]
    refused = reception.post(envelope_json(consent={"reference": "consent-9"}))
    assert (refused.status_code, refused.json()["code"]) == (403, "consent-revoked")
    # What waits is not touched here: the gate ends it when its turn comes.
    (row,) = reception.rows("SELECT state FROM commands WHERE id = %(id)s", id=waiting)
    assert row["state"] == "ready"


def test_a_consent_that_was_revoked_can_be_given_again(reception: Reception) -> None:
    put(reception)
    reception.client.post("/v1/consents/consent-9:revoke", headers=reception.as_(scope=SCOPE))
    assert put(reception).json() | {"versions": ABSENT} == put(reception).json() | {"versions": ABSENT}
    assert put(reception).json()["version"] == 3
    assert reception.post(envelope_json(consent={"reference": "consent-9"})).status_code == 202


def test_only_keepers_and_admins_touch_consents(reception: Reception) -> None:
    body = as_bytes(terms())
    for method, path in (("PUT", ""), ("GET", ""), ("POST", ":revoke")):
        answer = reception.client.request(
            method, f"/v1/consents/consent-1{path}", content=body, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")
    assert reception.client.get("/v1/consents/consent-1", headers=reception.as_(scope="writeback/admin")).is_success


def test_a_consent_is_its_tenants_only(reception: Reception) -> None:
    put(reception)
    south = reception.as_(tenant="south", scope=SCOPE)
    assert reception.client.get("/v1/consents/consent-9", headers=south).status_code == 404
    assert reception.client.post("/v1/consents/consent-9:revoke", headers=south).status_code == 404


def test_a_reference_stays_its_patients(reception: Reception) -> None:
    put(reception)
    answer = put(reception, patient={"reference": "Patient/p2"})
    assert (answer.status_code, answer.json()["code"]) == (409, "consent-patient-fixed")


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"patient": {"reference": "p1"}}, "/patient/reference"),
        ({"purposes": ["FUN"]}, "/purposes/0"),
        ({"purposes": []}, "/purposes"),
        ({"actions": ["Vital Reading"]}, "/actions/0"),
        ({"apps": ABSENT}, "/apps"),
        ({"validFrom": "2026-01-01"}, "/validFrom"),
        ({"validUntil": "2025-01-01T00:00:00Z"}, "/validUntil"),
        ({"active": False}, "/active"),
        ({"connection": "elsewhere"}, "/connection"),
    ],
)
def test_a_consent_that_cannot_be_recorded_names_the_field(
    reception: Reception, over: dict[str, Any], pointer: str
) -> None:
    answer = put(reception, **over)
    assert answer.status_code in {404, 422}
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert reception.rows("SELECT id FROM consents WHERE reference = 'consent-9'") == []


@pytest.mark.parametrize("reference", ["two words", "%00", "%C3%A9", "x" * 129])
def test_a_reference_that_no_command_could_name_is_refused(reception: Reception, reference: str) -> None:
    keeper = reception.as_(scope=SCOPE)
    answers = [
        put(reception, reference),
        reception.client.get(f"/v1/consents/{reference}", headers=keeper),
        reception.client.post(f"/v1/consents/{reference}:revoke", headers=keeper),
    ]
    assert [(answer.status_code, answer.json()["errors"][0]["pointer"]) for answer in answers] == [
        (422, "/reference")
    ] * 3


def test_the_history_names_the_member_of_staff_and_never_a_patient(reception: Reception) -> None:
    for user in ("https://ehr.example/fhir/Practitioner/n17", "Patient/p1"):
        headers = reception.as_(scope=SCOPE, fhirUser=user) | {"Content-Type": "application/json"}
        body = as_bytes(terms(actions=["VitalReading" if user.startswith("https") else "*"]))
        assert reception.client.put("/v1/consents/consent-9", content=body, headers=headers).status_code == 200
    actors = [row["actor"] for row in reception.rows("SELECT actor FROM consent_versions ORDER BY at DESC LIMIT 2")]
    assert actors == ["app:visits", "app:visits user:https://ehr.example/fhir/Practitioner/n17"]
