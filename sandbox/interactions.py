"""The FHIR interactions, each from an understood request to an answer; not the wire, not who may ask.

Source: https://hl7.org/fhir/R4/http.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox import written_json
from sandbox.answers import Answer, Refusal, etag, http_date, operation_outcome
from sandbox.chart import Chart, StoredVersion
from sandbox.conditional import check_if_match, is_not_modified, match_of_condition
from sandbox.search import parse_search, searchset
from sandbox.settings import Behaviour
from sandbox.validity import check_content_type, check_references, check_resource, parse_resource


class Interaction(StrEnum):
    """What a request asks for, by FHIR's names."""

    CAPABILITIES = "capabilities"
    CREATE = "create"
    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    DELETE = "delete"
    SEARCH = "search-type"
    TOKEN = "token"  # noqa: S105 - the name of an interaction
    NONE = "none"


WRITES = frozenset({Interaction.CREATE, Interaction.UPDATE, Interaction.DELETE})


@dataclass(frozen=True, kw_only=True)
class Call:
    """One FHIR request, understood.

    Args:
        headers: lower-cased names.
        pairs: search parameters in order, of the query and of a `_search` form.
        body: the request's bytes.
        now: seconds since 1970, what a write is stamped with.
        as_of: a read or search sees what was current then; a create with `conditional_as_of` likewise.
    """

    interaction: Interaction
    type: str = ""
    id: str = ""
    version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    resource: dict[str, Any] | None = None
    now: float = 0.0
    as_of: float | None = None

    def checked_resource(self) -> dict[str, Any]:
        if self.resource is None:
            raise TypeError("the call was not checked")
        return self.resource


def check_body(call: Call, behaviour: Behaviour) -> dict[str, Any] | None:
    """The resource of a create or update, held against its definition; None for the other interactions.

    Raises:
        Refusal: 400, 415 or the setting's status.
    """
    if call.interaction not in {Interaction.CREATE, Interaction.UPDATE}:
        return None
    check_content_type(call.headers.get("content-type"))
    is_update = call.interaction is Interaction.UPDATE
    resource = parse_resource(call.body, type=call.type, id=call.id if is_update else None)
    if not is_update:
        # The id of a create is the server's to give; an unfit one is no reason to refuse.
        resource.pop("id", None)
    check_resource(resource, status=behaviour.invalid_status)
    return resource


def perform(call: Call, chart: Chart, behaviour: Behaviour) -> Answer:
    """Do what the call asks; a write is done in the transaction of the chart's connection.

    Raises:
        Refusal: nothing was stored.
    """
    return HANDLERS[call.interaction](call, chart, behaviour)


def create(call: Call, chart: Chart, behaviour: Behaviour) -> Answer:
    existing = match_of_condition(call.type, call.headers, chart, behaviour, as_of=call.as_of)
    if existing is not None:
        return _stored(call, existing, chart, behaviour, status=200)
    resource = call.checked_resource()
    if behaviour.unknown_reference == "reject":
        check_references(resource, chart)
    return _stored(call, chart.store(resource, at=call.now), chart, behaviour, status=201)


def update(call: Call, chart: Chart, behaviour: Behaviour) -> Answer:
    current = chart.current(call.type, call.id)
    check_if_match(call.headers, current, behaviour)
    if not behaviour.update_create:
        if current is None:
            raise Refusal(405, "not-supported", "There is no such resource, and clients do not choose ids here.")
        if current.deleted:
            raise Refusal(410, "deleted", "The resource was deleted.")
    resource = call.checked_resource()
    if behaviour.unknown_reference == "reject":
        check_references(resource, chart)
    if current is not None and not current.deleted and _content(resource) == _content_of(current):
        return _stored(call, current, chart, behaviour, status=200)
    status = 201 if current is None or current.deleted else 200
    stored = chart.store(resource, id=call.id, at=call.now)
    return _stored(call, stored, chart, behaviour, status=status)


def delete(call: Call, chart: Chart, behaviour: Behaviour) -> Answer:
    current = chart.current(call.type, call.id)
    if current is None:
        raise Refusal(404, "not-found", "There is no such resource.")
    if not current.deleted:
        check_if_match(call.headers, current, behaviour)
        current = chart.delete(current, at=call.now)
    return Answer(
        status=204,
        headers={"ETag": etag(current.version)},
        reference=current.reference,
        version=current.version,
    )


def read(call: Call, chart: Chart, _behaviour: Behaviour) -> Answer:
    current = chart.current(call.type, call.id, as_of=call.as_of)
    if current is None:
        raise Refusal(404, "not-found", "There is no such resource.")
    if current.deleted:
        raise Refusal(410, "deleted", "The resource was deleted.", headers={"ETag": etag(current.version)})
    if is_not_modified(call.headers, current):
        return Answer(status=304, headers=_version_headers(current))
    return _served(current)


def vread(call: Call, chart: Chart, _behaviour: Behaviour) -> Answer:
    stored = chart.version(call.type, call.id, call.version)
    if stored is None:
        raise Refusal(404, "not-found", "There is no such version.")
    if stored.deleted:
        raise Refusal(410, "deleted", "This version is a deletion.", headers={"ETag": etag(stored.version)})
    return _served(stored)


def search(call: Call, chart: Chart, behaviour: Behaviour) -> Answer:
    found = parse_search(
        call.type,
        list(call.pairs),
        behaviour=behaviour,
        base=chart.base,
        strict="handling=strict" in call.headers.get("prefer", ""),
    )
    total, page = found.run(chart, as_of=call.as_of)
    return Answer(status=200, body=searchset(found, total, page, base=chart.base))


def _content(resource: dict[str, Any]) -> str:
    meta = {
        name: value for name, value in (resource.get("meta") or {}).items() if name not in {"versionId", "lastUpdated"}
    }
    return written_json.dumps(
        {
            "meta": meta,
            **{name: value for name, value in sorted(resource.items()) if name not in {"id", "meta"}},
        }
    )


def _content_of(stored: StoredVersion) -> str:
    return _content(written_json.loads(stored.body))


def _version_headers(stored: StoredVersion) -> dict[str, str]:
    return {"ETag": etag(stored.version), "Last-Modified": http_date(stored.stored_at)}


def _served(stored: StoredVersion) -> Answer:
    return Answer(
        status=200,
        body=stored.body,
        headers=_version_headers(stored),
        reference=stored.reference,
        version=stored.version,
    )


def _stored(call: Call, stored: StoredVersion, chart: Chart, behaviour: Behaviour, *, status: int) -> Answer:
    location = f"{chart.base}/{stored.reference}/_history/{stored.version}"
    return Answer(
        status=status,
        body=_preferred_body(call.headers.get("prefer", ""), stored, behaviour),
        headers={"Location": location, **_version_headers(stored)},
        reference=stored.reference,
        version=stored.version,
    )


def _preferred_body(prefer: str, stored: StoredVersion, behaviour: Behaviour) -> str:
    wishes = {wish.strip() for wish in prefer.replace(";", ",").split(",")}
    if "return=OperationOutcome" in wishes:
        outcome = operation_outcome("informational", "Stored.", severity="information")
        return written_json.dumps(outcome)
    if "return=minimal" in wishes:
        return ""
    if "return=representation" in wishes or behaviour.default_return == "representation":
        return stored.body
    return ""


HANDLERS: dict[Interaction, Callable[[Call, Chart, Behaviour], Answer]] = {
    Interaction.CREATE: create,
    Interaction.UPDATE: update,
    Interaction.DELETE: delete,
    Interaction.READ: read,
    Interaction.VREAD: vread,
    Interaction.SEARCH: search,
}
