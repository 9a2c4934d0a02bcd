"""What was intended, in plain words: content field by field, who, through which app, on which consent and policy. No chart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from canonical.chart_words import field_text
from canonical.envelope import Envelope, parse_envelope
from canonical.explanation import Answer, IntendedRecord
from canonical.field_words import field_label
from canonical.plain_times import moment_in_words
from canonical.plain_values import words
from canonical.plain_words import Line, plain_words

HIDDEN = "not shown to you"


def intended(record: IntendedRecord, *, shows: bool, zone: tzinfo) -> Answer:
    """Return the answer; not ``shows``: without what it says of the patient."""
    envelope = parse_envelope(record.decided or record.received)
    content = _content(record, envelope, zone) if shows else iter((Line(label="Content", text=HIDDEN),))
    return Answer(lines=(*content, *_governance(record, envelope, zone, shows=shows)))


def _content(record: IntendedRecord, envelope: Envelope, zone: tzinfo) -> Iterator[Line]:
    said = plain_words(envelope.action)
    if record.decided is None:
        yield from said
    else:
        first = plain_words(parse_envelope(record.received).action)
        yield from (line if line in said else _named(line, "as proposed") for line in first)
        yield from (_named(line, "as decided") for line in said if line not in first)
    patient = envelope.patient
    who = (patient.reference, patient.family, f"born {patient.birth_date}" if patient.birth_date else None)
    yield Line(label="Patient", text=", ".join(part for part in who if part))
    yield from _seen(envelope, zone)


def _named(line: Line, by: str) -> Line:
    return Line(label=f"{line.label}, {by}", text=line.text, is_whole=line.is_whole)


def _seen(envelope: Envelope, zone: tzinfo) -> Iterator[Line]:
    """Yield what the author had on the screen of the entry that is changed."""
    target = envelope.target
    if target is None:
        return
    named = target.reference or f"what command {target.command} wrote"
    version = f", version {target.version_id}" if target.version_id else ""
    at = f", looked at {moment_in_words(target.seen_at, zone)}" if target.seen_at else ""
    yield Line(label="Changes", text=f"{named}{version}{at}")
    for name, value in (target.seen or {}).items():
        yield Line(label=f"The author saw, {field_label(name)}", text=field_text(name, value) or "nothing")


def _governance(record: IntendedRecord, envelope: Envelope, zone: tzinfo, *, shows: bool) -> Iterator[Line]:
    yield Line(
        label="Author", text=f"{_author(envelope) if shows else words(envelope.author.role)}, {record.assurance}"
    )
    version = envelope.app.version if envelope.app is not None else None
    yield Line(label="App", text=f"{record.standing.app}, version {version or 'not stated'}")
    if envelope.ai is not None:
        yield Line(label="Written by a model", text=f"{envelope.ai.model} {envelope.ai.version or ''}".strip())
    door = record.detail.get("door")
    yield Line(label="Received", text=moment_in_words(record.received_at, zone) + (f", by {door}" if door else ""))
    reference, pinned, now = record.consent
    named = f"{reference}, version {pinned}" if shows else f"version {pinned}"
    yield Line(label="Consent", text=named + (f"; version {now} is in force by now" if now != pinned else ""))
    yield Line(label="Purpose", text=envelope.purpose_of_use)
    yield Line(label="Policy", text=record.detail.get("policy") or "its version was not recorded when it was received")
    if shows and envelope.reason:
        yield Line(label="Reason", text=envelope.reason)


def _author(envelope: Envelope) -> str:
    author = envelope.author
    named = author.identifier.value if author.identifier is not None else None
    return f"{named or author.reference or 'not named'}, {words(author.role)}"
