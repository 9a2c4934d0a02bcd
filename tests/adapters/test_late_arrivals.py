"""What arrives late never takes the chart back: at every EHR that has a change of an entry, whatever the entry is."""

from typing import Any

import pytest

from adapters import adapters
from adapters.r4.adapter import R4Adapter
from adapters.r4.arrival import STATED
from adapters.r4.patients import patient_element
from adapters.site import CHANGE_SYSTEM, Site
from canonical.action import action_specs
from canonical.capabilities import Way
from canonical.command import Command
from canonical.errors import NeedsPersonError, TargetMovedError
from canonical.ports import Fetched, Resource, Surrounding
from tests.conformance import examples
from tests.conformance.connection import connection_of, options_of
from tests.factories import ABSENT, CommandFactory, EnvelopeFactory, target_json

EARLIER, LATER = "2026-03-10T08:00:00-04:00", "2026-03-10T09:00:00-04:00"
OUR_MARK = {"system": CHANGE_SYSTEM, "value": "22222222-2222-4222-8222-222222222222"}


def _changes() -> list[tuple[str, str, str]]:
    """Return (adapter, action, operation) of every change of an entry that is taken and does not take it back."""
    return [
        (key, action, operation)
        for key, adapter in sorted(adapters().items())
        for (action, operation), handler in getattr(adapter, "handlers", {}).items()
        if not handler.creates
        and not action_specs()[action].operations[operation].takes_back
        and adapter.capabilities.support(action, operation).way is Way.DIRECT
    ]


CHANGES = _changes()
NAMES = [".".join(item) for item in CHANGES]


def site_of(adapter: R4Adapter) -> Site:
    return Site(base_url="https://ehr.example/fhir", options={**options_of(adapter), "accepts_update_window": True})


def entry(adapter: R4Adapter, action: str, operation: str, **says: Any) -> Resource:
    resource_type = adapter.handlers[action, operation].resource_type
    meta = {"versionId": "9", "lastUpdated": "2026-03-10T14:00:00Z"}
    patient = {patient_element(resource_type): {"reference": "Patient/p1"}}
    return {"resourceType": resource_type, "id": "x1", "meta": meta, **patient, **says}


def late(adapter: R4Adapter, action: str, operation: str, says: dict[str, Any], **target: Any) -> Command:
    said = examples.example(action, operation, connection_of(adapter.key), says)
    reference = f"{adapter.handlers[action, operation].resource_type}/x1"
    named = target_json(said, **{"reference": reference, "versionId": ABSENT, **target})
    command = CommandFactory(envelope=EnvelopeFactory(action=said, target=named))
    return command.evolve(target_reference=reference)


def kind_of(adapter: R4Adapter, command: Command, current: Resource) -> str:
    site = site_of(adapter)
    around = Surrounding(current=Fetched(resource=current, version=adapter.version_of(current)))
    with pytest.raises((NeedsPersonError, TargetMovedError)) as caught:
        adapter.connected(site).plan(command, around, site)
    return caught.value.kind if isinstance(caught.value, NeedsPersonError) else "moved"


def adapter_of(key: str) -> R4Adapter:
    adapter = adapters()[key]
    assert isinstance(adapter, R4Adapter)
    return adapter


@pytest.mark.parametrize(("key", "action", "operation"), CHANGES, ids=NAMES)
def test_an_entry_in_error_stays_one_whatever_arrives(key: str, action: str, operation: str) -> None:
    adapter = adapter_of(key)
    error = {"coding": [{"code": "entered-in-error"}]}
    stated = "verificationStatus" if action in {"AllergyUpdate", "ProblemUpdate"} else "status"
    current = entry(adapter, action, operation, **{stated: error if stated != "status" else "entered-in-error"})
    assert kind_of(adapter, late(adapter, action, operation, {}), current) == "status_backwards"


def _timed() -> list[tuple[str, str, str]]:
    """Return those of which the action and the entry both say when they were stated."""
    return [item for item in CHANGES if _stated(adapter_of(item[0]), *item[1:]) in _fields(item[1])]


def _stated(adapter: R4Adapter, action: str, operation: str) -> str:
    return STATED.get(adapter.handlers[action, operation].resource_type, "")


def _fields(action: str) -> set[str]:
    return {info.alias or name for name, info in action_specs()[action].model.model_fields.items()}


@pytest.mark.parametrize(("key", "action", "operation"), _timed(), ids=[".".join(item) for item in _timed()])
@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [(EARLIER, LATER, "newer_applied"), (LATER, EARLIER, "moved"), (EARLIER, EARLIER, "moved")],
    ids=["overtaken", "in order", "at once"],
)
def test_a_later_entry_of_ours_is_not_overwritten_by_an_earlier_one(
    key: str, action: str, operation: str, ours: str, theirs: str, kind: str
) -> None:
    adapter = adapter_of(key)
    name = _stated(adapter, action, operation)
    current = entry(adapter, action, operation, identifier=[OUR_MARK])
    view = next(field for field in adapter.views[current["resourceType"]].fields if field.name == name)
    view.write(current, theirs)
    command = late(adapter, action, operation, {name: ours}, versionId="1")
    assert kind_of(adapter, command, current) == kind
    if kind == "newer_applied":
        # Where our mark is not kept, the version is known as one of ours: it is followed only in order.
        assert kind_of(adapter, command.evolve(known_versions=(adapter.version_of(current),)), current) == kind
    unmarked = {**current, "identifier": [{"system": "urn:theirs", "value": "1"}]}
    assert kind_of(adapter, command, unmarked) == "moved", "what somebody else wrote is a conflict to be looked at"


def test_the_lists_are_not_empty() -> None:
    for found, least in ((CHANGES, 4), (_timed(), 2)):
        assert "fhir_r4" in {key for key, _, _ in found}
        assert len({key for key, _, _ in found}) >= least
