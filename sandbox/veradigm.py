"""Veradigm (Allscripts): FHIR to read, and Unity to write, where every call is an RPC and errors come in 200.

Facts: the vendor says that its FHIR is read only and that Unity writes; Unity's envelope, actions and errors are as a client of
a third party has them. What each action's parameters hold is not known: XML is taken in any of them (see `veradigm_fields`),
by the names which that module reads. No version, no duplicate rule, no limit is known, so there is none.
"""

import uuid
from collections.abc import Callable
from typing import Any, cast

from pydantic import Field

from sandbox import clients, written_json
from sandbox.answers import Answer, Refusal
from sandbox.call import Interaction
from sandbox.natural_key import patient_of
from sandbox.personality import Personality, Quirks, Resource, Route, Situation
from sandbox.validity import check_resource
from sandbox.veradigm_fields import BUILDERS, LocalTime, fields_of, named

ROOT = "/Unity/UnityService.svc/json/"


class VeradigmQuirks(Quirks):
    """What sites differ in, or what is not known."""

    #: A session that was silent for so many seconds is over.
    idle_s: float = 1200.0
    #: EHR users that calls may name; None: anybody.
    users: tuple[str, ...] | None = None
    #: Offset of the site's local time, which parameters are in.
    utc_offset: str = "-05:00"
    #: Name of a field of a vital sign → its LOINC code and UCUM unit; the names are each site's own.
    vital_fields: dict[str, tuple[str, str]] = Field(default_factory=dict)
    #: Drug id (DDI) → RxNorm code of what it is shown as.
    drugs: dict[str, str] = Field(default_factory=dict)
    #: An allergy needs an encounter (a third-party gateway lists it so).
    allergy_needs_encounter: bool = False
    #: A call before GetUserAuthentication said valid_user=YES is refused.
    authentication_first: bool = False


def quirks_of(at: Situation) -> VeradigmQuirks:
    return cast("VeradigmQuirks", at.conduct.quirks)


class MagicError(Exception):
    """What Unity calls a Magic Error; told in 200."""


def _rpc(body: Any, *, reference: str | None = None) -> Answer:
    return Answer(status=200, body=written_json.dumps(body), content_type="application/json", reference=reference)


def _magic(text: str) -> Answer:
    return _rpc([{"Error": f"Magic Error - {text}"}])


def tell_native(refusal: Refusal) -> Answer:
    """What goes wrong before Unity itself is reached has a status and plain text; the rest is a Magic Error."""
    if refusal.status in {400, 422}:
        return _magic(refusal.diagnostics)
    return Answer(status=refusal.status, body=refusal.diagnostics, content_type="text/plain", headers=refusal.headers)


def _envelope(at: Situation) -> dict[str, Any]:
    try:
        envelope = written_json.loads(at.call.body)
    except written_json.MalformedJson as error:
        raise Refusal(400, "structure", str(error)) from None
    if not isinstance(envelope, dict):
        raise Refusal(400, "structure", "The body is no JSON object.")
    return envelope


def get_token(at: Situation) -> Answer:
    """POST GetToken with Username and Password: a bare GUID, or a sentence with error: in it."""
    envelope = _envelope(at)
    name, password = str(envelope.get("Username", "")), str(envelope.get("Password", ""))
    client = clients.find(at.chart.connection, name)
    if not at.behaviour.open and (client is None or client.client_secret != password):
        return Answer(status=200, body="error: Username and Password not valid", content_type="text/plain")
    token = str(uuid.uuid4())
    at.chart.connection.execute(
        "INSERT INTO sessions (token, client, seen_at) VALUES (?, ?, ?)", (token, name, at.call.now)
    )
    return Answer(status=200, body=token, content_type="text/plain")


def retire_token(at: Situation) -> Answer:
    """POST RetireSecurityToken: the session is over."""
    token = str(_envelope(at).get("Token", ""))
    at.chart.connection.execute("DELETE FROM sessions WHERE token = ?", (token,))
    return _rpc("Token retired")


def magic(at: Situation) -> Answer:
    """POST MagicJson: one action by a user in a session."""
    envelope = _envelope(at)
    try:
        _check_session(at, str(envelope.get("Token", "")))
        _check_user(at, envelope)
        return _act(at, envelope)
    except MagicError as error:
        return _magic(str(error))


def _check_session(at: Situation, token: str) -> None:
    row = at.chart.connection.execute("SELECT seen_at FROM sessions WHERE token = ?", (token,)).fetchone()
    if row is None or row["seen_at"] + quirks_of(at).idle_s < at.call.now:
        raise MagicError("The security token is not valid or has expired.")
    at.chart.connection.execute("UPDATE sessions SET seen_at = ? WHERE token = ?", (at.call.now, token))


def _check_user(at: Situation, envelope: dict[str, Any]) -> None:
    user, known = str(envelope.get("AppUserID", "")), quirks_of(at).users
    asks = envelope.get("Action") == "GetUserAuthentication"
    if not user or (known is not None and user not in known and not asks):
        raise MagicError("The user is not valid.")
    if quirks_of(at).authentication_first and not asks:
        row = at.chart.connection.execute("SELECT 1 FROM sessions WHERE token = ?", (_proof(envelope),)).fetchone()
        if row is None:
            raise MagicError("The user is not authenticated.")


def _proof(envelope: dict[str, Any]) -> str:
    return f"{envelope.get('Token')} {envelope.get('AppUserID')}"


def _act(at: Situation, envelope: dict[str, Any]) -> Answer:
    action = str(envelope.get("Action", ""))
    if action == "GetUserAuthentication":
        return _authenticated(at, envelope)
    if action == "GetServerInfo":
        return _info(action, {"ServerTimeZoneOffset": quirks_of(at).utc_offset})
    build = BUILDERS.get(action)
    if build is None:
        raise MagicError(f"The action {action} is not known.")
    return _saved(at, envelope, action, build)


def _authenticated(at: Situation, envelope: dict[str, Any]) -> Answer:
    known = quirks_of(at).users
    valid = known is None or envelope.get("AppUserID") in known
    if valid:
        at.chart.connection.execute(
            "REPLACE INTO sessions (token, client, seen_at) VALUES (?, '', ?)", (_proof(envelope), at.call.now)
        )
    return _info("GetUserAuthentication", {"valid_user": "YES" if valid else "NO", "ErrorMessage": ""})


def _saved(
    at: Situation,
    envelope: dict[str, Any],
    action: str,
    build: Callable[[dict[str, str], str, LocalTime], Resource],
) -> Answer:
    patient = at.chart.current("Patient", str(envelope.get("PatientID", "")))
    if patient is None or patient.deleted:
        raise MagicError("The patient is not valid.")
    try:
        fields = named(fields_of(envelope), quirks_of(at).vital_fields, quirks_of(at).drugs)
        resource = build(fields, patient.reference, LocalTime(quirks_of(at).utc_offset))
    except (ValueError, KeyError) as error:
        raise MagicError(f"{action}: {error}") from None
    if action == "SaveAllergy" and quirks_of(at).allergy_needs_encounter and "encounter" not in resource:
        raise MagicError("SaveAllergy: an encounter is needed.")
    resource = _under(resource, str(envelope["AppUserID"]))
    check_resource(resource, status=422)
    found = _already(at, fields, resource)
    stored = at.chart.store(resource, id=found, at=at.call.now)
    return _info(action, {"status": "Success", "id": stored.id}, reference=stored.reference)


def _already(at: Situation, fields: dict[str, str], resource: Resource) -> str | None:
    # The same Save action changes an entry where it is given the entry's id.
    number = fields.get("id", "")
    stored = at.chart.current(resource["resourceType"], number) if number else None
    if number and (stored is None or patient_of(at, written_json.loads(stored.body)) != patient_of(at, resource)):
        raise MagicError("The entry is not the patient's.")
    return number or None


_AUTHORS = {
    "AllergyIntolerance": "recorder",
    "Condition": "recorder",
    "Task": "requester",
    "MedicationStatement": "informationSource",
}


def _under(resource: Resource, user: str) -> Resource:
    # What is written stands in the chart under the user that the call names.
    if resource["resourceType"] == "DocumentReference":
        return {**resource, "author": [{"display": user}]}
    if resource["resourceType"] == "Observation":
        return {**resource, "performer": [{"display": user}]}
    name = _AUTHORS.get(resource["resourceType"])
    return {**resource, name: {"display": user}} if name else resource


def _info(action: str, members: dict[str, Any], *, reference: str | None = None) -> Answer:
    return _rpc([{f"{action.lower()}info": [members]}], reference=reference)


PERSONALITY = Personality(
    key="veradigm",
    behaviour={
        "provenance": "none",
        "meta_source": "hidden",
        "etags": False,
        "version_ids": "none",
        "precondition": "none",
        "if_none_exist": "ignore",
        "bundles": "refuse",
        "bundle_refused_status": 404,
        "id_forms": dict.fromkeys(
            (
                *("AllergyIntolerance", "Condition", "Observation", "MedicationStatement", "DocumentReference", "Task"),
                "Immunization",
            ),
            "{number}",
        ),
    },
    quirks=VeradigmQuirks,
    verbs={},
    reads=frozenset({Interaction.READ, Interaction.SEARCH}),
    routes=(
        Route(
            method="POST", path=f"{ROOT}GetToken", interaction=Interaction.TOKEN, type="", answer=get_token, scope=None
        ),
        Route(
            method="POST",
            path=f"{ROOT}RetireSecurityToken",
            interaction=Interaction.TOKEN,
            type="",
            answer=retire_token,
            scope=None,
        ),
        Route(
            method="POST", path=f"{ROOT}MagicJson", interaction=Interaction.CREATE, type="", answer=magic, scope=None
        ),
    ),
    native_root="/Unity/",
    tell_native=tell_native,
    advertised=(),
)
