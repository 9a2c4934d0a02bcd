"""What people call the fields of an action: FHIR's names are kept in the data and shown to nobody. Not what a field says."""

from __future__ import annotations

from collections.abc import Mapping

from canonical.plain_values import words

#: Fields whose name in words would still be a machine's; any other is its own name in words.
_CALLED: Mapping[str, str] = {
    "authoredOn": "ordered on",
    "basedOn": "based on",
    "dateAsserted": "stated on",
    "effectiveDateTime": "time",
    "effectivePeriod": "taken",
    "informationSourceRole": "told by",
    "medicationCodeableConcept": "medicine",
    "medicationTermType": "kind of name",
    "onsetDateTime": "onset",
    "performerRole": "measured by",
    "valueQuantity": "value",
    "valueCodeableConcept": "value",
    "valueString": "value",
}
#: Whose entry it is stands in the banner; what a code is of, nobody reads.
UNTOLD = frozenset({"subject", "patient", "encounter", "context", "basedOn", "requester", "medicationTermType"})


def field_label(name: str) -> str:
    """Return what people call a field, in lower case: ``valueQuantity`` is ``value``."""
    return _CALLED.get(name, words(name))
