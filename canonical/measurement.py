"""One measured number, or why there is none, against its vital sign; nothing is converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from canonical.code_systems import DATA_ABSENT_REASON, UCUM
from canonical.errors import FieldError
from canonical.ranges import Verdict, judge
from canonical.vital_signs import unit_meant

if TYPE_CHECKING:
    from canonical.datatypes import CodeableConcept, Quantity
    from canonical.ranges import Age
    from canonical.vital_signs import VitalSign

#: Source: HL7 FHIR R4 (4.0.1), code system ``data-absent-reason``.
ABSENT_REASONS = frozenset(
    {
        *("unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked", "not-applicable"),
        *("unsupported", "as-text", "error", "not-a-number", "negative-infinity", "positive-infinity"),
        *("not-performed", "not-permitted"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A number of ``vital`` at ``pointer`` (JSON pointer of the object that holds value or reason)."""

    pointer: str
    vital: VitalSign
    quantity: Quantity | None
    absent: CodeableConcept | None
    member: str = "valueQuantity"

    def _error(self, member: str, code: str, detail: str) -> FieldError:
        return FieldError(pointer=f"{self.pointer}/{member}", code=code, detail=detail)

    def errors(self) -> list[FieldError]:
        """Return what is wrong with presence and unit; thresholds can be asked only when this is empty."""
        if self.quantity is None and self.absent is None:
            detail = "state the value, or why it is missing (dataAbsentReason)"
            return [self._error(self.member, "required", detail)]
        if self.quantity is not None and self.absent is not None:
            return [self._error("dataAbsentReason", "value-and-reason", "there is a value: leave the reason out")]
        if self.absent is not None:
            return self._reason_errors(self.absent)
        return self._unit_errors()

    def _reason_errors(self, reason: CodeableConcept) -> list[FieldError]:
        code = reason.code_in(DATA_ABSENT_REASON)
        if code is None or code in ABSENT_REASONS:
            return []
        detail = f"one of: {', '.join(sorted(ABSENT_REASONS))}"
        return [self._error("dataAbsentReason", "unknown-code", detail)]

    def _unit_errors(self) -> list[FieldError]:
        quantity = self.quantity
        assert quantity is not None  # noqa: S101 - asked only when there is one
        missing = [name for name in ("value", "unit", "system", "code") if getattr(quantity, name) is None]
        if missing:
            return [self._error(f"{self.member}/{name}", "required", "a vital sign states it") for name in missing]
        if quantity.system != UCUM or quantity.code not in self.vital.units:
            allowed = ", ".join(self.vital.units)
            detail = f"{self.vital.title} is stated in UCUM as one of: {allowed}; nothing is converted"
            return [self._error(f"{self.member}/code", "unit-not-allowed", detail)]
        if unit_meant(quantity.unit or "") not in {None, quantity.code}:
            detail = "the unit's text and its code are two different units"
            return [self._error(f"{self.member}/unit", "unit-contradiction", detail)]
        return []

    def verdict(self, age: Age | None) -> Verdict:
        """Return what the thresholds say at ``age``; a missing value is usual. Ask after :meth:`errors`."""
        quantity = self.quantity
        if quantity is None or quantity.value is None or quantity.code is None:
            return Verdict.USUAL
        return judge(self.vital.ranges_of, quantity.value, quantity.code, age)

    def impossible(self) -> FieldError:
        """Return the refusal of a number that cannot be."""
        zero = self.quantity is not None and self.quantity.value == 0
        hint = "; for a missing measurement send dataAbsentReason instead of 0" if zero else ""
        return self._error(f"{self.member}/value", "value-impossible", f"not possible for {self.vital.title}{hint}")

    def implausible(self) -> FieldError:
        """Return the request to confirm a number that needs a second look."""
        detail = f"unusual for {self.vital.title} at this age: look again, then send it with 'confirmed'"
        return self._error(f"{self.member}/value", "confirmation-required", detail)
