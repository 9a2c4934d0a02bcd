"""The types this EHR keeps, with search parameters and value sets, as data; not their definitions."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["token", "reference", "date", "string"]


@dataclass(frozen=True)
class SearchParameter:
    """One R4 search parameter: its kind and the elements it looks at (dotted, lists are walked)."""

    kind: Kind
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """One type: what it may be searched by, required bindings, and references that must be in the chart."""

    search: dict[str, SearchParameter]
    #: element → codes of its required value set
    bindings: dict[str, frozenset[str]] = field(default_factory=dict)
    #: elements whose reference must name a resource that is in the chart
    subject: str | None = None
    encounter: str | None = None


def _token(*paths: str) -> SearchParameter:
    return SearchParameter("token", paths)


def _reference(*paths: str) -> SearchParameter:
    return SearchParameter("reference", paths)


def _date(*paths: str) -> SearchParameter:
    return SearchParameter("date", paths)


def _string(*paths: str) -> SearchParameter:
    return SearchParameter("string", paths)


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IDENTIFIER = {"identifier": _token("identifier")}
_OF_PATIENT = {"patient": _reference("subject"), "subject": _reference("subject")}

_EVENT_STATUS = _codes("preparation in-progress not-done on-hold stopped completed entered-in-error unknown")

# Source: https://hl7.org/fhir/R4/searchparameter-registry.html and the required bindings of R4 4.0.1.
RESOURCE_TYPES: dict[str, ResourceType] = {
    "Patient": ResourceType(
        search={
            **_IDENTIFIER,
            "birthdate": _date("birthDate"),
            "family": _string("name.family"),
            "given": _string("name.given"),
            "name": _string("name.family", "name.given", "name.text"),
            "gender": _token("gender"),
            "active": _token("active"),
        },
        bindings={"gender": _codes("male female other unknown")},
    ),
    "Practitioner": ResourceType(search={**_IDENTIFIER, "family": _string("name.family")}),
    "RelatedPerson": ResourceType(search={**_IDENTIFIER, "patient": _reference("patient")}, subject="patient"),
    "Encounter": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "date": _date("period"),
            "status": _token("status"),
            "class": _token("class"),
        },
        bindings={
            "status": _codes("planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown")
        },
        subject="subject",
    ),
    "Observation": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("code"),
            "category": _token("category"),
            "status": _token("status"),
            "date": _date("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
            "encounter": _reference("encounter"),
        },
        bindings={
            "status": _codes("registered preliminary final amended corrected cancelled entered-in-error unknown")
        },
        subject="subject",
        encounter="encounter",
    ),
    "MedicationStatement": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("medicationCodeableConcept"),
            "category": _token("category"),
            "status": _token("status"),
            "effective": _date("effectiveDateTime", "effectivePeriod"),
            "context": _reference("context"),
        },
        bindings={"status": _codes("active completed entered-in-error intended stopped on-hold unknown not-taken")},
        subject="subject",
        encounter="context",
    ),
    "MedicationRequest": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("medicationCodeableConcept"),
            "category": _token("category"),
            "status": _token("status"),
            "intent": _token("intent"),
            "authoredon": _date("authoredOn"),
            "encounter": _reference("encounter"),
        },
        bindings={
            "status": _codes("active on-hold cancelled completed entered-in-error stopped draft unknown"),
            "intent": _codes("proposal plan order original-order reflex-order filler-order instance-order option"),
        },
        subject="subject",
        encounter="encounter",
    ),
    "Condition": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("code"),
            "category": _token("category"),
            "clinical-status": _token("clinicalStatus"),
            "verification-status": _token("verificationStatus"),
            "onset-date": _date("onsetDateTime", "onsetPeriod"),
            "recorded-date": _date("recordedDate"),
            "encounter": _reference("encounter"),
        },
        subject="subject",
        encounter="encounter",
    ),
    "AllergyIntolerance": ResourceType(
        search={
            **_IDENTIFIER,
            "patient": _reference("patient"),
            "code": _token("code", "reaction.substance"),
            "category": _token("category"),
            "clinical-status": _token("clinicalStatus"),
            "verification-status": _token("verificationStatus"),
            "criticality": _token("criticality"),
            "date": _date("recordedDate"),
        },
        bindings={"type": _codes("allergy intolerance"), "criticality": _codes("low high unable-to-assess")},
        subject="patient",
        encounter="encounter",
    ),
    "Immunization": ResourceType(
        search={
            **_IDENTIFIER,
            "patient": _reference("patient"),
            "vaccine-code": _token("vaccineCode"),
            "status": _token("status"),
            "date": _date("occurrenceDateTime"),
        },
        bindings={"status": _codes("completed entered-in-error not-done")},
        subject="patient",
        encounter="encounter",
    ),
    "Procedure": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("code"),
            "category": _token("category"),
            "status": _token("status"),
            "date": _date("performedDateTime", "performedPeriod"),
            "encounter": _reference("encounter"),
        },
        bindings={"status": _EVENT_STATUS},
        subject="subject",
        encounter="encounter",
    ),
    "DiagnosticReport": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("code"),
            "category": _token("category"),
            "status": _token("status"),
            "date": _date("effectiveDateTime", "effectivePeriod"),
            "encounter": _reference("encounter"),
        },
        subject="subject",
        encounter="encounter",
    ),
    "DocumentReference": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "status": _token("status"),
            "type": _token("type"),
            "category": _token("category"),
            "date": _date("date"),
            "period": _date("context.period"),
            "encounter": _reference("context.encounter"),
            "relatesto": _reference("relatesTo.target"),
        },
        bindings={
            "status": _codes("current superseded entered-in-error"),
            "docStatus": _codes("preliminary final amended entered-in-error"),
        },
        subject="subject",
    ),
    "Communication": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "status": _token("status"),
            "category": _token("category"),
            "sent": _date("sent"),
            "encounter": _reference("encounter"),
            "recipient": _reference("recipient"),
            "based-on": _reference("basedOn"),
        },
        bindings={"status": _EVENT_STATUS},
        subject="subject",
        encounter="encounter",
    ),
    "Task": ResourceType(
        search={
            **_IDENTIFIER,
            "patient": _reference("for"),
            "subject": _reference("for"),
            "code": _token("code"),
            "status": _token("status"),
            "intent": _token("intent"),
            "authored-on": _date("authoredOn"),
            "modified": _date("lastModified"),
            "period": _date("executionPeriod"),
            "owner": _reference("owner"),
            "encounter": _reference("encounter"),
            "focus": _reference("focus"),
            "based-on": _reference("basedOn"),
        },
        bindings={
            "status": _codes(
                "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed"
                " entered-in-error"
            ),
            "intent": _codes(
                "unknown proposal plan order original-order reflex-order filler-order instance-order option"
            ),
        },
        subject="for",
        encounter="encounter",
    ),
    "ServiceRequest": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("code"),
            "category": _token("category"),
            "status": _token("status"),
            "intent": _token("intent"),
            "authored": _date("authoredOn"),
            "occurrence": _date("occurrenceDateTime", "occurrencePeriod"),
            "encounter": _reference("encounter"),
        },
        bindings={
            "status": _codes("draft active on-hold revoked completed entered-in-error unknown"),
            "intent": _codes(
                "proposal plan directive order original-order reflex-order filler-order instance-order option"
            ),
        },
        subject="subject",
        encounter="encounter",
    ),
    "QuestionnaireResponse": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "status": _token("status"),
            "questionnaire": _token("questionnaire"),
            "authored": _date("authored"),
            "encounter": _reference("encounter"),
        },
        bindings={"status": _codes("in-progress completed amended entered-in-error stopped")},
        subject="subject",
        encounter="encounter",
    ),
    "Appointment": ResourceType(
        search={
            **_IDENTIFIER,
            "patient": _reference("participant.actor"),
            "actor": _reference("participant.actor"),
            "status": _token("status"),
            "date": _date("start"),
            "service-type": _token("serviceType"),
        },
        bindings={
            "status": _codes(
                "proposed pending booked arrived fulfilled cancelled noshow entered-in-error checked-in waitlist"
            )
        },
    ),
    "CareTeam": ResourceType(
        search={**_IDENTIFIER, **_OF_PATIENT, "status": _token("status"), "category": _token("category")},
        subject="subject",
    ),
    "CarePlan": ResourceType(
        search={**_IDENTIFIER, **_OF_PATIENT, "status": _token("status"), "date": _date("period")},
        subject="subject",
        encounter="encounter",
    ),
    "Goal": ResourceType(
        search={**_IDENTIFIER, **_OF_PATIENT, "lifecycle-status": _token("lifecycleStatus")}, subject="subject"
    ),
    "Consent": ResourceType(
        search={
            **_IDENTIFIER,
            "patient": _reference("patient"),
            "status": _token("status"),
            "category": _token("category"),
            "date": _date("dateTime"),
        },
        subject="patient",
    ),
    "List": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("code"),
            "status": _token("status"),
            "date": _date("date"),
            "item": _reference("entry.item"),
            "encounter": _reference("encounter"),
        },
        bindings={
            "status": _codes("current retired entered-in-error"),
            "mode": _codes("working snapshot changes"),
        },
        subject="subject",
        encounter="encounter",
    ),
    "MeasureReport": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "status": _token("status"),
            "measure": _token("measure"),
            "date": _date("date"),
        },
        subject="subject",
    ),
    "Device": ResourceType(search={**_IDENTIFIER, "patient": _reference("patient"), "type": _token("type")}),
    "Provenance": ResourceType(
        search={
            "target": _reference("target"),
            "agent": _reference("agent.who"),
            "recorded": _date("recorded"),
        }
    ),
}

#: What every type can be searched by.
COMMON_SEARCH: dict[str, Kind] = {"_id": "token", "_lastUpdated": "date"}
