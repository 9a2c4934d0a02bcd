"""A change of single elements as a JSON Patch: what leaves, and what it says of the entry. It writes nothing itself.

The patch applies only while the entry is still this patient's: it tests the subject first, which some EHRs demand.

Source: RFC 6902; HL7 FHIR R4 (4.0.1), RESTful API, "patch".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.r4.patients import patient_element
from canonical import exact_json
from canonical.ports import Operation, Resource

CONTENT_TYPE = "application/json-patch+json"


def patch_of(before: Resource, after: Resource, elements: Iterable[str]) -> bytes:
    """Return the patch that makes the top-level ``elements`` of ``before`` those of ``after``."""
    subject = patient_element(str(before["resourceType"]))
    test = {"op": "test", "path": f"/{subject}/reference", "value": before.get(subject, {}).get("reference")}
    return exact_json.dumps([test, *(_step(before, after, name) for name in elements)]).encode()


def _step(before: Resource, after: Resource, name: str) -> dict[str, Any]:
    if name not in after:
        return {"op": "remove", "path": f"/{name}"}
    return {"op": "replace" if name in before else "add", "path": f"/{name}", "value": after[name]}


def touched(operation: Operation) -> Mapping[str, Any]:
    """Return the elements that a patch changes, with what it makes of them (``None``: removed)."""
    steps = exact_json.parse(operation.body)
    return {str(step["path"])[1:]: step.get("value") for step in steps if step["op"] != "test"}


def said_by(operation: Operation) -> Resource:
    """Return what a patch says of its entry, and no more."""
    type_, _, id_ = (operation.reference or "").partition("/")
    return {"resourceType": type_, "id": id_, **{n: item for n, item in touched(operation).items() if item is not None}}


def patched(stored: Resource, operation: Operation) -> Resource:
    """Return ``stored`` as it will be once it is patched."""
    changed = touched(operation)
    kept = {name: value for name, value in stored.items() if name not in changed}
    return {**kept, **{name: value for name, value in changed.items() if value is not None}}


def part_of(stored: Resource, operation: Operation) -> Resource:
    """Return of ``stored`` what :func:`said_by` speaks of."""
    names = ("resourceType", "id", *touched(operation))
    return {name: stored[name] for name in names if name in stored}
