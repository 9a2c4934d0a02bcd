"""What is read beside a change of a problem: entries of the same concept, and the diagnoses of the encounter it was made in."""

from __future__ import annotations

from collections.abc import Sequence

from canonical.concepts import same_concept
from canonical.entry_words import Entry, concept, first_time, line, when
from canonical.review_context import ContextWanted, Subject

_OF_AN_ENCOUNTER = "encounter-diagnosis"
_TIMES = ("onsetDateTime", "onsetPeriod", "recordedDate")


def _problem(entry: Entry, subject: Subject) -> str:
    time = first_time(entry, _TIMES)
    category = entry.get("category")
    return line(
        concept(entry.get("code")) or "a problem that the entry does not name",
        str(category).replace("-", " ") if isinstance(category, str) else "",
        _status(entry, "clinicalStatus"),
        _status(entry, "verificationStatus"),
        f"since {when(time, subject.zone)}" if time else "",
    )


def _status(entry: Entry, name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else concept(value)


def _same(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    code = _code_of(subject, entries)
    found = [item for item in entries if item.get("reference") != subject.reference]
    return tuple(_problem(item, subject) for item in found if same_concept(code, item.get("code")))


def _of_encounter(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the diagnoses of the command's encounter; without one, those of the same concept in any."""
    encounter = subject.envelope.encounter.reference if subject.envelope.encounter else None
    code = _code_of(subject, entries)
    diagnoses = [item for item in entries if item.get("category") == _OF_AN_ENCOUNTER]
    return tuple(
        _problem(item, subject)
        for item in diagnoses
        if item.get("reference") != subject.reference
        and (
            (item.get("encounter") or {}).get("reference") == encounter
            if encounter
            else same_concept(code, item.get("code"))
        )
    )


def _code_of(subject: Subject, entries: Sequence[Entry]) -> object:
    said = subject.envelope.action.as_json().get("code")
    target = (item.get("code") for item in entries if item.get("reference") == subject.reference)
    return said or next(target, None)


CONTEXT = (
    ContextWanted(resource_type="Condition", title="Entries of the same problem", select=_same),
    ContextWanted(resource_type="Condition", title="Diagnoses of the encounter", select=_of_encounter),
)
