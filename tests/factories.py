"""Synthetic commands that are consistent with themselves: wire JSON as an app sends it, envelopes, and commands.

Every function takes members to set by their JSON name; ``ABSENT`` takes one out. Nobody here is a real patient.
"""

# mypy: disable-error-code="no-untyped-call"
# factory-boy's declarations are untyped.

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from factory.base import Factory
from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.random import randgen, reseed_random

from canonical import exact_json
from canonical.action import action_specs, spec_for
from canonical.command import Command, Governance
from canonical.envelope import Envelope, envelope_from
from canonical.exact_json import WrittenDecimal
from canonical.lifecycle import State
from canonical.vital_signs import vital_signs

Json = dict[str, Any]
Made = TypeVar("Made")

#: Takes a member out of what a factory would send.
ABSENT: Any = object()
#: The moment at which the factories' commands arrive: half an hour after what they speak of.
NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
EFFECTIVE = "2026-03-10T10:30:00-04:00"
SEED = 20_260_310

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
SNOMED_CT = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
DATA_ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

#: A usual adult value of every vital sign, as written, with the unit for people and its UCUM code.
USUAL: dict[str, tuple[str, str, str]] = {
    "systolic": ("118", "mmHg", "mm[Hg]"),
    "diastolic": ("76", "mmHg", "mm[Hg]"),
    "mean-blood-pressure": ("90", "mmHg", "mm[Hg]"),
    "average-systolic": ("121.5", "mmHg", "mm[Hg]"),
    "average-diastolic": ("78.0", "mmHg", "mm[Hg]"),
    "heart-rate": ("72", "bpm", "/min"),
    "respiratory-rate": ("14", "breaths/min", "/min"),
    "body-temperature": ("36.80", "°C", "Cel"),
    "body-weight": ("72.50", "kg", "kg"),
    "body-height": ("171.0", "cm", "cm"),
    "head-circumference": ("56.0", "cm", "cm"),
    "body-mass-index": ("24.8", "kg/m2", "kg/m2"),
    "oxygen-saturation": ("97", "%", "%"),
    "oxygen-flow": ("2.0", "L/min", "L/min"),
    "oxygen-concentration": ("28", "%", "%"),
    "bmi-for-age-percentile": ("55", "%", "%"),
    "weight-for-length-percentile": ("50.0", "%", "%"),
    "head-circumference-percentile": ("45.0", "%", "%"),
}

reseed_random(SEED)
_events = itertools.count(1)


def decimal(text: str) -> Any:
    """Return a number as JSON would give it: whole or as written."""
    return WrittenDecimal(text) if set(text) & set(".eE") else int(text)


def _with(members: Json, over: Json) -> Json:
    return {name: value for name, value in (members | over).items() if value is not ABSENT}


def concept(system: str, code: str, text: str, **over: Any) -> Json:
    """Return a ``CodeableConcept`` with one coding."""
    return _with({"coding": [{"system": system, "code": code}], "text": text}, over)


def quantity(value: str, unit: str, code: str | None = None) -> Json:
    """Return a ``Quantity`` whose value is written as ``value``; with a UCUM ``code`` if there is one."""
    coded = {"system": UCUM, "code": code} if code else {}
    return {"value": decimal(value), "unit": unit, **coded}


def vital_code(key: str) -> Json:
    """Return the code of a vital sign by its key."""
    vital = vital_signs()[key]
    return concept(LOINC, vital.loinc[0], vital.title)


def component_json(key: str, **over: Any) -> Json:
    """Return one component with a usual value."""
    return _with({"code": vital_code(key), "valueQuantity": quantity(*USUAL[key])}, over)


def vital_reading_json(vital: str = "body-weight", operation: str = "record", **over: Any) -> Json:
    """Return a ``VitalReading``: by default a body weight of 72.50 kg, half an hour before ``NOW``."""
    action: Json = {"type": "VitalReading", "operation": operation}
    if operation == "retract":
        return _with(action | {"retractReason": "entered on the wrong patient"}, over)
    sign = vital_signs()[vital]
    action |= {
        "code": vital_code(vital),
        "effectiveDateTime": EFFECTIVE,
        "performerRole": "nurse",
        "origin": "clinicianMeasured",
    }
    if sign.units:
        action["valueQuantity"] = quantity(*USUAL[vital])
    if sign.parts:
        action["component"] = [component_json(part) for part in sign.parts]
    return _with(action, over)


def dosage_json(**over: Any) -> Json:
    """Return a ``Dosage`` of one tablet by mouth once a day, its text saying the same."""
    members = {
        "text": "Take 1 tablet by mouth once daily",
        "route": concept(SNOMED_CT, "26643006", "oral"),
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "doseAndRate": [{"doseQuantity": quantity("1", "tablet")}],
    }
    return _with(members, over)


def medication_change_json(operation: str = "start", **over: Any) -> Json:
    """Return a ``MedicationChange`` about lisinopril 10 mg tablets, with what ``operation`` needs and no more."""
    action: Json = {
        "type": "MedicationChange",
        "operation": operation,
        "medication": concept(RXNORM, "29046", "lisinopril"),
    }
    if operation in {"start", "changeDose"}:
        action |= {
            "form": {"text": "tablet"},
            "strength": {"numerator": quantity("10", "mg", "mg"), "denominator": quantity("1", "tablet")},
            "dosage": [dosage_json()],
            "informationSourceRole": "patient",
            "dateAsserted": "2026-03-10",
        }
    if operation not in {"start", "changeDose", "resume"}:
        action["statusReason"] = [{"text": "dizziness on standing up"}]
    return _with(action, over)


def medication_seen_json(**over: Any) -> Json:
    """Return what an author of a medication change had on the screen."""
    members = {
        "status": "active",
        "medication": concept(RXNORM, "29046", "lisinopril"),
        "dosage": [dosage_json(text="Take 1 tablet by mouth at bedtime", timing=ABSENT)],
    }
    return _with(members, over)


def care_message_json(operation: str = "send", **over: Any) -> Json:
    """Return a ``CareMessage`` to a practitioner about a missed dose, with what ``operation`` needs and no more."""
    action: Json = {"type": "CareMessage", "operation": operation}
    if operation == "retract":
        return _with(action | {"statusReason": {"text": "sent about another patient"}}, over)
    action |= {
        "topic": {"text": "Missed doses"},
        "payload": [{"contentString": "Ms Lopez says that she took no lisinopril since Friday."}],
        "recipient": [{"reference": "Practitioner/d1"}],
    }
    return _with(action, over)


def care_task_json(operation: str = "create", **over: Any) -> Json:
    """Return a ``CareTask`` to call the patient back, with what ``operation`` needs and no more."""
    action: Json = {"type": "CareTask", "operation": operation}
    needed: dict[str, Json] = {
        "create": {"description": "Call her about the missed doses", "owner": {"reference": "CareTeam/t1"}},
        "update": {"priority": "urgent"},
        "cancel": {"statusReason": {"text": "she came in herself"}},
    }
    return _with(action | needed.get(operation, {}), over)


def clinical_note_json(operation: str = "create", **over: Any) -> Json:
    """Return a signed progress ``ClinicalNote`` in plain text, with what ``operation`` needs and no more."""
    action: Json = {"type": "ClinicalNote", "operation": operation}
    if operation == "retract":
        return _with(action | {"retractReason": "about another patient"}, over)
    action |= {
        "docType": concept(LOINC, "11506-3", "Progress note"),
        "content": "Seen at home.\nNo complaints.",
        "date": EFFECTIVE,
        "docStatus": "final",
        "authenticator": {"reference": "Practitioner/n1"},
    }
    return _with(action, over)


def patient_json(**over: Any) -> Json:
    """Return the patient as the envelope names one, a second time by birth date and family name."""
    return _with({"reference": "Patient/p1", "birthDate": "1961-04-02", "family": "Lopez"}, over)


#: action → the entry that an update of it names, and what its author saw there.
SEEN: dict[str, tuple[str, Json]] = {
    "CareMessage": ("Communication/c3", {"topic": {"text": "Missed doses"}}),
    "ClinicalNote": ("DocumentReference/d3", {"docType": concept(LOINC, "11506-3", "Progress note")}),
    "CareTask": ("Task/t3", {"status": "requested"}),
    "PatientReportedOutcome": ("QuestionnaireResponse/q3", {"status": "completed"}),
    "ImmunizationRecord": ("Immunization/i3", {"status": "completed"}),
    "OrderRequest": ("ServiceRequest/s3", {"status": "draft"}),
    "CareGapClosure": ("Task/t4", {"status": "completed"}),
    "MedicationReconciliation": ("List/l3", {"status": "current"}),
}


def acknowledged_json(**over: Any) -> Json:
    """Return the acknowledgement of a high-risk change, a minute after its author looked."""
    members = {"by": {"system": "urn:example:staff", "value": "n-17"}, "when": "2026-03-10T14:41:00Z"}
    return _with(members, over)


#: action on the allergy or problem list → the entry that an update of it names, and what its author saw.
_ON_LISTS: dict[str, tuple[str, Json]] = {
    "AllergyUpdate": ("AllergyIntolerance/a3", {"clinicalStatus": "active", "criticality": "low"}),
    "ProblemUpdate": ("Condition/c3", {"clinicalStatus": "active", "category": "problem-list-item"}),
}


def target_json(action: Json, **over: Any) -> Json:
    """Return the target that an update of ``action`` names, with version and what was seen."""
    if action["type"] in SEEN:
        reference, seen = SEEN[action["type"]]
        members: Json = {"reference": reference, "versionId": "1", "seen": seen, "acknowledged": acknowledged_json()}
    elif action["type"] in _ON_LISTS:
        reference, seen = _ON_LISTS[action["type"]]
        members = {"reference": reference, "versionId": "7", "seen": seen, "acknowledged": acknowledged_json()}
    elif action["type"] == "MedicationChange":
        members = {
            "reference": "MedicationStatement/m3",
            "versionId": "7",
            "seen": medication_seen_json(),
            "acknowledged": acknowledged_json(),
        }
    else:
        members = {
            "reference": "Observation/o3",
            "versionId": "2",
            "seen": {"valueQuantity": quantity("75.20", "kg", "kg")},
        }
    return _with(members | {"seenAt": "2026-03-10T14:40:00Z"}, over)


def _is_update(action: Any) -> bool:
    """Whether ``action`` needs a target; what no door accepts gets none."""
    said = action if isinstance(action, dict) else {}
    spec = action_specs().get(str(said.get("type")))
    rule = spec.operations.get(str(said.get("operation"))) if spec else None
    return rule is not None and not rule.creates


def envelope_json(action: Json | None = None, **over: Any) -> Json:
    """Return a command as an app sends it; an update gets a target, and each call is a new event upstream."""
    action = vital_reading_json() if action is None else action
    members: Json = {
        "connection": "north-r4",
        "schemaVersion": "1",
        "action": action,
        "patient": patient_json(),
        "author": {"identifier": {"system": "urn:example:staff", "value": "n-17"}, "role": "nurse"},
        "app": {"version": "4.2.1"},
        "source": {"eventId": f"event-{next(_events):06d}", "channel": "telehealth"},
        "consent": {"reference": "consent-1"},
        "purposeOfUse": "TREAT",
        "reason": "home visit",
    }
    if _is_update(action):
        members["target"] = target_json(action)
    return _with(members, over)


def as_bytes(value: Json) -> bytes:
    """Return JSON as it goes over the wire, decimals as written."""
    return exact_json.dumps(value).encode()


def new_id() -> UUID:
    """Return an id from the seeded source."""
    return UUID(int=randgen.getrandbits(128), version=4)


class Makes(Protocol[Made]):
    """A factory as mypy should see it: called directly or by ``create``, it returns what it makes."""

    def __call__(self, **members: Any) -> Made: ...
    def create(self, **members: Any) -> Made: ...
    def create_batch(self, size: int, **members: Any) -> list[Made]: ...


class _Envelopes(Factory[Envelope]):
    """An :class:`Envelope` as a door would parse it; ``EnvelopeFactory(action=..., author=...)`` sets members of the JSON."""

    class Meta:
        model = Envelope

    @classmethod
    def _create(cls, model_class: type[Envelope], *_args: Any, **members: Any) -> Envelope:  # noqa: ARG003
        return envelope_from(exact_json.parse(as_bytes(envelope_json(**members))))

    _build = _create


class _Governances(Factory[Governance]):
    """A :class:`Governance` in order: consent in force as it was pinned, no switch off, no approval asked for."""

    class Meta:
        model = Governance

    consent_version = 1
    consent_version_now = SelfAttribute("consent_version")
    consent_active = True
    consent_until = None
    switches_off = ()
    switches_known = True
    approval_required = False
    approval_digest = None
    approval_until = None


class _Commands(Factory[Command]):
    """A :class:`Command` that may be sent at ``NOW``; its digest, root and target follow from its envelope and id."""

    class Meta:
        model = Command

    id = LazyFunction(new_id)
    tenant = "north"
    app = "visits"
    connection = SelfAttribute("envelope.connection")
    lane_id = 1
    lane_seq = Sequence(lambda n: n + 1)
    root = SelfAttribute("id")
    subject = LazyAttribute(lambda command: str(command.root))
    state = State.READY
    attempts = 0
    takes_back = LazyAttribute(
        lambda command: spec_for(command.envelope.action).rule(command.envelope.action).takes_back
    )
    envelope = SubFactory(_Envelopes)
    digest = LazyAttribute(lambda command: exact_json.digest(command.envelope.as_json()))
    governance = SubFactory(_Governances)
    received_at = NOW - timedelta(minutes=1)
    due_at = SelfAttribute("received_at")
    not_after = LazyAttribute(lambda command: command.envelope.not_after)
    correlation_id = Sequence(lambda n: f"correlation-{n:06d}")
    target_reference = LazyAttribute(
        lambda command: command.envelope.target.reference if command.envelope.target else None
    )


EnvelopeFactory: Makes[Envelope] = cast("Makes[Envelope]", _Envelopes)
GovernanceFactory: Makes[Governance] = cast("Makes[Governance]", _Governances)
CommandFactory: Makes[Command] = cast("Makes[Command]", _Commands)
