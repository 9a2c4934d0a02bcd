"""What the review desk asks of every EHR: what its author saw is no difference, and who changed an entry is told as declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters import adapters
from canonical.action import action_specs
from canonical.capabilities import ProvenanceSearch, Way
from canonical.ports import Resource
from canonical.remote_change import ChangeSource
from reconcile.review.look import proposed
from tests.conformance import examples
from tests.conformance.desk import TRACE, Desk, Desks

RUIZ = {"name": "Dr A. Ruiz", "role": "physician", "reference": "Practitioner/d1"}
SYSTEM = "urn:example:ward-system"


def _creates() -> list[tuple[str, str]]:
    """Return every adapter with each action whose entries it takes."""
    return [
        (key, action)
        for key, adapter in sorted(adapters().items())
        for action in action_specs()
        if adapter.capabilities.support(action, examples.creating(action)).way in {Way.DIRECT, Way.REVIEW}
    ]


CREATES = _creates()


def made(desk: Desk, action: str) -> tuple[str, Resource, Resource]:
    """Let an entry come to be, its staff accepting it where it waits; return its reference, what it says and what was sent."""
    patient = desk.admit()
    accepted = desk.submit(patient, examples.example(action, examples.creating(action), desk.connection))
    state = desk.drive(accepted)
    (operation,) = [item for item in desk.operations(accepted.command_id) if item.is_primary]
    if state == "pending_remote":
        desk.accept(patient)
        reference = str(desk.probe(operation).reference)
    else:
        assert state == "verified", desk.told(accepted.command_id)
        reference = desk.reference(accepted.command_id)
    return reference, desk.stored(reference), desk.ehr.said(operation)


@pytest.mark.parametrize(("adapter", "action"), CREATES, ids=[".".join(item) for item in CREATES])
def test_another_form_of_what_the_ehr_shows_is_no_difference(desks: Desks, adapter: str, action: str) -> None:
    desk = desks.at(adapters()[adapter])
    _, stored, sent = made(desk, action)
    now = desk.ehr.project(stored)
    for shown in (stored, sent):
        on_screen = {name: value for name, value in desk.ehr.fields(shown).items() if name in now}
        seen = desk.ehr.as_seen(on_screen, stored)
        assert {name for name, value in seen.items() if value != now[name]} == set()
        would = proposed(desk.ehr, shown, stored, now)
        assert {name for name, value in would.items() if name in now and value != now[name]} == set()


@pytest.mark.parametrize("adapter", sorted(adapters()))
def test_who_changed_an_entry_is_told_as_far_as_the_adapter_declares(desks: Desks, adapter: str) -> None:
    desk = desks.at(adapters()[adapter])
    action = next(name for key, name in CREATES if key == adapter)
    reference, stored, _ = made(desk, action)
    seen_at = datetime.now(UTC)
    edited_at = seen_at.replace(microsecond=0) + timedelta(minutes=14)
    (body,) = [item for item in desk.sandbox.resources() if f"{item['resourceType']}/{item['id']}" == reference]
    desk.sandbox.edit(body, by=RUIZ, system=SYSTEM, at=edited_at.isoformat())
    change = desk.ehr.changes(reference, desk.ehr.version_of(stored), seen_at, TRACE)
    known = desk.capabilities.attribution
    assert (change.by, change.role) == ((RUIZ["name"], RUIZ["role"]) if known.names_authors else (None, None))
    assert change.system == (SYSTEM if known.meta_source else None)
    assert change.at == edited_at
    assert change.source is _source(desk)
    assert not change.same_app


def _source(desk: Desk) -> ChangeSource:
    """Return the best that the EHR in play shows and the adapter declares."""
    known, played = desk.capabilities.attribution, desk.sandbox.admin.get("settings").json()
    if known.provenance is not ProvenanceSearch.NONE and played["provenance"] != "none":
        return ChangeSource.PROVENANCE
    return ChangeSource.HISTORY if known.history else ChangeSource.META


@pytest.mark.parametrize("adapter", sorted(adapters()))
def test_an_earlier_version_is_shown_where_the_adapter_declares_it(desks: Desks, adapter: str) -> None:
    desk = desks.at(adapters()[adapter])
    action = next(name for key, name in CREATES if key == adapter)
    reference, stored, _ = made(desk, action)
    (body,) = [item for item in desk.sandbox.resources() if f"{item['resourceType']}/{item['id']}" == reference]
    desk.sandbox.edit({**body, "language": "en"})
    found = desk.ehr.fetch_version(reference, desk.ehr.version_of(stored) or "1", TRACE)
    assert (found is not None) is desk.capabilities.attribution.versions
    if found is not None:
        assert (found.resource, found.version) == (stored, desk.ehr.version_of(stored))
