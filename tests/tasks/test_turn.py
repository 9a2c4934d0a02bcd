"""What one turn of a lane does, on real PostgreSQL and a chart behind our own port."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Thread
from uuid import UUID

import pytest

from canonical.errors import NeedsPersonError
from canonical.outcome import Outcome, Settlement
from canonical.ports import Operation, Proof
from store import intake
from store.database import transaction
from tests.tasks.ward import PATIENT, Ward, heart_rate, revoke_consent


def test_a_reading_reaches_the_chart_once_and_is_proven_by_the_answer(ward: Ward) -> None:
    accepted = ward.submit(key="key-00001")
    ward.run(accepted.lane_id)
    assert len(ward.chart.marked(str(accepted.command_id))) == 1
    assert ward.events(accepted.command_id) == ["received", "accepted", "claimed", "answered_proven"]
    assert ward.submit(key="key-00001").command_id == accepted.command_id
    assert ward.state(accepted.command_id) == "verified"
    assert ward.is_at_rest()


def test_what_leaves_keeps_its_decimals_as_written(ward: Ward) -> None:
    ward.run(ward.submit().lane_id)
    assert b'"value":72.50' in ward.chart.sent[0].body


def test_a_lost_answer_is_unknown_until_a_probe_finds_the_write(ward: Ward) -> None:
    ward.chart.lose_answers = 1
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "unknown"
    assert ward.run(accepted.lane_id).moved == 0  # the quarantine is not over
    ward.let_time_pass(accepted.lane_id)
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "applied"
    assert len(ward.chart.sent) == 1
    assert ward.attempts(accepted.command_id) == [("send", "unknown"), ("probe", "probe_applied")]
    assert ward.is_at_rest()


def test_only_a_probe_that_found_nothing_makes_a_resend_legal(ward: Ward) -> None:
    lost = [Settlement(outcome=Outcome.UNKNOWN)]
    ward.chart.on_send = lambda _operation: lost.pop() if lost else None
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    ward.let_time_pass(accepted.lane_id)
    ward.run(accepted.lane_id)
    assert ward.events(accepted.command_id)[2:] == [
        "claimed",
        "answer_lost",
        "probe_not_applied",
        "claimed",
        "answered_proven",
    ]
    assert len(ward.chart.marked(str(accepted.command_id))) == 1


def test_a_resend_carries_the_same_mark_and_bytes(ward: Ward) -> None:
    lost = [Settlement(outcome=Outcome.UNKNOWN)]
    seen: list[Operation] = []

    def on_send(operation: Operation) -> Settlement | None:
        seen.append(operation)
        return lost.pop() if lost else None

    ward.chart.on_send = on_send
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    ward.chart.mapping_version = "chart-2"
    ward.let_time_pass(accepted.lane_id)
    ward.run(accepted.lane_id)
    assert [item.body for item in seen] == [seen[0].body] * 2
    assert {item.mapping_version for item in seen} == {"chart-1"}


def test_a_probe_that_the_ehr_refuses_cannot_tell_and_asks_a_person(ward: Ward) -> None:
    ward.chart.lose_answers = 1
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    ward.let_time_pass(accepted.lane_id)

    def refuse(*_arguments: object) -> None:
        raise NeedsPersonError("not_readable", "the EHR does not show it")

    ward.chart.probe = refuse  # type: ignore[method-assign,assignment]
    ward.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("in_review", ["cannot_tell"])
    assert len(ward.chart.sent) == 1


def test_a_claim_whose_holder_died_becomes_unknown_and_never_ready(ward: Ward) -> None:
    accepted = ward.submit()

    class Died(BaseException):
        pass

    def die(_operation: Operation) -> Settlement | None:
        raise Died

    ward.chart.on_send = die
    with pytest.raises(Died):
        ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "sending"
    ward.query("UPDATE lanes SET lease_until = '-infinity'")
    ward.chart.on_send = lambda _operation: None
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "unknown"
    assert ward.attempts(accepted.command_id) == [("send", "unknown")]


@pytest.mark.parametrize(
    ("outcome", "state", "case"),
    [
        (Outcome.CONFLICT, "conflicted", ["conflict"]),
        (Outcome.GONE, "in_review", ["gone"]),
        (Outcome.MERGED, "in_review", ["merged_patient"]),
        (Outcome.REJECTED_PAYLOAD, "in_review", ["rejected_payload"]),
        (Outcome.REJECTED_SITE_CONFIG, "in_review", ["rejected_site_config"]),
        (Outcome.NOT_SUPPORTED, "in_review", ["not_supported"]),
        (Outcome.PENDING_REMOTE, "pending_remote", []),
        (Outcome.UNAVAILABLE, "parked", []),
        (Outcome.THROTTLED, "parked", []),
        (Outcome.AUTH, "parked", []),
        (Outcome.UNKNOWN, "unknown", []),
    ],
)
def test_each_outcome_leads_to_its_state(ward: Ward, outcome: Outcome, state: str, case: list[str]) -> None:
    ward.chart.on_send = lambda _operation: Settlement(outcome=outcome)
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == state
    assert ward.cases(accepted.command_id) == case
    assert ward.is_at_rest()


def test_success_that_names_nothing_is_unknown(ward: Ward) -> None:
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.APPLIED, status=201)
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "unknown"


def test_success_whose_entry_is_not_to_be_found_is_for_a_person_and_not_sent_again(ward: Ward) -> None:
    """The search may be behind, or the EHR shows it otherwise than we look for it: it said that it took it."""
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.APPLIED_UNVERIFIED, status=200)
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    ward.let_time_pass(accepted.lane_id)
    ward.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("in_review", ["cannot_tell"])
    assert [kind for kind, _ in ward.attempts(accepted.command_id)] == ["send", "probe"]


def test_an_outage_closes_the_connection_and_costs_no_attempt(ward: Ward) -> None:
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.THROTTLED, retry_after=timedelta(minutes=2))
    accepted, other = ward.submit(), ward.submit()
    ward.run(accepted.lane_id)
    assert ward.query("SELECT spent FROM commands WHERE id = %(id)s", id=accepted.command_id) == [{"spent": 0}]
    assert ward.query(
        "SELECT not_before > clock_timestamp() + interval '110 s' AS closed, closed_reason FROM connections"
    ) == [{"closed": True, "closed_reason": "throttled"}]
    assert ward.run(other.lane_id).moved == 0
    assert ward.state(other.command_id) == "ready"


def test_a_locked_target_is_tried_again_until_the_budget_ends(ward: Ward) -> None:
    ward.chart.on_send = lambda _operation: Settlement(outcome=Outcome.LOCKED, status=423)
    accepted = ward.submit()
    while ward.state(accepted.command_id) == "ready":
        ward.query("UPDATE commands SET due_at = now()")
        ward.run(accepted.lane_id)
    assert ward.cases(accepted.command_id) == ["attempts_exhausted"]
    assert len(ward.attempts(accepted.command_id)) == 8


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"birthDate": "1961-04-03"}, "identity_mismatch"),
        ({"name": [{"family": "Lopes"}]}, "identity_mismatch"),
        ({"active": False}, "merged_patient"),
        ({"deceasedBoolean": True}, "deceased"),
    ],
)
def test_nothing_is_sent_for_another_patient_than_was_named(ward: Ward, change: dict[str, object], kind: str) -> None:
    ward.chart.admit({**PATIENT, **change})
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.chart.sent == []
    assert ward.state(accepted.command_id) == "in_review"
    assert ward.cases(accepted.command_id) == [kind]


def test_a_consent_revoked_before_the_claim_ends_the_command_unsent(ward: Ward) -> None:
    accepted = ward.submit()
    with transaction(ward.engine) as connection:
        revoke_consent(connection, ward.consent_id)
    ward.run(accepted.lane_id)
    assert ward.chart.sent == []
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == ("rejected", "consent-revoked")


def test_a_switch_that_is_off_parks_the_command(ward: Ward) -> None:
    accepted = ward.submit()
    ward.query("UPDATE switches SET is_on = false WHERE kind = 'action'")
    ward.run(accepted.lane_id)
    assert ward.chart.sent == []
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == ("parked", "switched-off-action")


def test_a_command_waits_for_the_proof_of_the_one_before_it(ward: Ward) -> None:
    ward.chart.proof = Proof.READ_BACK
    first = ward.submit()
    second = _correction(ward, first.command_id)
    ward.run(first.lane_id)
    assert [ward.state(item) for item in (first.command_id, second)] == ["applied", "ready"]
    ward.query("UPDATE commands SET state = 'verified' WHERE id = %(id)s", id=first.command_id)
    ward.run(first.lane_id)
    assert ward.state(second) == "applied"
    assert ward.chart.sent[1].if_match == "1"


def test_a_clinicians_edit_in_between_is_a_conflict_and_stays(ward: Ward) -> None:
    first = ward.submit()
    ward.run(first.lane_id)
    reference = ward.chart.marked(str(first.command_id))[0]
    ward.chart.edit(reference, note="by a clinician")
    second = _correction(ward, first.command_id)
    ward.run(first.lane_id)
    assert ward.state(second) == "conflicted"
    assert ward.chart.resources[reference][1]["note"] == "by a clinician"
    assert len(ward.chart.sent) == 1


def test_what_waits_behind_a_command_that_ended_without_effect_needs_a_person(ward: Ward) -> None:
    first = ward.submit()
    second = _correction(ward, first.command_id)
    ward.query("UPDATE commands SET state = 'withdrawn', state_since = now() WHERE id = %(id)s", id=first.command_id)
    ward.run(first.lane_id)
    assert (ward.state(second), ward.cases(second)) == ("in_review", ["predecessor_ended"])


def test_a_proven_retraction_takes_its_root_back(ward: Ward) -> None:
    first = ward.submit()
    ward.run(first.lane_id)
    action = {"type": "VitalReading", "operation": "retract", "retractReason": "typed for another patient"}
    second = ward.submit(action, target={"command": str(first.command_id)})
    ward.run(first.lane_id)
    assert ward.state(second.command_id) == "verified"
    assert ward.state(first.command_id) == "compensated"
    assert ward.events(first.command_id)[-1] == "taken_back"


def test_a_command_that_kills_its_worker_before_the_claim_ends_with_a_person(ward: Ward) -> None:
    accepted = ward.submit()

    class Died(BaseException):
        pass

    def die(*_arguments: object) -> None:
        raise Died

    ward.chart.plan = die  # type: ignore[method-assign,assignment]
    for _ in range(10):
        if ward.state(accepted.command_id) != "ready":
            break
        ward.query("UPDATE lanes SET stumbles = stumbles + 1")
        try:
            ward.run(accepted.lane_id)
        except Died:
            continue
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("in_review", ["poison"])


def test_a_turn_ends_at_its_cap_and_says_that_there_is_more(ward: Ward) -> None:
    accepted = [ward.submit() for _ in range(25)]
    report = ward.run(accepted[0].lane_id)
    assert (report.moved, report.more) == (20, True)
    assert len(ward.chart.sent) == 20


def test_a_full_connection_hands_out_no_work(ward: Ward) -> None:
    accepted = ward.submit()
    ward.query("UPDATE slots SET until = clock_timestamp() + interval '1 hour'")
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "ready"
    assert ward.chart.sent == []


def _correction(ward: Ward, root: UUID) -> UUID:
    return ward.submit(heart_rate(operation="correct"), target={"command": str(root)}).command_id


def test_a_probe_whose_answer_nobody_can_read_ends_with_a_person(ward: Ward) -> None:
    ward.chart.lose_answers = 1
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    ward.let_time_pass(accepted.lane_id)

    def stumble(*_arguments: object) -> None:
        raise TypeError("'NoneType' object is not iterable")

    ward.chart.probe = stumble  # type: ignore[method-assign,assignment]
    ward.run(accepted.lane_id)
    assert (ward.state(accepted.command_id), ward.cases(accepted.command_id)) == ("in_review", ["cannot_tell"])
    assert ward.is_at_rest()


def test_a_patient_registered_a_moment_later_is_found(ward: Ward) -> None:
    turn = ward.turn()
    del ward.chart.resources["Patient/p1"]
    first = ward.submit()
    ward.run(first.lane_id, turn)
    ward.chart.admit(PATIENT)
    second = ward.submit()
    ward.run(second.lane_id, turn)
    assert [ward.state(item.command_id) for item in (first, second)] == ["in_review", "verified"]


def test_a_name_put_right_in_the_chart_is_read_anew_before_a_person_is_asked(ward: Ward) -> None:
    turn = ward.turn()
    ward.chart.admit({**PATIENT, "name": [{"family": "Lopes"}]})
    patient = {"reference": "Patient/p1", "birthDate": "1961-04-02", "family": "Lopes"}
    ward.run(ward.submit(patient=patient).lane_id, turn)
    ward.chart.admit(PATIENT)
    second = ward.submit()
    ward.run(second.lane_id, turn)
    assert ward.state(second.command_id) == "verified"


def test_a_wait_counts_from_the_answer_and_not_from_the_look(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("store.held_lanes.boot_seconds", lambda: clock[0])

    def slow(_operation: Operation) -> Settlement:
        clock[0] += 40
        return Settlement(outcome=Outcome.THROTTLED, retry_after=timedelta(seconds=30))

    ward.chart.on_send = slow
    ward.run(ward.submit().lane_id)
    assert ward.query("SELECT not_before > clock_timestamp() + interval '60 s' AS later FROM connections") == [
        {"later": True}
    ]


def test_a_follower_stored_while_its_target_gets_its_name_joins_its_subject(ward: Ward) -> None:
    create = ward.submit()
    stored, go_on = Event(), Event()

    def store_follower() -> None:
        with transaction(ward.engine) as connection:
            names = ward.new(heart_rate(operation="correct"), target={"reference": "Observation/o1", "versionId": "1"})
            intake.insert(connection, names)
            stored.set()
            assert go_on.wait(10)

    def on_send(_operation: Operation) -> None:
        ward.chart.on_send = lambda _operation: None
        follower.start()
        assert stored.wait(10)
        settling.start()

    def let_go_when_the_settle_waits() -> None:
        while not ward.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            go_on.wait(0.01)
        go_on.set()

    follower, settling = Thread(target=store_follower), Thread(target=let_go_when_the_settle_waits)
    ward.chart.on_send = on_send
    ward.run(create.lane_id)
    follower.join(10)
    settling.join(10)
    subjects = ward.query("SELECT DISTINCT subject, root FROM commands")
    assert subjects == [{"subject": f"command:{create.command_id}", "root": create.command_id}]
