"""What the chart says of one field, in the few words of a table's cell; codes apart, on demand. Any R4 value by its shape.

Not the whole of it: ``plain_words.py`` leaves nothing out, and is what messages and previews are made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from canonical.plain_values import COMPARATORS, DOSE_UNITS, SYSTEMS, number, words

#: What a chart says that says nothing.
NOTHING = "nothing"
#: Names of fields that state doses.
_DOSE = re.compile(r"dos(e|age)|strength|rate", re.IGNORECASE)
_PERIOD_UNITS = {"s": "second", "min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}


def field_text(name: str, value: Any) -> str:
    """Return what ``value`` (JSON of an R4 datatype, or a list of them) of field ``name`` says: words before codes."""
    return _text(value, is_dose=_DOSE.search(name) is not None)


def field_brief(name: str, value: Any) -> str:
    """Return what ``value`` says in the fewest words that still tell it from another: of directions dose and timing."""
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(one, Mapping):
        doses = [_text(item, is_dose=True) for rate in one.get("doseAndRate") or [] for item in _amounts(rate)]
        told = " ".join(part for part in (", ".join(doses), _timing(one.get("timing") or {})) if part)
        if doses:
            return told
    return field_text(name, value)


def codes_of(value: Any) -> str:
    """Return the codes behind the words, system and code, or nothing."""
    return ", ".join(dict.fromkeys(_codes(value)))


def _codes(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _codes(item)
    elif isinstance(value, Mapping):
        system, code = value.get("system"), value.get("code")
        if isinstance(code, str) and isinstance(system, str) and SYSTEMS.get(system) != "UCUM":
            yield f"{SYSTEMS.get(system, system)} {code}"
        for item in value.values():
            yield from _codes(item)


def _text(value: Any, *, is_dose: bool) -> str:
    if value is None or value in ([], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return number(Decimal(value) if isinstance(value, int) else value, is_dose=is_dose)
    if isinstance(value, list | tuple):
        return "; ".join(_text(item, is_dose=is_dose) for item in value)
    if isinstance(value, Mapping):
        return next(tell for fits, tell in _SHAPES if fits(value))(value, is_dose=is_dose)
    return _word(str(value))


def _word(text: str) -> str:
    """Return a code of an enumeration as words, and any other text as it stands."""
    return words(text).replace("-", " ") if re.fullmatch(r"[a-z]+([-A-Z][a-z]+)+", text) else text


def _concept(value: Mapping[str, Any], *, is_dose: bool) -> str:  # noqa: ARG001 - one signature for all shapes
    codings = value.get("coding") or []
    said = value.get("text") or next((item["display"] for item in codings if item.get("display")), None)
    return str(said) if said else "; ".join(_coding(item, is_dose=False) for item in codings) or NOTHING


def _coding(value: Mapping[str, Any], *, is_dose: bool) -> str:  # noqa: ARG001 - one signature for all shapes
    if value.get("display"):
        return str(value["display"])
    system = str(value.get("system", ""))
    if "terminology.hl7.org" in system or not system:
        return _word(str(value.get("code", NOTHING)))
    return f"{SYSTEMS.get(system, 'code')} {value.get('code', '')}".strip()


def _quantity(value: Mapping[str, Any], *, is_dose: bool) -> str:
    unit = str(value.get("unit") or value.get("code") or "")
    shown = DOSE_UNITS.get(unit, unit) if is_dose else unit
    comparator = COMPARATORS.get(str(value.get("comparator", "")), "")
    amount = _text(value.get("value"), is_dose=is_dose)
    return " ".join(part for part in (comparator, amount, shown) if part)


def _ratio(value: Mapping[str, Any], *, is_dose: bool) -> str:
    halves = [value.get("numerator"), value.get("denominator")]
    return " per ".join(_text(half, is_dose=is_dose) for half in halves if half)


def _range(value: Mapping[str, Any], *, is_dose: bool) -> str:
    ends = [_text(value[name], is_dose=is_dose) for name in ("low", "high") if value.get(name)]
    return " to ".join(ends)


def _period(value: Mapping[str, Any], *, is_dose: bool) -> str:  # noqa: ARG001 - one signature for all shapes
    ends = (("from", value.get("start")), ("until", value.get("end")))
    return " ".join(f"{word} {end}" for word, end in ends if end)


def _dosage(value: Mapping[str, Any], *, is_dose: bool) -> str:  # noqa: ARG001 - one signature for all shapes
    """Return the directions as written, and the structured dose behind them: both are what a pharmacist compares."""
    parts = [_text(item, is_dose=True) for rate in value.get("doseAndRate") or [] for item in _amounts(rate)]
    parts += [_text(value[name], is_dose=True) for name in ("route", "site", "method") if value.get(name)]
    parts += [timing] if (timing := _timing(value.get("timing") or {})) else []
    parts += ["as needed"] if value.get("asNeededBoolean") or value.get("asNeededCodeableConcept") else []
    structured = ", ".join(parts)
    written = str(value.get("text") or "")
    return f"{written} [{structured}]" if written and structured else written or structured or NOTHING


def _amounts(rate: Mapping[str, Any]) -> Iterator[Any]:
    for name in ("doseQuantity", "doseRange", "rateQuantity", "rateRange", "rateRatio"):
        if rate.get(name):
            yield rate[name]


def _timing(value: Mapping[str, Any]) -> str:
    repeat = value.get("repeat") or {}
    if not repeat.get("frequency") or not repeat.get("period"):
        return _text(value["code"], is_dose=False) if value.get("code") else ""
    unit = _PERIOD_UNITS.get(str(repeat.get("periodUnit")), "")
    period = _text(repeat["period"], is_dose=True)
    times = "once" if str(repeat["frequency"]) == "1" else f"{repeat['frequency']} times"
    return f"{times} a {unit}" if period == "1" else f"{times} every {period} {unit}s"


def _reaction(value: Mapping[str, Any], *, is_dose: bool) -> str:
    said = [_text(value["manifestation"], is_dose=is_dose)]
    said += [str(value[name]) for name in ("severity", "description") if value.get(name)]
    return ", ".join(said)


def _reference(value: Mapping[str, Any], *, is_dose: bool) -> str:  # noqa: ARG001 - one signature for all shapes
    if value.get("display"):
        return str(value["display"])
    kind = str(value.get("reference") or value.get("type") or "somebody").split("/")[0]
    return f"a {words(kind)} without a name"


def _identifier(value: Mapping[str, Any], *, is_dose: bool) -> str:  # noqa: ARG001 - one signature for all shapes
    return str(value["value"])


def _members(value: Mapping[str, Any], *, is_dose: bool) -> str:
    """Return a structure that has no shape of its own: its text if it has one, else member by member."""
    if value.get("text"):
        return str(value["text"])
    return "; ".join(f"{words(name)} {_text(item, is_dose=is_dose)}" for name, item in value.items())


def _has(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda value: any(name in value for name in names)


#: How a structure is told, by what it has; the first that fits.
_SHAPES: tuple[tuple[Callable[[Mapping[str, Any]], bool], Callable[..., str]], ...] = (
    (_has("doseAndRate", "timing", "asNeededBoolean", "patientInstruction"), _dosage),
    (_has("manifestation"), _reaction),
    (_has("coding"), _concept),
    (_has("numerator", "denominator"), _ratio),
    (lambda value: "value" in value and ("unit" in value or "comparator" in value or "code" in value), _quantity),
    (_has("low", "high"), _range),
    (lambda value: bool(value) and set(value) <= {"start", "end"}, _period),
    (_has("reference"), _reference),
    (lambda value: "code" in value and set(value) <= {"system", "code", "display", "version", "userSelected"}, _coding),
    (lambda value: "value" in value and "system" in value, _identifier),
    (lambda _value: True, _members),
)
