"""What the tests of unacknowledged commands share: commands that ended, time that runs out, and what is owed."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from canonical.acknowledging import NOTICES_APP, Heard
from canonical.admission import patient_key
from canonical.events import move
from canonical.lifecycle import State, Trigger
from config.wiring import Services
from store.acknowledgements import Acknowledgements
from store.database import transaction
from store.moves import apply_move
from tests.tasks.ward import Ward

DOCTOR = {"role": "physician", "reference": "Practitioner/d1"}
NOTHING = {"messages": 0, "cases": 0, "arrived": 0}


def declaring_message(services: Services) -> Services:
    """Return the services of a connection that declares a message to the author."""
    ((key, settings),) = services.connections.items()
    declared = {key: replace(settings, options={"unacknowledged": "message"})}
    return replace(services, author_notices=replace(services.author_notices, connections=declared))


def cover_messages(ward: Ward) -> None:
    ward.query(
        "UPDATE consents SET patient_key = %(key)s, actions = '{*}', apps = '{*}'",
        key=patient_key("t1", "north", "Patient/p1"),
    )


def ended(ward: Ward, trigger: Trigger = Trigger.CONSENT_ENDED, **envelope: Any) -> UUID:
    """Return a command that ended before it was sent."""
    command = ward.submit(**({"author": DOCTOR} | envelope)).command_id
    make(ward, command, State.READY, trigger)
    return command


def make(ward: Ward, command: UUID, state: State, trigger: Trigger, case: str | None = None) -> None:
    with transaction(ward.engine) as connection:
        assert apply_move(connection, command, move(state, trigger), actor="test", case=case)


def run_out(ward: Ward) -> None:
    """Let the time be over that apps have for what is owed."""
    ward.query("UPDATE acknowledgements SET owed_at = owed_at - interval '9 days', due_at = due_at - interval '9 days'")


def owed(ward: Ward, command: UUID) -> dict[str, Any] | None:
    found = ward.query("SELECT * FROM acknowledgements WHERE command_id = %(id)s", id=command)
    return found[0] if found else None


def sequence(ward: Ward, command: UUID) -> int:
    row = owed(ward, command)
    assert row is not None
    return int(row["sequence"])


def messages(ward: Ward) -> list[UUID]:
    return [row["id"] for row in ward.query("SELECT id FROM commands WHERE app = %(app)s", app=NOTICES_APP)]


def open_cases(ward: Ward, command: UUID) -> list[str]:
    sql = "SELECT kind FROM cases WHERE command_id = %(id)s AND closed_at IS NULL"
    return [row["kind"] for row in ward.query(sql, id=command)]


def acknowledge(ward: Ward, command: UUID, seen: int) -> Heard | None:
    return Acknowledgements(ward.engine).acknowledge("t1", "app", command, sequence=seen, seen_by=None, actor="app:app")
