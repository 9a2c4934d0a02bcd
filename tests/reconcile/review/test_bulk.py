"""Acting on many cases at once: on a digest of what the EHR's staff did not accept in time, at a sandbox that holds writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from canonical.case_views import QueueQuery
from canonical.policy import PROTECTED
from canonical.review_desk import ReviewError, Verb
from canonical.reviewer import Licence, Pool, Right
from config.wiring import build
from reconcile import pending_remote
from reconcile.review.bulk import check_bulk
from store.cases import Cases
from store.database import open_engine
from tests.conformance.holding import NAMES_ITS_PLACE
from tests.reconcile.conftest import Noted, let_wait
from tests.reconcile.review.bench import ALL_RIGHTS, person
from tests.reconcile.waiting_bench import WaitingBench, open_waiting_bench
from tests.sandbox_fixture import RunningSandbox, sandbox_server
from tests.tasks.ward import open_ward
from tests.ward_services import settings_for

__all__ = ["sandbox_server"]
LEAD = person("li-lead", Licence.PRESCRIBER, rights=ALL_RIGHTS | {Right.BULK})
EIGHT_DAYS = 8 * 24 * 3600.0


@dataclass
class Digest:
    """Writes of one day that the staff at ``bench`` did not accept in time, by patient."""

    bench: WaitingBench
    commands: dict[str, UUID]

    def cases(self) -> list[int]:
        """Return the cases as the line of the queue leads to them."""
        desk = self.bench.services.review_desk
        (line,) = desk.queue(LEAD, QueueQuery()).rows
        assert line.together == len(self.commands)
        rows = desk.queue(LEAD, QueueQuery(together=line.id)).rows
        assert [row.not_in_bulk for row in rows] == [""] * len(self.commands)
        return [row.id for row in rows]

    def bulk(self, verb: Verb, **said: str) -> list[str]:
        """Act on all of them; return what became of each."""
        desk = self.bench.services.review_desk
        done = desk.bulk(LEAD, tuple(self.cases()), verb, **({"reason": "", "text": ""} | said))
        return list(done.results.values())

    def states(self) -> list[str]:
        return [self.bench.ward.state(command) for command in self.commands.values()]


@pytest.fixture
def digest(sandbox_server: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Digest]:
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url)
    opened: list[WaitingBench] = []
    services = build(
        settings_for(ward, redis_url, tmp_path),
        opener=lambda _settings: opened[0].desk.ehr,
        capabilities=lambda _settings: opened[0].desk.capabilities,
    )
    with open_waiting_bench(sandbox_server, ward, services, NAMES_ITS_PLACE) as bench:
        opened.append(bench)
        commands = {}
        for _ in range(3):
            patient, accepted = bench.waiting()
            commands[patient] = accepted.command_id
        let_wait(ward, EIGHT_DAYS)
        assert pending_remote.run_once(bench.services, Noted())["to_review"] == 3
        yield Digest(bench, commands)
    services.close()
    ward.close()
    engine.dispose()


def test_many_said_to_be_there_are_each_read_back_and_count_only_where_the_chart_proves_it(digest: Digest) -> None:
    bench, since = digest.bench, digest.bench.desk.last_request()
    here, there, missing = digest.commands
    bench.decide(here, "accept")
    bench.decide(there, "accept")
    assert digest.bulk(Verb.FOUND) == ["done"] * 3
    assert digest.states() == ["applied"] * 3
    for command in digest.commands.values():
        for _ in range(20):
            if bench.ward.state(command) == "applied":
                bench.services.verifier.run(command)
                let_wait(bench.ward, 600)
    assert digest.states() == ["verified", "verified", "in_review"]
    assert bench.ward.cases(digest.commands[missing]) == ["time_box_ended", "proof_failed"]
    assert bench.desk.writes(since) == []


def test_what_is_not_there_is_ended_one_by_one_where_it_is_an_allergy(digest: Digest) -> None:
    with pytest.raises(ReviewError, match="decided one by one"):
        digest.bulk(Verb.REJECT, reason="sent-by-mistake", text="not in the tank")
    assert digest.states() == ["in_review"] * 3


def test_nothing_of_a_digest_is_ever_sent_again_in_bulk(digest: Digest) -> None:
    since = digest.bench.desk.last_request()
    with pytest.raises(ReviewError, match="decided one by one"):
        digest.bulk(Verb.RESEND, text="it is not there")
    assert (digest.states(), digest.bench.desk.writes(since)) == (["in_review"] * 3, [])


def test_a_digest_is_acted_on_by_those_with_the_right_alone(digest: Digest) -> None:
    cases = tuple(digest.cases())
    with pytest.raises(ReviewError):
        digest.bench.services.review_desk.bulk(replace(LEAD, rights=ALL_RIGHTS), cases, Verb.FOUND, reason="", text="")
    assert digest.states() == ["in_review"] * 3


def test_of_one_cause_all_may_be_sent_again_but_what_that_would_approve(digest: Digest) -> None:
    found = Cases(digest.bench.ward.engine).find("t1", digest.cases()[0])
    assert found is not None
    assert found.action_type in PROTECTED
    refused = replace(
        found, kind="rejected_site_config", pool=Pool.OPERATIONS, cause="action=AllergyUpdate code=SITE-7"
    )
    check_bulk([refused, replace(refused, id=2)], Verb.RESEND)
    for verb in (Verb.ASK_AUTHOR, Verb.REJECT, Verb.ESCALATE):
        check_bulk([refused], verb)
    for more, verb, said in (
        ({"cause": "action=AllergyUpdate code=SITE-8"}, Verb.RESEND, "one cause"),
        ({"approval_required": True}, Verb.RESEND, "must approve"),
        ({}, Verb.FOUND, "by itself"),
        ({}, Verb.APPROVE, "ever approved"),
    ):
        with pytest.raises(ReviewError, match=said):
            check_bulk([refused, replace(refused, **more)], verb)


def test_what_is_no_digest_is_never_said_to_be_there_in_bulk(digest: Digest) -> None:
    cases = tuple(digest.cases())
    digest.bench.ward.query("UPDATE cases SET kind = 'cannot_tell', cause = NULL, stands = true")
    with pytest.raises(ReviewError, match="looked for in the chart by itself"):
        digest.bench.services.review_desk.bulk(LEAD, cases, Verb.FOUND, reason="", text="")
    assert digest.states() == ["in_review"] * 3
