"""What every /v1 request of athenaOne has in common: form, department, patient, answers in JSON; not what it does."""

from dataclasses import replace
from typing import Any, cast

from pydantic import Field

from sandbox import written_json
from sandbox.answers import Answer, Refusal
from sandbox.forms import form_of, required
from sandbox.personality import Quirks, Resource, Situation

ALLERGEN = "urn:athenahealth:allergen"
MEDICATION = "urn:athenahealth:medication"
#: Who acted, where the caller says so.
_ACTOR = "thirdpartyusername"
_MEDICATIONS = {"metformin 500 mg tablet": "244899", "lisinopril 10 mg tablet": "238923"}
_ALLERGENS = {"amoxicillin": "18581", "peanut": "12744"}


class AthenahealthQuirks(Quirks):
    """What practices differ in, or what is not known."""

    #: Vitals outside an encounter are shown in the chart; else they wait until somebody turns the toggle on.
    shows_vitals_outside_encounters: bool = False
    #: Codes of the reference list of medications: name → id.
    medications: dict[str, str] = Field(default_factory=lambda: dict(_MEDICATIONS))
    #: Codes of the reference list of allergens: name → id.
    allergens: dict[str, str] = Field(default_factory=lambda: dict(_ALLERGENS))
    departments: tuple[str, ...] | None = None


def quirks_of(at: Situation) -> AthenahealthQuirks:
    return cast("AthenahealthQuirks", at.conduct.quirks)


def tell_native(refusal: Refusal) -> Answer:
    """An error object; where nothing is routed, a bare sentence."""
    if refusal.status == 404 and refusal.code == "not-supported":
        return Answer(status=404, body="The requested path is not routed.", content_type="text/plain")
    body = {"error": refusal.diagnostics, "detailedmessage": refusal.diagnostics}
    return json_answer(body, status=refusal.status, headers=refusal.headers)


def json_answer(
    body: Any, *, status: int = 200, headers: dict[str, str] | None = None, about: str | None = None
) -> Answer:
    return Answer(
        status=status,
        body=written_json.dumps(body),
        content_type="application/json",
        headers=headers or {},
        reference=about,
    )


def failure(message: str) -> Answer:
    # What the chart's own rules refuse is a success of HTTP.
    return json_answer({"success": False, "errormessage": message})


def patient_of(at: Situation) -> str:
    patient = at.chart.current("Patient", at.call.groups["patient"])
    if patient is None or patient.deleted:
        raise Refusal(404, "not-found", "The patient ID is invalid.")
    return patient.reference


def form_with(at: Situation, *names: str) -> dict[str, str]:
    form = form_of(at.call)
    required(form, "departmentid", *names)
    known = quirks_of(at).departments
    if known is not None and form["departmentid"] not in known:
        raise Refusal(400, "value", "The department ID is invalid.")
    return form


def actor(form: dict[str, str]) -> dict[str, Any]:
    return {"recorder": {"display": form[_ACTOR]}} if form.get(_ACTOR) else {}


def coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def open_encounter(at: Situation) -> Resource | None:
    stored = at.chart.current("Encounter", at.call.groups["encounter"])
    if stored is None or stored.deleted:
        raise Refusal(404, "not-found", "The encounter ID is invalid.")
    encounter: Resource = written_json.loads(stored.body)
    return encounter if encounter["status"] in {"arrived", "in-progress"} else None


def of_type(at: Situation, type: str) -> Situation:
    return replace(at, call=replace(at.call, type=type))
