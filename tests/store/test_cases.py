"""Pages of the queue: one order over both pools, every case once, whatever narrows it; and found by an index of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from canonical.case_store import StoredCase
from canonical.case_views import QueueQuery
from canonical.reviewer import Pool, Reviewer
from store.cases import Cases
from store.database import rows, transaction
from tests.tasks.ward import Ward

BOTH = Reviewer(tenant="t1", issuer="i", subject="ada", name="Ada", pools=frozenset(Pool))
CLINICIAN = replace(BOTH, pools=frozenset({Pool.CLINICAL}))


def opened(ward: Ward, **row: Any) -> int:
    """Write an open case due in so many minutes."""
    usual: dict[str, Any] = {
        "kind": "conflict",
        "pool": "clinical",
        "severity": 3,
        "due": 60,
        "by": None,
        "command": ward.submit().command_id,
    }
    (made,) = ward.query(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, claimed_by, "
        "claimed_until) SELECT tenant, id, connection_id, action_type, %(kind)s, %(pool)s, %(severity)s, "
        "now() + make_interval(mins => %(due)s), %(by)s, now() + interval '1 hour' FROM commands WHERE id = %(command)s "
        "RETURNING id",
        **(usual | row),
    )
    return int(made["id"])


def pages(cases: Cases, reviewer: Reviewer, query: QueueQuery) -> list[list[int]]:
    """Return the ids of every page, one after the other."""
    found: list[list[int]] = []
    cursor: str | None = None
    while not found or cursor is not None:
        page = cases.page(reviewer, replace(query, cursor=cursor))
        found.append([case.id for case in page.cases])
        cursor = page.cursor
    return found


def test_both_pools_are_one_queue_most_severe_first_then_by_due_time(ward: Ward) -> None:
    late = opened(ward, severity=2, due=90)
    other = opened(ward, severity=2, due=30, pool="operations")
    now = opened(ward, severity=1, due=600)
    last = opened(ward, severity=4, due=1, pool="operations")
    cases = Cases(ward.engine)
    assert pages(cases, BOTH, QueueQuery()) == [[now, other, late, last]]
    assert pages(cases, BOTH, QueueQuery(limit=2)) == [[now, other], [late, last]]
    assert pages(cases, BOTH, QueueQuery(limit=1)) == [[now], [other], [late], [last]]
    assert pages(cases, CLINICIAN, QueueQuery()) == [[now, late]]
    assert pages(cases, BOTH, QueueQuery(pool=Pool.OPERATIONS)) == [[other, last]]
    assert pages(cases, CLINICIAN, QueueQuery(pool=Pool.OPERATIONS)) == [[]]
    assert pages(cases, replace(BOTH, tenant="t2"), QueueQuery()) == [[]]


def test_each_filter_narrows_alone_and_together(ward: Ward) -> None:
    plain = opened(ward)
    locked = opened(ward, kind="locked", severity=2)
    mine = opened(ward, by="person:ada", kind="locked")
    theirs = opened(ward, by="person:bo")
    cases = Cases(ward.engine)
    found: list[tuple[QueueQuery, list[int]]] = [
        (QueueQuery(kind="locked"), [locked, mine]),
        (QueueQuery(severity=2), [locked]),
        (QueueQuery(mine=True), [mine]),
        (QueueQuery(kind="locked", severity=3), [mine]),
        (QueueQuery(action_type="VitalReading"), [locked, plain, mine, theirs]),
        (QueueQuery(action_type="AllergyUpdate"), []),
        (QueueQuery(connection="north"), [locked, plain, mine, theirs]),
        (QueueQuery(connection="south"), []),
    ]
    for query, ids in found:
        assert pages(cases, BOTH, query) == [ids], query
        page = cases.page(BOTH, query)
        assert (page.open, page.overdue) == (len(ids), 0)


def test_the_count_stops_and_is_of_the_whole_queue_on_every_page(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        opened(ward, due=-5, pool=("clinical", "operations")[n % 2])
    cases = Cases(ward.engine)
    first = cases.page(BOTH, QueueQuery(limit=1))
    second = cases.page(BOTH, QueueQuery(limit=1, cursor=first.cursor))
    assert [(page.open, page.overdue) for page in (first, second)] == [(3, 3), (3, 3)]
    monkeypatch.setattr("store.cases.QUEUE_COUNTED_TO", 2)
    assert (cases.page(BOTH, QueueQuery()).open, cases.page(BOTH, QueueQuery()).overdue) == (2, 2)


def test_a_closed_case_is_in_no_queue(ward: Ward) -> None:
    case = opened(ward)
    ward.query("UPDATE cases SET closed_at = now() WHERE id = %(id)s RETURNING id", id=case)
    found: tuple[StoredCase, ...] = Cases(ward.engine).page(BOTH, QueueQuery()).cases
    assert found == ()


@pytest.mark.parametrize("query", [QueueQuery(), QueueQuery(kind="locked"), QueueQuery(connection="north")], ids=str)
def test_a_page_is_read_in_the_order_of_the_queues_index(ward: Ward, query: QueueQuery) -> None:
    statement, names = Cases.statement(CLINICIAN, query)
    with transaction(ward.engine) as connection:
        # Where there are few rows reading all of them is cheaper; asked is whether the index can do it.
        connection.execute("SET LOCAL enable_seqscan = off")
        connection.execute("SET LOCAL enable_sort = off")
        plan = "\n".join(next(iter(row.values())) for row in rows(connection, f"EXPLAIN {statement}", names))
    assert "ix_cases_lines" in plan
    assert "k.closed_at IS NULL" not in plan, "the index holds open cases only"
