"""The same writes against our sandbox and against a server that nobody here wrote: one chart, one answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from canonical.outcome import Outcome
from tests.interop.station import Station
from tests.tasks.ward import heart_rate

#: What one of several conditional creates at the same moment may settle as.
AT_ONCE = {Outcome.APPLIED, Outcome.ALREADY_AT_TARGET, Outcome.CONFLICT, Outcome.UNKNOWN}


def _value(resource: dict[str, Any]) -> Decimal:
    return Decimal(str(resource["valueQuantity"]["value"]))


def _corrected(value: str) -> dict[str, Any]:
    reading = heart_rate(operation="correct")
    return {**reading, "valueQuantity": {**reading["valueQuantity"], "value": Decimal(value)}}


def _recorded(station: Station) -> tuple[UUID, int | None, dict[str, Any]]:
    accepted = station.ward.submit()
    station.run(accepted.lane_id)
    assert station.ward.state(accepted.command_id) == "verified"
    return accepted.command_id, accepted.lane_id, station.marked(accepted.command_id)[0]


def test_a_reading_is_in_the_chart_once_and_proven(station: Station) -> None:
    command, _, stored = _recorded(station)
    assert len(station.marked(command)) == 1
    assert _value(stored) == Decimal("72.5")
    assert stored["subject"]["reference"].endswith("Patient/p1")
    assert station.ward.events(command) == ["received", "accepted", "claimed", "answered_proven"]
    assert station.ward.is_at_rest()


def test_an_answer_lost_after_the_commit_is_found_by_the_probe_and_not_sent_again(station: Station) -> None:
    station.proxy.cut("lost answer", b"POST /fhir/Observation")
    accepted = station.ward.submit()
    station.run(accepted.lane_id)
    assert station.proxy.fired["lost answer"] == 1
    assert station.ward.state(accepted.command_id) == "unknown"
    station.ward.let_time_pass(accepted.lane_id)
    station.run(accepted.lane_id)
    assert station.ward.state(accepted.command_id) == "applied"
    assert station.ward.attempts(accepted.command_id) == [("send", "unknown"), ("probe", "probe_applied")]
    assert len(station.marked(accepted.command_id)) == 1


def test_a_request_lost_before_the_commit_is_sent_again_and_written_once(station: Station) -> None:
    from tests.faults.proxy import Cut

    station.proxy.cut("lost request", b"POST /fhir/Observation", cut=Cut.BEFORE)
    accepted = station.ward.submit()
    station.run(accepted.lane_id)
    assert station.proxy.fired["lost request"] == 1
    station.ward.let_time_pass(accepted.lane_id)
    station.run(accepted.lane_id)
    assert station.ward.state(accepted.command_id) == "verified"
    assert ("probe", "probe_not_applied") in station.ward.attempts(accepted.command_id)
    assert len(station.marked(accepted.command_id)) == 1


def test_a_correction_changes_the_one_resource_on_the_version_its_author_saw(station: Station) -> None:
    root, lane, stored = _recorded(station)
    correction = station.ward.submit(_corrected("74"), target={"command": str(root)})
    station.run(lane)
    assert station.ward.state(correction.command_id) == "verified"
    changed = station.server.get(f"Observation/{stored['id']}")
    assert (_value(changed), changed["status"]) == (Decimal(74), "corrected")
    assert changed["meta"]["versionId"] != stored["meta"]["versionId"]


def test_a_clinicians_edit_is_never_overwritten_unseen(station: Station) -> None:
    root, lane, stored = _recorded(station)
    edited = {**stored, "note": [{"text": "retaken by hand"}]}
    station.server.put(edited)
    correction = station.ward.submit(_corrected("74"), target={"command": str(root)})
    station.run(lane)
    assert (station.ward.state(correction.command_id), station.ward.cases(correction.command_id)) == (
        "conflicted",
        ["conflict"],
    )
    now = station.server.get(f"Observation/{stored['id']}")
    assert (now["note"], _value(now)) == (edited["note"], Decimal("72.5"))


def test_an_edit_between_our_read_and_our_write_is_refused_by_the_server_itself(station: Station) -> None:
    root, lane, stored = _recorded(station)
    correction = station.ward.submit(_corrected("74"), target={"command": str(root)})
    turn = station.ward.turn(chart=station.ehr)
    send = station.ehr.send

    def edit_first(*arguments: Any) -> Any:
        station.server.put({**stored, "note": [{"text": "at the last moment"}]})
        return send(*arguments)

    station.ehr.send = edit_first  # type: ignore[method-assign,assignment]
    station.ward.run(lane, turn)
    station.ehr.send = send  # type: ignore[method-assign]
    assert station.ward.state(correction.command_id) == "conflicted"
    assert station.ward.attempts(correction.command_id) == [("send", "conflict")]
    assert station.server.get(f"Observation/{stored['id']}")["note"][0]["text"] == "at the last moment"


def test_a_retraction_marks_the_entry_as_an_error_and_erases_nothing(station: Station) -> None:
    root, lane, stored = _recorded(station)
    action = {"type": "VitalReading", "operation": "retract", "retractReason": "typed for another patient"}
    station.ward.submit(action, target={"command": str(root)})
    station.run(lane)
    assert station.ward.state(root) == "compensated"
    taken_back = station.server.get(f"Observation/{stored['id']}")
    assert (taken_back["status"], _value(taken_back)) == ("entered-in-error", Decimal("72.5"))


def test_nothing_is_written_for_a_patient_who_does_not_match(station: Station) -> None:
    before = len(station.server.all("Observation"))
    accepted = station.ward.submit(patient={"reference": "Patient/p2", "birthDate": "1961-04-02", "family": "Lopez"})
    station.run(accepted.lane_id)
    assert station.ward.cases(accepted.command_id) == ["identity_mismatch"]
    assert len(station.server.all("Observation")) == before


def test_an_outage_parks_and_the_write_goes_on_when_it_ends(station: Station) -> None:
    from tests.faults.proxy import Mode

    accepted = station.ward.submit()
    station.proxy.mode = Mode.REFUSE
    station.run(accepted.lane_id)
    assert station.marked(accepted.command_id) == []
    station.proxy.mode = Mode.PASS
    station.ward.query("UPDATE connections SET not_before = '-infinity'")
    station.run(accepted.lane_id)
    assert station.ward.state(accepted.command_id) == "verified"
    assert len(station.marked(accepted.command_id)) == 1


def test_conditional_creates_at_the_same_moment_leave_one_entry_or_a_case(station: Station) -> None:
    """Six at once, past every lock of ours: the third belt alone.

    A server that searches and creates in one step leaves one entry. One that searches first and creates after (sekmet does, and
    declares conditional create all the same) may leave several: then the command is never called proven, and a person is asked.
    """
    accepted = station.ward.submit()
    settled = station.send_at_once(accepted, 6)
    entries = len(station.marked(accepted.command_id))
    assert entries >= 1
    assert entries == 1 or not station.server.creates_in_one_step
    assert {item.outcome for item in settled} <= AT_ONCE
    station.run(accepted.lane_id)
    if entries > 1:
        assert station.ward.state(accepted.command_id) == "unknown"
        station.ward.let_time_pass(accepted.lane_id)
        station.run(accepted.lane_id)
    expected = ("verified", []) if entries == 1 else ("in_review", ["cannot_tell"])
    assert (station.ward.state(accepted.command_id), station.ward.cases(accepted.command_id)) == expected
    assert len(station.marked(accepted.command_id)) == entries


def test_several_entries_under_our_mark_are_never_called_proven(station: Station) -> None:
    """What a server that created twice left behind, without the race: a person is asked, and nothing more is sent."""
    accepted = station.ward.submit()
    station.proxy.cut("lost answer", b"POST /fhir/Observation")
    station.run(accepted.lane_id)
    (stored,) = station.marked(accepted.command_id)
    station.server.put({**stored, "id": "second"})
    station.ward.let_time_pass(accepted.lane_id)
    station.run(accepted.lane_id)
    assert station.ward.state(accepted.command_id) == "in_review"
    assert station.ward.cases(accepted.command_id) == ["cannot_tell"]
    assert station.ward.attempts(accepted.command_id) == [("send", "unknown"), ("probe", "probe_cannot_tell")]
    assert len(station.marked(accepted.command_id)) == 2
