"""The door for what EHRs say of changes: who may, how much, what is refused, and what a repeat does."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from api.notifications import MOST_BYTES
from tests.factories import NOW
from tests.notification_factories import SECRET, as_json, backport, signed
from tests.reception import Reception

ADDRESS = "/v1/notifications/north-r4"
SOUTH = "south-secret"
EVENT = as_json(backport(events=[(1, "Observation/o1")], sent=1))


@pytest.fixture
def door(reception: Reception, tmp_path: Path) -> Iterator[Reception]:
    (tmp_path / "north-notifications.secret").write_text(SECRET + "\n")
    (tmp_path / "south-notifications.secret").write_text(SOUTH)
    del reception.client.headers["Authorization"]
    yield reception
    assert reception.stored() == 0


def post(door: Reception, body: bytes, headers: dict[str, str] | None = None, *, to: str = ADDRESS) -> httpx.Response:
    return door.client.post(to, content=body, headers=signed(body, NOW) if headers is None else headers)


def link(door: Reception, reference: str, tenant: str = "north") -> None:
    """Make an entry one that we wrote."""
    door.rows(
        "INSERT INTO links (connection_id, reference, tenant, root)"
        " SELECT id, %(reference)s, tenant, gen_random_uuid() FROM connections WHERE tenant = %(tenant)s AND name = 'north-r4'",
        reference=reference,
        tenant=tenant,
    )


def touched(door: Reception) -> list[tuple[str, str]]:
    found = door.rows("SELECT tenant, reference FROM touched_entries ORDER BY tenant, reference")
    return [(row["tenant"], row["reference"]) for row in found]


def refused(code: str, connection: str = "north-r4") -> float:
    labels = {"connection": connection, "code": code}
    return REGISTRY.get_sample_value("writeback_notifications_refused_total", labels) or 0.0


def test_what_concerns_us_is_put_down_to_be_read_and_nothing_of_its_content_kept(door: Reception) -> None:
    link(door, "Observation/o1")
    entry = {"resource": {"resourceType": "Observation", "id": "o1", "valueString": "not to be kept"}}
    body = as_json(backport(events=[(1, "Observation/o1"), (2, "Observation/o2")], sent=2, entries=[entry]))
    answer = post(door, body)
    assert (answer.status_code, answer.json()["touched"], answer.json()["unknown"]) == (202, 1, 1)
    assert touched(door) == [("north", "Observation/o1")]
    for table in ("notification_streams", "notified_events", "touched_entries", "notification_tallies"):
        assert "not to be kept" not in str(door.rows(f"SELECT * FROM {table}"))


def test_each_tenant_of_a_name_is_known_by_its_own_secret(door: Reception) -> None:
    link(door, "Observation/o1", "north")
    link(door, "Observation/o1", "south")
    headers = {"Authorization": f"Bearer {SOUTH}", "Content-Type": "application/json"}
    assert post(door, EVENT, headers).status_code == 202
    assert touched(door) == [("south", "Observation/o1")]


#: What proves nothing, by what is wrong with it.
UNPROVEN: dict[str, dict[str, str]] = {
    "no proof": {"Content-Type": "application/fhir+json"},
    "another secret": signed(EVENT, NOW, secret="whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA=="),
    "another body": signed(EVENT + b" ", NOW),
    "too old": signed(EVENT, NOW - timedelta(seconds=301)),
    "from the future": signed(EVENT, NOW + timedelta(seconds=301)),
    "no time": signed(EVENT, NOW) | {"webhook-timestamp": "soon"},
    "no such time": signed(EVENT, NOW) | {"webhook-timestamp": "9" * 40},
    "another message": signed(EVENT, NOW) | {"webhook-id": "msg-other"},
    "half a signature": signed(EVENT, NOW) | {"webhook-signature": "v1,"},
    "another bearer": {"Authorization": "Bearer other", "Content-Type": "application/json"},
    "another scheme": {"Authorization": f"Basic {SOUTH}", "Content-Type": "application/json"},
}


def test_what_is_not_proven_is_refused_and_counted(door: Reception) -> None:
    link(door, "Observation/o1")
    before = refused("notification-unproven")
    answers = {name: post(door, EVENT, headers) for name, headers in UNPROVEN.items()}
    found = {name: (answer.status_code, answer.json()["code"]) for name, answer in answers.items()}
    assert found == dict.fromkeys(UNPROVEN, (401, "notification-unproven"))
    assert touched(door) == []
    assert refused("notification-unproven") == before + len(UNPROVEN)


def test_a_connection_that_takes_none_answers_as_one_that_is_not_there(door: Reception) -> None:
    before, names = refused("notification-unproven", "none"), ("labels-r4", "none-of-that-name", "north-r4%00")
    answers = [post(door, EVENT, to=f"/v1/notifications/{name}") for name in names]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "notification-unproven")}
    assert refused("notification-unproven", "none") == before + len(names)


def test_a_secret_that_is_gone_proves_nothing(door: Reception, tmp_path: Path) -> None:
    (tmp_path / "north-notifications.secret").write_text("")
    assert post(door, EVENT).status_code == 401
    (tmp_path / "north-notifications.secret").write_text("whsec_!")
    assert post(door, EVENT).status_code == 401


def test_what_is_enormous_is_refused_before_it_is_read(door: Reception) -> None:
    headers = signed(EVENT, NOW) | {"Content-Length": str(50 * 1024 * 1024)}
    wire = http.client.HTTPConnection(door.client.base_url.host, door.client.base_url.port, timeout=20)
    wire.request("POST", ADDRESS, headers=headers)
    assert wire.getresponse().status == 413
    wire.close()
    # What does not say how long it is, is read up to the limit and no further.
    chunks = (b" " * 64 * 1024 for _ in range(2 * MOST_BYTES // (64 * 1024)))
    assert door.client.post(ADDRESS, content=chunks, headers=signed(EVENT, NOW)).status_code == 413
    assert touched(door) == []


#: What a proven sender may send by mistake → status and code.
UNREADABLE: dict[bytes, tuple[int, str]] = {
    b"[" * 5_000 + b"]" * 5_000: (400, "malformed-json"),
    b'{"a":' * 100 + b"1" + b"}" * 100: (400, "malformed-json"),
    b'{"resourceType": "Bundle"': (400, "malformed-json"),
    b"[]": (422, "invalid-field"),
    as_json({"resourceType": "Bundle", "entry": []}): (422, "notification-unreadable"),
    as_json(backport("query-event")): (422, "notification-unreadable"),
}


def test_a_proven_body_that_is_no_notification_is_refused_and_counted(door: Reception) -> None:
    for body, (status, code) in UNREADABLE.items():
        before = refused(code)
        answer = post(door, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert refused(code) == before + 1
    assert door.rows("SELECT 1 FROM notified_events") == []


def test_a_replay_is_heard_once(door: Reception) -> None:
    link(door, "Observation/o1")
    headers = signed(EVENT, NOW)
    assert post(door, EVENT, headers).json()["touched"] == 1
    door.rows("DELETE FROM touched_entries")
    # The same message, and the same event under another name.
    for again in (headers, signed(EVENT, NOW)):
        answer = post(door, EVENT, again)
        assert (answer.status_code, answer.json()["duplicate"], answer.json()["touched"]) == (202, 1, 0)
    assert touched(door) == []


def test_what_comes_late_is_heard_all_the_same_and_a_gap_is_counted(door: Reception) -> None:
    link(door, "Observation/o1")
    assert post(door, as_json(backport("handshake", sent=0))).json()["handshake"] == 1

    def said(*numbers: int, **more: Any) -> dict[str, int]:
        answer = post(door, as_json(backport(events=[(number, "Observation/o1") for number in numbers], **more)))
        found: dict[str, int] = answer.json()
        return {name: many for name, many in found.items() if many}

    assert said(1, sent=1) == {"touched": 1}
    assert said(4, sent=4) == {"touched": 1, "missed": 2}
    assert said(3) == {"touched": 1, "outOfOrder": 1}
    assert said(2) == {"touched": 1, "outOfOrder": 1}
    assert said(2) == {"duplicate": 1}
    (stream,) = door.rows("SELECT highest, missed, missing, gap_after FROM notification_streams")
    assert stream == {"highest": 4, "missed": 2, "missing": 0, "gap_after": None}
    # A heartbeat tells of what was missed, too.
    assert post(door, as_json(backport("heartbeat", sent=6))).json()["missed"] == 2
    assert door.rows("SELECT gap_after FROM notification_streams") == [{"gap_after": ""}]
    # A subscription that begins again counts from one, and its first event is no repeat.
    post(door, as_json(backport("handshake")))
    assert said(1, sent=1) == {"touched": 1}


def test_figures_tell_by_connection_and_result(door: Reception) -> None:
    link(door, "Observation/o1")
    post(door, EVENT)
    post(door, EVENT)
    post(door, EVENT, {"Content-Type": "application/fhir+json"})
    told = door.client.get("/metrics").text
    assert 'writeback_notifications_last_week{connection="north-r4",result="touched"} 1.0' in told
    assert 'writeback_notifications_last_week{connection="north-r4",result="duplicate"} 1.0' in told
    assert 'writeback_notifications_refused_total{code="notification-unproven",connection="north-r4"}' in told
    assert "Observation/o1" not in told
