from typing import Any
from uuid import uuid4

import pytest

from tests.factories import envelope_json, medication_change_json, patient_json
from tests.reception import Reception, put_state


def search(reception: Reception, headers: dict[str, str] | None = None, **query: Any) -> list[str]:
    answer = reception.post(query, path="/v1/commands/_search", **(headers or {}))
    assert answer.status_code == 200, answer.text
    return [command["id"] for command in answer.json()["commands"]]


def test_a_command_explains_itself(reception: Reception) -> None:
    command = reception.post(envelope_json(correlationId="round-7")).json()["id"]
    answer = reception.client.get(f"/v1/commands/{command}")
    document = answer.json()
    assert (answer.status_code, document["status"], document["state"]) == (200, "pending", "ready")
    assert document["action"] == {"type": "VitalReading", "operation": "record"}
    assert document["next"] == "Wait; we will tell you when it is in the chart."
    assert (document["connection"], document["correlationId"], document["attempts"]) == ("north-r4", "round-7", 0)
    assert [event["trigger"] for event in document["timeline"]] == ["received", "accepted"]
    assert document["operations"] == []
    for secret in ("Lopez", "1961-04-02", "72.50", "Patient/p1"):
        assert secret not in answer.text


def test_an_operation_shows_what_the_ehr_calls_it(reception: Reception) -> None:
    command = reception.post().json()["id"]
    reception.rows(
        """
        INSERT INTO operations (command_id, seq, tenant, state, interaction, resource_type, mark, body_digest,
                                mapping_version, reference, version_written)
        VALUES (%(id)s, 1, 'north', 'applied', 'create', 'Observation', 'm', '', '1', 'Observation/o1', '1')
        """,
        id=command,
    )
    (operation,) = reception.client.get(f"/v1/commands/{command}").json()["operations"]
    assert (operation["reference"], operation["version"], operation["interaction"]) == ("Observation/o1", "1", "create")


def test_a_poller_is_told_when_nothing_changed(reception: Reception) -> None:
    command = reception.post().json()["id"]
    first = reception.client.get(f"/v1/commands/{command}")
    assert first.headers["retry-after"] == "2"
    unchanged = reception.client.get(f"/v1/commands/{command}", headers={"If-None-Match": first.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == first.headers["etag"]
    put_state(reception.services, command, "verified")
    changed = reception.client.get(f"/v1/commands/{command}", headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["status"]) == (200, "inChart")
    assert "retry-after" not in changed.headers


def test_another_tenants_command_is_not_there_and_another_apps_only_for_readers(reception: Reception) -> None:
    command = reception.post().json()["id"]

    def status(**claims: str) -> int:
        return reception.client.get(f"/v1/commands/{command}", headers=reception.as_(**claims)).status_code

    assert status(tenant="south", scope="writeback/admin writeback/read") == 404
    assert status(client_id="other") == 404
    assert status(client_id="other", scope="writeback/read") == 200
    assert status(client_id="other", scope="writeback/admin") == 200
    assert reception.client.get(f"/v1/commands/{uuid4()}").status_code == 404


def test_the_answers_of_two_tenants_do_not_mix(reception: Reception) -> None:
    north = reception.post().json()["id"]
    south = reception.post(**reception.as_(tenant="south")).json()["id"]
    assert search(reception) == [north]
    assert search(reception, reception.as_(tenant="south")) == [south]


def test_search_finds_by_what_the_sender_knows(reception: Reception) -> None:
    numbered = patient_json(identifier={"system": "urn:mrn", "value": "4711"})
    first = reception.post(envelope_json(patient=numbered, correlationId="round-7"), key="key-number-1").json()["id"]
    second = reception.post(envelope_json(medication_change_json()), key="key-number-2").json()["id"]
    put_state(reception.services, second, "verified")
    queries: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [second, first]),
        ({"patient": {"reference": "Patient/p1"}}, [second, first]),
        ({"patient": {"reference": "Patient/p1"}, "connection": "labels-r4"}, []),
        ({"patient": {"identifier": {"system": "urn:mrn", "value": "4711"}}}, [first]),
        ({"correlationId": "round-7"}, [first]),
        ({"idempotencyKey": "key-number-2"}, [second]),
        ({"status": "inChart"}, [second]),
        ({"status": "pending"}, [first]),
        ({"status": "pending", "state": "verified"}, []),
        ({"state": "ready"}, [first]),
        ({"action": "MedicationChange"}, [second]),
        ({"action": "MedicationChange.stop"}, []),
        ({"connection": "north-r4"}, [second, first]),
        ({"receivedFrom": "2100-01-01T00:00:00Z"}, []),
        ({"receivedTo": "2100-01-01T00:00:00Z"}, [second, first]),
    ]
    for query, wanted in queries:
        assert search(reception, **query) == wanted, query


def test_pages_follow_one_another(reception: Reception) -> None:
    ids = [reception.post().json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = reception.post(query, path="/v1/commands/_search").json()
        seen += [command["id"] for command in page["commands"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"cursor": "nonsense"}, "/cursor"),
        ({"limit": 0}, "/limit"),
        ({"limit": 101}, "/limit"),
        ({"limit": "5"}, "/limit"),
        ({"status": "lost"}, "/status"),
        ({"patient": {"name": "Lopez"}}, "/patient/name"),
        ({"patient": {"reference": "Person/1"}}, "/patient/reference"),
        ({"patient": {"identifier": {"system": "urn:mrn"}}}, "/patient/identifier/value"),
        ({"receivedFrom": "2026-03-10"}, "/receivedFrom"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_search_that_cannot_be_made_names_the_field(
    reception: Reception, query: dict[str, Any], pointer: str
) -> None:
    answer = reception.post(query, path="/v1/commands/_search")
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])
    assert "Lopez" not in answer.text
