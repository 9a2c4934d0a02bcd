"""Actions inside an action: each is judged, and later written, as the command that it would be alone.

A part keeps the patient, encounter, author, consent and labels of the whole; it has an event of its own, from which its own
key would be derived. What may stand in a part is its own action's to say; here is only what every part must keep to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field, StringConstraints

from canonical import exact_json
from canonical.action import Action, ActionSpec, Finding, spec_for
from canonical.clinical_time import SystemTime
from canonical.datatypes import Element, LiteralReference
from canonical.envelope import Acknowledgement, Envelope, Source, Target
from canonical.errors import FieldError, RefusedError
from canonical.judgement import check_target

Told = TypeVar("Told", FieldError, Finding)

#: Longest event id there is.
_LONGEST = 128


class PartTarget(Element):
    """What a part changes, and what its author saw of it and acknowledged: as an envelope's target, named by reference."""

    reference: LiteralReference
    version_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    seen_at: SystemTime | None = None
    seen: Annotated[dict[str, Any], Field(min_length=1)] | None = None
    acknowledged: Acknowledgement | None = None

    def as_target(self) -> Target:
        """Return it as the target of the command that the part would be alone."""
        return Target(**{name: getattr(self, name) for name in self.model_fields_set})


@dataclass(frozen=True, kw_only=True)
class Part:
    """One action inside another: ``at`` is the pointer to it, ``target_at`` the one to ``target``."""

    at: str
    action: Action
    target: PartTarget | None = None
    target_at: str = ""

    def place(self, pointer: str) -> str | None:
        """Return the pointer in the whole of what is at ``pointer`` alone; ``None`` for what the whole answers for."""
        for alone, here in (("/action", self.at), ("/target", self.target_at)):
            if pointer == alone or pointer.startswith(f"{alone}/"):
                return f"{here}{pointer.removeprefix(alone)}"
        return None


def envelopes(whole: Envelope, parts: Sequence[Part]) -> tuple[Envelope, ...]:
    """Return the envelope of each of ``parts``, in their order."""
    return tuple(
        whole.model_copy(
            update={
                "action": part.action,
                "target": part.target.as_target() if part.target else None,
                "after": None,
                "fallback": None,
                "source": _source(whole.source, number),
            }
        )
        for number, part in enumerate(parts, 1)
    )


def _source(source: Source | None, number: int) -> Source | None:
    if source is None or source.event_id is None:
        return source
    event = f"{source.event_id}.{number}"
    if len(event) > _LONGEST:
        event = hashlib.sha256(event.encode()).hexdigest()
    return source.model_copy(update={"event_id": event})


def errors(whole: Envelope, parts: Sequence[Part], now: datetime) -> list[FieldError]:
    """Return what is wrong with each part, at its place in the whole: as a part, with its target, and in itself."""
    return [
        *_attached_errors(whole, parts),
        *_twice_errors(parts),
        *_told(whole, parts, _target_errors),
        *_told(whole, parts, lambda part: spec_for(part.action).check(part, now)),
    ]


def new_only_errors(parts: Sequence[Part], detail: str) -> list[FieldError]:
    """Return an error, with ``detail``, for each part that does not make a new entry."""
    changing = [part for part in parts if not spec_for(part.action).rule(part.action).creates]
    return [_attached(part, detail) for part in changing]


def _attached_errors(whole: Envelope, parts: Sequence[Part]) -> list[FieldError]:
    """Refuse as a part what is more than one entry, what takes an entry back, and what must look at a list that nobody reads."""
    wrong, judged = [], _judged_with(whole)
    for part, alone in zip(parts, envelopes(whole, parts), strict=True):
        spec = spec_for(part.action)
        looks = _looks(spec, part.action) and part.action.type not in judged
        if spec.parts(alone):
            wrong.append(_attached(part, "it consists of parts itself: send it as a command of its own"))
        elif spec.rule(part.action).takes_back:
            wrong.append(_attached(part, "an entry is taken back by a command of its own"))
        elif looks:
            wrong.append(_attached(part, "it depends on what else the chart lists: send it as a command of its own"))
    return wrong


def _judged_with(whole: Envelope) -> frozenset[str]:
    """Return the actions whose parts are judged where the whole is, beside the list that it reads."""
    surroundings = spec_for(whole.action).surroundings
    return surroundings.parts if surroundings is not None else frozenset()


def _looks(spec: ActionSpec, action: Action) -> bool:
    return spec.surroundings is not None and action.operation in spec.surroundings.operations


def _twice_errors(parts: Sequence[Part]) -> list[FieldError]:
    """Refuse a new entry that says just what one before it says: nothing is written twice."""
    wrong, said = [], set[bytes]()
    for part in parts:
        content = exact_json.canonical_bytes(part.action.as_json())
        if content in said and spec_for(part.action).rule(part.action).creates:
            wrong.append(FieldError(pointer=part.at, code="same-part-twice", detail="a part before it says the same"))
        said.add(content)
    return wrong


def _attached(part: Part, detail: str) -> FieldError:
    return FieldError(pointer=f"{part.at}/operation", code="attached-operation", detail=detail)


def _target_errors(part: Envelope) -> list[FieldError]:
    """Return what the door would say of the target of ``part`` alone, under the reason of its refusal where that tells more."""
    try:
        check_target(part)
    except RefusedError as refusal:
        return [replace(error, code=refusal.code) for error in refusal.errors]
    return []


def confirmations(whole: Envelope, parts: Sequence[Part], now: datetime) -> list[FieldError]:
    """Return what of each part passes only when its author confirmed it, at its place in the whole."""
    return _told(whole, parts, lambda part: spec_for(part.action).confirmations(part, now))


def findings(whole: Envelope, parts: Sequence[Part], now: datetime) -> list[Finding]:
    """Return what a person should see of each part, at its place in the whole."""
    return _told(whole, parts, lambda part: spec_for(part.action).findings(part, now))


def marks(whole: Envelope, parts: Sequence[Part], now: datetime) -> tuple[str, ...]:
    """Return the marks of all parts, each once."""
    found = [mark for part in envelopes(whole, parts) for mark in spec_for(part.action).marks(part, now)]
    return tuple(dict.fromkeys(found))


def _told(whole: Envelope, parts: Sequence[Part], judge: Callable[[Envelope], list[Told]]) -> list[Told]:
    return [
        replace(item, pointer=pointer)
        for part, alone in zip(parts, envelopes(whole, parts), strict=True)
        for item in judge(alone)
        if (pointer := part.place(item.pointer)) is not None
    ]
