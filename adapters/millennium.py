"""How Oracle Health (Millennium R4) wants each entry built, and what its replacing updates can carry. No tables of verbs.

Its creates take the documented elements only and ignore the rest; its updates clear whatever is left out. So nothing beyond
the documented elements is sent, and an entry that holds anything else is not updated from here.

Options of a connection read here. ``vitals``: the LOINC codes that this Millennium takes (default: any; it refuses the others
itself). ``pairs_blood_pressure``: the site configured the pairing of systolic and diastolic, without which a pressure would be
filed as two readings that nothing joins (default: no). ``codes.medication``: ours → ``system|code`` of an order synonym.
``leaves_out``: see :mod:`adapters.accepted`; here it may hold ``changeReason`` too, for problems that have a note already.

Source: cerner/fhir.cerner.com content/millennium/r4 and lib/resources/r4 (observation, medication_request,
medication_request_patch, allergy_intolerance, condition, communication, document_reference; read 2026-11).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from adapters.accepted import LEAVES_OUT, UnmappedCodeError, codings, own_code, taken
from adapters.r4 import (
    allergy_intolerance,
    communication,
    condition,
    document_reference,
    medication_request,
    observation,
)
from adapters.r4.change import Change
from adapters.r4.components import LOINC, concept
from adapters.r4.fields import agree, extension_value, has_code, put, put_extension
from adapters.r4.invariants import CONDITION_CLINICAL
from adapters.r4.performers import FUNCTION, PARTICIPATION
from canonical.code_systems import RXNORM, SNOMED_CT
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Resource

_FRAME = frozenset({"resourceType", "id", "identifier"})
#: type → the elements that its update carries.
CARRIED: Mapping[str, frozenset[str]] = {
    "Observation": _FRAME
    | {
        *("status", "category", "code", "subject", "encounter", "effectiveDateTime", "issued", "performer"),
        *("valueQuantity", "component", "interpretation", "referenceRange", "note"),
    },
    "AllergyIntolerance": _FRAME
    | {
        *("clinicalStatus", "verificationStatus", "type", "category", "criticality", "code", "patient", "encounter"),
        *("onsetDateTime", "asserter", "note", "reaction"),
    },
    "Condition": _FRAME
    | {
        *("clinicalStatus", "verificationStatus", "category", "severity", "code", "subject", "encounter"),
        *("onsetDateTime", "abatementDateTime", "note"),
    },
}
#: type → the elements that the EHR keeps by itself, whatever an update says.
OWN: Mapping[str, frozenset[str]] = {
    "Observation": frozenset({"meta", "text"}),
    "AllergyIntolerance": frozenset({"meta", "text", "recordedDate", "recorder"}),
    "Condition": frozenset({"meta", "text", "recordedDate", "recorder", "asserter"}),
}
_VITAL = ("code", "valueQuantity", "component", "effectiveDateTime", "issued", "performer", "performerRole", "note")
_JUDGED = ("interpretation", "referenceRange")
_PRESSURES = frozenset({"85354-9"})
_WITH_COMPONENTS = _PRESSURES | {"59408-5", "2708-6"}
#: The identifier by which an Observation may be updated.
UPDATABLE = "https://fhir.cerner.com/ceuuid"
_ALLERGY = ("code", "allergyType", "category", "criticality", "onsetDateTime", "reaction", "asserter", "note")
_NAMED = ("code", "noneKnownScope", "category", "changeReason", "note")
_PROBLEM = ("category", "code", "severity", "onsetDateTime", "note")
#: What says "none known" there: of allergies altogether, and to medications.
_NONE_KNOWN = frozenset({"716186003", "409137002"})
_NOTE = ("docType", "title", "content", "attachment", "date", "period", "author", "docStatus", "authenticator")
#: Media types of a document. Source: lib/resources/r4/document_reference.yaml, and docs.oracle.com mfrap for plain text.
_DOCUMENTS = frozenset(
    {"application/pdf", "application/xhtml+xml", "application/xml", "text/html", "text/plain", "text/rtf"}
)
_MESSAGE_CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"


def _carried(resource: Resource) -> Resource:
    """Return what a replacing update sends of ``resource``.

    Raises :class:`UnsupportedActionError` where the entry holds what the update cannot carry: it would be cleared.
    """
    name = str(resource["resourceType"])
    lost = sorted(set(resource) - CARRIED[name] - OWN[name])
    if lost:
        raise UnsupportedActionError(f"this EHR's update would clear {', '.join(lost)} of the entry")
    return {element: item for element, item in resource.items() if element in CARRIED[name]}


def vital(change: Change) -> Resource:
    """Build the Observation of a new reading."""
    return _as_taken(observation.record(taken(change, (*_VITAL, *_JUDGED, "oxygen"))), change)


def corrected_vital(change: Change) -> Resource:
    """Build the corrected reading; only what was final before can be corrected there."""
    before = change.current or {}
    if before.get("status") not in {"final", "amended", "corrected"}:
        raise NeedsPersonError("status_ended", "The EHR lets only a final reading be corrected.")
    if not any(item.get("system") == UPDATABLE for item in before.get("identifier", [])):
        raise UnsupportedActionError("this EHR lets a reading be changed only by an identifier that this one lacks")
    resource = observation.correct(taken(change, (*_VITAL, *_JUDGED, "oxygen")))
    return _carried(_as_taken(resource, change))


def _as_taken(resource: Resource, change: Change) -> Resource:
    named = [item for item in codings(resource.get("code")) if item.get("system") == LOINC]
    codes = {str(item["code"]) for item in named}
    accepted = change.site.options.get("vitals")
    if accepted is not None and not codes & set(accepted):
        raise UnsupportedActionError("the connection does not list this vital sign among those that the EHR takes")
    if "component" in resource:
        _check_components(codes, change)
    elif "valueQuantity" not in resource:
        raise UnsupportedActionError("this EHR takes a vital sign as a number, or not at all")
    if len(resource["category"]) != 1:
        raise UnsupportedActionError("this EHR takes one category of a vital sign")
    others = [item for item in resource["code"]["coding"] if item not in named]
    # It is looked for by its first code, and the EHR finds a vital sign by LOINC only.
    resource["code"] = {**resource["code"], "coding": [*named, *others]}
    _check_judged(resource)
    put(resource, "performer", _performers(resource.get("performer", [])))
    return resource


def _check_components(codes: Iterable[str], change: Change) -> None:
    if not _WITH_COMPONENTS & set(codes):
        raise UnsupportedActionError("this EHR takes components of a blood pressure and of an oxygen saturation only")
    if _PRESSURES & set(codes) and change.site.options.get("pairs_blood_pressure") is not True:
        raise UnsupportedActionError(
            "the connection does not declare that this EHR pairs the halves of a blood pressure"
        )


def _check_judged(resource: Resource) -> None:
    if any(len(resource.get(name, [])) > 1 for name in _JUDGED):
        raise UnsupportedActionError("this EHR takes one interpretation and one reference range")
    for item in resource.get("referenceRange", []):
        if "text" in item and ("low" in item or "high" in item):
            raise UnsupportedActionError("this EHR takes a reference range as numbers or as text")


def _performers(performers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one or two practitioners with the function that the EHR asks for: the first answers for the reading."""
    if not 1 <= len(performers) <= 2 or not all(_is_practitioner(item) for item in performers):
        raise UnsupportedActionError("this EHR takes a vital sign with one or two practitioners who measured it")
    wanted = ("LA", "PPRF")
    return [_acting(item, function) for item, function in zip(performers, wanted, strict=False)]


def _is_practitioner(reference: Mapping[str, Any]) -> bool:
    function = extension_value(reference, FUNCTION, "valueCodeableConcept")
    is_other = any(item["code"] not in {"LA", "PPRF"} for item in codings(function))
    return "Practitioner/" in str(reference.get("reference")) and not is_other


def _acting(performer: Mapping[str, Any], function: str) -> dict[str, Any]:
    changed = dict(performer)
    said = extension_value(performer, FUNCTION, "valueCodeableConcept") or {}
    coded = {**said, "coding": [{"system": PARTICIPATION, "code": function}]}
    put_extension(changed, FUNCTION, "valueCodeableConcept", coded)
    return changed


def reported(change: Change) -> Resource:
    """Build a medication that is documented as taken: never a prescription, its SIG as written and nothing beside it."""
    resource = medication_request.start(
        taken(change, ("medication", "dosage", "effectivePeriod", "note")), intent="plan"
    )
    dosage = resource.get("dosageInstruction", [])
    if len(dosage) != 1 or not dosage[0].get("text"):
        raise UnsupportedActionError("this EHR keeps one dosage of a medication, with its text")
    bounds = dosage[0].get("timing", {}).get("repeat", {}).get("boundsPeriod")
    timing = {} if bounds is None else {"timing": {"repeat": {"boundsPeriod": bounds}}}
    resource["dosageInstruction"] = [{"text": dosage[0]["text"], **timing}]
    resource["medicationCodeableConcept"] = _one_code(resource["medicationCodeableConcept"], change)
    return resource


def _one_code(medication: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return a medication by one code and its name; raises :class:`UnmappedCodeError`, never chooses."""
    known = sorted({str(item["code"]) for item in codings(medication) if item.get("system") == RXNORM})
    if len(known) > 1:
        raise UnmappedCodeError("medication", tuple(known), concept=medication)
    if known:
        return {**medication, "coding": [{"system": RXNORM, "code": known[0]}]}
    system, _, code = own_code(change.site, "medication", medication).rpartition("|")
    return {**medication, "coding": [{"system": system, "code": code}]}


def stopped(change: Change) -> Resource:
    """Build the entry as stopped; the reason is in our own record, since the EHR's patch has no place for it."""
    kept = taken(change, ("medication", "statusReason"))
    return medication_request.stop(kept)


def allergy(change: Change) -> Resource:
    """Build the AllergyIntolerance of an allergy that the list does not have in any status.

    Raises :class:`NeedsPersonError` ``possible_duplicate``: the EHR would change the entry that is there instead.
    """
    code = change.content.get("code")
    if any(agree(code, entry.get("code")) for entry in change.beside):
        raise NeedsPersonError(
            "possible_duplicate", "The EHR would change the entry that the list has of this already."
        )
    resource = allergy_intolerance.record(taken(change, _ALLERGY))
    _check_category(resource)
    for reaction in resource.get("reaction", []):
        if len(reaction["manifestation"]) != 1 or set(reaction) - {"id", "manifestation", "severity"}:
            raise UnsupportedActionError("this EHR keeps of a reaction one manifestation and its severity")
    return resource


def none_known(change: Change) -> Resource:
    """Build the statement that nothing is known: of allergies altogether or to medications."""
    resource = allergy_intolerance.assert_none_known(taken(change, ("noneKnownScope", "asserter", "note")))
    if not any(item["code"] in _NONE_KNOWN for item in codings(resource["code"])):
        raise UnsupportedActionError("this EHR states 'none known' of all allergies and of medications only")
    return resource


def changed_allergy(change: Change) -> Resource:
    """Build the entry after the change; substance and manifestations are not changed there."""
    before = change.current or {}
    if change.operation == "update" and not agree(change.content.get("code", before.get("code")), before.get("code")):
        raise UnsupportedActionError("this EHR does not let the substance of an allergy be changed")
    if not all("id" in note for note in before.get("note", [])):
        raise UnsupportedActionError("this EHR would add the notes of the entry once more")
    if any("authorReference" in note or "authorString" in note for note in change.content.get("note") or []):
        raise UnsupportedActionError("this EHR names the author of an added note itself")
    resource = allergy_intolerance.update(taken(change, (*_ALLERGY, *_NAMED)))
    put(resource, "code", before.get("code"))
    _check_category(resource)
    return _carried(resource)


def _check_category(resource: Resource) -> None:
    category = resource.get("category", [])
    if len(category) > 1 or "biologic" in category:
        raise UnsupportedActionError("this EHR keeps one category of an allergy: food, medication or environment")


def problem(change: Change) -> Resource:
    """Build the Condition of a new problem or of a diagnosis of its encounter."""
    resource = condition.add(taken(change, _PROBLEM))
    if has_code(resource["category"][0], **condition.CATEGORIES["health-concern"]):
        raise UnsupportedActionError("this EHR takes problems and diagnoses of an encounter, and no health concerns")
    resource["code"] = _selected(resource["code"])
    return resource


def changed_problem(change: Change) -> Resource:
    """Build the entry after the change; a note that is there can be neither changed nor added to."""
    before = change.current or {}
    content = dict(change.content)
    if before.get("note") and "changeReason" in change.site.options.get(LEAVES_OUT, ()):
        content.pop("changeReason", None)
    fields = (*_PROBLEM, "abatementDateTime", "changeReason")
    resource = condition.update(taken(replace(change, content=content), fields))
    if before.get("note") and resource.get("note") != before["note"]:
        raise UnsupportedActionError("this EHR adds no note, and no reason, to a problem that has one")
    is_diagnosis = any(has_code(item, **condition.CATEGORIES["encounter-diagnosis"]) for item in resource["category"])
    is_active = has_code(resource.get("clinicalStatus"), CONDITION_CLINICAL, "active")
    if is_diagnosis and "clinicalStatus" in resource and not is_active:
        raise UnsupportedActionError("this EHR keeps a diagnosis of an encounter as active only")
    if not is_diagnosis:
        put(resource, "encounter", None)
    if change.operation == "update" and "code" in change.content:
        resource["code"] = _selected(resource["code"])
    return _carried(resource)


def _selected(code: Mapping[str, Any]) -> dict[str, Any]:
    """Return a code as the one that its author chose and at most one beside it; which one that is, nobody guesses."""
    found = codings(code)
    chosen = [item for item in found if item.get("userSelected") is True] or (found if len(found) == 1 else [])
    if len(found) > 2 or len(chosen) != 1:
        raise UnmappedCodeError("problem", tuple(str(item["code"]) for item in found), concept=code)
    return {**code, "coding": [{**item, "userSelected": item is chosen[0]} for item in found]}


def note(change: Change) -> Resource:
    """Build a signed document of an encounter, with the time of the service that it tells of.

    Raises as :func:`adapters.r4.document_reference.create`.
    """
    resource = document_reference.create(taken(change, _NOTE))
    if resource["docStatus"] != "final":
        raise UnsupportedActionError("this EHR takes signed notes from outside, and no drafts")
    if "T" not in str(resource.get("context", {}).get("period", {}).get("end")):
        raise UnsupportedActionError("this EHR takes a note with the full time at which the service ended")
    people = [*resource.get("author", []), *([resource["authenticator"]] if "authenticator" in resource else [])]
    if not all("Practitioner/" in str(person.get("reference")) for person in people):
        raise UnsupportedActionError("this EHR takes notes of practitioners")
    named = [item for item in codings(resource["type"]) if item.get("system") == LOINC]
    resource["type"] = {**resource["type"], "coding": named}
    return _titled(resource)


def _titled(resource: Resource) -> Resource:
    """Put title and date where the EHR takes them: with the document that they are about."""
    attachment = resource["content"][0]["attachment"]
    if str(attachment.get("contentType")).partition(";")[0] not in _DOCUMENTS:
        raise UnsupportedActionError(f"this EHR takes documents as {', '.join(sorted(_DOCUMENTS))}")
    kept = {name: attachment[name] for name in ("contentType", "data", "title", "creation") if name in attachment}
    given = {"title": resource.pop("description", None), "creation": resource.pop("date", None)}
    said = {name: item for name, item in given.items() if item is not None}
    return {**resource, "content": [{"attachment": {**kept, **said}}]}


def message(change: Change) -> Resource:
    """Build a message to the inbox of clinicians, which is sent as soon as it is there."""
    resource = communication.send(taken(change, ("category", "topic", "payload", "recipient", "priority")))
    _check_people(resource)
    if resource.get("priority", "routine") not in {"routine", "urgent"}:
        raise UnsupportedActionError("this EHR sends a message as routine or urgent")
    if len(resource["payload"]) != 1:
        raise UnsupportedActionError("this EHR sends a message in one part")
    topic = resource.get("topic")
    if topic is not None:
        if not topic.get("text"):
            raise UnsupportedActionError("this EHR takes the topic of a message in words")
        resource["topic"] = {"text": topic["text"]}
    data = base64.b64encode(resource["payload"][0]["contentString"].encode()).decode()
    content = {"contentType": "text/plain; charset=utf-8", "data": data}
    return {**resource, "payload": [{"contentAttachment": content}], "category": [_category(resource)]}


def _check_people(resource: Resource) -> None:
    to = [str(item.get("reference")) for item in resource["recipient"]]
    if not all("Practitioner/" in item or "Group/" in item for item in to):
        raise UnsupportedActionError("this EHR sends a message to practitioners and groups")
    if "Practitioner/" not in str(resource.get("sender", {}).get("reference")):
        raise UnsupportedActionError("this EHR sends a message from a practitioner whom the command's author names")


def _category(resource: Resource) -> dict[str, Any]:
    """Return the one category that a message must have: a notification, unless its author named another that is taken."""
    named = resource.get("category") or [concept(_MESSAGE_CATEGORY, "notification", "Notification")]
    found = codings(named[0]) if len(named) == 1 else []
    taken_here = len(found) == 1 and (
        found[0].get("system") == SNOMED_CT
        or (found[0].get("system") == _MESSAGE_CATEGORY and found[0]["code"] in {"notification", "reminder"})
    )
    if not taken_here:
        raise UnsupportedActionError(
            "this EHR takes one category of a message: notification, reminder or a SNOMED code"
        )
    return dict(named[0])
