"""One line of the queue in words: whom it is about, what collides. From what is stored; no chart is read for a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical import exact_json
from canonical.case_kinds import CausePart, case_kind, cause_parts
from canonical.case_store import StoredCase
from canonical.case_views import CaseRow
from canonical.chart_words import field_text
from canonical.field_words import UNTOLD, field_label
from canonical.parts import IN_PARTS
from canonical.plain_values import words
from canonical.restricted import is_restricted
from canonical.reviewer import Pool, Reviewer
from canonical.three_way import UNSEEN
from reconcile.review.look import Look

#: The field that says what an action is about, whatever the action.
_ABOUT = ("medication", "code", "vaccineCode", "questionnaire", "docType", "topic", "measure")
#: How the parts of a cause are called; a day is what the cases of a digest say by themselves.
_CAUSE_WORDS = {CausePart.ACTION: "for", CausePart.CODE: "code", CausePart.MAPPING: "mapping", CausePart.MERGE: "merge"}
#: A cell of the queue holds a line, not a paragraph.
_LONGEST = 150


def row_of(case: StoredCase, reviewer: Reviewer, ehrs: Mapping[str, str], *, not_in_bulk: str) -> CaseRow:
    """Return ``case`` as a row for ``reviewer``; ``ehrs`` is connection → the EHR as people call it.

    ``not_in_bulk`` says why it is decided by itself, or nothing.
    """
    kind = case_kind(case.kind)
    envelope = exact_json.parse(case.envelope)
    # Who must say why before looking must not read it in the list.
    may_read = reviewer.may_read(case.pool) or (case.state in IN_PARTS and reviewer.may_read(Pool.CLINICAL))
    if not may_read or is_restricted(envelope.get("securityLabel") or ()):
        envelope = None
    held = case.claimed_until is not None and case.claimed_until > case.now
    return CaseRow(
        id=case.id,
        kind=case.kind,
        kind_words=kind.words,
        severity=case.severity,
        pool=case.pool,
        opened_at=case.opened_at,
        due_at=case.due_at,
        is_overdue=case.is_overdue,
        patient=patient_of(envelope) if envelope is not None else None,
        headline=(case.headline or _headline(envelope)) if envelope is not None else None,
        action=f"{words(case.action_type)}: {words(case.operation)}",
        sender=case.app,
        connection=case.connection,
        ehr=ehrs.get(case.connection, case.connection),
        waiting=case.waiting,
        level=case.level,
        claimed_by=case.claimed_name if held else None,
        asked=case.asked_until is not None,
        not_in_bulk=not_in_bulk,
        together=case.together,
        cause=cause_words(case.cause),
    )


def cause_words(cause: str | None) -> str:
    """Return what the cases of one cause have in common, in words; nothing where that is the day alone, or the connection."""
    parts = cause_parts(cause or "")
    return ", ".join(
        f"{_CAUSE_WORDS[name]} {_value_words(name, value)}" for name, value in parts if name in _CAUSE_WORDS
    )


def _value_words(name: CausePart, value: str) -> str:
    return words(value) if name is CausePart.ACTION else value


def patient_of(envelope: Mapping[str, Any]) -> str:
    """Return name and birth year as the command states them, or the identifier that it names the patient by."""
    patient = envelope["patient"]
    if patient.get("family") and patient.get("birthDate"):
        return f"{patient['family']}, born {patient['birthDate'][:4]}"
    identifier = patient.get("identifier") or {}
    return f"record number {identifier.get('value')}" if identifier.get("value") else "not named"


def about(action: Mapping[str, Any], *entries: Mapping[str, Any]) -> str:
    """Return what an action is about, in words: the medicine, the problem, the measurement.

    What it does not say itself, because it changes something else, is said by ``entries``: what its target says.
    """
    found = next((said[name] for said in (action, *entries) for name in _ABOUT if said.get(name)), None)
    return field_text("code", found) if found is not None else words(str(action.get("type")))


def action_words(envelope: Mapping[str, Any]) -> str:
    """Return what a command would do, and with what: ``stop: lisinopril``."""
    action = envelope["action"]
    return f"{words(action['operation'])}: {about(action, _seen(envelope))}"


def _seen(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an author had on the screen of the entry that they change, as they say."""
    return (envelope.get("target") or {}).get("seen") or {}


def _headline(envelope: Mapping[str, Any]) -> str:
    """Return what is proposed, where nobody has looked at the chart yet."""
    action = envelope["action"]
    return _short(f"{about(action, _seen(envelope))}: {words(action['operation'])}")


def headline(look: Look) -> str:
    """Return what collides: what was seen, what is proposed, and to what the chart moved."""
    action, comparison = look.command.envelope.action.as_json(), look.comparison
    what = about(action, look.written.chart, look.written.seen)
    fields = [field for group in comparison.overlapping for field in group.fields if field.pending]
    heavy = {group.name for group in comparison.groups if group.significance == "high"}
    told = (field for field in comparison.author_fields if field.group in heavy and field.name not in UNTOLD)
    field = next(iter(fields), next(told, None))
    if field is None:
        return _short(f"{what}: {words(action['operation'])}")
    name, shown = field.name, field_label(field.name)
    seen = "" if field.base is UNSEEN else f"{look.in_brief(name, 'seen')} → "
    moved = f"; the chart says {look.in_brief(name, 'chart')}" if field.moved or field.is_unseen else ""
    return _short(f"{what}, {shown}: {seen}{look.in_brief(name, 'proposed')}{moved}")


def shown_of(look: Look) -> dict[str, Any]:
    """Return what is kept of a look that somebody had: JSON, with clinical content."""
    return {
        "headline": headline(look),
        "chart": dict(look.said) if look.current is not None else None,
        "proposed": dict(look.proposed),
        "stop": look.stop[0] if look.stop is not None else None,
        **({"parts": [part.digest for part in look.parts]} if look.parts else {}),
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
