"""When something began or ended, in the five forms that FHIR has for it; what may stand in them, not of what they speak.

Source: HL7 FHIR R4 (4.0.1), ``onset[x]`` and ``abatement[x]`` of Condition, ``onset[x]`` of AllergyIntolerance, ``Age``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from canonical.clinical_context import birth_errors, future_errors
from canonical.clinical_time import ClinicalTime
from canonical.code_systems import UCUM
from canonical.datatypes import Period, Quantity
from canonical.errors import FieldError
from canonical.field_presence import stated

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.action import Action
    from canonical.envelope import Envelope

#: UCUM units of time that an age is stated in.
AGE_UNITS = frozenset({"min", "h", "d", "wk", "mo", "a"})
FORMS = ("DateTime", "Age", "Period", "Range", "String")


class Age(Quantity):
    """``Age``: a positive number of a UCUM unit of time (invariant age-1)."""

    @model_validator(mode="after")
    def _is_an_age(self) -> Self:
        if self.value is None or self.value <= 0 or self.system != UCUM or self.code not in AGE_UNITS:
            raise PydanticCustomError("age", "an age is above zero, in UCUM's min, h, d, wk, mo or a (invariant age-1)")
        return self


def elements(stem: str) -> tuple[str, ...]:
    """Return the elements of a choice, ``onset`` or ``abatement``, in FHIR's spelling."""
    return tuple(stem + form for form in FORMS)


def times(action: Action, stem: str) -> list[tuple[str, ClinicalTime | None]]:
    """Return the clinical times of a choice with their pointers; forms without a calendar have none."""
    moment, period = getattr(action, f"{stem}_date_time"), getattr(action, f"{stem}_period")
    return [
        (f"/action/{stem}DateTime", moment),
        (f"/action/{stem}Period/start", period.start if isinstance(period, Period) else None),
        (f"/action/{stem}Period/end", period.end if isinstance(period, Period) else None),
    ]


def choice_errors(envelope: Envelope, action: Action, stem: str, now: datetime) -> list[FieldError]:
    """Return what is wrong with a choice: two forms at once, a time to come, or one before birth."""
    said = [name for name in elements(stem) if name in stated(action)]
    detail = f"state {stem} in one form only"
    wrong = [FieldError(pointer=f"/action/{name}", code="one-of", detail=detail) for name in said[1:]]
    for pointer, time in times(action, stem):
        wrong += future_errors([(pointer, time)], now)
        wrong += birth_errors(envelope, pointer, time)
    return wrong


def order_errors(action: Action) -> list[FieldError]:
    """Return an error when the whole of the abatement lies before the onset, as far as both name a time."""
    begins = next((time for _, time in times(action, "onset") if time is not None), None)
    ends = [(pointer, time) for pointer, time in times(action, "abatement") if time is not None]
    return [
        FieldError(pointer=pointer, code="abatement-before-onset", detail="it ends before it begins")
        for pointer, time in ends
        if begins is not None and time.is_before(begins.interval[0])
    ]
