"""Saying it in words where an EHR cannot take it as it is: whether that is possible, and what is said. It sends nothing.

A fallback is taken only if the command allows its kind, the EHR takes that kind, and nothing in the command is labelled:
a message or a task is read by more people than the entry would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from canonical import exact_json
from canonical.action import with_parts
from canonical.capabilities import Capabilities, Support, Way
from canonical.code_systems import LOINC
from canonical.envelope import Envelope, envelope_from
from canonical.errors import FieldError, InvalidPayloadError, RefusedError
from canonical.plain_values import words
from canonical.plain_words import as_text, plain_words

#: Option of a connection: kind of fallback → who gets it, as a literal FHIR reference. A note needs nobody.
ADDRESSEES = "fallback_to"
_ADDRESSED = frozenset({"message", "task"})
_HELD = "The EHR's staff must accept it first, so nothing can be written that refers to it. Send it by itself."
_WHY = "This was meant as an entry of the chart. The EHR takes no such entry by itself, so please enter it by hand."


def way_of(envelope: Envelope, capabilities: Capabilities) -> Support:
    """Return how an action is taken with all its parts: as its own entry is, unless a part does not get into the chart.

    What the EHR's own staff must accept first has no name yet by which the entry that follows could refer to it.
    """
    own, *parts = with_parts(envelope)
    for part in parts:
        support = capabilities.support(part.type, part.operation)
        if support.way is not Way.DIRECT:
            why = _HELD if support.way is Way.REVIEW else support.why
            return Support(way=Way.REFUSED, why=f"{part.type}.{part.operation}: {why}")
    return capabilities.support(own.type, own.operation)


def fallback_for(envelope: Envelope, capabilities: Capabilities, options: Mapping[str, Any]) -> str | None:
    """Return the first kind (``message``, ``note``, ``task``) that the command allows and the connection can send."""
    if envelope.security_label:
        return None
    return next((kind for kind in envelope.fallback or () if _can_send(kind, capabilities, options)), None)


def _can_send(kind: str, capabilities: Capabilities, options: Mapping[str, Any]) -> bool:
    action = capabilities.fallbacks.get(kind)
    if action is None or capabilities.support(*action).way is Way.REFUSED:
        return False
    return kind not in _ADDRESSED or addressee(kind, options) is not None


def addressee(kind: str, options: Mapping[str, Any]) -> str | None:
    """Return who gets a fallback of ``kind`` on a connection with ``options``: a literal FHIR reference."""
    named = options.get(ADDRESSEES)
    found = named.get(kind) if isinstance(named, Mapping) else None
    return found if isinstance(found, str) and found else None


def check_supported(envelope: Envelope, capabilities: Capabilities, options: Mapping[str, Any]) -> str | None:
    """Return how the command would have to fall back, or ``None`` where the EHR takes it as it is.

    Raises :class:`RefusedError` ``unsupported-by-ehr`` with the reason in words and what its author could allow.
    """
    support = way_of(envelope, capabilities)
    if support.way is not Way.REFUSED:
        return None
    kind = fallback_for(envelope, capabilities, options)
    if kind is not None:
        return kind
    error = FieldError(pointer="/action/operation", code="unsupported-by-ehr", detail=support.why)
    raise RefusedError(
        "unsupported-by-ehr",
        f"This EHR cannot take it. {_could_be(envelope, capabilities, options)}",
        errors=(error,),
    )


def _could_be(envelope: Envelope, capabilities: Capabilities, options: Mapping[str, Any]) -> str:
    if envelope.security_label:
        return "Labelled content is never sent as a message, note or task instead."
    kinds = sorted(kind for kind in capabilities.fallbacks if _can_send(kind, capabilities, options))
    if not kinds:
        return "Nothing was stored; enter it in the EHR by hand."
    return f"It could be sent as {' or '.join(kinds)} instead, if the command allows that in 'fallback'."


def instead(envelope: Envelope, kind: str, options: Mapping[str, Any], at: datetime) -> Envelope:
    """Return the command that says in words what ``envelope`` means, to whom the connection names for that.

    ``at``: when the command was received (UTC), which is the date of a note.

    Raises :class:`InvalidPayloadError` where words cannot hold it: send nothing.
    """
    lines = plain_words(envelope.action)
    if not all(line.is_whole for line in lines):
        raise InvalidPayloadError("Words cannot hold what the command carries, and this EHR takes it in no other way.")
    text = "\n".join([_WHY, as_text(lines), *_about(envelope)])
    stated = envelope.as_json()
    kept = {name: value for name, value in stated.items() if name not in {"action", "target", "fallback"}}
    action = _ACTIONS[kind](envelope, text, addressee(kind, options), at)
    try:
        return envelope_from({**kept, "action": action})
    except RefusedError as error:
        raise InvalidPayloadError("What it says is too long for a message, and nothing is cut.") from error


def _about(envelope: Envelope) -> list[str]:
    """Return which entry is meant, and what its author saw of it."""
    target = envelope.target
    if target is None or target.reference is None:
        return []
    seen = exact_json.dumps(target.seen) if target.seen else "nothing is stated"
    return [f"Entry meant: {target.reference}", f"What its author saw of it: {seen}"]


def _title(envelope: Envelope) -> str:
    return f"For the chart, by hand: {words(envelope.action.type)}, {words(envelope.action.operation)}"


def _message(envelope: Envelope, text: str, to: str | None, _at: datetime) -> dict[str, Any]:
    return {
        "type": "CareMessage",
        "operation": "send",
        "topic": {"text": _title(envelope)},
        "payload": [{"contentString": text}],
        "recipient": [{"reference": to}],
        "priority": envelope.priority,
    }


def _task(envelope: Envelope, text: str, to: str | None, _at: datetime) -> dict[str, Any]:
    return {
        "type": "CareTask",
        "operation": "create",
        "code": {"text": _title(envelope)},
        "description": text,
        "owner": {"reference": to},
        "intent": "proposal",
        "priority": envelope.priority,
    }


def _note(envelope: Envelope, text: str, _to: str | None, at: datetime) -> dict[str, Any]:
    return {
        "type": "ClinicalNote",
        "operation": "create",
        "docType": {"coding": [{"system": LOINC, "code": "34109-9", "display": "Note"}], "text": "Note"},
        "title": _title(envelope),
        "content": text,
        "date": at.isoformat(),
        "docStatus": "preliminary",
    }


_ACTIONS = {"message": _message, "task": _task, "note": _note}
