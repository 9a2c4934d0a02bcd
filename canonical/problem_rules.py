"""What a problem entry may say: which fields an operation takes, codes, sides, times and wording; not what the chart has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from canonical.clinical_context import birth_errors, future_errors, note_times
from canonical.code_systems import ICD_10_CM, SNOMED_CT
from canonical.concepts import codes, syntax_errors, words
from canonical.errors import FieldError
from canonical.field_presence import clear_errors, required_errors, stated, unwanted_errors
from canonical.laterality import disagree, sides
from canonical.onset import choice_errors, elements, order_errors
from canonical.reference_types import PEOPLE, reference_errors
from canonical.wording import begins, ends, holds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from canonical.actions.problem_update import ProblemUpdate
    from canonical.datatypes import CodeableConcept
    from canonical.envelope import Envelope

_FRAME = frozenset({"type", "operation"})
_DESCRIPTION = ("category", "code", "severity", "bodySite", *elements("onset"), "stage", "evidence", "asserter", "note")
_NAMED = ("category", "code", "note")
#: operation → fields it takes. ``code``, where it is not written, and ``category``, but in ``add``, name the problem meant.
TAKES: Mapping[str, tuple[str, ...]] = {
    "add": (*_DESCRIPTION, "recorder", "recordedDate"),
    "update": (*_DESCRIPTION, *elements("abatement")),
    "resolve": (*_NAMED, *elements("abatement"), "changeReason"),
    "inactivate": (*_NAMED, *elements("abatement"), "changeReason"),
    "reactivate": (*_NAMED, "changeReason"),
    "refute": (*_NAMED, "changeReason"),
    "retract": (*_NAMED, "changeReason"),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "add": ("code",),
    "resolve": ("code",),
    "inactivate": ("code", "changeReason"),
    "reactivate": ("code",),
    "refute": ("code", "changeReason"),
    "retract": ("code", "changeReason"),
}
#: What ``update`` may clear by ``null``.
CLEARABLE = frozenset(
    {"severity", "bodySite", *elements("onset"), *elements("abatement"), "stage", "evidence", "asserter"}
)
#: Operations whose ``code`` is written to the chart.
_WRITES_CODE = frozenset({"add", "update"})


@dataclass(frozen=True, kw_only=True)
class OtherMatter:
    """What is sent as a problem and is none: ``code`` of the refusal, what to do ``instead``, and how it is known.

    Phrases are whole words ``anywhere``, ``first`` or ``last`` in a text; ``icd10cm`` first characters, ``snomed`` codes.
    """

    code: str
    instead: str
    anywhere: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    icd10cm: tuple[str, ...] = ()
    snomed: tuple[str, ...] = ()

    def is_meant(self, concept: Mapping[str, Any]) -> bool:
        """Whether a concept (JSON) says this."""
        named = codes(concept)
        by_code = any(
            (system == SNOMED_CT and code in self.snomed) or (system == ICD_10_CM and code.startswith(self.icd10cm))
            for system, code in named
        )
        return by_code or any(self._is_said(text) for text in words(concept))

    def _is_said(self, text: str) -> bool:
        return holds(text, self.anywhere) or begins(text, self.first) or ends(text, self.last)


@cache
def other_matters() -> tuple[OtherMatter, ...]:
    """Return what is no problem, the most telling first."""
    data = tomllib.loads(files("canonical").joinpath("data/problem_wording.toml").read_text("utf-8"))
    return tuple(
        OtherMatter(
            code=row["code"],
            instead=row["instead"],
            anywhere=tuple(row.get("anywhere", ())),
            first=tuple(row.get("first", ())),
            last=tuple(row.get("last", ())),
            icd10cm=tuple(row.get("icd10cm", ())),
            snomed=tuple(row.get("snomed", ())),
        )
        for row in data["other"]
    )


def _error(member: str, code: str, detail: str) -> FieldError:
    return FieldError(pointer=f"/action/{member}", code=code, detail=detail)


def presence_errors(action: ProblemUpdate) -> list[FieldError]:
    """Return what an operation lacks, has without taking it, or cannot clear."""
    foreign = sorted(stated(action) - _FRAME - set(TAKES[action.operation]))
    detail = f"'{action.operation}' does not have it"
    if action.operation == "add" and set(foreign) & set(elements("abatement")):
        detail = "what is over is added and then resolved (invariant con-4)"
    wrong = [
        *required_errors(action, REQUIRED.get(action.operation, ())),
        *unwanted_errors(action, foreign, detail),
        *clear_errors(action, CLEARABLE if action.operation == "update" else ()),
    ]
    if action.operation == "update" and not set(action.as_json()) - _FRAME - {"category"}:
        wrong.append(FieldError(pointer="/action", code="nothing-to-change", detail="state what is to be changed"))
    return wrong


def encounter_error(envelope: Envelope, action: ProblemUpdate) -> list[FieldError]:
    """Return an error when a diagnosis of an encounter comes without it."""
    if action.operation != "add" or action.category != "encounter-diagnosis" or envelope.encounter is not None:
        return []
    detail = "a diagnosis of an encounter names it"
    return [FieldError(pointer="/encounter/reference", code="required", detail=detail)]


def _concepts(action: ProblemUpdate) -> Iterator[tuple[str, CodeableConcept]]:
    single = (("/action/code", action.code), ("/action/severity", action.severity))
    yield from ((pointer, concept) for pointer, concept in single if concept is not None)
    yield from ((f"/action/bodySite/{at}", site) for at, site in enumerate(action.body_site or ()))
    for at, evidence in enumerate(action.evidence or ()):
        yield from ((f"/action/evidence/{at}/code/{number}", code) for number, code in enumerate(evidence.code or ()))


def code_errors(action: ProblemUpdate) -> list[FieldError]:
    """Return what is wrong with the codes: impossible ones, none of the two systems, or something that is no problem."""
    wrong = [error for pointer, concept in _concepts(action) for error in syntax_errors(pointer, concept)]
    if action.code is None or action.operation not in _WRITES_CODE:
        return wrong
    code = action.code.as_json()
    if not {system for system, _ in codes(code)} & {SNOMED_CT, ICD_10_CM}:
        wrong.append(_error("code", "code-required", "name the problem by a SNOMED CT or ICD-10-CM code"))
    other = next((matter for matter in other_matters() if matter.is_meant(code)), None)
    if other is not None:
        wrong.append(_error("code", other.code, other.instead))
    return wrong


def side_errors(action: ProblemUpdate) -> list[FieldError]:
    """Return an error when the code's own words, or the code and the body site, name different sides."""
    code = action.code.as_json() if action.code else None
    by_coding = [sides([{"coding": [coding]}]) for coding in (code or {}).get("coding", [])]
    by_word = sides([{"text": (code or {}).get("text")}])
    named = {side for side in (*by_coding, by_word) if side}
    if len(named) > 1:
        return [_error("code", "laterality-disagrees", "the codings and the text name different sides")]
    if disagree(code, [site.as_json() for site in action.body_site or ()]):
        return [_error("bodySite", "laterality-disagrees", "another side than the code names")]
    return []


def time_errors(envelope: Envelope, action: ProblemUpdate, now: datetime) -> list[FieldError]:
    """Return which times lie ahead, before birth, or the wrong way round."""
    wrong = [error for stem in ("onset", "abatement") for error in choice_errors(envelope, action, stem, now)]
    recorded = ("/action/recordedDate", action.recorded_date)
    wrong += future_errors([recorded, *note_times(action.note)], now)
    return [*wrong, *birth_errors(envelope, *recorded), *order_errors(action)]


def people_errors(action: ProblemUpdate) -> list[FieldError]:
    """Return which of asserter and recorder cannot be one."""
    named = (("/action/asserter", action.asserter), ("/action/recorder", action.recorder))
    return [error for pointer, reference in named for error in reference_errors(pointer, reference, PEOPLE)]
