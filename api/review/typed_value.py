"""Another value of a field, as typed on a page, made into R4 JSON. Numbers stay as they were written; no chart is asked."""

from __future__ import annotations

import re
from typing import Any

from canonical.case_views import EditKind
from canonical.exact_json import WrittenDecimal

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?")
#: FHIR date and dateTime; whether it is a day that exists is the desk's to say.
_DATE = re.compile(
    r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?"
)


class TypedValueError(ValueError):
    """What was typed is no such value; the message says what to type and repeats nothing of it."""


def typed_value(kind: EditKind, value: str, *, unit: str = "", dose: str | None = None) -> Any:
    """Return the typed text as the value of a :class:`canonical.review_desk.FieldPick`.

    ``dose`` is ``None`` where none is asked for. By kind: ``QUANTITY`` is ``{"value", "unit"}``; ``DOSAGE`` is ``{"text"}``,
    and with a dose ``"doseAndRate": [{"doseQuantity": {"value", "unit"}}]``; ``CHOICE`` is the code; ``TEXT`` and ``DATE`` are
    the text.

    Raises :class:`TypedValueError`.
    """
    if not value:
        raise TypedValueError("Type the other value.")
    if kind is EditKind.QUANTITY:
        return _quantity(value, unit)
    if kind is EditKind.DOSAGE:
        number = {} if dose is None else {"doseAndRate": [{"doseQuantity": _quantity(dose, unit)}]}
        return {"text": value} | number
    if kind is EditKind.DATE and not _DATE.fullmatch(value):
        raise TypedValueError("Type a date as 2026-03-10, or a time as 2026-03-10T14:30:00-05:00.")
    return value


def _quantity(typed: str, unit: str) -> dict[str, Any]:
    if not _NUMBER.fullmatch(typed):
        raise TypedValueError("Type a number with a point, such as 12.5.")
    number = WrittenDecimal(typed) if "." in typed else int(typed)
    return {"value": number, "unit": unit} if unit else {"value": number}
