"""Whom a case is about, in words, from the chart's Patient and allergies. Whether it is the right one is asked elsewhere.

What was not read is said to be so: nothing is ever blank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from canonical.allergy_lists import none_known_scope, reads_as_none_known
from canonical.case_views import UNREAD, Banner
from canonical.clinical_list import is_active
from canonical.entry_words import Entry, concept, concepts, line, objects

#: Type of the identifier that a hospital knows its patients by. Source: HL7 v2 table 0203.
_RECORD_NUMBER = "MR"
#: Names in the order in which people are called. Source: HL7 FHIR R4, value set ``name-use``.
_USES = ("usual", "official", None, "nickname", "anonymous", "temp", "old", "maiden")
#: How bad an allergy is, the worst first: by criticality, else by the severity of its reactions.
_WORST = ("high", "severe", "unable-to-assess", "moderate", "low", "mild")
#: Below these ages the smaller unit is told. A pharmacist doses a newborn by days.
_DAYS_UNTIL, _MONTHS_UNTIL = timedelta(days=61), 24


def banner(
    patient: Mapping[str, Any] | None,
    allergies: Sequence[Entry] | None,
    *,
    encounter: Mapping[str, Any] | None,
    on: date,
    is_visit: bool = True,
    identity_in_question: bool = False,
) -> Banner:
    """Return the banner of ``patient`` and ``encounter`` (R4 JSON; ``None``: not read) on the day ``on``.

    ``is_visit``: the command names an encounter at all.

    ``allergies`` are the entries of the allergy list in canonical fields as written, ``None`` where it could not be read.
    """
    person = patient or {}
    return Banner(
        name=_name(person) or UNREAD,
        birth=birth(person, on) or UNREAD,
        sex=str(person.get("gender") or UNREAD),
        record_number=_record_number(person) or (UNREAD if patient is None else "none recorded"),
        place=_place(encounter) or UNREAD if is_visit else "no visit named",
        allergies=UNREAD if allergies is None else allergies_in_words(allergies),
        identity_in_question=identity_in_question,
    )


def _name(person: Mapping[str, Any]) -> str:
    names = sorted(objects(person.get("name")), key=_rank)
    for name in names:
        parts = [*(name.get("prefix") or []), *(name.get("given") or []), name.get("family") or ""]
        said = name.get("text") or " ".join(str(part) for part in [*parts, *(name.get("suffix") or [])] if part)
        if said:
            return str(said)
    return ""


def _rank(name: Mapping[str, Any]) -> int:
    use = name.get("use")
    return _USES.index(use) if use in _USES else len(_USES)


def birth(person: Mapping[str, Any], on: date) -> str:
    """Return birth date and age on the day ``on``, the date as it is written; of a partial date the age is not told."""
    written = person.get("birthDate")
    if not isinstance(written, str) or not written:
        return ""
    died = person.get("deceasedBoolean") is True or bool(person.get("deceasedDateTime"))
    try:
        born = date.fromisoformat(written)
    except ValueError:
        return line(written, "age not known: the date is not complete", "deceased" if died else "")
    return line(written, "deceased" if died else age(born, on))


def age(born: date, on: date) -> str:
    """Return how old somebody is in years, under two years in months, under two months in days."""
    if on < born:
        return "not born yet"
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    if on - born < _DAYS_UNTIL:
        return _counted((on - born).days, "day")
    return _counted(months, "month") if months < _MONTHS_UNTIL else _counted(months // 12, "year")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _record_number(person: Mapping[str, Any]) -> str:
    for identifier in objects(person.get("identifier")):
        kinds = [coding.get("code") for coding in objects((identifier.get("type") or {}).get("coding"))]
        if _RECORD_NUMBER in kinds and identifier.get("value"):
            return str(identifier["value"])
    return ""


def _place(encounter: Mapping[str, Any] | None) -> str:
    """Return the kind of encounter, where it is now and how it stands."""
    if encounter is None:
        return ""
    places = sorted(objects(encounter.get("location")), key=lambda item: item.get("status") != "active")
    names = [(item.get("location") or {}).get("display") for item in places]
    kind = (encounter.get("class") or {}).get("display") or concepts(encounter.get("type"))
    return line(str(kind or ""), next((str(name) for name in names if name), ""), str(encounter.get("status") or ""))


def allergies_in_words(entries: Sequence[Entry]) -> str:
    """Return how many allergies are active and which is the worst; that none is recorded is not that there is none."""
    active = [item for item in entries if is_active(item)]
    denied = [item for item in active if none_known_scope(item.get("code")) or reads_as_none_known(item.get("code"))]
    real = [item for item in active if item not in denied]
    if real:
        worst = min(real, key=_badness)
        how = _how_bad(worst)
        named = concept(worst.get("code")) or "a substance that the entry does not name"
        return f"{len(real)} active, the worst: {named}{f' ({how})' if how else ''}"
    stated = ", ".join(concept(item.get("code")) for item in denied)
    return stated or "none recorded; nobody stated that there are none"


def _how_bad(entry: Entry) -> str:
    severities = [str(item.get("severity") or "") for item in objects(entry.get("reaction"))]
    stated = [str(entry.get("criticality") or ""), *severities]
    known = [word for word in _WORST if word in stated]
    if not known:
        return ""
    return f"criticality {known[0]}" if known[0] == entry.get("criticality") else f"{known[0]} reaction"


def _badness(entry: Entry) -> int:
    severities = [str(item.get("severity") or "") for item in objects(entry.get("reaction"))]
    stated = [str(entry.get("criticality") or ""), *severities]
    return min((_WORST.index(word) for word in stated if word in _WORST), default=len(_WORST))
