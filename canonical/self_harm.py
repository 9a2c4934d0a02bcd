"""Whether answers to a questionnaire speak of harming oneself, so that a person sees them. It scores and diagnoses nothing.

What cannot be told counts as said: a case too many costs a look. Answers are read as JSON, as sent or as seen in a chart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from canonical.code_systems import LOINC
from canonical.questionnaire_lists import questionnaire_lists
from canonical.wording import holds, plain

#: What separates the parts of a linkId or an address.
_BETWEEN = re.compile(r"[^0-9A-Za-z-]+")


def answered_positively(items: Any, pointer: str = "/action/item") -> str | None:
    """Return the JSON pointer of the first question about harming oneself whose answer says more than "not at all"."""
    return next(
        (at for at, item in walk(items, pointer) if _asks(item) and any(map(_says, _list(item, "answer")))), None
    )


def walk(items: Any, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every item below ``items`` with its pointer, groups and questions under an answer included."""
    for at, item in enumerate(items if isinstance(items, list) else []):
        if not isinstance(item, Mapping):
            continue
        here = f"{pointer}/{at}"
        yield here, item
        yield from walk(item.get("item"), f"{here}/item")
        for number, answer in enumerate(_list(item, "answer")):
            yield from walk(answer.get("item"), f"{here}/answer/{number}/item")


def _list(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = item.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _asks(item: Mapping[str, Any]) -> bool:
    known = questionnaire_lists().self_harm
    parts = {part for name in ("linkId", "definition") for part in _BETWEEN.split(str(item.get(name, "")))}
    return bool(parts & known.loinc) or holds(str(item.get("text", "")), known.words)


def _says(answer: Mapping[str, Any]) -> bool:
    """Whether an answer says, or may say, that there is something of the kind."""
    name, value = next(((name, value) for name, value in answer.items() if name.startswith("value")), ("", None))
    read = _NOTHING.get(name)
    return read is None or not read(value)


def _is_nothing_in_words(text: Any) -> bool:
    words = [word for word in plain(str(text)).split() if not word.strip("()").isdigit()]
    return " ".join(words) in questionnaire_lists().self_harm.nothing_words or str(text).strip() == "0"


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value == 0


def _is_nothing_by_code(coding: Any) -> bool:
    """A display beside the code must say the same as the code."""
    if not isinstance(coding, Mapping):
        return False
    known, display = questionnaire_lists().self_harm, coding.get("display")
    code = coding.get("code") if coding.get("system") == LOINC else None
    if code in known.something_loinc:
        return False
    return _is_nothing_in_words(display) if display is not None else code in known.nothing_loinc


#: value[x] → whether it says that there is nothing of the kind; any other kind of value says nothing that is known.
_NOTHING: Mapping[str, Callable[[Any], bool]] = {
    "valueBoolean": lambda value: value is False,
    "valueInteger": _is_zero,
    "valueDecimal": _is_zero,
    "valueQuantity": lambda value: isinstance(value, Mapping) and _is_zero(value.get("value")),
    "valueString": _is_nothing_in_words,
    "valueCoding": _is_nothing_by_code,
}
