"""Health, metrics and the status page: what those who run the service look at."""

import re
import threading

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import health
from canonical.errors import ConfigurationError
from canonical.lifecycle import State
from processes.postgres import PostgresServer
from processes.valkey import ValkeyServer
from tests.factories import envelope_json, quantity, vital_reading_json
from tests.reception import Reception, add_operation, put_state

#: As many as the framework has for handlers that may block.
THREADS = 40


def open_(reception: Reception, path: str) -> httpx.Response:
    """Ask without a token."""
    return reception.client.get(path, headers={"Authorization": ""})


def test_a_process_that_answers_is_alive(reception: Reception) -> None:
    assert open_(reception, "/healthz").json() == {"status": "ok"}


def test_a_process_is_alive_though_every_thread_waits_for_the_database(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, waiting = threading.Event(), threading.Semaphore(0)

    def check() -> None:
        waiting.release()
        assert go_on.wait(20)

    monkeypatch.setattr(reception.services.doors, "check", check)
    url = f"{reception.client.base_url}/readyz"
    threads = [threading.Thread(target=httpx.get, args=(url,), kwargs={"timeout": 30}) for _ in range(THREADS + 2)]
    for thread in threads:
        thread.start()
    try:
        assert all(waiting.acquire(timeout=20) for _ in range(THREADS))
        assert httpx.get(f"{reception.client.base_url}/healthz", timeout=5).status_code == 200
    finally:
        go_on.set()
        for thread in threads:
            thread.join()


def test_ready_needs_the_database_and_only_likes_redis(
    reception: Reception, valkey_server: ValkeyServer, postgres_server: PostgresServer
) -> None:
    assert open_(reception, "/readyz").json() == {
        "status": "ready",
        "checks": {"database": "ok", "redis": "ok"},
        "reviewPages": "not-set-up",
    }
    valkey_server.kill()
    degraded = open_(reception, "/readyz")
    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    postgres_server.kill()
    away = open_(reception, "/readyz")
    assert (away.status_code, away.json()["checks"]["database"]) == (503, "unavailable")
    assert open_(reception, "/healthz").status_code == 200


def test_a_database_that_may_lose_commits_is_not_ready(reception: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ConfigurationError("PostgreSQL runs with fsync = off")

    monkeypatch.setattr(reception.services.doors, "check", refuse)
    answer = open_(reception, "/readyz")
    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "not-durable")
    assert health.Health.__doc__


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_metrics_come_from_the_database(reception: Reception) -> None:
    reception.services.doors.endpoints.register("north", "visits", url="https://app.example/", secret="whsec_a")
    first, second = (reception.post().json()["id"] for _ in range(2))
    reception.post(envelope_json(ai={"model": "scribe-2"}))
    put_state(reception.services, first, "verified")
    put_state(reception.services, second, "unknown")
    reception.post(envelope_json(vital_reading_json(valueQuantity=quantity("7250", "kg", "kg"))))
    reception.rows("INSERT INTO sweeps (name, finished_at) VALUES ('due', clock_timestamp() - interval '90 s')")
    reception.rows("UPDATE connections SET not_before = clock_timestamp() + interval '1 h' WHERE name = 'labels-r4'")
    answer = open_(reception, "/metrics")
    found = samples(answer.text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert found[key("writeback_commands", state="verified", status="inChart")] == 1
    assert found[key("writeback_commands", state="unknown", status="pending")] == 1
    assert found[key("writeback_commands", state="ready", status="pending")] == 0
    assert found[key("writeback_commands_open", state="awaiting_approval", status="needsAttention")] == 1
    assert found[key("writeback_callbacks_due")] == 1
    assert found[key("writeback_refused_last_hour", door="http", code="invalid-field")] == 1
    assert found[key("writeback_cases_open", kind="awaiting_approval")] == 1
    assert 0 < found[key("writeback_cases_oldest_seconds", severity="3")] < 300
    assert found[key("writeback_cases_oldest_seconds", severity="1")] == 0
    assert found[key("writeback_connections_closed")] == 1
    assert 90 <= found[key("writeback_sweep_age_seconds", sweep="due")] < 300
    assert found[key("writeback_oldest_seconds", what="unknown")] >= 0
    for secret in ("Lopez", "Patient/p1", "north", first):
        assert secret not in answer.text


def test_metrics_tell_what_reviewers_decided_and_what_came_back(reception: Reception) -> None:
    commands = [reception.post(envelope_json(ai={"model": "scribe-2"})).json()["id"] for _ in range(3)]
    first, second, third = commands
    reception.rows("UPDATE cases SET rounds = 1 WHERE command_id = %(id)s", id=first)
    reception.rows("UPDATE cases SET closed_at = clock_timestamp() WHERE command_id = %(id)s", id=second)
    reception.rows(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity) "
        "SELECT tenant, command_id, connection_id, action_type, kind, pool, severity FROM cases WHERE command_id = %(id)s",
        id=second,
    )
    reception.rows(
        "INSERT INTO decisions (tenant, case_id, command_id, verb, stage, person, person_name, licences, reason, "
        "policy_version) SELECT k.tenant, k.id, k.command_id, v, 'final', 'person:a', 'A', '{}', '', 'p' "
        "FROM cases k, unnest('{approve,reject}'::text[]) v WHERE k.command_id = %(id)s",
        id=third,
    )
    reception.rows(
        "INSERT INTO decisions (tenant, case_id, command_id, verb, stage, person, person_name, licences, reason, "
        "policy_version) SELECT k.tenant, k.id, k.command_id, 'approve', 'final', 'person:a', 'A', '{}', '', 'p' "
        "FROM cases k WHERE k.command_id = %(id)s",
        id=first,
    )
    answer = open_(reception, "/metrics")
    found = samples(answer.text)
    assert found[key("writeback_decisions", verb="approve")] == 2
    assert found[key("writeback_decisions", verb="reject")] == 1
    assert found[key("writeback_cases_reopened_last_day")] == 2
    assert "person:a" not in answer.text


def test_the_oldest_command_that_is_due_has_an_age(reception: Reception) -> None:
    command = reception.post().json()["id"]
    reception.rows("UPDATE commands SET due_at = clock_timestamp() - interval '5 min' WHERE id = %(id)s", id=command)
    assert 300 <= samples(open_(reception, "/metrics").text)[key("writeback_oldest_seconds", what="ready")] < 600


def test_without_a_database_there_are_no_metrics(reception: Reception, postgres_server: PostgresServer) -> None:
    postgres_server.kill()
    assert open_(reception, "/metrics").status_code == 503


def test_the_status_page_says_in_words_where_everything_is(reception: Reception) -> None:
    command = reception.post().json()["id"]
    put_state(reception.services, command, "verified")
    add_operation(reception.services, command, "verified")
    reception.rows("INSERT INTO sweeps (name, finished_at) VALUES ('due', clock_timestamp())")
    reception.rows(
        "UPDATE connections SET not_before = clock_timestamp() + interval '1 h', closed_reason = 'outage' "
        "WHERE name = 'labels-r4'"
    )
    answer = open_(reception, "/status")
    assert answer.status_code == 200
    text = re.sub(r"<[^>]+>", " ", answer.text)
    assert "Everything that was accepted is accounted for." in text
    assert re.search(r"In the chart, proven\s+1\b", text)
    assert re.search(r"in all\s+1\s+1\s+0", text)
    assert re.search(r"Closed: 1\b", text)
    assert re.search(r"due\s+\d+ s ago", text)
    assert open_(reception, "/").status_code == 200


def test_the_page_is_readable_for_everybody_and_loads_nothing(reception: Reception) -> None:
    answer = open_(reception, "/")
    page = answer.text
    assert '<html lang="en">' in page
    assert page.count("<caption>") == page.count("<table") > 0
    assert re.findall(r"<th(?![ >]?ead)(?! scope)[^>]*>", page) == []
    assert 'http-equiv="refresh"' in page
    assert not re.search(r"<script|src=|https?://", page)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for secret in ("Lopez", "Patient/p1", "72.50"):
        assert secret not in page


def test_the_page_says_it_when_something_is_not_accounted_for(reception: Reception) -> None:
    command = reception.post().json()["id"]
    reception.rows("UPDATE commands SET state = 'verified' WHERE id = %(id)s", id=command)
    page = open_(reception, "/").text
    assert "Not everything that was accepted is accounted for" in page
    assert "Commands that do not fit: 1." in page
    assert command not in page


def test_without_an_operators_token_the_page_names_no_tenant_connection_or_command(reception: Reception) -> None:
    command = reception.post().json()["id"]
    reception.rows("UPDATE commands SET state = 'verified' WHERE id = %(id)s", id=command)
    reception.rows(
        "UPDATE connections SET not_before = clock_timestamp() + interval '1 h', closed_reason = 'outage' "
        "WHERE name = 'labels-r4'"
    )
    detailed = reception.client.get("/status", headers=reception.as_(scope="writeback/operator")).text
    for named in (
        f"<code>{command}</code>: no event tells how it came to be where it is",
        "north-r4",
        ">south<",
        "closed (outage) until",
    ):
        assert named in detailed
    tenants_admin = reception.as_(scope="writeback/admin")
    for shown in (open_(reception, "/status"), reception.client.get("/status", headers=tenants_admin)):
        assert shown.status_code == 200
        assert [name for name in (command, "north", "south", "-r4") if name in shown.text] == []
    assert reception.client.get("/status", headers={"Authorization": "Bearer not.a.token"}).status_code == 401


def test_without_a_database_the_page_says_so(reception: Reception, postgres_server: PostgresServer) -> None:
    postgres_server.kill()
    answer = open_(reception, "/")
    assert answer.status_code == 503
    assert "The database cannot be reached." in answer.text


def test_many_viewers_cost_one_count(reception: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = reception.services.doors.figures
    counted = []
    totals = figures.totals

    def count() -> dict[State, int]:
        counted.append(1)
        return totals()

    monkeypatch.setattr(figures, "totals", count)
    threads = [threading.Thread(target=open_, args=(reception, "/")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 1
