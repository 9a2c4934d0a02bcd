"""An entry of the chart in words, from its canonical fields as JSON: what it names, how much, since when. It judges nothing.

The chart's JSON is checked by no schema of ours: what has another shape is told member by member, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from pydantic import ValidationError

from canonical.clinical_time import ClinicalTime
from canonical.concepts import codings, words
from canonical.datatypes import Quantity
from canonical.plain_times import moment_in_words
from canonical.plain_values import SYSTEMS, seen, told

Entry = Mapping[str, Any]


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a repeating element, or the one in one that does not repeat."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, Mapping)]


def concept(value: Any) -> str:
    """Return what a ``CodeableConcept`` says in words; its code with its system where it says nothing else."""
    for text in words(value):
        if text.strip():
            return text
    for coding in codings(value):
        if isinstance(coding.get("code"), str):
            return f"{SYSTEMS.get(str(coding.get('system')), coding.get('system') or 'code')} {coding['code']}"
    return ""


def concepts(values: Any) -> str:
    """Return several concepts in words."""
    return ", ".join(text for text in map(concept, objects(values)) if text)


def quantity(value: Any, *, is_dose: bool = False) -> str:
    """Return a ``Quantity`` in words, a dose as the ISMP asks for."""
    if not isinstance(value, Mapping) or not value:
        return ""
    try:
        return told(Quantity.model_validate(dict(value)), is_dose=is_dose) or ""
    except ValidationError:
        return seen(value, is_dose=is_dose)


def dosage(value: Any) -> str:
    """Return one ``Dosage``: its directions as they are written, and the dose that its structure states."""
    if not isinstance(value, Mapping):
        return ""
    text = value.get("text")
    stated = [
        quantity(item.get("doseQuantity"), is_dose=True) or _members(item.get("doseRange"))
        for item in objects(value.get("doseAndRate"))
    ]
    amount = ", ".join(item for item in stated if item)
    if isinstance(text, str) and text:
        return f'"{text}"{f", dose {amount}" if amount else ""}'
    return seen(value, is_dose=True) if not amount else f"dose {amount}, no directions in words"


def _members(value: Any) -> str:
    return seen(value, is_dose=True) if value else ""


def dosages(values: Any) -> str:
    """Return all dosages of an entry, in their order."""
    return "; then ".join(text for text in map(dosage, objects(values)) if text)


def when(value: Any, zone: tzinfo) -> str:
    """Return a clinical time: a time of day on the clock of ``zone`` with its name, a partial date as it is written."""
    try:
        time = ClinicalTime(str(value))
    except ValueError:
        return str(value) if value else ""
    return moment_in_words(time.interval[0], zone) if time.is_instant else time.text


def first_time(entry: Entry, names: Iterable[str]) -> str | None:
    """Return the first of the named times that an entry states, as written; of a period its start."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, Mapping):
            value = value.get("start")
        if isinstance(value, str):
            return value
    return None


def latest_first(entries: Iterable[Entry], names: tuple[str, ...]) -> list[Entry]:
    """Return ``entries`` by the named times, the latest first; one without any comes last."""
    return sorted(entries, key=lambda entry: _sort_key(first_time(entry, names)), reverse=True)


def _sort_key(time: str | None) -> float:
    try:
        return ClinicalTime(time or "").interval[0].timestamp()
    except ValueError:
        return float("-inf")


def line(*parts: str) -> str:
    """Return the parts that say something as one line."""
    return ", ".join(part for part in parts if part)
