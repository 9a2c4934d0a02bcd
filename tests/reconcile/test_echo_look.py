"""What one look at an entry shows that somebody says was changed, at a real EHR, and what follows from it at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from canonical.echo import LOOP, Found, Glimpse, Heard
from canonical.echo_plan import echo_plan
from canonical.lifecycle import State
from canonical.notification import Notification, NotificationKind, NotifiedEvent
from canonical.status import explain
from reconcile import echoes, overdue_cases
from reconcile.schedule import SWEEPS
from tests.reconcile.conftest import Noted
from tests.reconcile.drift_bench import ENGINE, RUIZ, DriftBench, drift_bench
from tests.sandbox_fixture import sandbox, sandbox_server
from tests.tasks.ward import heart_rate

__all__ = ["drift_bench", "sandbox", "sandbox_server"]
SUBSCRIPTION = "Subscription/all"


def hear(bench: DriftBench, *references: str, number: int | None = None) -> dict[Heard, int]:
    """Let the EHR say that entries changed."""
    event = NotifiedEvent(references=references, number=number)
    notification = Notification(
        kind=NotificationKind.EVENTS, subscription=SUBSCRIPTION if number is not None else None, events=(event,)
    )
    ears = bench.whole.services.notification_intake.ears
    return dict(ears.hear("t1", "north", notification, message=uuid4().bytes).counts)


def look(bench: DriftBench) -> list[Found | None]:
    """Hand out what is due, and look at each."""
    bench.hands.entries.clear()
    echoes.run_once(bench.whole.services, bench.hands)
    return [bench.whole.services.echo_look.run(entry) for entry in bench.hands.entries]


def tally(bench: DriftBench) -> dict[str, int]:
    found = bench.whole.look("SELECT result, sum(many)::int AS many FROM notification_tallies GROUP BY result")
    return {row["result"]: row["many"] for row in found}


def correction(bench: DriftBench, command: UUID, value: str, **envelope: Any) -> UUID:
    """Give a correction of what ``command`` wrote, by somebody who has seen the chart as it is now."""
    entry = bench.entry(command)
    seen = {name: entry[name] for name in ("valueQuantity", "status")}
    target = {"reference": bench.reference(command), "versionId": entry["meta"]["versionId"], "seen": seen}
    action = heart_rate(
        operation="correct",
        valueQuantity={**heart_rate()["valueQuantity"], "value": Decimal(value)},
        effectiveDateTime=entry["effectiveDateTime"],
    )
    return bench.whole.give(action, key=str(uuid4()), target=target, **envelope)


def queued_cases(bench: DriftBench, command: UUID) -> list[dict[str, Any]]:
    return bench.whole.look(
        "SELECT id, kind, version FROM cases WHERE command_id = %(id)s AND closed_at IS NULL", id=command
    )


def test_our_own_write_is_an_echo_and_nobody_hears_of_it(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    before = drift_bench.whole.look("SELECT next_look_at FROM watched_writes")
    assert hear(drift_bench, drift_bench.reference(command)) == {Heard.TOUCHED: 1, Heard.UNKNOWN: 0}
    assert look(drift_bench) == [Found.ECHO]
    assert tally(drift_bench) == {"touched": 1, "echo": 1}
    assert (drift_bench.cases(), drift_bench.tally()) == ([], {})
    assert drift_bench.whole.look("SELECT next_look_at FROM watched_writes") == before
    assert drift_bench.whole.look("SELECT count(*) AS n FROM touched_entries") == [{"n": 0}]
    assert look(drift_bench) == []


def test_what_concerns_nothing_of_ours_is_counted_and_never_read(drift_bench: DriftBench) -> None:
    drift_bench.written()
    since = max(item["id"] for item in drift_bench.sandbox.requests())
    assert hear(drift_bench, "Observation/somebody-elses", "Patient/p1")[Heard.UNKNOWN] == 2
    assert look(drift_bench) == []
    assert drift_bench.sandbox.requests(since=since) == []


def test_an_edit_of_what_is_watched_is_looked_at_at_once(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command)
    hear(drift_bench, drift_bench.reference(command))
    assert look(drift_bench) == [Found.CHANGED]
    assert drift_bench.state(command) == ("in_review", "drift-changed")
    assert drift_bench.cases() == ["drift"]
    # Said once more, it is a person's already.
    hear(drift_bench, drift_bench.reference(command))
    assert look(drift_bench) == [Found.CHANGED]
    assert drift_bench.cases() == ["drift"]


def test_an_edit_with_a_name_to_it_is_known_from_then_on(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    drift_bench.edit(command, by=RUIZ)
    reference = drift_bench.reference(command)
    hear(drift_bench, reference)
    assert look(drift_bench) == [Found.CHANGED]
    assert drift_bench.state(command) == ("verified", "edited-since")
    hear(drift_bench, reference)
    assert look(drift_bench) == [Found.KNOWN]
    assert drift_bench.cases() == []


def test_what_was_taken_out_of_the_chart_is_a_change(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    reference = drift_bench.reference(command)
    drift_bench.delete(command)
    hear(drift_bench, reference)
    assert look(drift_bench) == [Found.CHANGED]
    assert drift_bench.cases() == ["drift_disappeared"]


def test_a_change_under_an_open_case_is_seen_within_one_look(drift_bench: DriftBench) -> None:
    root = drift_bench.written()
    stale = correction(drift_bench, root, "80")
    drift_bench.edit(root, value="75", by=RUIZ)
    drift_bench.whole.run(stale)
    assert drift_bench.whole.state(stale) == "conflicted"
    (case,) = queued_cases(drift_bench, stale)
    drift_bench.whole.services.conflict_engine.run(case["id"])
    first = drift_bench.whole.services.conflict_engine.cases.last_view(_stored(drift_bench, case["id"]))
    drift_bench.edit(root, value="77", by=RUIZ)
    hear(drift_bench, drift_bench.reference(root))
    assert look(drift_bench) == [Found.CHANGED]
    second = drift_bench.whole.services.conflict_engine.cases.last_view(_stored(drift_bench, case["id"]))
    assert first is not None
    assert second is not None
    assert (b"75" in first.content, b"77" in second.content) == (True, True)
    assert second.chart_digest != first.chart_digest
    assert queued_cases(drift_bench, stale)[0]["version"] > case["version"]
    assert drift_bench.whole.state(stale) == "conflicted"


def test_the_page_of_what_waits_for_approval_is_told(drift_bench: DriftBench) -> None:
    root = drift_bench.written()
    waiting = correction(drift_bench, root, "80")
    drift_bench.whole.look("UPDATE commands SET state = 'awaiting_approval' WHERE id = %(id)s", id=waiting)
    drift_bench.whole.look(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity)"
        " SELECT tenant, id, connection_id, action_type, 'awaiting_approval', 'clinical', 3 FROM commands WHERE id = %(id)s",
        id=waiting,
    )
    (case,) = queued_cases(drift_bench, waiting)
    drift_bench.edit(root, value="76", by=RUIZ)
    hear(drift_bench, drift_bench.reference(root))
    assert look(drift_bench) == [Found.CHANGED]
    view = drift_bench.whole.services.conflict_engine.cases.last_view(_stored(drift_bench, case["id"]))
    assert view is not None
    assert b"76" in view.content
    assert queued_cases(drift_bench, waiting)[0]["version"] > case["version"]
    assert drift_bench.whole.state(waiting) == "awaiting_approval"


def _stored(bench: DriftBench, case: int) -> Any:
    return bench.whole.services.conflict_engine.cases.find("t1", case)


def test_while_a_write_of_ours_is_under_way_nobody_says_whose_a_change_is(drift_bench: DriftBench) -> None:
    root = drift_bench.written()
    later = correction(drift_bench, root, "80")
    drift_bench.whole.look("UPDATE commands SET state = 'sending' WHERE id = %(id)s", id=later)
    hear(drift_bench, drift_bench.reference(root))
    assert look(drift_bench) == [None]
    assert look(drift_bench) == []
    (row,) = drift_bench.whole.look("SELECT due_at > clock_timestamp() AS later FROM touched_entries")
    assert row["later"]


def test_a_quarantine_is_never_shortened(drift_bench: DriftBench) -> None:
    root = drift_bench.written()
    later = correction(drift_bench, root, "80")
    drift_bench.whole.look("UPDATE commands SET state = 'unknown' WHERE id = %(id)s", id=later)
    drift_bench.whole.look("UPDATE lanes SET quarantine_until = clock_timestamp() + interval '1 hour'")
    before = drift_bench.whole.look("SELECT quarantine_until, fence FROM lanes")
    hear(drift_bench, drift_bench.reference(root))
    assert look(drift_bench) == [None]
    assert drift_bench.whole.look("SELECT quarantine_until, fence FROM lanes") == before
    drift_bench.whole.run(later)
    assert drift_bench.whole.state(later) == "unknown"


def test_an_ehr_that_does_not_answer_is_asked_later(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    hear(drift_bench, drift_bench.reference(command))
    drift_bench.sandbox.faults(
        {"fault": "error_before_commit", "parameters": {"status": 503}, "match": {"method": "GET"}}
    )
    assert look(drift_bench) == [None]
    drift_bench.sandbox.faults()
    assert look(drift_bench) == []
    drift_bench.whole.look("UPDATE touched_entries SET due_at = clock_timestamp()")
    assert look(drift_bench) == [Found.ECHO]


def test_what_is_heard_during_a_look_is_looked_at_again(drift_bench: DriftBench) -> None:
    command = drift_bench.written()
    reference, book = drift_bench.reference(command), drift_bench.whole.services.echo_look.book
    hear(drift_bench, reference)
    (row,) = drift_bench.whole.look("SELECT id FROM touched_entries")
    entry = book.take(row["id"])
    assert entry is not None
    assert book.take(row["id"]) is None
    hear(drift_bench, reference)
    book.settle(entry, Glimpse(found=Found.ECHO))
    assert look(drift_bench) == [Found.ECHO]
    assert look(drift_bench) == []


def test_missed_events_make_everything_watched_be_read_within_what_the_ehr_bears(drift_bench: DriftBench) -> None:
    commands = [drift_bench.written() for _ in range(3)]
    first, second, _ = (drift_bench.reference(command) for command in commands)
    hear(drift_bench, first, number=1)
    assert look(drift_bench) == [Found.ECHO]
    assert hear(drift_bench, first, number=5)[Heard.MISSED] == 3
    # Late is not missed, as long as everything comes in the end.
    for number in (4, 3):
        assert hear(drift_bench, second, number=number)[Heard.OUT_OF_ORDER] == 1
    assert look(drift_bench) == [Found.ECHO, Found.ECHO]
    drift_bench.edit(commands[2])
    assert look(drift_bench) == []
    drift_bench.whole.look("UPDATE notification_streams SET gap_at = gap_at - %(grace)s", grace=echo_plan().grace)
    drift_bench.hands.entries.clear()
    assert echoes.run_once(drift_bench.whole.services, drift_bench.hands)["spread"] == 3
    found = [drift_bench.whole.services.echo_look.run(entry) for entry in drift_bench.hands.entries]
    assert len(found) == 1, "the connection bears 30 looks a minute: one in two seconds"
    while more := look(drift_bench):
        found += more
    assert sorted(str(item) for item in found) == ["echo", "echo", "remote_change"]
    assert drift_bench.cases() == ["drift"]
    assert echoes.run_once(drift_bench.whole.services, drift_bench.hands)["spread"] == 0


def test_a_loop_between_two_systems_is_broken_told_of_once_and_ends_with_its_case(drift_bench: DriftBench) -> None:
    told: list[tuple[str, bool]] = []
    root = last = drift_bench.written()
    reference = drift_bench.reference(root)
    for round_ in range(echo_plan().loop_writes):
        assert drift_bench.whole.look("SELECT 1 FROM cases") == []
        drift_bench.edit(root, value=str(60 + round_), system=ENGINE)
        hear(drift_bench, reference)
        assert look(drift_bench) == [Found.CHANGED]
        if round_ + 1 < echo_plan().loop_writes:
            last = correction(drift_bench, root, str(90 + round_))
            drift_bench.whole.run(last)
            assert drift_bench.whole.state(last) == "verified", drift_bench.station.ward.reason(last)
    (case,) = drift_bench.whole.look("SELECT id, kind, command_id, holds FROM cases WHERE closed_at IS NULL")
    assert (case["kind"], case["command_id"], case["holds"]) == (LOOP, last, False)
    held = correction(drift_bench, root, "95")
    writes = drift_bench.ehr_writes()
    drift_bench.whole.run(held)
    assert (drift_bench.state(held), drift_bench.ehr_writes()) == (("parked", "loop-between-systems"), writes)
    assert drift_bench.whole.services.watch_list.resume_parked(limit=5) == []
    assert "Another system" in explain(State.PARKED, "loop-between-systems").sentence
    # What the app writes elsewhere goes on.
    drift_bench.written()

    class Told:
        def tell(self, alert: Any) -> None:
            told.append((alert.kind, alert.is_over))

    def sweep() -> None:
        late = drift_bench.whole.services.late_cases
        paging = drift_bench.whole.services.policies.queue.paging
        late.begin_alerts(limit=9, paging=paging, tell=Told().tell)
        late.end_alerts(limit=9, tell=Told().tell)

    sweep()
    sweep()
    assert told == [(LOOP, False)]
    hear(drift_bench, reference)
    look(drift_bench)
    assert len(drift_bench.whole.look("SELECT 1 FROM cases")) == 1
    drift_bench.whole.look("UPDATE cases SET closed_at = clock_timestamp() WHERE id = %(id)s", id=case["id"])
    sweep()
    sweep()
    assert told == [(LOOP, False), (LOOP, True)]
    (lane,) = drift_bench.whole.services.watch_list.resume_parked(limit=5)
    drift_bench.station.run(lane)
    assert drift_bench.whole.state(held) == "verified"
    assert str(drift_bench.entry(root)["valueQuantity"]["value"]) == "95"


@pytest.mark.parametrize("named", [True, False], ids=["by its mark", "not at all"])
def test_a_create_whose_place_is_not_known_is_found_by_its_mark(drift_bench: DriftBench, *, named: bool) -> None:
    command = drift_bench.written()
    reference = drift_bench.reference(command)
    drift_bench.whole.look(
        "UPDATE commands SET state = 'pending_remote', due_at = 'infinity' WHERE id = %(id)s", id=command
    )
    drift_bench.whole.look(
        "UPDATE operations SET state = 'pending_remote', reference = NULL WHERE command_id = %(id)s", id=command
    )
    drift_bench.whole.look("DELETE FROM links")
    if not named:
        entry = drift_bench.entry(command)
        drift_bench.sandbox.seed([{**entry, "id": "another", "identifier": []}])
        reference = "Observation/another"
    hear(drift_bench, reference)
    assert look(drift_bench) == [Found.ECHO if named else Found.UNCONCERNED]
    assert drift_bench.whole.state(command) == ("applied" if named else "pending_remote")


def test_two_lookers_at_once_look_once(drift_bench: DriftBench) -> None:
    commands = [drift_bench.written() for _ in range(4)]
    hear(drift_bench, *(drift_bench.reference(command) for command in commands))
    services, start = drift_bench.whole.services, threading.Barrier(2)

    def run(_: int) -> list[Found | None]:
        hands = Noted()
        start.wait(20)
        echoes.run_once(services, hands)
        return [services.echo_look.run(entry) for entry in hands.entries]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, range(2))
    assert [*one, *other].count(Found.ECHO) == 4
    assert tally(drift_bench)["echo"] == 4
    assert drift_bench.whole.look("SELECT 1 FROM touched_entries") == []


def test_the_sweep_is_among_all_sweeps() -> None:
    assert SWEEPS["echoes"].run_once is echoes.run_once
    assert overdue_cases.SWEEP.name in SWEEPS
