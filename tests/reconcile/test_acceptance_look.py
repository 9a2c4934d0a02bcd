"""What the staff of an EHR do with what waits for them, seen from here: on the sandbox's EHRs that hold writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from canonical.acceptance import LEASE, Seen
from config.wiring import Services
from tests.conformance.holding import HELD, NAMES_ITS_PLACE, NAMES_NOTHING
from tests.reconcile.conftest import let_wait
from tests.reconcile.waiting_bench import WaitingBench, open_waiting_bench
from tests.sandbox_fixture import RunningSandbox, sandbox_server
from tests.tasks.ward import Ward

__all__ = ["sandbox_server"]
Opener = Callable[[str], WaitingBench]


@pytest.fixture
def bench_at(sandbox_server: RunningSandbox, ward: Ward, services: Services) -> Iterator[Opener]:
    with ExitStack() as stack:
        yield lambda key: stack.enter_context(open_waiting_bench(sandbox_server, ward, services, key))


@pytest.mark.parametrize(("adapter", "kind"), HELD)
def test_what_the_staff_accept_is_found_and_proven_and_was_sent_once(bench_at: Opener, adapter: str, kind: str) -> None:
    bench = bench_at(adapter)
    patient, accepted = bench.waiting(kind)
    assert bench.ask() == [Seen.NOT_YET]
    assert (bench.ward.state(accepted.command_id), bench.desk.chart(patient)) == ("pending_remote", [])
    bench.decide(patient, "accept")
    assert bench.ask() == [Seen.VISIBLE]
    assert bench.ward.state(accepted.command_id) == "applied"
    assert bench.desk.drive(accepted) == "verified", bench.desk.told(accepted.command_id)
    assert bench.ward.events(accepted.command_id)[-3:] == ["answered_pending", "became_visible", "proven"]
    (entry,) = bench.desk.chart(patient)
    assert bench.desk.reference(accepted.command_id) == f"{entry['resourceType']}/{entry['id']}"
    links = bench.ward.query("SELECT reference, root FROM links WHERE root = %(id)s", id=accepted.command_id)
    assert [row["reference"] for row in links] == [bench.desk.reference(accepted.command_id)]
    assert len([item for item in bench.ward.attempts(accepted.command_id) if item[0] == "send"]) == 1
    again = bench.desk.again(accepted.command_id)
    assert (again.replayed, again.command_id) == (True, accepted.command_id)


def test_an_entry_whose_answer_named_no_place_is_found_by_what_it_says(bench_at: Opener) -> None:
    bench = bench_at(NAMES_NOTHING).with_options(vitals_visible=True)
    patient, accepted = bench.waiting("Observation")
    assert bench.ask() == [Seen.NOT_YET]
    bench.decide(patient, "accept")
    assert bench.ask() == [Seen.VISIBLE]
    (entry,) = bench.desk.chart(patient)
    assert bench.desk.reference(accepted.command_id) == f"Observation/{entry['id']}"
    links = bench.ward.query("SELECT reference FROM links WHERE root = %(id)s", id=accepted.command_id)
    assert [row["reference"] for row in links] == [f"Observation/{entry['id']}"]
    assert bench.desk.drive(accepted) == "verified", bench.desk.told(accepted.command_id)


def test_an_ehr_that_shows_nothing_of_what_it_holds_is_not_asked(bench_at: Opener) -> None:
    bench = bench_at(NAMES_NOTHING)
    patient, accepted = bench.waiting("Observation")
    since = bench.desk.last_request()
    assert bench.ask() == [Seen.NOT_YET]
    assert bench.desk.sandbox.requests(since=since) == []
    assert bench.ward.state(accepted.command_id) == "pending_remote"
    let_wait(bench.ward, 8 * 24 * 3600)
    assert bench.sweep() == []
    assert (bench.ward.state(accepted.command_id), bench.desk.chart(patient)) == ("in_review", [])


def test_what_the_staff_reject_unseen_waits_for_a_person_and_is_never_sent_again(bench_at: Opener) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    patient, accepted = bench.waiting()
    bench.decide(patient, "reject")
    since = bench.desk.last_request()
    assert bench.ask() == [Seen.NOT_YET]
    let_wait(bench.ward, 8 * 24 * 3600)
    assert bench.sweep() == []
    assert bench.ward.cases(accepted.command_id) == ["time_box_ended"]
    bench.desk.take_turn(accepted)
    assert (bench.desk.writes(since), bench.desk.chart(patient)) == ([], [])


def voided(bench: WaitingBench, reference: str) -> None:
    (entry,) = [item for item in bench.desk.sandbox.resources() if f"{item['resourceType']}/{item['id']}" == reference]
    coding = {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "refuted"}
    bench.desk.sandbox.edit({**entry, "verificationStatus": {"coding": [coding]}})


def removed(bench: WaitingBench, reference: str) -> None:
    bench.desk.sandbox.delete(reference)


@pytest.mark.parametrize("turn_down", [voided, removed])
def test_what_the_staff_turn_down_where_it_shows_comes_to_a_person_with_that_word(
    bench_at: Opener, turn_down: Callable[[WaitingBench, str], None]
) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    patient, accepted = bench.waiting()
    bench.decide(patient, "accept")
    turn_down(bench, bench.desk.reference(accepted.command_id))
    since = bench.desk.last_request()
    assert bench.ask() == [Seen.REFUSED]
    command = accepted.command_id
    assert (bench.ward.state(command), bench.ward.reason(command)) == ("in_review", "turned-down")
    assert (bench.ward.cases(command), bench.ward.events(command)[-1]) == (["turned_down"], "answered_refused")
    bench.desk.take_turn(accepted)
    assert bench.desk.writes(since) == []


def test_what_the_staff_changed_on_the_way_is_no_proof(bench_at: Opener) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    patient, accepted = bench.waiting()
    bench.decide(patient, "accept")
    (entry,) = bench.desk.chart(patient)
    bench.desk.sandbox.edit({**entry, "code": {"text": "Something else"}})
    assert bench.ask() == [Seen.VISIBLE]
    assert bench.desk.drive(accepted) == "in_review"
    assert bench.ward.cases(accepted.command_id) == ["proof_failed"]


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "drop_before_commit"},
        {"fault": "error_before_commit", "parameters": {"status": 503}},
        {"fault": "truncated_body"},
        {"fault": "throttle", "parameters": {"retry_after": 9000}},
    ],
    ids=lambda rule: str(rule["fault"]),
)
def test_an_answer_that_does_not_come_tells_nothing_and_it_is_asked_again_later(
    bench_at: Opener, fault: dict[str, Any]
) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    patient, accepted = bench.waiting()
    bench.decide(patient, "accept")
    bench.desk.sandbox.faults({"id": "away", "match": {"interaction": "read"}, **fault})
    assert bench.ask() == [Seen.NOT_YET]
    assert bench.desk.sandbox.fired()["away"] >= 1
    assert bench.ward.state(accepted.command_id) == "pending_remote"
    assert bench.due_in(accepted.command_id) > 3000
    assert bench.sweep() == []
    bench.desk.sandbox.faults()
    assert bench.ask() == [Seen.VISIBLE]
    assert bench.desk.drive(accepted) == "verified"
    assert len(bench.desk.chart(patient)) == 1


def test_two_sweepers_and_four_lookers_at_once_ask_for_each_write_once(bench_at: Opener) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    patients = [bench.waiting()[0] for _ in range(3)]
    for patient in patients:
        bench.decide(patient, "accept")
    let_wait(bench.ward, 60)
    both, since = threading.Barrier(2), bench.desk.last_request()

    def sweep(_: int) -> list[Any]:
        mine = WaitingBench(bench.desk, bench.services).with_options(waiting_asked_at_once=10)
        both.wait(20)
        return mine.sweep()

    with ThreadPoolExecutor(4) as pool:
        found = [command for commands in pool.map(sweep, range(2)) for command in commands]
        seen = list(pool.map(bench.looker().run, found))
    assert (len(set(found)), seen.count(Seen.VISIBLE)) == (3, 3)
    assert set(seen) <= {Seen.VISIBLE, None}
    asked = [item for item in bench.desk.sandbox.requests(since=since) if item["interaction"] == "read"]
    assert len(asked) == 3
    for command in set(found):
        assert bench.ward.events(command).count("became_visible") == 1


class Dies(BaseException):
    """A process that ends between two steps."""


class DyingEhr:
    """An EHR in whose read the process ends."""

    def __init__(self, ehr: Any) -> None:
        self._ehr = ehr

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ehr, name)

    def fetch(self, reference: str, trace: Any) -> Any:
        self._ehr.fetch(reference, trace)
        raise Dies


def test_a_look_whose_worker_died_is_taken_again_and_not_before(bench_at: Opener) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    patient, accepted = bench.waiting()
    bench.decide(patient, "accept")
    dying: Any = DyingEhr(bench.desk.ehr)
    with pytest.raises(Dies):
        bench.looker(dying).run(accepted.command_id)
    assert bench.ward.state(accepted.command_id) == "pending_remote"
    assert (bench.sweep(), bench.looker().run(accepted.command_id)) == ([], None)
    let_wait(bench.ward, LEASE.total_seconds() + 1)
    assert bench.sweep() == [accepted.command_id]
    assert bench.looker().run(accepted.command_id) is Seen.VISIBLE
    assert bench.desk.drive(accepted) == "verified"
    assert len(bench.desk.chart(patient)) == 1


def test_a_write_that_its_time_box_ended_for_during_the_look_stays_where_it_was_put(bench_at: Opener) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    patient, accepted = bench.waiting()
    bench.decide(patient, "accept")
    write = bench.looker().writes.take(accepted.command_id)
    assert write is not None
    let_wait(bench.ward, 8 * 24 * 3600)
    bench.sweep()
    assert not bench.looker().writes.turn_down(write)
    assert not bench.looker().writes.become_visible(write, [])
    assert bench.ward.state(accepted.command_id) == "in_review"


def test_an_ehr_is_asked_for_no_more_than_it_bears_in_one_pass_the_longest_due_first(bench_at: Opener) -> None:
    bench = bench_at(NAMES_ITS_PLACE)
    commands = [bench.waiting()[1].command_id for _ in range(4)]
    assert bench.with_options(waiting_asked_at_once=3).sweep() == commands[:3]
    assert bench.with_options(waiting_asked_at_once=0).sweep() == []
    bench.ward.query("UPDATE connections SET not_before = clock_timestamp() + interval '1 minute'")
    assert bench.sweep() == []
