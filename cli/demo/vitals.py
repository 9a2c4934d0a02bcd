"""Vital signs as the ward's app would send them, derived from the patient's own; no judgement of any value."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any

from canonical.exact_json import WrittenDecimal
from cli.demo.people import Person, Resource, code_of

#: By LOINC code: how far a second reading may lie from the first, and the decimals the device shows.
_SPREAD: Mapping[str, tuple[str, int]] = {
    "8302-2": ("0.6", 1),
    "29463-7": ("0.9", 2),
    "8867-4": ("9", 0),
    "9279-1": ("2", 0),
    "8310-5": ("0.4", 1),
    "59408-5": ("1", 0),
    "8480-6": ("8", 0),
    "8462-4": ("5", 0),
}
#: Nobody has these.
IMPOSSIBLE = {"8867-4": "640", "8310-5": "61.5", "29463-7": "1189", "9279-1": "260"}
#: Hardly anybody has these.
UNUSUAL = {"8867-4": "238", "8310-5": "43.2"}
_MOST = {"59408-5": Decimal(100)}
_ZONES = (timedelta(0), timedelta(hours=2), timedelta(hours=-5))


class Ward:
    """Takes readings of patients, one a minute for each, as the seed has it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._taken: dict[str, int] = {}

    def reading(self, person: Person, code: str | None = None, value: str | None = None) -> dict[str, Any]:
        """Return a `record` of one of the patient's own vital signs, taken again; `value` instead of a likely one."""
        source = person.vitals[code or self._random.choice(sorted(person.vitals))]
        return {
            "type": "VitalReading",
            "operation": "record",
            "code": source["code"],
            "effectiveDateTime": self._time(person),
            "origin": "clinicianMeasured",
            "performerRole": "nurse",
            **self._measured(source, value),
        }

    def correction(self, reading: Mapping[str, Any]) -> dict[str, Any]:
        """Return a `correct` with another value for a reading recorded before."""
        kept = {name: reading[name] for name in ("type", "code", "effectiveDateTime", "origin", "performerRole")}
        return {**kept, "operation": "correct", **self._measured(reading, None)}

    def retraction(self, reading: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": "VitalReading",
            "operation": "retract",
            "code": reading["code"],
            "retractReason": "Taken on another patient",
        }

    def _time(self, person: Person) -> str:
        minute = self._taken[person.reference] = self._taken.get(person.reference, 0) + 1
        start = datetime.fromisoformat(person.encounter["period"]["start"])
        local = (start + timedelta(minutes=minute)).astimezone(timezone(self._random.choice(_ZONES)))
        return local.isoformat(timespec="seconds").replace("+00:00", "Z")

    def _measured(self, source: Mapping[str, Any], value: str | None) -> dict[str, Any]:
        if "component" in source:
            return {"component": [self._component(it) for it in source["component"]]}
        return {"valueQuantity": self._quantity(code_of(dict(source)), source["valueQuantity"], value)}

    def _component(self, component: Resource) -> dict[str, Any]:
        quantity = self._quantity(code_of(component), component["valueQuantity"], None)
        return {"code": component["code"], "valueQuantity": quantity}

    def _quantity(self, code: str, quantity: Resource, value: str | None) -> dict[str, Any]:
        return {**quantity, "value": WrittenDecimal(value or self._near(code, Decimal(str(quantity["value"]))))}

    def _near(self, code: str, value: Decimal) -> str:
        spread, digits = _SPREAD[code]
        steps = int(Decimal(spread).scaleb(digits))
        moved = value + Decimal(self._random.randint(-steps, steps)).scaleb(-digits)
        return f"{min(moved, _MOST.get(code, moved)):.{digits}f}"
