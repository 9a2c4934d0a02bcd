"""What an EHR has a place for: fields beyond it, texts that are too long and codes without a counterpart are never sent.

Refused, not dropped or cut: what a chart leaves out unsaid, its readers take for not so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from adapters.r4.change import Change
from adapters.site import Site
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.ports import Resource

#: Fields that belong to our own record and reach no chart.
_OURS = frozenset({"confirmed", "medicationTermType"})
#: Option of a connection: fields of :data:`ATTRIBUTION` that its hospital accepts to have in our record only.
LEAVES_OUT = "leaves_out"
#: Who said it, when and through what: the only fields that may be left to our record. Never what is said of the patient.
ATTRIBUTION = frozenset(
    {
        *("performer", "performerRole", "verifiedBy", "issued", "origin", "device", "panel", "derivedFrom"),
        *("informationSource", "informationSourceRole", "dateAsserted", "prescriber", "prescriberAbsent", "basedOn"),
        *("recorder", "asserter", "recordedDate", "author", "authenticator", "sender", "sent", "requester", "category"),
    }
)
#: Option of a connection: kind of code → ``system|code`` of ours → the EHR's own code, or several to choose from.
CODES = "codes"


class UnmappedCodeError(NeedsPersonError):
    """The EHR knows no single code for what is meant; a person must choose among ``candidates`` (its own codes)."""

    def __init__(self, kind: str, candidates: tuple[str, ...] = (), *, concept: Any = None) -> None:
        """Carry the kind of code and what there is to choose from, which the message does not repeat."""
        meant = next((f"{item.get('system', '')}|{item['code']}" for item in codings(concept)), "not-coded")
        found = f"{len(candidates)} of the EHR's codes" if candidates else "none of the EHR's codes"
        super().__init__("unmapped_code", f"The connection maps the {kind} to {found}; one is needed.", code=meant)
        self.candidates = candidates


def taken(change: Change, fields: Iterable[str]) -> Change:
    """Return ``change`` with the content among ``fields``.

    Raises :class:`UnsupportedActionError` naming the fields that would be lost, but for those of :data:`ATTRIBUTION` that
    the connection leaves out by its option.
    """
    kept = set(fields)
    said = {name for name, value in change.content.items() if value is not None} - _OURS
    lost = sorted(said - kept - (ATTRIBUTION & set(change.site.options.get(LEAVES_OUT, ()))))
    if lost:
        raise UnsupportedActionError(f"this EHR has no place for {', '.join(lost)}")
    return replace(change, content={name: value for name, value in change.content.items() if name in kept})


def outside_encounter(change: Change) -> Change:
    """Return ``change`` without its encounter, for an EHR that files such an entry under none.

    Raises :class:`UnsupportedActionError` where it has one and the connection does not leave ``encounter`` out.
    """
    if change.encounter is not None and "encounter" not in change.site.options.get(LEAVES_OUT, ()):
        raise UnsupportedActionError("this EHR has no place for the encounter of such an entry")
    return replace(change, encounter=None)


def within(text: str, most: int, what: str) -> str:
    """Return ``text`` if it has at most ``most`` characters; raises :class:`UnsupportedActionError`, it is never cut."""
    if len(text) > most:
        raise UnsupportedActionError(f"this EHR takes at most {most} characters of {what}")
    return text


def codings(concept: Any) -> list[Mapping[str, Any]]:
    """Return the codings of a ``CodeableConcept`` that have a code."""
    found = concept.get("coding", []) if isinstance(concept, Mapping) else []
    return [item for item in found if item.get("code")]


def code_in(concept: Any, system: str) -> str | None:
    """Return the code of ``concept`` in ``system``, if it has exactly one."""
    found = {str(item["code"]) for item in codings(concept) if item.get("system") == system}
    return found.pop() if len(found) == 1 else None


def own_code(site: Site, kind: str, concept: Any) -> str:
    """Return the EHR's own code for ``concept`` by the connection's map; raises :class:`UnmappedCodeError`, never guesses."""
    table = site.options.get(CODES, {}).get(kind, {})
    found: set[str] = set()
    for coding in codings(concept):
        mapped = table.get(f"{coding.get('system', '')}|{coding['code']}", ())
        found |= {mapped} if isinstance(mapped, str) else {str(item) for item in mapped}
    if len(found) != 1:
        raise UnmappedCodeError(kind, tuple(sorted(found)), concept=concept)
    return found.pop()


def codes_for(site: Site, kind: str, own: str) -> list[dict[str, str]]:
    """Return the codings of ours that the connection maps to one of the EHR's own codes."""
    table = site.options.get(CODES, {}).get(kind, {})
    keys = sorted(key for key, mapped in table.items() if own in ([mapped] if isinstance(mapped, str) else mapped))
    return [{"system": key.rpartition("|")[0], "code": key.rpartition("|")[2]} for key in keys]


def is_refuted(resource: Resource) -> bool:
    """Whether a resource says of itself that what it states was found not to be so."""
    return any(item["code"] == "refuted" for item in codings(resource.get("verificationStatus")))


def takes_back(resource: Resource) -> bool:
    """Whether a resource says of itself that it was entered in error."""
    verification = codings(resource.get("verificationStatus"))
    return resource.get("status") == "entered-in-error" or any(
        item["code"] == "entered-in-error" for item in verification
    )
