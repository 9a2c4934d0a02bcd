"""The FHIR interactions on one type or resource, each from an understood request to an answer; not the wire, not who may ask.

Source: https://hl7.org/fhir/R4/http.html
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sandbox import written_json
from sandbox.answers import Answer, Refusal, etag, http_date, instant, operation_outcome
from sandbox.call import Interaction
from sandbox.chart import StoredVersion
from sandbox.conditional import check_not_locked, check_precondition, is_not_modified, match_of_condition
from sandbox.held import hold
from sandbox.json_patch import PatchDoesNotApply, apply_patch
from sandbox.personality import Resource, Situation
from sandbox.search import parse_search, searchset
from sandbox.validity import check_references, check_resource

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def create(at: Situation) -> Answer:
    existing = match_of_condition(at)
    if existing is not None:
        return stored_answer(at, existing, status=200)
    finds = at.personality.finds.get(at.call.type)
    existing = finds(at, at.call.checked_resource()) if finds else None
    if existing is not None:
        return stored_answer(at, existing, status=200)
    resource = accepted(at, at.call.checked_resource())
    new_id = at.call.id or _id_of_client(at, resource)
    waits = at.personality.held.get(at.call.type)
    if waits is not None and waits(at, resource):
        return stored_answer(at, hold(at, resource, new_id), status=at.behaviour.create_status)
    stored = at.chart.store(resource, id=new_id, at=at.call.now)
    appear_beside(at, resource)
    return stored_answer(at, stored, status=at.behaviour.create_status)


def accepted(at: Situation, resource: Resource) -> Resource:
    """What is stored of a resource that a client brings.

    Raises:
        Refusal: it breaks one of the EHR's own rules, or names what is not in the chart.
    """
    for rule in at.personality.rules.get(at.call.type, ()):
        rule(at, resource)
    if at.behaviour.unknown_reference == "reject":
        check_references(resource, at.chart)
    if at.behaviour.identifiers == "drop":
        resource = {name: value for name, value in resource.items() if name != "identifier"}
    for rewrite in at.personality.rewrites.get(at.call.type, ()):
        resource = rewrite(at, resource)
    return resource


def appear_beside(at: Situation, resource: Resource) -> None:
    """Store what the EHR makes of itself beside a new resource."""
    companions = at.personality.companions.get(at.call.type)
    for companion in companions(at, resource) if companions else []:
        at.chart.store(companion, at=at.call.now, source="ehr")


def _id_of_client(at: Situation, resource: Resource) -> str | None:
    wanted = resource.get("id")
    if at.behaviour.client_ids == "ignore" or not isinstance(wanted, str):
        return None
    if at.chart.current(at.call.type, wanted) is not None:
        raise Refusal(409, "duplicate", "There is a resource with this id.")
    return wanted


def update(at: Situation) -> Answer:
    call, current = at.call, at.chart.current(at.call.type, at.call.id)
    check_precondition(at, current)
    check_not_locked(at)
    if current is None or current.deleted:
        if not at.behaviour.update_create and call.type not in at.behaviour.update_create_types:
            raise _cannot_be_made(at, current)
        stored = at.chart.store(accepted(at, call.checked_resource()), id=call.id, at=call.now)
        return stored_answer(at, stored, status=201)
    return _replaced(at, current, call.checked_resource())


def _cannot_be_made(at: Situation, current: StoredVersion | None) -> Refusal:
    if current is not None:
        return Refusal(410, "deleted", "The resource was deleted.")
    if not _UUID.fullmatch(at.call.id):
        return Refusal(at.behaviour.foreign_id_status, "not-supported", "This is no id of this server.")
    return Refusal(405, "not-supported", "There is no such resource, and clients do not choose ids here.")


def patch(at: Situation) -> Answer:
    call, current = at.call, at.chart.current(at.call.type, at.call.id)
    if current is None:
        raise Refusal(404, "not-found", "There is no such resource.")
    check_precondition(at, current)
    check_not_locked(at)
    if current.deleted:
        raise Refusal(410, "deleted", "The resource was deleted.")
    try:
        resource = apply_patch(written_json.loads(current.body), call.checked_patch())
    except PatchDoesNotApply as error:
        raise Refusal(at.behaviour.invalid_status, "processing", str(error)) from None
    if not isinstance(resource, dict) or (resource.get("resourceType"), resource.get("id")) != (call.type, call.id):
        raise Refusal(at.behaviour.invalid_status, "invalid", "A patch does not change what a resource is.")
    check_resource(resource, status=at.behaviour.invalid_status)
    return _replaced(at, current, resource)


def _replaced(at: Situation, current: StoredVersion, resource: Resource) -> Answer:
    means = at.personality.updates.get(at.call.type)
    if means is None:
        resource = accepted(at, resource)
    else:
        given = replace(at, call=replace(at.call, resource=resource))
        changed = means(given, written_json.loads(current.body))
        if changed is None:
            return stored_answer(at, current, status=200)
        resource = changed
    unchanged = _content(resource) == _content(written_json.loads(current.body))
    if unchanged and at.behaviour.noop_update == "keep":
        return stored_answer(at, current, status=200)
    return stored_answer(at, at.chart.store(resource, id=at.call.id, at=at.call.now), status=200)


def delete(at: Situation) -> Answer:
    current = at.chart.current(at.call.type, at.call.id)
    if current is None:
        raise Refusal(404, "not-found", "There is no such resource.")
    if not current.deleted:
        check_precondition(at, current)
        check_not_locked(at)
        current = at.chart.delete(current, at=at.call.now)
    return Answer(
        status=204,
        headers={"ETag": etag(current.version)} if at.behaviour.etags else {},
        reference=current.reference,
        version=current.version,
    )


def read(at: Situation) -> Answer:
    current = at.chart.current(at.call.type, at.call.id, as_of=at.call.as_of)
    if current is None:
        raise Refusal(404, "not-found", "There is no such resource.")
    if current.deleted:
        raise Refusal(410, "deleted", "The resource was deleted.", headers={"ETag": etag(current.version)})
    if is_not_modified(at.call.headers, current):
        return Answer(status=304, headers=_version_headers(at, current))
    return _served(at, current)


def vread(at: Situation) -> Answer:
    stored = at.chart.version(at.call.type, at.call.id, at.call.version)
    if stored is None:
        raise Refusal(404, "not-found", "There is no such version.")
    if stored.deleted:
        raise Refusal(410, "deleted", "This version is a deletion.", headers={"ETag": etag(stored.version)})
    return _served(at, stored)


def history(at: Situation) -> Answer:
    versions = at.chart.history(at.call.type, at.call.id)
    if not versions:
        raise Refusal(404, "not-found", "There is no such resource.")
    bundle = {
        "resourceType": "Bundle",
        "type": "history",
        "total": len(versions),
        "entry": [_historical(at, it) for it in reversed(versions)],
    }
    return Answer(status=200, body=written_json.dumps(bundle))


def _historical(at: Situation, stored: StoredVersion) -> dict[str, Any]:
    method, status = ("POST", "201") if stored.ordinal == 1 else ("PUT", "200")
    if stored.deleted:
        method, status = "DELETE", "204"
    return {
        "fullUrl": f"{at.chart.base}/{stored.reference}",
        **({} if stored.deleted else {"resource": written_json.loads(stored.body)}),
        "request": {"method": method, "url": stored.type if method == "POST" else stored.reference},
        "response": {"status": status, "etag": etag(stored.version), "lastModified": instant(stored.stored_at)},
    }


def search(at: Situation) -> Answer:
    found = parse_search(
        at.call.type,
        list(at.call.pairs),
        behaviour=at.behaviour,
        base=at.chart.base,
        strict="handling=strict" in at.call.headers.get("prefer", ""),
    )
    total, page = found.run(at.chart, as_of=at.call.as_of)
    included = found.included(at.chart, page)
    return Answer(status=200, body=searchset(found, total, page, base=at.chart.base, included=included))


def _content(resource: Resource) -> str:
    meta = {
        name: value for name, value in (resource.get("meta") or {}).items() if name not in {"versionId", "lastUpdated"}
    }
    return written_json.dumps(
        {
            "meta": meta,
            **{name: value for name, value in sorted(resource.items()) if name not in {"id", "meta"}},
        }
    )


def _version_headers(at: Situation, stored: StoredVersion) -> dict[str, str]:
    tag = {"ETag": etag(stored.version)} if at.behaviour.etags else {}
    return {**tag, "Last-Modified": http_date(stored.stored_at)}


def _served(at: Situation, stored: StoredVersion) -> Answer:
    return Answer(
        status=200,
        body=stored.body,
        headers=_version_headers(at, stored),
        reference=stored.reference,
        version=stored.version,
    )


def stored_answer(at: Situation, stored: StoredVersion, *, status: int) -> Answer:
    """The answer to a write that came to this version."""
    body = _preferred_body(at, stored)
    location = _LOCATIONS[at.behaviour.location](at.chart.base, stored)
    typed = at.behaviour.empty_content_type
    return Answer(
        status=status,
        body=body,
        headers={
            **({at.behaviour.location_header: location} if location else {}),
            **_version_headers(at, stored),
            **({"Content-Type": typed} if typed and not body else {}),
        },
        reference=stored.reference,
        version=stored.version,
    )


def _preferred_body(at: Situation, stored: StoredVersion) -> str:
    prefer = at.call.headers.get("prefer", "") if at.behaviour.prefer == "honour" else ""
    wishes = {wish.strip() for wish in prefer.replace(";", ",").split(",")}
    if "return=OperationOutcome" in wishes:
        outcome = operation_outcome("informational", "Stored.", severity="information")
        return written_json.dumps(outcome)
    if "return=minimal" in wishes:
        return ""
    if "return=representation" in wishes or at.behaviour.default_return == "representation":
        return stored.body
    return "null" if at.behaviour.default_return == "null" else ""


def _history_location(base: str, stored: StoredVersion) -> str:
    return f"{base}/{stored.reference}/_history/{stored.version}"


_LOCATIONS: dict[str, Callable[[str, StoredVersion], str]] = {
    "history": _history_location,
    "absolute": lambda base, stored: f"{base}/{stored.reference}",
    "relative": lambda _, stored: stored.reference,
    "bare": lambda _, stored: f"/{stored.reference}",
    "http-history": lambda base, stored: f"http://{_history_location(base, stored).partition('://')[2]}",
    "none": lambda *_: "",
}

HANDLERS: dict[Interaction, Callable[[Situation], Answer]] = {
    Interaction.CREATE: create,
    Interaction.UPDATE: update,
    Interaction.PATCH: patch,
    Interaction.DELETE: delete,
    Interaction.READ: read,
    Interaction.VREAD: vread,
    Interaction.HISTORY: history,
    Interaction.SEARCH: search,
}
