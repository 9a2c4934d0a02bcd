"""Finding an entry by what it says, where our identifier is not kept: patient, code and clinical time. It never writes.

A search narrows, the content decides: an entry is the one meant only if nothing differs beyond what the EHR is known to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from adapters.r4.operation_outcome import failures, json_object
from adapters.versions import version_of
from adapters.wire import Answer
from canonical import exact_json
from canonical.errors import NeedsPersonError
from canonical.outcome import ProbeResult, ProbeVerdict
from canonical.ports import Operation, Resource

PATIENTS = ("subject", "patient", "for")
CODES = ("code", "type", "vaccineCode", "medicationCodeableConcept")
TIMES = ("effectiveDateTime", "occurrenceDateTime", "date", "sent", "authoredOn", "authored")

#: Elements by which an entry is told from others of its type: what it is about, and when it was so.
TELLING = frozenset(
    {
        *("code", "vaccineCode", "medicationCodeableConcept", "medicationReference", "description"),
        *("effectiveDateTime", "occurrenceDateTime"),
    }
)

#: resource type → search parameters beside the patient: name → elements it is taken from, the first there is.
Keys = Mapping[str, Mapping[str, Sequence[str]]]
KEYS: Keys = {
    "Observation": {"code": ("code",), "date": ("effectiveDateTime",)},
    "MedicationStatement": {"code": ("medicationCodeableConcept",)},
    "Immunization": {"vaccine-code": ("vaccineCode",)},
    "DocumentReference": {"type": ("type",)},
    "AllergyIntolerance": {"code": ("code",)},
    "Condition": {"code": ("code",)},
}


def telling(said: Resource, entry: Resource) -> set[str]:
    """Return the elements of ``said`` that can tell it from ``entry``.

    Codes of systems of which neither states the other's may mean the same: they tell nothing apart.
    """
    return {name for name in TELLING & said.keys() if _is_comparable(said[name], entry.get(name))}


def _is_comparable(one: Any, other: Any) -> bool:
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return True
    systems, others = (
        {coding.get("system") for coding in concept.get("coding", []) if coding.get("code")} for concept in (one, other)
    )
    return bool(systems & others) or not systems | others


def patient_of(resource: Resource) -> str:
    """Return the patient that a resource is about, as ``Type/id``; empty where it names none."""
    found = (resource.get(element) for element in PATIENTS)
    return next((str(item["reference"]) for item in found if isinstance(item, Mapping) and "reference" in item), "")


def entries_path(resource_type: str, patient: str) -> str:
    """Return the search for all entries of a type that the chart has of ``patient`` (``Patient/id``)."""
    return f"{resource_type}?patient={quote(patient.removeprefix('Patient/'), safe='')}"


def natural_path(resource: Resource, keys: Keys = KEYS) -> str:
    """Return the search that finds ``resource`` by what it says, encoded."""
    name = str(resource["resourceType"])
    found = [(parameter, _text(resource, elements)) for parameter, elements in keys.get(name, {}).items()]
    more = "".join(f"&{parameter}={quote(text, safe='')}" for parameter, text in found if text)
    return entries_path(name, patient_of(resource)) + more


def _text(resource: Resource, elements: Sequence[str]) -> str:
    value = next((resource[element] for element in elements if element in resource), None)
    return _token(value) if isinstance(value, Mapping) else str(value or "")


def _token(concept: Mapping[str, Any]) -> str:
    coding = next((item for item in concept.get("coding", []) if item.get("code")), None)
    return f"{coding.get('system', '')}|{coding['code']}" if coding else ""


def entries(answer: Answer) -> list[Resource] | None:
    """Return the matches of a search, or ``None`` where the answer is none, is cut into pages, or says that it failed."""
    bundle = json_object(answer.body) if answer.status == 200 else None
    if bundle is None or bundle.get("resourceType") != "Bundle" or failures(answer):
        return None
    if any(link.get("relation") == "next" for link in bundle.get("link", [])):
        return None
    found = (item for item in bundle.get("entry", []) if item.get("search", {}).get("mode", "match") == "match")
    return [item["resource"] for item in found if isinstance(item.get("resource"), Mapping)]


def same(found: Sequence[Resource], differs: Callable[[Resource], Sequence[str]]) -> list[Resource]:
    """Return the entries in which nothing ``differs``."""
    return [resource for resource in found if isinstance(resource.get("id"), str) and not differs(resource)]


def twins(answer: Answer, differs: Callable[[Resource], Sequence[str]]) -> tuple[str, ...]:
    """Return the references of entries that say the same.

    Raises :class:`NeedsPersonError` ``not_readable`` where the answer cannot tell: nobody could look the write up later.
    """
    found = entries(answer)
    if found is None:
        raise NeedsPersonError("not_readable", "The EHR did not say what the chart has already.")
    return tuple(f"{item['resourceType']}/{item['id']}" for item in same(found, differs))


def read_created(
    operation: Operation, answer: Answer, differs: Callable[[Resource], Sequence[str]], *, hidden: bool
) -> ProbeResult:
    """Return what a search by content proves of a create; ``hidden``: the EHR shows it only once its staff accepted it.

    Nothing said the same before it was first sent (see :func:`twins`), so what does now is ours.
    """
    found = entries(answer)
    if found is None:
        return _cannot_tell("the answer is no complete search result")
    ours = same(found, differs)
    if len(ours) == 1:
        return applied(operation, ours[0])
    if ours:
        return _cannot_tell(f"{len(ours)} entries say the same")
    if hidden:
        return _cannot_tell("what the EHR holds for review is not shown")
    return ProbeResult(verdict=ProbeVerdict.NOT_APPLIED, detail="no entry says the same")


def read_updated(
    operation: Operation, resource: Resource, version: str | None, differs: Callable[[Resource], Sequence[str]]
) -> ProbeResult:
    """Return what a read by id proves of an update on an EHR that keeps no mark of ours."""
    if not differs(resource):
        return applied(operation, resource, version)
    if version is not None and version == operation.if_match:
        return ProbeResult(verdict=ProbeVerdict.NOT_APPLIED, detail="the entry is still as it was before")
    return _cannot_tell("the entry changed and does not say what was sent")


def applied(operation: Operation, resource: Resource, version: str | None = None) -> ProbeResult:
    """Return that ``resource`` is what ``operation`` wrote."""
    return ProbeResult(
        verdict=ProbeVerdict.APPLIED,
        reference=f"{operation.resource_type}/{resource['id']}",
        version=version or version_of(resource),
        body=exact_json.dumps(resource).encode(),
    )


def _cannot_tell(detail: str) -> ProbeResult:
    return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail=detail)
