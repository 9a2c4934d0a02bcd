"""``AllergyUpdate`` as an R4 AllergyIntolerance, told once for writing and reading. Codes go out as written, never translated.

What an app records is ``unconfirmed``: confirming is the hospital's own. A refuted entry keeps a clinical status, ``inactive``,
because ait-1 asks for one of everything that is no error; an entry in error has none (ait-2).

Source: HL7 FHIR R4 (4.0.1) AllergyIntolerance; US Core AllergyIntolerance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.r4.change import Change, Handler, Revision, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.clinical_status import Statuses, StatusMove
from adapters.r4.comparable import comparable
from adapters.r4.fields import Field, agree, appended, choice, plain, put
from adapters.r4.invariants import ALLERGY_CLINICAL, ALLERGY_VERIFICATION
from adapters.r4.patients import patient_reference
from canonical.allergy_lists import contradicts, none_known_code, none_known_scope
from canonical.allergy_rules import TAKES
from canonical.errors import NeedsPersonError
from canonical.onset import elements
from canonical.ports import Resource

TYPE = "AllergyIntolerance"
_CLINICAL: frozenset[str | None] = frozenset({"active", "inactive", "resolved", None})
_VERIFICATION: frozenset[str | None] = frozenset({"unconfirmed", "confirmed", None})
_ACTIVE: frozenset[str | None] = frozenset({"active", None})
STATUSES = Statuses(
    clinical_system=ALLERGY_CLINICAL,
    verification_system=ALLERGY_VERIFICATION,
    moves={
        "update": StatusMove(clinical_from=_CLINICAL, verification_from=_VERIFICATION),
        "addReaction": StatusMove(clinical_from=_ACTIVE, verification_from=_VERIFICATION),
        "removeReaction": StatusMove(clinical_from=_CLINICAL, verification_from=_VERIFICATION),
        "inactivate": StatusMove(clinical_from=_ACTIVE, verification_from=_VERIFICATION, clinical="inactive"),
        "resolve": StatusMove(
            clinical_from=_ACTIVE | {"inactive"}, verification_from=_VERIFICATION, clinical="resolved"
        ),
        "refute": StatusMove(
            clinical_from=_CLINICAL, verification_from=_VERIFICATION, clinical="inactive", verification="refuted"
        ),
        "retract": StatusMove(
            clinical_from=_CLINICAL,
            verification_from=_VERIFICATION | {"refuted"},
            clinical=None,
            verification="entered-in-error",
        ),
        "withdrawNoneKnown": StatusMove(clinical_from=_ACTIVE, verification_from=_VERIFICATION, clinical="inactive"),
    },
)


def _write_scope(resource: Resource, value: Any) -> None:
    put(resource, "code", None if value is None else none_known_code(value))


#: Every field of ``AllergyUpdate`` that reaches the chart; ``changeReason`` becomes a note.
FIELDS: tuple[Field, ...] = (
    plain("code"),
    Field(name="noneKnownScope", read=lambda resource: none_known_scope(resource.get("code")), write=_write_scope),
    plain("allergyType", "type"),
    plain("category"),
    plain("criticality"),
    *(choice(name, elements("onset")) for name in elements("onset")),
    plain("lastOccurrence"),
    plain("reaction"),
    plain("asserter"),
    plain("recorder"),
    plain("recordedDate"),
    appended("note"),
)
#: operation → fields it writes besides ``note``; what it takes and does not write names the entry meant.
WRITES: Mapping[str, tuple[str, ...]] = {
    "update": tuple(name for name in TAKES["update"] if name != "note"),
    "addReaction": ("lastOccurrence",),
    **dict.fromkeys(("removeReaction", "inactivate", "resolve", "refute", "retract", "withdrawNoneKnown"), ()),
}


def record(change: Change) -> Resource:
    """Build the AllergyIntolerance of an allergy newly documented."""
    return _new(change, verification="unconfirmed")


def assert_none_known(change: Change) -> Resource:
    """Build the AllergyIntolerance that says that nothing is known in a scope; it is certain that it was said."""
    return _new(change, verification="confirmed")


def _new(change: Change, *, verification: str) -> Resource:
    refuse_besides(change, TAKES[change.operation])
    resource = new_resource(TYPE, change)
    STATUSES.begin(resource, clinical="active", verification=verification)
    put(resource, "encounter", change.encounter)
    write_fields(resource, FIELDS, change.content)
    return resource


def update(change: Change) -> Resource:
    """Build the target after the change.

    Raises :class:`NeedsPersonError` ``status_ended``, ``other_allergy``, or what :func:`_react` does: send nothing.
    """
    refuse_besides(change, TAKES[change.operation])
    resource = copy_of_current(change)
    _check_named(change, resource)
    STATUSES.move(resource, change.operation)
    _react(change, resource)
    said = {name: value for name, value in change.content.items() if name in WRITES[change.operation]}
    reason = change.content.get("changeReason")
    notes = [*(change.content.get("note") or []), *([{"text": reason}] if reason else [])]
    write_fields(resource, FIELDS, {**said, **({"note": notes} if notes else {})})
    return resource


def _check_named(change: Change, resource: Resource) -> None:
    """The action and the target speak of the same: an allergy to the same, or "nothing known" in the same scope."""
    scope, here = change.content.get("noneKnownScope"), none_known_scope(resource.get("code"))
    named = None if change.operation == "update" else change.content.get("code")
    if scope != here or (named is not None and not agree(named, resource.get("code"))):
        raise NeedsPersonError("other_allergy", "The target is another entry than the action names.")


def _react(change: Change, resource: Resource) -> None:
    """Add or remove one reaction by name; the others stay as they are.

    Raises :class:`NeedsPersonError` ``possible_duplicate``, ``reaction_not_found`` or ``reaction_ambiguous``.
    """
    if change.operation not in {"addReaction", "removeReaction"}:
        return
    (named,) = change.content["reaction"]
    here, base = list(resource.get("reaction", [])), change.site.base_url
    if change.operation == "addReaction":
        if any(comparable(one, base) == comparable(named, base) for one in here):
            raise NeedsPersonError("possible_duplicate", "The entry has this very reaction already.")
        put(resource, "reaction", [*here, named])
        return
    found = [at for at, one in enumerate(here) if _is_named(named, one, base)]
    if not found:
        raise NeedsPersonError("reaction_not_found", "The entry has no reaction of this name.")
    if len(found) > 1:
        raise NeedsPersonError("reaction_ambiguous", "The entry has several reactions of this name.")
    put(resource, "reaction", [one for at, one in enumerate(here) if at != found[0]])


def _is_named(named: Mapping[str, Any], reaction: Mapping[str, Any], base: str) -> bool:
    """A reaction is named by all its manifestations, and by whatever else its author stated of it."""
    said, here = named["manifestation"], reaction.get("manifestation", [])
    same = (
        len(said) == len(here)
        and all(any(agree(one, other) for other in here) for one in said)
        and all(any(agree(one, other) for one in said) for other in here)
    )
    further = (name for name in named if name != "manifestation")
    return same and all(comparable(named[name], base) == comparable(reaction.get(name), base) for name in further)


def retire_none_known(change: Change) -> Sequence[Revision]:
    """Return the statements that nothing is known which an allergy makes untrue, as they are to be afterwards: inactive.

    Raises :class:`NeedsPersonError` ``wrong_patient`` where the EHR gave another patient's entries: send nothing.
    """
    code, categories = change.content.get("code"), change.content.get("category") or ()
    found = []
    for entry in change.beside:
        if patient_reference(entry, change.site.base_url) != change.patient:
            raise NeedsPersonError("wrong_patient", "The EHR gave entries of another patient than was asked for.")
        scope = none_known_scope(entry.get("code"))
        untrue = scope is not None and contradicts(scope, code=code, categories=categories) is True
        if untrue and STATUSES.is_active(entry):
            after = copy_of_current(replace(change, current=entry, security=[]))
            STATUSES.move(after, "withdrawNoneKnown")
            found.append(Revision(before=entry, after=after))
    return found


_UPDATE = Handler(resource_type=TYPE, build=update)
HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("AllergyUpdate", "record"): Handler(resource_type=TYPE, build=record, creates=True, entails=retire_none_known),
    ("AllergyUpdate", "assertNoneKnown"): Handler(resource_type=TYPE, build=assert_none_known, creates=True),
    **{("AllergyUpdate", operation): _UPDATE for operation in WRITES},
}
