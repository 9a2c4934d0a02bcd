"""Entries of the allergy and the problem list as the standard EHR plans and keeps them, for the tests of both."""

from typing import Any

from adapters.fhir_r4 import ADAPTER
from adapters.site import Site
from canonical import exact_json
from canonical.ports import Fetched, Operation, Resource, Surrounding
from tests.adapters.commands import command

BASE = "https://ehr.example/fhir"
SITE = Site(base_url=BASE)
ACKNOWLEDGED = {"by": {"value": "n-17"}, "when": "2026-11-22T08:16:00Z"}
THO = "http://terminology.hl7.org/CodeSystem/"


def status(system: str, code: str) -> dict[str, Any]:
    """A status as FHIR spells it; ``system`` is the last part of its address."""
    return {"coding": [{"system": THO + system, "code": code}]}


def planned(
    action: dict[str, Any],
    current: Resource | None = None,
    *,
    seen: dict[str, Any] | None = None,
    beside: tuple[Resource, ...] = (),
    **envelope: Any,
) -> list[Operation]:
    """Plan ``action``, an update on ``current`` under the version its author saw."""
    fetched = None
    if current is not None:
        target = {
            "reference": f"{current['resourceType']}/{current['id']}",
            "versionId": "3",
            "seen": seen or {"code": current.get("code") or {"text": "?"}},
            "acknowledged": ACKNOWLEDGED,
        }
        envelope, fetched = {"target": target, **envelope}, Fetched(resource=current, version="3")
    around = Surrounding(current=fetched, beside=beside)
    return list(ADAPTER.plan(command(action, **envelope), around, SITE))


def built(action: dict[str, Any], current: Resource | None = None, **more: Any) -> dict[str, Any]:
    """The whole resource that would leave."""
    (operation,) = planned(action, current, **more)
    resource: dict[str, Any] = exact_json.parse(operation.body)
    return resource


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
