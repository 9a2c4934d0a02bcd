"""An app's word that an author saw what became of their command: who may give it, what it counts for, what is told of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from api.acknowledgements import AcknowledgementDoor
from canonical.events import move
from canonical.lifecycle import State, Trigger
from store.database import transaction
from store.moves import apply_move
from tests.reception import Reception

WHO = {"system": "urn:staff", "value": "n1"}


def refused(reception: Reception, trigger: Trigger = Trigger.CONSENT_ENDED) -> str:
    """Give a command that ends before it is sent, and return its id."""
    command = str(reception.post().json()["id"])
    with transaction(reception.services.engine) as connection:
        assert apply_move(connection, UUID(command), move(State.READY, trigger), actor="test")
    return command


def read(reception: Reception, command: str) -> Any:
    found = reception.client.get(f"/v1/commands/{command}")
    assert found.status_code == 200
    return found.json()


def acknowledge(reception: Reception, command: str, sequence: Any, **headers: str) -> httpx.Response:
    said = sequence if isinstance(sequence, dict) else {"sequence": sequence}
    return reception.post(said, path=f"/v1/commands/{command}:acknowledge", **headers)


def test_the_document_says_what_is_owed_by_when_and_who_confirmed_it(reception: Reception) -> None:
    command = refused(reception)
    owed = read(reception, command)["acknowledgement"]
    assert owed["dueAt"] > owed["owedAt"]
    assert owed["sentence"].startswith("Its app has until ")
    answered = acknowledge(reception, command, {"sequence": owed["sequence"], "seenBy": WHO})
    assert answered.status_code == 200
    assert answered.json()["sentence"] == "It is noted that the author saw this."
    told = read(reception, command)["acknowledgement"]
    assert told == answered.json()["acknowledgement"]
    assert (told["how"], told["seenBy"], told["acknowledgedBy"]) == ("app", "urn:staff|n1", "app:visits")
    event = read(reception, command)["timeline"][-1]
    assert (event["trigger"], event["source"], event["target"]) == ("acknowledged", "rejected", "rejected")


def test_said_again_it_changes_nothing(reception: Reception) -> None:
    command = refused(reception)
    seen = read(reception, command)["acknowledgement"]["sequence"]
    first = acknowledge(reception, command, seen)
    again = acknowledge(reception, command, {"sequence": seen + 1, "seenBy": WHO})
    assert (again.status_code, again.json()) == (200, first.json())
    assert len([event for event in read(reception, command)["timeline"] if event["trigger"] == "acknowledged"]) == 1


def test_where_nothing_is_owed_it_does_no_harm(reception: Reception) -> None:
    command = str(reception.post().json()["id"])
    before = read(reception, command)
    answered = acknowledge(reception, command, 1)
    assert (answered.status_code, answered.json()["acknowledgement"]) == (200, None)
    assert answered.json()["sentence"].startswith("Nothing of this command needs to be acknowledged")
    assert read(reception, command) == before


def test_what_the_app_cancelled_owes_nothing(reception: Reception) -> None:
    command = str(reception.post().json()["id"])
    reception.client.post(f"/v1/commands/{command}:cancel")
    assert read(reception, command)["acknowledgement"] is None


def test_an_older_state_is_refused_and_what_is_not_yet_as_well(reception: Reception) -> None:
    command = refused(reception)
    seen = read(reception, command)["acknowledgement"]["sequence"]
    older = acknowledge(reception, command, seen - 1)
    assert (older.status_code, older.json()["code"]) == (409, "acknowledgement-outdated")
    later = acknowledge(reception, command, seen + 1)
    assert (later.status_code, later.json()["errors"][0]["pointer"]) == (422, "/sequence")
    assert read(reception, command)["acknowledgement"]["acknowledgedAt"] is None


def test_nobody_else_s_command_is_there_and_scopes_count(reception: Reception) -> None:
    command = refused(reception)
    seen = read(reception, command)["acknowledgement"]["sequence"]
    for claims in ({"tenant": "south"}, {"client_id": "other"}):
        assert acknowledge(reception, command, seen, **reception.as_(**claims)).status_code == 404
    narrow = reception.as_(scope="writeback/MedicationChange.*")
    assert acknowledge(reception, command, seen, **narrow).status_code == 403
    assert acknowledge(reception, "no-id", seen).status_code == 404
    assert read(reception, command)["acknowledgement"]["acknowledgedAt"] is None


@pytest.mark.parametrize("sequence", [0, "2", 2.5, True, None, 10**12])
def test_what_is_no_event_is_refused_with_its_field(reception: Reception, sequence: Any) -> None:
    command = refused(reception)
    answered = acknowledge(reception, command, {"sequence": sequence})
    assert (answered.status_code, answered.json()["errors"][0]["pointer"]) == (422, "/sequence")
    assert AcknowledgementDoor.__doc__


def test_figures_the_page_and_the_balance_tell_how_many_authors_may_not_know(reception: Reception) -> None:
    command = refused(reception)
    reception.rows("UPDATE acknowledgements SET owed_at = owed_at - interval '1 hour'")
    doors = reception.services.doors
    open_ = {"Authorization": ""}
    figures = reception.client.get("/metrics", headers=open_).text
    assert "\nwriteback_unacknowledged 1.0" in figures
    (age,) = [line for line in figures.splitlines() if line.startswith("writeback_unacknowledged_oldest_seconds ")]
    assert 3600 <= float(age.split()[1]) < 4000
    assert "not yet acknowledged by their app: 1" in reception.client.get("/status", headers=open_).text
    assert [one.id for one in doors.acknowledgements.open(limit=9, tenant="north")] == [UUID(command)]
    assert doors.acknowledgements.open(limit=9, tenant="south") == []
    assert doors.acknowledgements.figures(connection="labels-r4").count == 0
    assert doors.balances.sheet().closes
    acknowledge(reception, command, read(reception, command)["acknowledgement"]["sequence"])
    assert "\nwriteback_unacknowledged 0.0" in reception.client.get("/metrics", headers=open_).text


def test_an_app_may_say_that_it_shows_what_it_is_told(reception: Reception) -> None:
    url = "https://127.0.0.1:9/hook"
    reception.rows(
        "INSERT INTO endpoints (id, tenant, app, url, secret) VALUES (gen_random_uuid(), 'north', 'visits', %(u)s, 's')",
        u=url,
    )
    (known,) = reception.client.get("/v1/endpoints").json()["endpoints"]
    assert known["showsAuthor"] is False
    made = reception.services.doors.endpoints.register("north", "visits", url=url, secret="s", shows_author=True)
    assert str(made.id) == known["id"]
    assert reception.client.get(f"/v1/endpoints/{made.id}").json()["showsAuthor"] is True
