"""Asking a chart whether a write of ours is in it: what to read, and what the answer proves. It never writes.

Source: HL7 FHIR R4 (4.0.1), RESTful API, "search" (the ``self`` link states what the server really searched for).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.r4.marks import has_mark, search_by
from adapters.r4.operation_outcome import failures, json_object
from adapters.versions import version_from_etag, version_of
from adapters.wire import Answer
from canonical import exact_json
from canonical.outcome import ProbeResult, ProbeVerdict
from canonical.ports import Interaction, Operation, Resource

#: Some servers answer a search from a minute-old result unless asked not to; none may guess at a parameter it does not know.
SEARCH_HEADERS = {"Cache-Control": "no-cache", "Prefer": "handling=strict"}
READ_HEADERS = {"Cache-Control": "no-cache"}


@dataclass(frozen=True, kw_only=True)
class Query:
    """One read: ``path`` relative to the base URL, encoded, with its query."""

    path: str
    headers: Mapping[str, str]


def query(operation: Operation) -> Query:
    """Return what to ask: an update by its id, a create by our mark."""
    if operation.interaction is not Interaction.CREATE and operation.reference:
        return Query(path=operation.reference, headers=READ_HEADERS)
    return Query(path=f"{operation.resource_type}?{search_by(operation.mark)}", headers=SEARCH_HEADERS)


def read_answer(operation: Operation, answer: Answer) -> ProbeResult:
    """Return what a complete answer to :func:`query` proves; whatever proves nothing is ``cannot_tell``."""
    body = json_object(answer.body) if answer.status == 200 else None
    if body is None:
        return _cannot_tell(f"HTTP {answer.status} instead of a resource")
    if operation.interaction is not Interaction.CREATE:
        return _updated(operation, answer, body)
    return _created(operation, answer, body)


def _updated(operation: Operation, answer: Answer, resource: Resource) -> ProbeResult:
    if f"{resource.get('resourceType')}/{resource.get('id')}" != operation.reference:
        return _cannot_tell("the answer is another resource")
    version = version_of(resource) or version_from_etag(answer.headers.get("etag", ""))
    if has_mark(resource, operation.mark):
        return _applied(operation, resource, version)
    if version is not None and version == operation.if_match:
        return ProbeResult(verdict=ProbeVerdict.NOT_APPLIED, detail="the version is still the one before")
    return _cannot_tell("the target moved and does not carry our mark")


def _created(operation: Operation, answer: Answer, bundle: Resource) -> ProbeResult:
    if bundle.get("resourceType") != "Bundle" or failures(answer):
        return _cannot_tell("the answer is no search result")
    entries = [item for item in bundle.get("entry", []) if isinstance(item, Mapping)]
    found = [entry["resource"] for entry in entries if _is_match(entry)]
    ours = [resource for resource in found if has_mark(resource, operation.mark)]
    if len(ours) == 1 and isinstance(ours[0].get("id"), str):
        return _applied(operation, ours[0], version_of(ours[0]))
    if ours:
        return _cannot_tell(f"{len(ours)} resources carry our mark")
    if found or not _searched_by_identifier(bundle):
        return _cannot_tell("the search did not go by our mark")
    return ProbeResult(verdict=ProbeVerdict.NOT_APPLIED, detail="nothing carries our mark")


def _is_match(entry: Mapping[str, Any]) -> bool:
    search = entry.get("search")
    mode = search.get("mode", "match") if isinstance(search, Mapping) else "match"
    return mode == "match" and isinstance(entry.get("resource"), Mapping)


def _searched_by_identifier(bundle: Resource) -> bool:
    """Whether an empty result is one: whole, counting nothing, and by its own word searched for an identifier."""
    links = {item.get("relation"): str(item.get("url")) for item in bundle.get("link", []) if isinstance(item, Mapping)}
    told_otherwise = "self" in links and "identifier" not in links["self"]
    return bundle.get("total", 0) == 0 and "next" not in links and not told_otherwise


def _applied(operation: Operation, resource: Mapping[str, Any], version: str | None) -> ProbeResult:
    return ProbeResult(
        verdict=ProbeVerdict.APPLIED,
        reference=f"{operation.resource_type}/{resource['id']}",
        version=version,
        body=exact_json.dumps(resource).encode(),
    )


def _cannot_tell(detail: str) -> ProbeResult:
    return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail=detail)
