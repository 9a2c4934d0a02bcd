"""What an author wrote, as lines that people read: of any action, from its model alone. Nothing of it is left out.

It is for messages to people and for previews; what an EHR gets as data is never made from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from canonical.action import Action
from canonical.attachment import Attachment, hash_of
from canonical.dosage import Dosage
from canonical.plain_values import told, words

if TYPE_CHECKING:
    from canonical.datatypes import Element

#: The elements that stand for the whole they are in: a SIG for its dosage, a text for its message.
_SPEAKS_FOR = ("text", "content_string")
#: Names of fields that state doses outside a ``Dosage``.
_DOSES = re.compile(r"dose|strength", re.IGNORECASE)
#: ``value[x]`` and its like are one field to people, whatever kind of value it has.
_CHOICE = re.compile(
    r"^(value|effective|onset|abatement|occurrence|asNeeded|dose|rate|bounds|content)"
    r"(Quantity|CodeableConcept|DateTime|String|Reference|Boolean|Range|Ratio|Period|Duration|Age|Coding|Integer|Decimal|Date|Time|Uri|Timing)$"
)
#: Codes of R4 that are no words. Source: HL7 FHIR R4, value sets of ``Timing.repeat``.
CODED: Mapping[str, str] = {
    "s": "seconds", "min": "minutes", "h": "hours", "d": "days", "wk": "weeks", "mo": "months", "a": "years",
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday",
    "sun": "Sunday", "MORN": "in the morning", "NOON": "at noon", "AFT": "in the afternoon", "EVE": "in the evening",
    "NIGHT": "at night", "PHS": "after falling asleep", "HS": "at bedtime", "WAKE": "on waking", "C": "with a meal",
    "CM": "with breakfast", "CD": "with lunch", "CV": "with dinner", "AC": "before a meal", "ACM": "before breakfast",
    "ACD": "before lunch", "ACV": "before dinner", "PC": "after a meal", "PCM": "after breakfast",
    "PCD": "after lunch", "PCV": "after dinner",
}  # fmt: skip
_TIMING = frozenset({"periodUnit", "durationUnit", "dayOfWeek", "when"})


#: What the first line of a structure has told already.
_TOLD_BEFORE: Mapping[type, frozenset[str]] = {
    Action: frozenset({"type", "operation"}),
    Attachment: frozenset({"data"}),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One statement: what it is about, and what is said; not ``is_whole`` where words cannot hold it, as of a picture."""

    label: str
    text: str
    is_whole: bool = True


def plain_words(action: Action) -> tuple[Line, ...]:
    """Return ``action`` as ordered lines, the first saying what is done."""
    return (Line(label="Action", text=_done(action)), *_members(action, "", is_dose=False))


def as_text(lines: tuple[Line, ...]) -> str:
    """Return lines as text, one to a line; what its author wrote in several stays in several."""
    return "\n".join(f"{line.label}: {line.text}" for line in lines)


def _done(action: Action) -> str:
    return f"{words(action.type)}: {words(action.operation)}"


def _members(element: Element, label: str, *, is_dose: bool) -> Iterator[Line]:
    """Yield the lines of what an element states, in the order of its model."""
    skipped = next((names for kind, names in _TOLD_BEFORE.items() if isinstance(element, kind)), frozenset())
    for name, info in type(element).model_fields.items():
        if name not in element.model_fields_set or name in skipped or (label and name in _SPEAKS_FOR):
            continue
        alias = info.alias or name
        yield from _value(
            getattr(element, name),
            _label(label, alias),
            is_dose=is_dose or bool(_DOSES.search(alias)),
            coded=alias if _is_enumerated(info.annotation) else "",
        )


def _label(before: str, alias: str) -> str:
    found = _CHOICE.match(alias)
    name = words(found[1] if found else alias)
    return f"{before}, {name}" if before else name[:1].upper() + name[1:]


def _value(value: Any, label: str, *, is_dose: bool, coded: str) -> Iterator[Line]:
    if value is None:
        yield Line(label=label, text="cleared")
    elif isinstance(value, tuple) and coded:
        yield Line(label=label, text=", ".join(_code(item, coded) for item in value))
    elif isinstance(value, tuple):
        for at, item in enumerate(value, 1):
            yield from _value(item, f"{label} {at}" if len(value) > 1 else label, is_dose=is_dose, coded="")
    elif coded:
        yield Line(label=label, text=_code(value, coded))
    else:
        yield from _one(value, label, is_dose=is_dose or isinstance(value, Dosage))


def _one(value: Any, label: str, *, is_dose: bool) -> Iterator[Line]:
    text = told(value, is_dose=is_dose)
    if text is not None:
        yield Line(label=label, text=text)
        return
    if isinstance(value, Action):
        yield Line(label=label, text=_done(value))
    elif isinstance(value, Attachment):
        yield _attached(value, label)
    for name in _SPEAKS_FOR:
        if getattr(value, name, None) is not None:
            yield Line(label=label, text=str(getattr(value, name)))
    yield from _members(value, label, is_dose=is_dose)


def _attached(attachment: Attachment, label: str) -> Line:
    text = attachment.plain_text()
    if text is not None:
        return Line(label=label, text=text)
    content = attachment.content()
    described = f"a file that is not shown here: {len(content)} bytes, SHA-1 {hash_of(content)}"
    return Line(label=label, text=described, is_whole=False)


def _code(value: Any, coded: str) -> str:
    """Return a code of an enumeration as words; one of a timing also as it stands, since people know those codes."""
    if coded not in _TIMING:
        return words(str(value))
    moment, _, part = str(value).partition(".")
    return f"{part} {CODED[moment]} ({value})".lstrip()


def _is_enumerated(annotation: Any) -> bool:
    """Whether a field takes only the words of a list."""
    return get_origin(annotation) is Literal or any(_is_enumerated(inner) for inner in get_args(annotation))
