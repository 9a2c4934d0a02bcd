"""What is looked at in the chart before a command is claimed: who, which visit, and whether what would leave is valid."""

from typing import Any

import pytest

from canonical.errors import EhrUnavailableError, InvalidPayloadError, UnsupportedActionError
from canonical.ports import Fetched, Operation, Trace
from tests.tasks.ward import Ward

#: Half an hour around the time of the ward's heart rate, as the chart has it.
VISIT = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "in-progress",
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2026-03-08T09:15:00-05:00", "end": "2026-03-08T09:45:00-05:00"},
}
E1 = {"reference": "Encounter/e1"}


def charted(ward: Ward, **over: Any) -> None:
    ward.chart.resources["Encounter/e1"] = (1, {**VISIT, **over})


def test_a_reading_goes_into_the_patients_own_visit(ward: Ward) -> None:
    charted(ward)
    accepted = ward.submit(encounter=E1)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"
    assert len(ward.chart.marked(str(accepted.command_id))) == 1


@pytest.mark.parametrize(
    ("over", "kind"),
    [
        ({"subject": {"reference": "Patient/p2"}}, "wrong_encounter"),
        ({"status": "entered-in-error"}, "wrong_encounter"),
        ({"period": {"start": "2026-05-01", "end": "2026-05-02"}}, "encounter_time"),
    ],
)
def test_nothing_is_sent_into_another_visit(ward: Ward, over: dict[str, Any], kind: str) -> None:
    charted(ward, **over)
    accepted = ward.submit(encounter=E1)
    ward.run(accepted.lane_id)
    assert ward.chart.sent == []
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("in_review", [kind])
    assert ward.attempts(accepted.command_id) == []
    assert ward.is_at_rest()


def test_nothing_is_sent_into_a_visit_that_is_not_there(ward: Ward) -> None:
    accepted = ward.submit(encounter=E1)
    ward.run(accepted.lane_id)
    assert ward.chart.sent == []
    assert ward.cases(accepted.command_id) == ["wrong_encounter"]


def test_while_the_visit_cannot_be_read_the_command_waits(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    charted(ward)
    fetch = ward.chart.fetch

    def without_visits(reference: str, trace: Trace) -> Fetched:
        if reference.startswith("Encounter/"):
            raise EhrUnavailableError("outage")
        return fetch(reference, trace)

    monkeypatch.setattr(ward.chart, "fetch", without_visits)
    accepted = ward.submit(encounter=E1)
    ward.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.chart.sent) == ("ready", [])
    # One read that fails is this command's own trouble; the next in a row closes the connection.
    assert ward.query("SELECT spent FROM commands") == [{"spent": 1}]
    ward.query("UPDATE commands SET due_at = now()")
    ward.run(accepted.lane_id)
    assert ward.query("SELECT closed_reason FROM connections") == [{"closed_reason": "outage"}]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(InvalidPayloadError("Observation.status"), "invalid_payload"), (UnsupportedActionError(), "not_supported")],
)
def test_what_cannot_be_expressed_validly_is_not_sent(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    def refuse(*_arguments: object) -> list[Operation]:
        raise error

    monkeypatch.setattr(ward.chart, "plan", refuse)
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.chart.sent == []
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("in_review", [kind])


@pytest.mark.parametrize("kind", ["service", "tenant", "connection", "app", "action"])
def test_each_switch_alone_holds_a_command_back_from_its_next_claim(ward: Ward, kind: str) -> None:
    accepted, other = ward.submit(), ward.submit()
    ward.query("UPDATE switches SET is_on = false WHERE kind = %(kind)s", kind=kind)
    ward.run(accepted.lane_id)
    for command in (accepted, other):
        assert (ward.state(command.command_id), ward.reason(command.command_id)) == ("parked", f"switched-off-{kind}")
    assert ward.chart.sent == []
    assert ward.query("SELECT sum(spent) AS spent FROM commands") == [{"spent": 0}]
