"""Three commands through the real product by HTTP: one goes well, one is refused, one is sent and not answered."""

from typing import Any

from canonical import exact_json
from tests.e2e.conftest import Hospital

#: Seconds: longer than the quarantine of the sandbox hospital.
PATIENCE = 25


def moves(command: Any) -> list[str]:
    return [event["target"] for event in command["timeline"]]


def test_a_reading_is_in_the_chart_once_and_proven_and_sending_it_again_changes_nothing(hospital: Hospital) -> None:
    envelope = hospital.reading("e2e-happy")
    answer = hospital.send(envelope, key="e2e-happy-key", wait=PATIENCE)
    command = hospital.command(answer)
    assert (command["status"], command["state"]) == ("inChart", "verified")
    assert moves(command) == ["received", "ready", "sending", "applied", "verified"]

    again = hospital.send(envelope, key="e2e-happy-key")
    assert again.status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["id"] == command["id"]

    (resource,) = hospital.written_by(command["id"])
    assert resource["subject"]["reference"] == envelope["patient"]["reference"]
    said = envelope["action"].get("valueQuantity") or envelope["action"]["component"][0]["valueQuantity"]
    held = resource.get("valueQuantity") or resource["component"][0]["valueQuantity"]
    assert str(held["value"]) == str(said["value"])
    assert len(hospital.write_requests("e2e-happy")) == 1


def test_a_value_that_cannot_be_is_refused_by_field_and_the_ehr_hears_nothing(hospital: Hospital) -> None:
    envelope = hospital.reading("e2e-refused")
    impossible = exact_json.parse(exact_json.dumps(envelope))
    quantity = impossible["action"].get("valueQuantity") or impossible["action"]["component"][0]["valueQuantity"]
    quantity["value"] = 123456
    answer = hospital.send(impossible, key="e2e-refused-key")
    problem = answer.json()
    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert [error["code"] for error in problem["errors"]] == ["value-impossible"]
    assert "123456" not in answer.text
    assert hospital.write_requests("e2e-refused") == []

    # The refusal consumed no key: mended, it goes through under the same one.
    mended = hospital.send(envelope, key="e2e-refused-key", wait=PATIENCE)
    assert mended.json()["status"] == "inChart"
    assert len(hospital.written_by(mended.json()["id"])) == 1


def test_a_lost_answer_is_looked_up_in_the_chart_and_nothing_is_written_twice(hospital: Hospital) -> None:
    match = {"interaction": "create", "headers": {"x-correlation-id": "^e2e-unknown$"}}
    hospital.chart.play([{"id": "lost", "match": match, "fault": "commit_then_drop", "times": 1}])
    answer = hospital.send(hospital.reading("e2e-unknown"), key="e2e-unknown-key", wait=PATIENCE)
    command = hospital.command(answer)
    assert hospital.chart.played() == {"commit_then_drop": 1}
    assert (command["status"], command["state"]) == ("inChart", "verified")
    assert moves(command) == ["received", "ready", "sending", "unknown", "applied", "verified"]
    assert [event["trigger"] for event in command["timeline"]][3:5] == ["answer_lost", "probe_found"]
    assert len(hospital.written_by(command["id"])) == 1
    assert len(hospital.write_requests("e2e-unknown")) == 1
    assert hospital.send(hospital.reading("other"), key="e2e-unknown-key").json()["code"] == "idempotency-key-reused"
