from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import QueuePool

from canonical import exact_json
from canonical.admission import patient_key
from canonical.command_views import CommandPage, CommandQuery
from canonical.errors import RefusedError
from canonical.idempotency import key_hash
from canonical.lifecycle import State
from config.wiring import Services
from store import command_reads
from tests.factories import envelope_json, medication_change_json, patient_json
from tests.reception import APP, TENANT, give_consent, put_state, receive


@pytest.fixture
def ids(services: Services) -> list[UUID]:
    """Five commands, oldest first; the fourth is a medication of another app with a patient's number."""
    give_consent(services)
    numbered = patient_json(identifier={"system": "urn:mrn", "value": "4711"})
    return [
        receive(services, key="key-number-1").id,
        receive(services, envelope_json(correlationId="round-7"), key="key-number-2").id,
        receive(services, key="key-number-3").id,
        receive(services, envelope_json(medication_change_json(), patient=numbered), app="other").id,
        receive(services, key="key-number-5").id,
    ]


def found(page: CommandPage) -> list[UUID]:
    return [command.id for command in page.commands]


def test_a_command_is_read_with_its_events_and_without_content(services: Services, ids: list[UUID]) -> None:
    detail = services.doors.commands.detail(TENANT, ids[0])
    assert detail is not None
    assert [(event.trigger, event.source, event.target) for event in detail.events] == [
        ("received", "", "received"),
        ("accepted", "received", "ready"),
    ]
    assert (detail.summary.state, detail.summary.connection, detail.operations) == (State.READY, "north-r4", ())
    assert "Lopez" not in repr(detail)


def test_another_tenants_or_apps_command_is_not_there(services: Services, ids: list[UUID]) -> None:
    reads = services.doors.commands
    assert reads.detail("south", ids[0]) is None
    assert reads.detail(TENANT, ids[0], app="other") is None
    assert reads.summary("south", ids[0]) is None
    assert found(reads.search("south", CommandQuery())) == []
    assert found(reads.search(TENANT, CommandQuery(app="other"))) == [ids[3]]


def test_pages_lead_from_the_newest_to_the_oldest_and_miss_nothing(services: Services, ids: list[UUID]) -> None:
    def pages() -> Iterator[list[UUID]]:
        cursor = None
        while True:
            page = services.doors.commands.search(TENANT, CommandQuery(limit=2, cursor=cursor))
            yield found(page)
            cursor = page.cursor
            if cursor is None:
                return

    assert list(pages()) == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


def test_each_condition_narrows(services: Services, ids: list[UUID]) -> None:
    put_state(services, ids[2], "verified")
    reads, now = services.doors.commands, datetime.now(UTC)
    wanted: dict[int, CommandQuery] = {
        1: CommandQuery(correlation_id="round-7"),
        0: CommandQuery(key_hashes=(key_hash(TENANT, APP, "key-number-1"),)),
        2: CommandQuery(states=(State.VERIFIED,)),
        3: CommandQuery(action_type="MedicationChange", operation="start"),
    }
    for place, query in wanted.items():
        assert found(reads.search(TENANT, query)) == [ids[place]]
    nobody = [
        CommandQuery(patient_keys=(patient_key(TENANT, "north-r4", "Patient/p2"),)),
        CommandQuery(patient_keys=()),
        CommandQuery(connection="labels-r4"),
        CommandQuery(action_type="MedicationChange", operation="stop"),
        CommandQuery(received_from=now + timedelta(minutes=1)),
        CommandQuery(received_to=now - timedelta(minutes=1)),
    ]
    assert [found(reads.search(TENANT, query)) for query in nobody] == [[]] * len(nobody)
    everybody = CommandQuery(patient_keys=(patient_key(TENANT, "north-r4", "Patient/p1"),), connection="north-r4")
    assert len(found(reads.search(TENANT, everybody))) == 5


def test_a_patients_number_is_found_in_the_envelopes(services: Services, ids: list[UUID]) -> None:
    reads = services.doors.commands
    assert found(reads.search(TENANT, CommandQuery(patient_identifier=("urn:mrn", "4711")))) == [ids[3]]
    assert found(reads.search(TENANT, CommandQuery(patient_identifier=(None, "4711")))) == [ids[3]]
    assert found(reads.search(TENANT, CommandQuery(patient_identifier=("urn:other", "4711")))) == []
    assert found(reads.search(TENANT, CommandQuery(patient_identifier=(None, "471")))) == []


def test_a_search_by_number_goes_on_from_page_to_page(
    services: Services, ids: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_reads, "IDENTIFIER_SCAN", 1)
    cursor, seen, pages = None, [], 0
    while pages == 0 or cursor:
        page = services.doors.commands.search(
            TENANT, CommandQuery(patient_identifier=(None, "4711"), cursor=cursor, limit=1)
        )
        seen += found(page)
        cursor, pages = page.cursor, pages + 1
    assert (seen, pages) == ([ids[3]], 5)


def test_no_transaction_is_open_while_envelopes_are_parsed(
    services: Services, ids: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_reads, "IDENTIFIER_CHUNK", 2)
    open_while_parsing: list[int] = []
    parse = exact_json.parse

    def parsed(raw: bytes) -> object:
        pool = services.engine.pool
        assert isinstance(pool, QueuePool)
        open_while_parsing.append(pool.checkedout())
        return parse(raw)

    monkeypatch.setattr(exact_json, "parse", parsed)
    page = services.doors.commands.search(TENANT, CommandQuery(patient_identifier=(None, "4711")))
    assert (found(page), open_while_parsing) == ([ids[3]], [0] * 5)


@pytest.mark.parametrize("cursor", ["x", "!!", "MjAyNi0wMS0wMQ", "YWJj", "é"])
def test_a_cursor_of_somebody_else_is_refused(services: Services, cursor: str) -> None:
    with pytest.raises(RefusedError) as refused:
        services.doors.commands.search(TENANT, CommandQuery(cursor=cursor))
    assert [error.pointer for error in refused.value.errors] == ["/cursor"]
