"""In which direction the statuses of R4 entries go, as data: what is final does not become preliminary, an error stays one.

Statuses between which clinicians go to and fro (active and on hold) are of one rank. It says nothing of who may make a step.

Source: HL7 FHIR R4 (4.0.1), the required value sets of ``status`` and ``docStatus`` of each type, and their state machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from adapters.accepted import takes_back
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

IN_ERROR = "entered-in-error"
#: (type, element) → statuses by rank; what is not listed has no rank and goes anywhere.
ORDER: Mapping[tuple[str, str], Sequence[frozenset[str]]] = MappingProxyType(
    {
        ("Observation", "status"): (
            frozenset({"registered"}),
            frozenset({"preliminary"}),
            frozenset({"final"}),
            frozenset({"amended", "corrected"}),
            frozenset({"cancelled"}),
        ),
        ("DocumentReference", "status"): (frozenset({"current"}), frozenset({"superseded"})),
        ("DocumentReference", "docStatus"): (
            frozenset({"preliminary"}),
            frozenset({"final"}),
            frozenset({"amended"}),
        ),
        ("QuestionnaireResponse", "status"): (
            frozenset({"in-progress"}),
            frozenset({"completed", "stopped"}),
            frozenset({"amended"}),
        ),
        ("Communication", "status"): (
            frozenset({"preparation"}),
            frozenset({"in-progress", "on-hold"}),
            frozenset({"completed", "stopped", "not-done"}),
        ),
        ("Task", "status"): (
            frozenset({"draft"}),
            frozenset({"requested", "received", "accepted", "ready", "in-progress", "on-hold"}),
            frozenset({"completed", "cancelled", "rejected", "failed"}),
        ),
        ("ServiceRequest", "status"): (
            frozenset({"draft"}),
            frozenset({"active", "on-hold"}),
            frozenset({"completed", "revoked"}),
        ),
        ("MedicationRequest", "status"): (frozenset({"draft"}), frozenset({"active", "on-hold"})),
        ("MedicationStatement", "status"): (frozenset({"intended"}), frozenset({"active", "on-hold"})),
    }
)


def check_forward(before: Resource, after: Resource) -> None:
    """Pass only an ``after`` in which no status of ``before`` (R4, of one type) goes back.

    Raises :class:`NeedsPersonError` ``status_backwards``: send nothing.
    """
    check_not_in_error(before, takes_back_too=takes_back(after))
    for (resource_type, element), ranks in ORDER.items():
        if before.get("resourceType") != resource_type:
            continue
        was, becomes = (_rank(ranks, resource.get(element)) for resource in (before, after))
        if was is not None and becomes is not None and becomes < was:
            raise NeedsPersonError("status_backwards", f"The chart is further on: its {element} would go back.")


def check_not_in_error(before: Resource, *, takes_back_too: bool) -> None:
    """Pass an entry that is no error, or one that is to stay one.

    Raises :class:`NeedsPersonError` ``status_backwards``: send nothing.
    """
    if not takes_back_too and (takes_back(before) or before.get("docStatus") == IN_ERROR):
        raise NeedsPersonError("status_backwards", "The chart has marked the entry as an error, and that is for good.")


def _rank(ranks: Sequence[frozenset[str]], status: object) -> int | None:
    return next((at for at, statuses in enumerate(ranks) if status in statuses), None)
