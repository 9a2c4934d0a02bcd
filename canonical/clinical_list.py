"""What the entries of an allergy or problem list say of themselves, in canonical words: which hold now. It judges no content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canonical.envelope import Envelope

Entry = Mapping[str, Any]
#: Verification by which an entry says nothing of the patient any more. Source: HL7 FHIR R4, ``verificationStatus``.
_NOT_SO = frozenset({"refuted", "entered-in-error"})
#: Clinical statuses of what is over. Source: HL7 FHIR R4, ``clinicalStatus`` of AllergyIntolerance and Condition.
_OVER = frozenset({"inactive", "resolved", "remission"})


def is_active(entry: Entry) -> bool:
    """Whether an entry holds now; one whose status is not stated, or not one of FHIR's, does."""
    return not (_said(entry, "verificationStatus", _NOT_SO) or _said(entry, "clinicalStatus", _OVER))


def _said(entry: Entry, name: str, codes: frozenset[str]) -> bool:
    status = entry.get(name)
    return isinstance(status, str) and status in codes


def others(envelope: Envelope, entries: Iterable[Entry]) -> Sequence[Entry]:
    """Return the active ``entries`` without the one that the envelope is about."""
    target = envelope.target.reference if envelope.target else None
    return [entry for entry in entries if is_active(entry) and entry.get("reference") != target]
