"""The final judgement of a run, from the tables and the chart alone; it asks nothing of the code that made them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

from canonical.lifecycle import NEEDS_PERSON, TRANSITIONS, State, Trigger

#: Where a command may stand at the end of a run in which everything could be proven.
PROVEN = frozenset({State.VERIFIED, State.COMPENSATED})


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was promised: the command, and the patient (``Patient/id``) and value (as written) that it is about."""

    command: UUID
    patient: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Written:
    """A resource of ours in the chart: the command it names, its patient and its value as written."""

    mark: str
    reference: str
    patient: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that must not be."""

    rule: str
    what: str


@dataclass
class Record:
    """What the database says after a run."""

    commands: list[dict[str, Any]]
    events: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    leased: list[dict[str, Any]]
    taken: list[dict[str, Any]]
    links: list[dict[str, Any]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)


def read_record(database_url: str) -> Record:
    """Read everything that is judged, on a connection of our own."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return Record(
            commands=connection.execute("SELECT * FROM commands ORDER BY lane_id, lane_seq").fetchall(),
            events=connection.execute("SELECT * FROM events ORDER BY command_id, seq").fetchall(),
            attempts=connection.execute("SELECT * FROM attempts ORDER BY id").fetchall(),
            leased=connection.execute("SELECT id FROM lanes WHERE lease_until > clock_timestamp()").fetchall(),
            taken=connection.execute("SELECT no FROM slots WHERE until > clock_timestamp()").fetchall(),
            links=connection.execute("SELECT * FROM links").fetchall(),
            cases=connection.execute(
                "SELECT id, command_id, kind, opened_at, closed_at FROM cases ORDER BY command_id, kind, id"
            ).fetchall(),
        )


def judge(
    record: Record,
    receipts: Iterable[Receipt],
    chart: Iterable[Written],
    *,
    ended: Mapping[UUID, State] | None = None,
    requests: Iterable[str] | None = None,
) -> list[Finding]:
    """Return everything that is wrong; an empty list is the only good answer.

    ``ended`` names the commands that must stand elsewhere than proven (and have no resource unless they were in the
    chart); ``requests`` are the request ids of the write requests that the EHR saw.
    """
    promised, elsewhere = list(receipts), dict(ended or {})
    return [
        *_nothing_lost(record, promised, elsewhere),
        *_written_once(promised, list(chart), elsewhere),
        *judge_record(record),
        *_requests_journaled(record, requests),
    ]


def judge_record(record: Record) -> list[Finding]:
    """Return what is wrong with the tables by themselves, whatever the chart says."""
    return [*_events_explain(record), *_order_kept(record), *_at_rest(record), *_asked_once(record)]


def _nothing_lost(record: Record, promised: list[Receipt], elsewhere: Mapping[UUID, State]) -> Iterable[Finding]:
    states = {row["id"]: State(row["state"]) for row in record.commands}
    for receipt in promised:
        state = states.pop(receipt.command, None)
        wanted = {elsewhere[receipt.command]} if receipt.command in elsewhere else PROVEN
        if state not in wanted:
            yield Finding(rule="nothing lost", what=f"{receipt.command} is {state}, not {sorted(wanted)}")
    for command in states:
        yield Finding(rule="balance closes", what=f"{command} is stored, but nobody holds a receipt for it")


def _written_once(promised: list[Receipt], chart: list[Written], elsewhere: Mapping[UUID, State]) -> Iterable[Finding]:
    by_mark = defaultdict(list)
    for item in chart:
        by_mark[item.mark].append(item)
    for receipt in promised:
        found = by_mark.pop(str(receipt.command), [])
        wanted = 0 if receipt.command in elsewhere else 1
        if len(found) != wanted:
            yield Finding(rule="written once", what=f"{receipt.command} is in the chart {len(found)} times")
        for item in found:
            if (item.patient, item.value) != (receipt.patient, receipt.value):
                yield Finding(rule="written right", what=f"{item.reference} holds another patient or value")
    for mark in by_mark:
        yield Finding(rule="nothing unasked", what=f"the chart holds a resource marked {mark}")


def _events_explain(record: Record) -> Iterable[Finding]:
    """Replay each command's events through the table of legal moves: they must lead to where it stands."""
    events = defaultdict(list)
    for event in record.events:
        events[event["command_id"]].append(event)
    for row in record.commands:
        own = events.pop(row["id"], [])
        if [event["seq"] for event in own] != list(range(1, row["event_seq"] + 1)):
            yield Finding(rule="events explain", what=f"{row['id']} has a hole in its events")
            continue
        if (own[0]["source"], own[0]["target"]) != ("", State.RECEIVED):
            yield Finding(rule="events explain", what=f"{row['id']} does not begin with its receipt")
        for before, event in pairwise(own):
            legal = TRANSITIONS.get((State(event["source"]), Trigger(event["trigger"])))
            if event["source"] != before["target"] or event["target"] != legal:
                yield Finding(rule="events explain", what=f"{row['id']}: event {event['seq']} is no legal move")
        if own[-1]["target"] != row["state"]:
            yield Finding(rule="events explain", what=f"{row['id']} stands where no event led")
    for command in events:
        yield Finding(rule="events explain", what=f"there are events of {command}, which does not exist")


def _order_kept(record: Record) -> Iterable[Finding]:
    """Within a subject nothing was sent before what came before it was proven or ended."""
    sends = defaultdict(list)
    overs: dict[UUID, datetime] = {}
    for attempt in record.attempts:
        if attempt["kind"] == "send" and attempt["outcome"] != "not_sent":
            sends[attempt["command_id"]].append(attempt["claimed_at"])
    for event in record.events:
        if event["target"] in {State.VERIFIED, State.REJECTED, State.WITHDRAWN, State.EXPIRED, State.SUPERSEDED}:
            overs.setdefault(event["command_id"], event["at"])
    subjects = defaultdict(list)
    for row in record.commands:
        subjects[row["lane_id"], row["subject"]].append(row["id"])
    for commands in subjects.values():
        for earlier, later in pairwise(commands):
            if sends[later] and (earlier not in overs or min(sends[later]) < overs[earlier]):
                yield Finding(rule="order kept", what=f"{later} was sent before {earlier} was over")
    yield from _no_overlap(record)


def _no_overlap(record: Record) -> Iterable[Finding]:
    """Within a lane a send or a probe begins only after the one before it was settled or given up: none is made twice."""
    lanes = defaultdict(list)
    for attempt in record.attempts:
        lanes[attempt["lane_id"]].append(attempt)
    for attempts in lanes.values():
        for one, two in pairwise(sorted(attempts, key=lambda attempt: int(attempt["fence"]))):
            if one["fence"] == two["fence"] and not _continues(one, two):
                yield Finding(rule="one holder", what=f"attempts {one['id']} and {two['id']} share a fence")
            if one["settled_at"] is None or one["settled_at"] > two["claimed_at"]:
                yield Finding(rule="one in flight", what=f"attempt {two['id']} began before {one['id']} was over")


def _asked_once(record: Record) -> Iterable[Finding]:
    """A person is asked one thing once: no second case of a kind before the first is closed, nor more than causes for it."""
    causes = Counter((event["command_id"], event["target"] in NEEDS_PERSON) for event in record.events)
    asked = Counter((case["command_id"], case["kind"]) for case in record.cases)
    for one, two in pairwise(record.cases):
        same = (one["command_id"], one["kind"]) == (two["command_id"], two["kind"])
        if same and (one["closed_at"] is None or one["closed_at"] > two["opened_at"]):
            yield Finding(rule="asked once", what=f"cases {one['id']} and {two['id']} ask the same at the same time")
    for (command, kind), count in asked.items():
        # What comes of an answer after its claim, or of a look at what is settled, holds nothing and has no such event.
        if count > max(1, causes[command, True]):
            yield Finding(rule="asked once", what=f"{command} has {count} cases of kind {kind}")


def _continues(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether ``two`` sends the next operation of the same command, whose claim is the settle of ``one``."""
    sends = one["kind"] == two["kind"] == "send" and one["command_id"] == two["command_id"]
    return bool(sends and two["operation_seq"] == one["operation_seq"] + 1)


def _at_rest(record: Record) -> Iterable[Finding]:
    if record.leased:
        yield Finding(rule="at rest", what=f"{len(record.leased)} lanes are still leased")
    if record.taken:
        yield Finding(rule="at rest", what=f"{len(record.taken)} slots are still taken")
    for attempt in record.attempts:
        if attempt["settled_at"] is None:
            yield Finding(rule="at rest", what=f"{attempt['kind']} attempt {attempt['id']} has no end")


def _requests_journaled(record: Record, requests: Iterable[str] | None) -> Iterable[Finding]:
    """Every write request the EHR saw was journaled before it left, and left once."""
    if requests is None:
        return
    journaled = {str(attempt["request_id"]) for attempt in record.attempts if attempt["kind"] == "send"}
    for request, count in Counter(requests).items():
        if request not in journaled:
            yield Finding(rule="journaled first", what=f"the EHR saw a write request {request} that no attempt names")
        if count > 1:
            yield Finding(rule="sent once", what=f"write request {request} was sent {count} times")
