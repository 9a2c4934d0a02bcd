"""What Canvas Medical takes its measurements in and is known to change between a write and a read. Nothing is built here.

Source: canvas-medical/documentation, ``collections/_api``, read 2026-11; each change names its page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from adapters.accepted import code_in, codings
from adapters.measured import same_amount
from adapters.r4.components import LOINC
from adapters.r4.normalisation import Normalisation, added, not_kept
from adapters.taking_back import left_as_it_was
from canonical.capabilities import Attribution, MedicationList, ProvenanceSearch
from canonical.code_systems import UCUM
from canonical.ports import Resource

DOCS = "canvas-medical/documentation, collections/_api/"
OBSERVATION, STATEMENT = DOCS + "observation.md", DOCS + "medicationstatement.md"
ALLERGY, CONDITION = DOCS + "allergyintolerance.md", DOCS + "condition.md"
TASK, MESSAGE = DOCS + "task.md", DOCS + "communication.md"
GUARD = DOCS + "conditional-requests.md"
#: It writes a Provenance of its own for every entry; the documented example names nobody in it.
MEDICATION_LIST = MedicationList(
    types=("MedicationStatement", "MedicationRequest"), source=f"{STATEMENT}, medicationrequest.md"
)
ATTRIBUTION = Attribution(provenance=ProvenanceSearch.BY_TARGET, source=DOCS + "provenance.md", confirmed=True)
FDB = "http://www.fdbhealth.com/"
FDB_ID = "Medication/fdb-"


#: LOINC → (the name that goes with it, UCUM → the vendor's word for each unit that it takes).
VITALS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "29463-7": ("Weight", {"kg": "kg", "[lb_av]": "lb", "[oz_av]": "oz"}),
    "8302-2": ("Height", {"cm": "cm", "[in_i]": "in"}),
    "8867-4": ("Pulse", {"/min": "bpm"}),
    "8310-5": ("Body Temperature", {"[degF]": "°F"}),
    "59408-5": ("Oxygen Saturation", {"%": "%"}),
    "9279-1": ("Respiration Rate", {"/min": "bpm"}),
    "56086-2": ("Waist Circumference", {"cm": "cm", "[in_i]": "in"}),
}
_UCUM_OF = {word: code for _, units in VITALS.values() for code, word in units.items()} | {"mmHg": "mm[Hg]"}


def _ucum(quantity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a quantity with its UCUM code: the vendor takes and states units by words of its own."""
    code = quantity.get("code") or _UCUM_OF.get(str(quantity.get("unit")))
    return {**quantity, "system": UCUM, "code": code}


def _same_value(sent: Resource, stored: Resource) -> bool:
    one, other = sent.get("valueQuantity"), stored.get("valueQuantity")
    return bool(one and other) and same_amount(_ucum(one or {}), _ucum(other or {}))


def _same_parts(sent: Resource, stored: Resource) -> bool:
    one, other = _parts(sent), _parts(stored)
    return one.keys() == other.keys() and all(same_amount(item, other[code]) for code, item in one.items())


def _parts(resource: Resource) -> dict[str | None, Mapping[str, Any]]:
    return {
        code_in(item.get("code"), LOINC): _ucum({"unit": "mmHg", **item.get("valueQuantity", {})})
        for item in resource.get("component", [])
    }


def _same_medication(sent: Resource, stored: Resource) -> bool:
    """Whether what is given back, which carries every coding of the medication, is the one that was sent."""
    reference = sent.get("medicationReference", {}).get("reference", "")
    meant = [(FDB, reference.removeprefix(FDB_ID))] if reference.startswith(FDB_ID) else []
    meant += [(str(item.get("system")), str(item["code"])) for item in codings(sent.get("medicationCodeableConcept"))]
    here = stored.get("medicationCodeableConcept")
    return any(code_in(here, system) == code for system, code in meant)


def _filed_as_confirmed(sent: Resource, stored: Resource) -> bool:
    said = [item["code"] for item in codings(stored.get("verificationStatus"))]
    return sent.get("verificationStatus") is None and said == ["confirmed"]


def _has_comments(sent: Resource, stored: Resource) -> bool:
    here = [item.get("text") for item in stored.get("note", [])]
    return all(item.get("text") in here for item in sent.get("note", []))


def _same_message(sent: Resource, stored: Resource) -> bool:
    return _texts(sent) == _texts(stored)


def _texts(message: Resource) -> list[str]:
    """Return the words of a message without marks of HTML."""
    bare = (re.sub(r"<[^<>]*>", " ", str(item.get("contentString", ""))) for item in message.get("payload", []))
    return [" ".join(unescape(text).split()) for text in bare]


def _change(resource_type: str, element: str, what: str, source: str, same: Any, *also: str) -> Normalisation:
    return Normalisation(resource_type=resource_type, element=element, what=what, source=source, same=same, also=also)


NORMALISATIONS = (
    _change("Observation", "valueQuantity", "given back in another unit, rounded", OBSERVATION, _same_value),
    _change("Observation", "component", "given back with the unit spelled out", OBSERVATION, _same_parts),
    added("Observation", "category", what="vital-signs, which a create does not state", source=OBSERVATION),
    added("Observation", "derivedFrom", what="the panel that it makes for the reading", source=OBSERVATION),
    added("Observation", "performer", what="its own user, where none was sent", source=OBSERVATION),
    not_kept("Observation", "encounter", source=OBSERVATION),
    *(
        _change(
            "MedicationStatement", element, "given back by all codes it has", STATEMENT, _same_medication, "medication"
        )
        for element in ("medicationCodeableConcept", "medicationReference")
    ),
    added("MedicationStatement", "effectivePeriod", what="starts when it was written", source=STATEMENT),
    not_kept("MedicationStatement", "context", source=STATEMENT, also=("encounter",)),
    _change(
        "AllergyIntolerance", "verificationStatus", "confirmed, as it files every one", ALLERGY, _filed_as_confirmed
    ),
    added("AllergyIntolerance", "recorder", what="its own user, where none was sent", source=ALLERGY),
    added("Condition", "recorder", what="its own user, where none was sent", source=CONDITION),
    *left_as_it_was("AllergyIntolerance", ALLERGY),
    *left_as_it_was("Condition", CONDITION),
    _change("Task", "note", "new comments are added to those it has", TASK, _has_comments),
    added("Task", "authoredOn", what="when it was written, where none was sent", source=TASK),
    added("Task", "note", what="comments that it has already", source=TASK),
    _change("Communication", "payload", "text given back as HTML", MESSAGE, _same_message),
    added("Communication", "received", what="when it was written", source=MESSAGE),
    added("Communication", "sent", what="when it was written, where none was sent", source=MESSAGE),
    not_kept("Communication", "subject", source=MESSAGE),
    not_kept("Communication", "encounter", source=MESSAGE),
)
