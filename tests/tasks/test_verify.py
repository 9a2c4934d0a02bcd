from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.outcome import Settlement
from canonical.ports import Fetched, Operation, Proof, Resource, Trace
from canonical.proving import Verdict
from store.proofs import Proofs
from tasks.verify import Verifier, VerifyReport
from tests.tasks.chart import Chart
from tests.tasks.ward import PATIENT, Ward, heart_rate


@dataclass
class Archive(Chart):
    """A chart that keeps history, may be behind its writes, and can be told to change what it stores."""

    proof: Proof = Proof.READ_BACK
    keeps_history: bool = True
    past: dict[str, Resource] = field(default_factory=dict)
    #: References that reads do not see yet.
    behind: set[str] = field(default_factory=set)
    read: list[str] = field(default_factory=list)
    tells_versions: bool = True
    retry_after: timedelta | None = None
    #: What a read of such a reference raises.
    refusing: dict[str, Exception] = field(default_factory=dict)

    def fetch(self, reference: str, trace: Trace) -> Fetched:
        self.read.append(reference)
        if self.down:
            raise EhrUnavailableError("outage", self.retry_after)
        for part, error in self.refusing.items():
            if part in reference:
                raise error
        if reference.split("/_history", maxsplit=1)[0] in self.behind:
            return Fetched(resource=None)
        if "/_history/" in reference:
            found = self.past.get(reference) if self.keeps_history else None
            return Fetched(resource=found, version=reference.rpartition("/")[2] if found else None)
        return super().fetch(reference, trace)

    def _stored(self, reference: str, version: int, body: Resource) -> Settlement:
        self.past[f"{reference}/_history/{version}"] = body
        settlement = super()._stored(reference, version, body)
        if self.tells_versions:
            return settlement
        return Settlement(outcome=settlement.outcome, status=201, reference=reference)


@pytest.fixture
def archive(ward: Ward) -> Archive:
    archive = Archive()
    archive.admit(PATIENT)
    ward.chart, ward.reads_back = archive, False
    return archive


@pytest.fixture
def verifier(ward: Ward, archive: Archive) -> Verifier:
    return Verifier(proofs=Proofs(ward.engine, actor="test"), ehrs=lambda _tenant, _connection: archive)


def applied(ward: Ward, action: dict[str, Any] | None = None, **more: Any) -> UUID:
    """Submit and send one command whose proof is still to come."""
    accepted = ward.submit(action, **more)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "applied"
    return accepted.command_id


def reference_of(ward: Ward, command: UUID) -> str:
    return str(ward.query("SELECT reference FROM operations WHERE command_id = %(id)s", id=command)[0]["reference"])


def age(ward: Ward, command: UUID, seconds: float) -> None:
    """Let so much time pass since the EHR answered."""
    ward.query(
        "UPDATE commands SET state_since = state_since - make_interval(secs => %(s)s) WHERE id = %(id)s",
        s=seconds,
        id=command,
    )


def due_in(ward: Ward, command: UUID) -> float:
    sql = "SELECT extract(epoch FROM due_at - clock_timestamp()) AS wait FROM commands WHERE id = %(id)s"
    return float(ward.query(sql, id=command)[0]["wait"])


def test_what_is_read_back_equal_is_in_the_chart(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    command = applied(ward)
    assert verifier.run(command).verdict is Verdict.PROVEN
    assert ward.state(command) == "verified"
    assert ward.events(command)[-1] == "proven"
    assert ward.cases(command) == []
    assert len(archive.marked(str(command))) == 1
    (operation,) = ward.query("SELECT state FROM operations WHERE command_id = %(id)s", id=command)
    assert operation["state"] == "verified"


def test_a_proof_is_made_once(ward: Ward, verifier: Verifier) -> None:
    command = applied(ward)
    verifier.run(command)
    assert verifier.run(command) == VerifyReport(verdict=None)
    assert ward.events(command).count("proven") == 1


def test_a_later_version_is_drift_and_the_version_that_was_written_is_compared(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    command = applied(ward)
    archive.edit(reference_of(ward, command), note="a clinician added this")
    assert verifier.run(command).verdict is Verdict.PROVEN
    assert archive.read[-1].endswith("/_history/1")


def test_a_later_version_that_still_says_it_is_proof_without_history(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    archive.keeps_history = False
    command = applied(ward)
    reference = reference_of(ward, command)
    _, resource = archive.resources[reference]
    archive.resources[reference] = (2, resource)
    assert verifier.run(command).verdict is Verdict.PROVEN


def test_a_version_of_ours_that_says_something_else_goes_to_a_person(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    command = applied(ward)
    reference = reference_of(ward, command)
    version, resource = archive.resources[reference]
    archive.resources[reference] = (version, {**resource, "subject": "Patient/somebody-else"})
    assert verifier.run(command).verdict is Verdict.FAILED
    assert ward.state(command) == "in_review"
    assert ward.reason(command) == "read-back-differs"
    assert ward.cases(command) == ["proof_failed"]
    (event,) = ward.query(
        "SELECT detail FROM events WHERE command_id = %(id)s AND trigger = 'proof_failed'", id=command
    )
    assert event["detail"] == {"fields": ["action"]}
    assert len(archive.sent) == 1


def test_a_write_that_is_not_visible_yet_is_looked_for_again(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    command = applied(ward)
    archive.behind.add(reference_of(ward, command))
    assert verifier.run(command).verdict is Verdict.LATER
    assert ward.state(command) == "applied"
    assert due_in(ward, command) > 0
    archive.behind.clear()
    assert verifier.run(command).verdict is Verdict.PROVEN


def test_a_write_that_stays_invisible_goes_to_a_person_and_is_not_sent_again(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    command = applied(ward)
    archive.behind.add(reference_of(ward, command))
    age(ward, command, 60)
    assert verifier.run(command).verdict is Verdict.FAILED
    assert (ward.state(command), ward.reason(command)) == ("in_review", "not-visible")
    assert ward.cases(command) == ["proof_failed"]
    assert len(archive.sent) == 1


def test_an_older_version_than_ours_is_a_read_behind_the_write_and_no_failure_yet(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    archive.keeps_history = False
    command = applied(ward)
    reference = reference_of(ward, command)
    archive.resources[reference] = (0, {"resourceType": "Observation", "was": "before"})
    assert verifier.run(command).verdict is Verdict.LATER
    age(ward, command, 60)
    assert verifier.run(command).verdict is Verdict.FAILED


def test_an_ehr_that_tells_no_versions_gets_its_time_before_a_difference_is_a_failure(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    archive.tells_versions = False
    command = applied(ward)
    reference = reference_of(ward, command)
    version, resource = archive.resources[reference]
    archive.resources[reference] = (version, {**resource, "subject": "Patient/other"})
    age(ward, command, -60)  # young, however long this machine took
    assert verifier.run(command).verdict is Verdict.LATER
    age(ward, command, 120)
    assert verifier.run(command).verdict is Verdict.FAILED


def test_an_ehr_that_is_away_costs_time_and_nothing_else(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    command = applied(ward)
    archive.down = True
    age(ward, command, 60)
    assert verifier.run(command).verdict is Verdict.LATER
    assert ward.state(command) == "applied"
    assert 20 < due_in(ward, command) <= 60
    archive.down = False
    assert verifier.run(command).verdict is Verdict.PROVEN


def test_an_ehr_s_wish_to_be_left_alone_is_respected(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    command = applied(ward)
    archive.down, archive.retry_after = True, timedelta(minutes=5)
    verifier.run(command)
    assert 290 < due_in(ward, command) <= 300


@pytest.mark.parametrize("error", [NeedsPersonError("not_readable", "HTTP 403"), ZeroDivisionError()])
def test_what_cannot_be_read_is_tried_for_a_while_and_then_goes_to_a_person(
    ward: Ward, archive: Archive, verifier: Verifier, error: Exception
) -> None:
    command = applied(ward)
    archive.refusing["Observation/"] = error
    assert verifier.run(command).verdict is Verdict.LATER
    assert due_in(ward, command) > 0
    age(ward, command, 60)
    assert verifier.run(command).verdict is Verdict.FAILED
    assert (ward.state(command), ward.reason(command)) == ("in_review", "read-back-unreadable")
    assert ward.cases(command) == ["proof_failed"]


def test_an_ehr_that_refuses_to_show_history_is_judged_by_what_it_shows_now(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    archive.refusing["/_history/"] = NeedsPersonError("not_readable", "HTTP 405")
    command = applied(ward)
    reference = reference_of(ward, command)
    _, resource = archive.resources[reference]
    archive.resources[reference] = (2, resource)
    assert verifier.run(command).verdict is Verdict.PROVEN


def test_what_is_not_waiting_for_proof_is_left_alone(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    accepted = ward.submit()
    assert verifier.run(accepted.command_id).verdict is None
    assert verifier.run(UUID(int=0)).verdict is None
    assert archive.read == []


def test_a_command_that_somebody_moved_meanwhile_is_not_moved_by_an_old_proof(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    command = applied(ward)
    unproven = verifier.proofs.look(command)
    assert unproven is not None
    verifier.run(command)
    assert not verifier.proofs.prove(unproven, [])
    assert not verifier.proofs.fail(unproven, [])
    assert ward.state(command) == "verified"


def test_followers_of_the_lane_are_told_of(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    first = applied(ward)
    alone = verifier.run(first)
    assert not alone.followers
    second = applied(ward)
    third = ward.submit()
    report = verifier.run(second)
    assert report.followers
    assert report.lane_id == third.lane_id


def test_a_proven_retraction_takes_its_root_out_of_the_chart_in_the_same_commit(
    ward: Ward, archive: Archive, verifier: Verifier
) -> None:
    root = applied(ward)
    verifier.run(root)
    retract = {"type": "VitalReading", "operation": "retract", "retractReason": "typed for another patient"}
    command = applied(ward, retract, target={"command": str(root)})
    assert ward.state(root) == "verified"
    assert verifier.run(command).verdict is Verdict.PROVEN
    assert ward.state(command) == "verified"
    assert ward.state(root) == "compensated"
    assert ward.events(root)[-1] == "taken_back"


@pytest.mark.parametrize(("app", "is_owed"), [("app", False), ("other", True)])
def test_an_author_must_learn_that_it_was_taken_back_unless_their_own_app_did_it(
    ward: Ward, archive: Archive, verifier: Verifier, app: str, *, is_owed: bool
) -> None:
    root = applied(ward)
    verifier.run(root)
    retract = {"type": "VitalReading", "operation": "retract", "retractReason": "typed for another patient"}
    command = applied(ward, retract, target={"command": str(root)})
    ward.query("UPDATE commands SET app = %(app)s WHERE id = %(id)s", app=app, id=command)
    verifier.run(command)
    assert ward.state(root) == "compensated"
    assert [row["command_id"] for row in ward.query("SELECT command_id FROM acknowledgements")] == [root] * is_owed


def test_an_answer_that_names_no_resource_proves_nothing(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    command = applied(ward)
    ward.query("UPDATE operations SET reference = NULL WHERE command_id = %(id)s", id=command)
    assert verifier.run(command).verdict is Verdict.LATER


def test_reads_carry_the_command_s_correlation(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    traces: list[Trace] = []
    fetch = archive.fetch

    def watching(reference: str, trace: Trace) -> Fetched:
        traces.append(trace)
        return fetch(reference, trace)

    archive.fetch = watching  # type: ignore[method-assign]
    command = applied(ward)
    traces.clear()
    verifier.run(command)
    assert {trace.correlation_id for trace in traces} == {"corr"}


def test_the_content_that_was_journaled_is_what_is_compared(ward: Ward, archive: Archive, verifier: Verifier) -> None:
    compared: list[Operation] = []
    differences = archive.differences

    def watching(operation: Operation, stored: Resource) -> tuple[str, ...]:
        compared.append(operation)
        return differences(operation, stored)

    archive.differences = watching  # type: ignore[method-assign]
    command = applied(ward, heart_rate())
    verifier.run(command)
    assert [operation.body for operation in compared] == [archive.sent[0].body]
    assert b"72.50" in compared[0].body
    assert ward.state(command) == "verified"
