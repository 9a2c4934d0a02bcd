"""How what is sent could be undone is told before it is sent, of a connection and of one command; and linked both ways after."""

from tests.factories import envelope_json
from tests.reception import Reception, put_state


def test_a_connection_tells_how_each_operation_is_undone(reception: Reception) -> None:
    answer = reception.client.get("/v1/compensations", params={"connection": "north-r4"})
    assert answer.status_code == 200
    told = {(item["action"], item["operation"]): item["ways"] for item in answer.json()["compensations"]}
    first = told["VitalReading", "record"][0]
    assert (first["operation"], first["means"], first["degree"]) == ("retract", "enteredInError", "reversible")
    assert told["VitalReading", "retract"][0]["degree"] == "not"
    assert reception.client.get("/v1/compensations", params={"connection": "none"}).status_code == 404
    assert reception.client.get("/v1/compensations").status_code == 422
    other = reception.as_(tenant="south")
    labels = reception.client.get("/v1/compensations", params={"connection": "labels-r4"}, headers=other)
    assert labels.status_code == 404


def test_a_preview_tells_how_the_command_could_be_undone(reception: Reception) -> None:
    found = reception.post(envelope_json(), path="/v1/commands:preview").json()
    assert [way["operation"] for way in found["compensation"]] == ["retract", "correct"]
    assert found["compensation"][0]["sentence"].startswith("By retract, as a command of its own")


def test_a_command_and_what_takes_it_back_name_each_other(reception: Reception) -> None:
    root = reception.post(envelope_json(), key="key-number-1").json()["id"]
    put_state(reception.services, root, "verified")
    action = {**envelope_json()["action"], "operation": "retract", "retractReason": "typed for another patient"}
    taken = {name: action[name] for name in ("type", "operation", "code", "retractReason")}
    target = {"command": root, "versionId": "1", "seenAt": "2026-03-10T14:00:00Z", "seen": {"status": "final"}}
    answer = reception.post(envelope_json(taken, target=target), key="key-number-2")
    assert answer.status_code == 202, answer.text
    back = answer.json()["id"]

    def links(command: str) -> tuple[str | None, list[str]]:
        document = reception.client.get(f"/v1/commands/{command}").json()
        return document["compensates"], document["compensatedBy"]

    assert links(root) == (None, [back])
    assert links(back) == (root, [])
