"""What an allergy entry may say: which fields an operation takes, codes, reactions, times and wording; not what the chart has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canonical.action import Finding
from canonical.allergy_lists import allergy_lists, none_known_scope, reads_as_none_known
from canonical.clinical_context import birth_errors, future_errors, note_times
from canonical.code_systems import NDC
from canonical.concepts import syntax_errors, words
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.onset import choice_errors, elements
from canonical.reference_types import PEOPLE, reference_errors
from canonical.wording import holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from canonical.actions.allergy_update import AllergyUpdate
    from canonical.datatypes import CodeableConcept
    from canonical.envelope import Envelope

_FRAME = frozenset({"type", "operation"})
_DESCRIPTION = (
    "code",
    "allergyType",
    "category",
    "criticality",
    *elements("onset"),
    "lastOccurrence",
    "asserter",
    "note",
)
_SOURCE = ("asserter", "recorder", "recordedDate", "note")
_TAKEN_OFF = ("code", "changeReason", "note")
#: operation → fields it takes. Where ``code`` is not written it names the allergy meant, as its author saw it.
TAKES: Mapping[str, tuple[str, ...]] = {
    "record": (*_DESCRIPTION, "reaction", "recorder", "recordedDate"),
    "update": _DESCRIPTION,
    "addReaction": ("code", "reaction", "lastOccurrence", "note"),
    "removeReaction": (*_TAKEN_OFF, "reaction"),
    "inactivate": _TAKEN_OFF,
    "resolve": _TAKEN_OFF,
    "refute": _TAKEN_OFF,
    "retract": (*_TAKEN_OFF, "noneKnownScope"),
    "assertNoneKnown": ("noneKnownScope", *_SOURCE),
    "withdrawNoneKnown": ("noneKnownScope", "changeReason", "note"),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "record": ("code",),
    "addReaction": ("code", "reaction"),
    "removeReaction": ("code", "reaction", "changeReason"),
    "inactivate": ("code", "changeReason"),
    "resolve": ("code", "changeReason"),
    "refute": ("code", "changeReason"),
    "retract": ("changeReason",),
    "assertNoneKnown": ("noneKnownScope",),
    "withdrawNoneKnown": ("noneKnownScope",),
}
#: What ``update`` may clear by ``null``; a risk is never cleared, it is said to be ``unable-to-assess``.
CLEARABLE = frozenset({"allergyType", *elements("onset"), "lastOccurrence", "asserter"})
_ONE_REACTION = frozenset({"addReaction", "removeReaction"})
#: Operations that say something about what the patient reacts to.
_DESCRIBES = frozenset({"record", "update", "addReaction"})


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def presence_errors(action: AllergyUpdate) -> list[FieldError]:
    """Return what an operation lacks, has without taking it, or cannot clear."""
    foreign = sorted(stated(action) - _FRAME - set(TAKES[action.operation]))
    detail = f"'{action.operation}' does not have it"
    if foreign == ["reaction"]:
        detail = "a reaction is added or removed by name: 'addReaction', 'removeReaction'"
    wrong = [
        *required_errors(action, REQUIRED.get(action.operation, ())),
        *unwanted_errors(action, foreign, detail),
        *clear_errors(action, CLEARABLE if action.operation == "update" else ()),
    ]
    if action.operation == "update" and not set(action.as_json()) - _FRAME:
        wrong.append(FieldError(pointer="/action", code="nothing-to-change", detail="state what is to be changed"))
    if action.operation == "retract" and (action.code is None) == (action.none_known_scope is None):
        wrong.append(_error("code", "one-of", "name what is retracted by 'code' or by 'noneKnownScope'"))
    if action.operation in _ONE_REACTION and len(action.reaction or ()) > 1:
        wrong.append(_error("reaction", "one-reaction", "one reaction at a time"))
    return wrong


def concepts(action: AllergyUpdate) -> Iterator[tuple[str, CodeableConcept]]:
    """Yield every coded field with its pointer."""
    if action.code is not None:
        yield "/action/code", action.code
    for at, reaction in enumerate(action.reaction or ()):
        here = f"/action/reaction/{at}"
        for number, manifestation in enumerate(reaction.manifestation):
            yield f"{here}/manifestation/{number}", manifestation
        if reaction.substance is not None:
            yield f"{here}/substance", reaction.substance
        if reaction.exposure_route is not None:
            yield f"{here}/exposureRoute", reaction.exposure_route


def code_errors(action: AllergyUpdate) -> list[FieldError]:
    """Return what is wrong with the codes: impossible ones, products for substances, "nothing known" for an allergy."""
    wrong = [error for pointer, concept in concepts(action) for error in syntax_errors(pointer, concept)]
    code = action.code.as_json() if action.code else None
    if action.operation in {"record", "update"} and code is not None:
        if any(coding.get("system") == NDC for coding in code.get("coding", [])):
            detail = "this is a package: name the substance or its class, which we never derive from a product"
            wrong.append(_error("code", "product-code", detail))
        if none_known_scope(code) is not None or reads_as_none_known(code):
            detail = "this says that there is no allergy: use 'assertNoneKnown' with its 'noneKnownScope'"
            wrong.append(_error("code", "none-known-as-allergy", detail))
    return wrong


def time_errors(envelope: Envelope, action: AllergyUpdate, now: datetime) -> list[FieldError]:
    """Return which times lie ahead or before birth."""
    times = [
        ("/action/lastOccurrence", action.last_occurrence),
        ("/action/recordedDate", action.recorded_date),
        *((f"/action/reaction/{at}/onset", one.onset) for at, one in enumerate(action.reaction or ())),
    ]
    wrong = [*choice_errors(envelope, action, "onset", now), *future_errors(times, now)]
    notes = [*note_times(action.note)]
    for at, reaction in enumerate(action.reaction or ()):
        notes += [(f"/action/reaction/{at}/note/{number}/time", n.time) for number, n in enumerate(reaction.note or ())]
    wrong += future_errors(notes, now)
    return wrong + [error for pointer, time in times for error in birth_errors(envelope, pointer, time)]


def people_errors(action: AllergyUpdate) -> list[FieldError]:
    """Return which of asserter and recorder cannot be one."""
    named = (("/action/asserter", action.asserter), ("/action/recorder", action.recorder))
    return [error for pointer, reference in named for error in reference_errors(pointer, reference, PEOPLE)]


def _texts(action: AllergyUpdate) -> Iterator[tuple[str, str]]:
    for pointer, concept in concepts(action):
        yield from ((pointer, text) for text in words(concept.as_json()))
    for at, reaction in enumerate(action.reaction or ()):
        if reaction.description is not None:
            yield f"/action/reaction/{at}/description", reaction.description
        yield from (
            (f"/action/reaction/{at}/note/{number}", note.text) for number, note in enumerate(reaction.note or ())
        )
    yield from ((f"/action/note/{at}", note.text) for at, note in enumerate(action.note or ()))


def findings(action: AllergyUpdate) -> list[Finding]:
    """Return what a person should see: wording of something else than an allergy, and a substance without a code."""
    if action.operation not in _DESCRIBES:
        return []
    other = [pointer for pointer, text in _texts(action) if holds(text, allergy_lists().says_no_allergy)]
    detail = "the words are those of a side effect or a preference, which is no allergy"
    found = [_finding("not_an_allergy", "medium", pointer, detail, holds_back=True) for pointer in other[:1]]
    if action.operation != "addReaction" and action.code is not None and not _is_coded(action.code.as_json()):
        detail = "a substance without a code is not seen by the checks of other systems"
        found.append(_finding("uncoded_allergy", "medium", "/action/code", detail, holds_back=False))
    return found


def _is_coded(code: Mapping[str, Any]) -> bool:
    return any(coding.get("system") and coding.get("code") for coding in code.get("coding", []))


def _finding(kind: str, severity: str, pointer: str, detail: str, *, holds_back: bool) -> Finding:
    return Finding(kind=kind, severity=severity, holds=holds_back, pointer=pointer, detail=detail)
