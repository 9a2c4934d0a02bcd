"""athenaOne: form posts under /v1/{practiceid}, answered 200 with a success flag; FHIR for reading and one create.

Facts: the vendor's live FHIR statement (2026) and order workflow; clients of third parties for /v1. The names of form fields
that these do not give are as those clients have them. Not played: appointments, prescriptions, $submit-care-gaps, and the
on-premises product.
"""

from collections.abc import Callable
from typing import Any

from sandbox import written_json
from sandbox.answers import Answer, Refusal
from sandbox.athenahealth_chart import (
    SNOMED,
    allergies_shown,
    by_number,
    medications_shown,
    problems_shown,
    vitals_shown,
)
from sandbox.athenahealth_v1 import (
    ALLERGEN,
    MEDICATION,
    AthenahealthQuirks,
    actor,
    coded,
    failure,
    form_with,
    json_answer,
    of_type,
    open_encounter,
    patient_of,
    quirks_of,
    tell_native,
)
from sandbox.athenahealth_vitals import add_encounter_vitals, add_vitals
from sandbox.call import Interaction
from sandbox.chart import StoredVersion
from sandbox.forms import form_of, iso_date, json_list, required
from sandbox.held import hold
from sandbox.natural_key import entries_of
from sandbox.personality import Personality, Resource, Route, Situation

SCOPE = "athena/service/Athenanet.MDP."


def add_problem(at: Situation) -> Answer:
    """POST chart/{patient}/problems: SNOMED only."""
    patient, form = patient_of(at), form_with(at)
    if not form.get("snomedcode", "").isdigit():
        raise Refusal(400, "value", "A SNOMED code is required (snomedcode).")
    resource = {
        "resourceType": "Condition",
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "category": [coded("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")],
        "code": coded(SNOMED, form["snomedcode"]),
        "subject": {"reference": patient},
        **({"onsetDateTime": iso_date(form["startdate"])} if form.get("startdate") else {}),
        **({"note": [{"text": form["note"]}]} if form.get("note") else {}),
        **actor(form),
    }
    stored = at.chart.store(resource, at=at.call.now)
    return json_answer({"success": True, "problemid": stored.id}, about=stored.reference)


def add_medication(at: Situation) -> Answer:
    """POST chart/{patient}/medications: a documented medication by its id of the reference list."""
    patient, form = patient_of(at), form_with(at, "medicationid")
    name = by_number(quirks_of(at).medications, form["medicationid"])
    if name is None:
        raise Refusal(400, "value", "The medication ID is invalid.")
    period = {
        end: iso_date(form[field]) for end, field in (("start", "startdate"), ("end", "stopdate")) if form.get(field)
    }
    resource = {
        "resourceType": "MedicationStatement",
        "status": "stopped" if "end" in period else "active",
        "medicationCodeableConcept": {**coded(MEDICATION, form["medicationid"]), "text": name},
        "subject": {"reference": patient},
        **({"effectivePeriod": period} if period else {}),
        **({"dosage": [{"text": form["unstructuredsig"]}]} if form.get("unstructuredsig") else {}),
        **({"statusReason": [{"text": form["stopreason"]}]} if form.get("stopreason") else {}),
        **({"note": [{"text": form["providernote"]}]} if form.get("providernote") else {}),
    }
    stored = at.chart.store(resource, at=at.call.now)
    return json_answer({"success": True, "medicationentryid": stored.id}, about=stored.reference)


def put_allergies(at: Situation) -> Answer:
    """PUT chart/{patient}/allergies: each is found by its allergen, and its reactions are replaced; no id comes back."""
    patient, form = patient_of(at), form_with(at)
    known = {next(iter(it["code"]["coding"]))["code"]: stored.id for stored, it in _allergies(at, patient)}
    for given in json_list(form, "allergies"):
        number = str(given.get("allergenid", "")) if isinstance(given, dict) else ""
        name = by_number(quirks_of(at).allergens, number)
        if name is None:
            raise Refusal(400, "value", "The allergen ID is invalid.")
        at.chart.store(_allergy(given, number, name, patient), id=known.get(number), at=at.call.now)
    return json_answer({"success": True})


def _allergies(at: Situation, patient: str) -> list[tuple[StoredVersion, Resource]]:
    return [pair for pair in entries_of(at, "AllergyIntolerance", patient) if pair[1]["code"].get("coding")]


def _allergy(given: dict[str, Any], number: str, name: str, patient: str) -> Resource:
    reactions = [_reaction(it) for it in given.get("reactions", [])]
    deactivated = bool(given.get("deactivatedate"))
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": coded(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "inactive" if deactivated else "active"
        ),
        "code": {**coded(ALLERGEN, number), "text": name},
        "patient": {"reference": patient},
        **({"onsetDateTime": iso_date(given["onsetdate"])} if given.get("onsetdate") else {}),
        **({"note": [{"text": given["note"]}]} if given.get("note") else {}),
        **({"criticality": str(given["criticality"]).lower()} if given.get("criticality") else {}),
        **({"reaction": reactions} if reactions else {}),
    }


def _reaction(given: dict[str, Any]) -> Resource:
    manifestation = {
        **(coded(SNOMED, str(given["snomedcode"])) if given.get("snomedcode") else {}),
        "text": str(given.get("reactionname", "")),
    }
    return {
        "manifestation": [manifestation],
        **({"severity": str(given["severity"]).lower()} if given.get("severity") else {}),
    }


def add_document(at: Situation) -> Answer:
    """POST patients/{patient}/documents/{class}: one file; OPEN until somebody reviews it, unless autoclosed."""
    patient, kind = patient_of(at), at.call.groups["kind"]
    form = form_with(at)
    if kind == "patientcase":
        return _patient_case(at, patient, form)
    required(form, "attachmentcontents")
    attachment = {"contentType": form.get("attachmenttype", "application/pdf"), "data": form["attachmentcontents"]}
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "docStatus": "final" if form.get("autoclose", "").lower() == "true" else "preliminary",
        "type": {"text": kind},
        "subject": {"reference": patient},
        "content": [{"attachment": attachment}],
        **({"description": form["internalnote"]} if form.get("internalnote") else {}),
    }
    stored = at.chart.store(resource, at=at.call.now)
    return json_answer({"success": True, f"{kind}id": stored.id}, about=stored.reference)


def _patient_case(at: Situation, patient: str, form: dict[str, str]) -> Answer:
    required(form, "documentsubclass", "documentsource")
    resource = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"text": form["documentsubclass"]},
        "for": {"reference": patient},
        **({"description": form["internalnote"]} if form.get("internalnote") else {}),
    }
    stored = at.chart.store(resource, at=at.call.now)
    return json_answer({"success": True, "patientcaseid": stored.id}, about=stored.reference)


def delete_document(at: Situation) -> Answer:
    """DELETE patients/{patient}/documents/clinicaldocument/{document}."""
    patient_of(at)
    stored = at.chart.current("DocumentReference", at.call.groups["document"])
    if stored is None or stored.deleted:
        raise Refusal(404, "not-found", "The document ID is invalid.")
    at.chart.delete(stored, at=at.call.now)
    return json_answer({"success": True}, about=stored.reference)


def add_order(at: Situation) -> Answer:
    """POST chart/encounter/{encounter}/orders/{kind}: waits until a provider signs."""
    form = form_of(at.call)
    required(form, "ordertypeid", "diagnosissnomedcode")
    encounter = open_encounter(at)
    if encounter is None:
        return failure("The encounter is already frozen (closed).")
    resource = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"text": form["ordertypeid"]},
        "subject": encounter["subject"],
        "encounter": {"reference": f"Encounter/{encounter['id']}"},
        "reasonCode": [coded(SNOMED, form["diagnosissnomedcode"])],
    }
    waiting = hold(of_type(at, "ServiceRequest"), resource, at.chart.new_id("ServiceRequest"))
    return json_answer({"success": True, "documentid": waiting.id}, about=waiting.reference)


def add_patient(at: Situation) -> Answer:
    """POST patients: the answer is a list."""
    form = form_with(at, "firstname", "lastname", "dob")
    stored = at.chart.store(_person(form, {"resourceType": "Patient"}), at=at.call.now)
    return json_answer([{"patientid": stored.id}], about=stored.reference)


def put_patient(at: Situation) -> Answer:
    """PUT patients/{patient}: fields that are given are changed, the others kept."""
    reference, form = patient_of(at), form_with(at)
    current = at.chart.current(*reference.split("/"))
    before: Resource = written_json.loads(current.body) if current else {}
    stored = at.chart.store(_person(form, before), id=at.call.groups["patient"], at=at.call.now)
    return json_answer([{"patientid": stored.id}], about=stored.reference)


def _person(form: dict[str, str], before: Resource) -> Resource:
    name = dict((before.get("name") or [{}])[0])
    if form.get("lastname"):
        name["family"] = form["lastname"]
    if form.get("firstname"):
        name["given"] = [form["firstname"]]
    phones = [{"system": "phone", "use": "mobile", "value": form["mobilephone"]}] if form.get("mobilephone") else []
    return {
        **before,
        **({"name": [name]} if name else {}),
        **({"birthDate": iso_date(form["dob"])} if form.get("dob") else {}),
        **({"telecom": phones} if phones else {}),
    }


def find_reference(at: Situation) -> Answer:
    """GET reference/{list}?searchvalue=: names and ids, at least two letters."""
    wanted = dict(at.call.pairs).get("searchvalue", "").casefold()
    if len(wanted) < 2:
        raise Refusal(400, "value", "searchvalue needs two characters.")
    kind = at.call.groups["list"]
    names, labels = {
        "medications": (quirks_of(at).medications, ("medication", "medicationid")),
        "allergies": (quirks_of(at).allergens, ("allergenname", "allergenid")),
    }[kind]
    found = [{labels[0]: name, labels[1]: number} for name, number in names.items() if wanted in name.casefold()]
    return json_answer(found)


def _shown(show: Callable[[Situation, str], dict[str, Any]]) -> Callable[[Situation], Answer]:
    return lambda at: json_answer(show(at, patient_of(at)))


_ROOT = r"/v1/[^/]+"
_OF_PATIENT = rf"{_ROOT}/chart/(?P<patient>[A-Za-z0-9\-.]+)"
_OF_ENCOUNTER = rf"{_ROOT}/chart/encounter/(?P<encounter>[A-Za-z0-9\-.]+)"
_DOCUMENTS = rf"{_ROOT}/patients/(?P<patient>[A-Za-z0-9\-.]+)/documents"
_KINDS = "clinicaldocument|labresult|imagingresult|admin|patientcase|encounterdocument"


def _routes() -> tuple[Route, ...]:
    table = (
        ("POST", rf"{_OF_ENCOUNTER}/vitals", Interaction.CREATE, "Observation", add_encounter_vitals),
        ("POST", rf"{_OF_ENCOUNTER}/orders/(?P<kind>[a-z]+)", Interaction.CREATE, "ServiceRequest", add_order),
        ("POST", rf"{_OF_PATIENT}/problems", Interaction.CREATE, "Condition", add_problem),
        ("GET", rf"{_OF_PATIENT}/problems", Interaction.SEARCH, "Condition", _shown(problems_shown)),
        ("POST", rf"{_OF_PATIENT}/medications", Interaction.CREATE, "MedicationStatement", add_medication),
        ("GET", rf"{_OF_PATIENT}/medications", Interaction.SEARCH, "MedicationStatement", _shown(medications_shown)),
        ("PUT", rf"{_OF_PATIENT}/allergies", Interaction.UPDATE, "AllergyIntolerance", put_allergies),
        ("GET", rf"{_OF_PATIENT}/allergies", Interaction.SEARCH, "AllergyIntolerance", _shown(allergies_shown)),
        ("POST", rf"{_OF_PATIENT}/vitals", Interaction.CREATE, "Observation", add_vitals),
        ("GET", rf"{_OF_PATIENT}/vitals", Interaction.SEARCH, "Observation", _shown(vitals_shown)),
        ("POST", rf"{_DOCUMENTS}/(?P<kind>{_KINDS})", Interaction.CREATE, "DocumentReference", add_document),
        (
            "DELETE",
            rf"{_DOCUMENTS}/clinicaldocument/(?P<document>[^/]+)",
            Interaction.DELETE,
            "DocumentReference",
            delete_document,
        ),
        ("POST", rf"{_ROOT}/patients", Interaction.CREATE, "Patient", add_patient),
        ("PUT", rf"{_ROOT}/patients/(?P<patient>[A-Za-z0-9\-.]+)", Interaction.UPDATE, "Patient", put_patient),
        (
            "GET",
            rf"{_ROOT}/reference/(?P<list>medications|allergies)",
            Interaction.SEARCH,
            "Medication",
            find_reference,
        ),
    )
    return tuple(
        Route(method=method, path=path, interaction=interaction, type=kind, answer=answer, scope=SCOPE)
        for method, path, interaction, kind, answer in table
    )


PERSONALITY = Personality(
    key="athenahealth",
    behaviour={
        "provenance": "nameless",
        "meta_source": "hidden",
        "etags": False,
        "version_ids": "none",
        "precondition": "none",
        "if_none_exist": "ignore",
        "bundles": "refuse",
        "bundle_refused_status": 404,
        "not_offered_status": 403,
        "location": "absolute",
        "token_auth": ("client_secret_basic", "client_secret_post", "private_key_jwt"),
        "token_ttl_s": 3600,
        "token_calls_per_minute": 50,
        "id_forms": dict.fromkeys(
            (
                *("Condition", "MedicationStatement", "AllergyIntolerance", "Observation", "DocumentReference", "Task"),
                *("ServiceRequest", "Patient"),
            ),
            "{number}",
        ),
    },
    quirks=AthenahealthQuirks,
    verbs={"QuestionnaireResponse": frozenset({Interaction.CREATE})},
    reads=frozenset({Interaction.READ, Interaction.SEARCH}),
    routes=_routes(),
    native_root="/v1/",
    tell_native=tell_native,
    advertised=(),
    scopes=(f"{SCOPE}*",),
)
