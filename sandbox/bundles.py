"""Bundles of requests: taken apart, then done one by one or all or nothing; not the single requests.

Source: https://hl7.org/fhir/R4/http.html#transaction
"""

import base64
import binascii
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from sandbox import written_json
from sandbox.answers import Answer, Refusal, instant
from sandbox.call import Call, Entry, Interaction
from sandbox.checking import checked
from sandbox.conditional import match_of_condition
from sandbox.interactions import HANDLERS
from sandbox.personality import Situation
from sandbox.target import target_of
from sandbox.validity import check_content_type

_KINDS = {"transaction": Interaction.TRANSACTION, "batch": Interaction.BATCH}
#: Members of `entry.request` that are headers of a request of its own.
_HEADERS = {"ifMatch": "if-match", "ifNoneExist": "if-none-exist", "ifNoneMatch": "if-none-match"}
_CONTENT_TYPES = {
    Interaction.CREATE: "application/fhir+json",
    Interaction.UPDATE: "application/fhir+json",
    Interaction.PATCH: "application/json-patch+json",
}
#: In a transaction deletions come first and what only looks comes last.
_ORDER = (Interaction.DELETE, Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH)


def parse_bundle(call: Call, base: str) -> Call:
    """A posted bundle with its entries as calls.

    Raises:
        Refusal: 400 or 415, it is no bundle of requests.
    """
    check_content_type(call.headers.get("content-type"))
    try:
        bundle = written_json.loads(call.body)
    except written_json.MalformedJson as error:
        raise Refusal(400, "structure", str(error)) from None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or bundle.get("type") not in _KINDS:
        raise Refusal(400, "invalid", "Only a Bundle of type transaction or batch is posted to the base.")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise Refusal(400, "structure", "Bundle.entry is not a list.", expression="Bundle.entry")
    parsed = tuple(_entry(number, given, call, base) for number, given in enumerate(entries))
    return replace(call, interaction=_KINDS[bundle["type"]], entries=parsed)


def _entry(number: int, given: Any, outer: Call, base: str) -> Entry:
    path = f"Bundle.entry[{number}].request"
    request = given.get("request") if isinstance(given, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise Refusal(400, "required", f"{path} is missing.", expression=path)
    address, _, query = str(request.get("url", "")).removeprefix(f"{base}/").partition("?")
    asked = target_of(request["method"], f"/fhir/{address}")
    if asked["interaction"] not in HANDLERS:
        raise Refusal(400, "not-supported", f"{path} cannot stand in a bundle.", expression=path)
    interaction = asked["interaction"]
    headers = {name: str(request[member]) for member, name in _HEADERS.items() if member in request}
    sub = Call(
        **asked,
        headers={
            **headers,
            **{name: outer.headers[name] for name in ("prefer",) if name in outer.headers},
            "content-type": _CONTENT_TYPES.get(interaction, ""),
        },
        pairs=tuple(parse_qsl(query, keep_blank_values=True)),
        body=_body(given.get("resource"), interaction),
        client=outer.client,
    )
    return Entry(full_url=str(given.get("fullUrl", "")), call=sub)


def _body(resource: Any, interaction: Interaction) -> bytes:
    if interaction is not Interaction.PATCH:
        return written_json.dumps(resource).encode() if resource is not None else b""
    # A patch travels as a Binary.
    try:
        return base64.b64decode(resource["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Refusal(400, "structure", "A patch stands in a bundle as a Binary with its data.") from None


def transaction(at: Situation) -> Answer:
    """All entries or none; references to `urn:uuid:` are those of the resources that are made."""
    _check_offered(at)
    entries = at.call.checked_entries()
    _check_no_overlap(entries)
    names: dict[str, str] = {}
    calls = [_named(at, entry, names) for entry in entries]
    answers: dict[int, Answer] = {}
    for number in sorted(range(len(calls)), key=lambda it: _place(calls[it].interaction)):
        answers[number] = _do(at, _resolved(calls[number], names))
    return _answer("transaction-response", [answers[number] for number in range(len(calls))])


def _place(interaction: Interaction) -> int:
    return _ORDER.index(interaction) if interaction in _ORDER else len(_ORDER)


def _check_no_overlap(entries: tuple[Entry, ...]) -> None:
    writes = [it.call for it in entries if it.call.interaction in _ORDER]
    targets = [(call.type, call.id) for call in writes if call.id]
    conditions = [(call.type, it) for call in writes if (it := call.headers.get("if-none-exist"))]
    names = [entry.full_url for entry in entries if entry.full_url]
    for kind, of_kind in (("resource", targets), ("condition", conditions), ("fullUrl", names)):
        if len(set(of_kind)) != len(of_kind):
            raise Refusal(400, "duplicate", f"Two entries of the transaction have the same {kind}.")


def _named(at: Situation, entry: Entry, names: dict[str, str]) -> Call:
    # The id is settled before anything is written, so that entries can refer to each other in any order.
    call = replace(entry.call, now=at.call.now, as_of=at.call.as_of)
    if call.interaction is not Interaction.CREATE:
        return call
    existing = match_of_condition(replace(at, call=call))
    made_id = existing.id if existing else at.chart.new_id(call.type)
    if entry.full_url:
        names[entry.full_url] = f"{call.type}/{made_id}"
    return call if existing else replace(call, id=made_id)


def _resolved(call: Call, names: dict[str, str]) -> Call:
    return replace(call, resource=_replace_names(call.resource, names)) if call.resource else call


def _replace_names(element: Any, names: dict[str, str]) -> Any:
    if isinstance(element, dict):
        return {name: _replace_names(child, names) for name, child in element.items()}
    if isinstance(element, list):
        return [_replace_names(child, names) for child in element]
    return names.get(element, element) if isinstance(element, str) else element


def batch(at: Situation) -> Answer:
    """Each entry for itself: one that is refused takes nothing with it."""
    _check_offered(at)
    answers = []
    for entry in at.call.checked_entries():
        connection = at.chart.connection
        connection.execute("SAVEPOINT entry")
        try:
            answers.append(_do(at, replace(entry.call, now=at.call.now, as_of=at.call.as_of)))
        except Refusal as refusal:
            connection.execute("ROLLBACK TO entry")
            answers.append(at.personality.tell(refusal))
        connection.execute("RELEASE entry")
    return _answer("batch-response", answers)


def _check_offered(at: Situation) -> None:
    if at.behaviour.bundles == "refuse":
        raise Refusal(at.behaviour.bundle_refused_status, "not-supported", "This server takes no bundles.")


def _do(at: Situation, call: Call) -> Answer:
    at.conduct.check_offered(call.interaction, call.type)
    return HANDLERS[call.interaction](replace(at, call=checked(call, at.conduct)))


def _answer(kind: str, answers: list[Answer]) -> Answer:
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [_response(it) for it in answers]}
    return Answer(status=200, body=written_json.dumps(bundle))


def _response(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"status": f"{answer.status} {HTTPStatus(answer.status).phrase}"}
    for name, header in (("location", "Location"), ("etag", "ETag")):
        if header in answer.headers:
            response[name] = answer.headers[header]
    if "Last-Modified" in answer.headers:
        response["lastModified"] = instant(parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp())
    body = written_json.loads(answer.body) if answer.body else None
    if answer.status >= 400:
        return {"response": {**response, **({"outcome": body} if body else {})}}
    return {**({"resource": body} if body else {}), "response": response}
