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
            "encounter": _reference("encounter"),
        },
        subject="subject",
        encounter="encounter",
    ),
    "AllergyIntolerance": ResourceType(
        search={**_IDENTIFIER, "patient": _reference("patient"), "code": _token("code")}, subject="patient"
    ),
    "DiagnosticReport": ResourceType(
        search={
            **_IDENTIFIER,
            **_OF_PATIENT,
            "code": _token("code"),
            "status": _token("status"),
            "date": _date("effectiveDateTime", "effectivePeriod"),
        },
        subject="subject",
    ),
    "DocumentReference": ResourceType(
        search={**_IDENTIFIER, **_OF_PATIENT, "status": _token("status"), "type": _token("type")},
        bindings={"status": _codes("current superseded entered-in-error")},
        subject="subject",
    ),
    "Communication": ResourceType(
        search={**_IDENTIFIER, **_OF_PATIENT, "status": _token("status"), "encounter": _reference("encounter")},
        bindings={
            "status": _codes("preparation in-progress not-done on-hold stopped completed entered-in-error unknown")
        },
        subject="subject",
        encounter="encounter",
    ),
    "Task": ResourceType(
        search={**_IDENTIFIER, "patient": _reference("for"), "subject": _reference("for"), "status": _token("status")},
        bindings={
            "status": _codes(
                "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed"
                " entered-in-error"
            )
        },
        subject="for",
        encounter="encounter",
    ),
    "Provenance": ResourceType(search={"target": _reference("target"), "recorded": _date("recorded")}),
}

#: What every type can be searched by.
COMMON_SEARCH: dict[str, Kind] = {"_id": "token", "_lastUpdated": "date"}
