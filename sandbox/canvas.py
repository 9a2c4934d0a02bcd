"""The EHR of the `fumage` FHIR host: creates answered with `null`, updates that mostly mean entered-in-error.

Facts: the vendor's documentation (mirror of May 2025) and its published FHIR framework (May 2026); where the two differ the
documentation is the default, and `location="bare"`, `default_return="minimal"` are the framework's. Not played: claims,
coverage, consents, media.
"""

import uuid
from typing import Any, cast

from sandbox import written_json
from sandbox.answers import Answer, Refusal
from sandbox.call import Call, Interaction
from sandbox.conditional import is_locked
from sandbox.natural_key import entries_of, patient_of
from sandbox.personality import Personality, Quirks, Resource, Situation
from sandbox.references import elements_at, local_reference, reference_text
from sandbox.rewrites import LOINC, codes_of, first_only, in_unit
from sandbox.rules import Told, coded_in, needs, only

NOTE_ID = "/fhir/extensions/note-id"
#: Extensions that a document needs, by the end of their URL.
_OF_DOCUMENTS = ("clinical-date", "reviewer", "requires-signature")
PANEL, SATURATION, SATURATION_TWIN, PRESSURE = "85353-1", "59408-5", "2708-6", "85354-9"
_BUSINESS = Told(422, "business-rule")
_SHAPE = Told(400, "invalid")

#: LOINC code → the units taken, as UCUM codes or as printed; the first is that of a value without one.
_UNITS: dict[str, tuple[str, ...]] = {
    "29463-7": ("[oz_av]", "oz", "[lb_av]", "lb", "kg"),
    "8302-2": ("[in_i]", "in", "cm"),
    "56086-2": ("[in_i]", "in", "cm"),
    "8310-5": ("[degF]", "°F"),
    "8867-4": ("/min", "bpm"),
    "9279-1": ("/min", "bpm"),
    SATURATION: ("%",),
    SATURATION_TWIN: ("%",),
}
_PRINTED = {"oz": "[oz_av]", "lb": "[lb_av]", "in": "[in_i]", "°F": "[degF]", "bpm": "/min"}
_WITHOUT_QUANTITY = {PANEL, PRESSURE, "80339-5", "8884-9"}


class CanvasQuirks(Quirks):
    """What instances differ in, or what is not known."""

    #: System of the drug database that allergies are coded in.
    fdb_system: str = "http://www.fdbhealth.com/"
    #: Decimal places of a value after its conversion.
    places: int = 2
    #: A second appointment of a practitioner at the same time is refused with 422.
    refuses_double_booking: bool = False


def quirks_of(at: Situation) -> CanvasQuirks:
    return cast("CanvasQuirks", at.conduct.quirks)


_CODES = {401: "unknown", 403: "forbidden", 404: "not-found", 409: "conflict", 412: "conflict", 422: "business-rule"}


def tell(refusal: Refusal) -> Answer:
    """An OperationOutcome with its words in `details.text`; a failure's code is misspelt, as it is there."""
    code = "excepetion" if refusal.status >= 500 else _CODES.get(refusal.status, refusal.code)
    issue = {"severity": "error", "code": code, "details": {"text": refusal.diagnostics}}
    body = written_json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    return Answer(status=refusal.status, body=body, headers=refusal.headers)


# -- the note that something goes into


def _note_of(resource: Resource) -> str | None:
    found = [it.get("valueId") or it.get("valueString") for it in _extensions(resource) if it["url"].endswith(NOTE_ID)]
    return f"Note/{found[0]}" if found else None


def _extensions(resource: Resource) -> list[dict[str, Any]]:
    return [it for it in resource.get("extension", []) if isinstance(it.get("url"), str)]


def _encounter_of(resource: Resource) -> str | None:
    for path in ("encounter", "context", "context.encounter"):
        for element in elements_at(resource, path):
            if (text := reference_text(element)) is not None:
                return text
    return None


def lane(call: Call) -> str | None:
    """The note or encounter of a create: two at once break it."""
    if call.interaction is not Interaction.CREATE or call.resource is None:
        return None
    return _note_of(call.resource) or _encounter_of(call.resource)


def _note_is_open(at: Situation, resource: Resource) -> None:
    note, encounter = _note_of(resource), _encounter_of(resource)
    if note and encounter and note.partition("/")[2] != encounter.partition("/")[2]:
        raise _BUSINESS.refusal("The note and the encounter are not the same.")
    for reference in filter(None, (note, encounter)):
        kind, _, named = reference.partition("/")
        if is_locked(at, kind, named):
            raise _BUSINESS.refusal("The note is locked.")


# -- vital signs


def _known_vital(_: Situation, resource: Resource) -> None:
    codes = codes_of(resource)
    if not set(codes) & (_UNITS.keys() | _WITHOUT_QUANTITY):
        raise _BUSINESS.refusal("Observation.code is no vital sign that is kept here.", "Observation.code")
    quantity = resource.get("valueQuantity")
    for code in set(codes) & _UNITS.keys():
        if quantity is None:
            raise _BUSINESS.refusal("Observation.valueQuantity is missing.", "Observation.valueQuantity")
        if _unit_of(quantity) not in {None, *_UNITS[code]}:
            raise _BUSINESS.refusal("Observation.valueQuantity has another unit.", "Observation.valueQuantity.unit")


def _unit_of(quantity: dict[str, Any]) -> str | None:
    return quantity.get("code") or quantity.get("unit")


def _pressure_in_words(_: Situation, resource: Resource) -> None:
    if PRESSURE in codes_of(resource) and "/" not in str(resource.get("valueString", "")):
        raise _BUSINESS.refusal("A blood pressure has a valueString such as 100/80.", "Observation.valueString")


def _first_of_its_kind(at: Situation, resource: Resource) -> None:
    panel = _panel_of(at, resource)
    if panel is None:
        return
    for _, other in entries_of(at, "Observation", patient_of(at, resource)):
        if _panel_of(at, other) == panel and set(codes_of(other)) & set(codes_of(resource)):
            raise _BUSINESS.refusal("The panel has a reading of this kind.", "Observation.derivedFrom")


def _panel_of(at: Situation, resource: Resource) -> tuple[str, str] | None:
    texts = [text for it in resource.get("derivedFrom", []) if (text := reference_text(it))]
    return local_reference(texts[0], at.chart.base) if texts else None


def _in_a_panel(at: Situation, resource: Resource) -> Resource:
    if PANEL in codes_of(resource) or _panel_of(at, resource) is not None:
        return resource
    kept = ("resourceType", "status", "category", "subject", "encounter", "effectiveDateTime")
    panel = {name: resource[name] for name in kept if name in resource}
    code = {"coding": [{"system": LOINC, "code": PANEL}]}
    stored = at.chart.store({**panel, "code": code}, at=at.call.now, source="ehr")
    return {**resource, "derivedFrom": [{"reference": stored.reference}]}


def _in_its_unit(at: Situation, resource: Resource) -> Resource:
    code = next((it for it in codes_of(resource) if it in _UNITS), None)
    quantity = resource.get("valueQuantity")
    if code is None or quantity is None:
        return resource
    wanted = _UNITS[code][0]
    given = _unit_of(quantity) or wanted
    coded = {**quantity, "code": _PRINTED.get(given, given), "unit": given}
    return {**resource, "valueQuantity": in_unit(coded, wanted, quirks_of(at).places)}


def _twin(_: Situation, resource: Resource) -> list[Resource]:
    if SATURATION not in codes_of(resource):
        return []
    code = {"coding": [{"system": LOINC, "code": SATURATION_TWIN}]}
    return [{**{name: value for name, value in resource.items() if name != "identifier"}, "code": code}]


# -- other types


def _has_document_extensions(_: Situation, resource: Resource) -> None:
    urls = [it["url"] for it in _extensions(resource)]
    for wanted in _OF_DOCUMENTS:
        if not any(url.endswith(wanted) for url in urls):
            raise _BUSINESS.refusal(f"The extension {wanted} is missing.", "DocumentReference.extension")


def _fdb_allergen(at: Situation, resource: Resource) -> None:
    coded_in("code", {quirks_of(at).fdb_system}, _BUSINESS)(at, resource)


def _fdb_medication(_: Situation, resource: Resource) -> None:
    text = reference_text(resource.get("medicationReference")) or ""
    if not text.rpartition("/")[2].startswith("fdb-"):
        raise _BUSINESS.refusal(
            "A Medication of the drug database is wanted.", "MedicationStatement.medicationReference"
        )


def _free_then(at: Situation, resource: Resource) -> None:
    if not quirks_of(at).refuses_double_booking:
        return
    actors = set(elements_at(resource, "participant.actor.reference"))
    for stored in at.chart.resources("Appointment"):
        other = written_json.loads(stored.body)
        same = other.get("start") == resource.get("start") and other.get("status") != "cancelled"
        if stored.id != at.call.id and same and actors & set(elements_at(other, "participant.actor.reference")):
            raise _BUSINESS.refusal("The time is taken.", "Appointment.start")


_MATCHED = ("identifier", "name", "telecom", "address", "contact")


def _elements_have_ids(_: Situation, resource: Resource) -> Resource:
    changed = dict(resource)
    for name in _MATCHED:
        if name in resource:
            changed[name] = [{"id": str(uuid.uuid4()), **element} for element in resource[name]]
    return changed


# -- what an update means


def _retracted_whatever(_: Situation, current: Resource) -> Resource:
    code = {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "entered-in-error"}
    without = {name: value for name, value in current.items() if name != "clinicalStatus"}
    return {**without, "verificationStatus": {"coding": [code]}}


def _retracted_if_said(at: Situation, current: Resource) -> Resource | None:
    given = at.call.checked_resource()
    if given.get("status") == "entered-in-error":
        return {**current, "status": "entered-in-error"}
    if "entered-in-error" in elements_at(given, "verificationStatus.coding.code"):
        without = {name: value for name, value in current.items() if name != "clinicalStatus"}
        return {**without, "verificationStatus": given["verificationStatus"]}
    return None


def _task(at: Situation, current: Resource) -> Resource:
    given = at.call.checked_resource()
    deleted = {name for name in ("description", "owner", "restriction", "input") if name not in given}
    merged = {name: value for name, value in {**current, **given}.items() if name not in deleted}
    notes = [*current.get("note", []), *given.get("note", [])]
    return {**merged, **({"note": notes} if notes else {})}


def _patient(at: Situation, current: Resource) -> Resource:
    given = at.call.checked_resource()
    merged = {**current, **given}
    for name in _MATCHED:
        merged[name] = _matched(
            current.get(name, []), given.get(name, []), drop=name in {"telecom", "address", "contact"}
        )
    return _elements_have_ids(at, {name: value for name, value in merged.items() if value != []})


def _matched(before: list[Resource], given: list[Resource], *, drop: bool) -> list[Resource]:
    named = {element["id"]: element for element in given if "id" in element}
    kept = [named.get(it.get("id", ""), it) for it in before if not drop or it.get("id") in named]
    return [*kept, *(element for element in given if "id" not in element)]


def _merged(at: Situation, current: Resource) -> Resource:
    _free_then(at, at.call.checked_resource())
    return {**current, **at.call.checked_resource()}


_C, _U = frozenset({Interaction.CREATE}), frozenset({Interaction.UPDATE})

PERSONALITY = Personality(
    key="canvas",
    behaviour={
        "provenance": "nameless",
        "meta_source": "hidden",
        "default_return": "null",
        "prefer": "ignore",
        "location": "http-history",
        "etags": False,
        "version_ids": "none",
        "precondition": "if-unmodified-since",
        "stale_status": 412,
        "lock_status": 422,
        "if_none_exist": "ignore",
        "invalid_status": 400,
        "bundles": "refuse",
        "bundle_refused_status": 404,
        "request_id_header": "fumage-correlation-id",
        "update_create_types": ("CareTeam",),
        "token_auth": ("client_secret_post",),
        "token_ttl_s": 36_000,
        "scope_contexts": ("system", "user"),
    },
    quirks=CanvasQuirks,
    verbs={
        **dict.fromkeys(
            ("AllergyIntolerance", "Appointment", "Condition", "Immunization", "MedicationStatement"), _C | _U
        ),
        **dict.fromkeys(("Patient", "Practitioner", "QuestionnaireResponse", "Task"), _C | _U),
        **dict.fromkeys(("Communication", "DocumentReference", "Observation"), _C),
        "CareTeam": _U,
    },
    reads=frozenset({Interaction.READ, Interaction.SEARCH}),
    rules={
        "Observation": (
            only("status", {"final"}, _BUSINESS),
            _note_is_open,
            _known_vital,
            _pressure_in_words,
            _first_of_its_kind,
        ),
        "AllergyIntolerance": (_note_is_open, _fdb_allergen),
        "MedicationStatement": (_note_is_open, _fdb_medication),
        "Condition": (_note_is_open, needs("code", _SHAPE)),
        "Immunization": (_note_is_open,),
        "QuestionnaireResponse": (_note_is_open, needs("questionnaire", _SHAPE)),
        "DocumentReference": (_has_document_extensions,),
        "Task": (only("intent", {"unknown"}, _BUSINESS),),
        "Appointment": (_free_then,),
    },
    rewrites={
        "Observation": (_in_a_panel, _in_its_unit),
        "MedicationStatement": (first_only("dosage"),),
        "Patient": (_elements_have_ids,),
    },
    companions={"Observation": _twin},
    updates={
        "Condition": _retracted_whatever,
        **dict.fromkeys(
            ("AllergyIntolerance", "MedicationStatement", "Immunization", "QuestionnaireResponse"), _retracted_if_said
        ),
        "Task": _task,
        "Patient": _patient,
        "Appointment": _merged,
    },
    lane=lane,
    tell=tell,
    advertised=(),
)
