"""FHIR ``dateTime`` kept exactly as written, with offset and precision; not system time, which is aware UTC.

Source: HL7 FHIR R4 (4.0.1), data types, ``dateTime``.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

_PATTERN = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d))?)?)?"
)
#: A partial date names no zone; somewhere on earth it begins this much earlier and ends this much later.
_ZONE_SPREAD = timedelta(hours=14)
_OFFSET_LIMIT = timedelta(hours=14)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _offset(zone: str) -> timezone:
    if zone == "Z":
        return UTC
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    if minutes > 59 or abs(offset) > _OFFSET_LIMIT:
        msg = "offset beyond 14 hours"
        raise ValueError(msg)
    return timezone(offset)


def _shifted(instant: datetime, by: timedelta) -> datetime:
    """Return ``instant + by``, held within what a ``datetime`` can say: ``9999-12-31`` is a usual "no end"."""
    try:
        return instant + by
    except OverflowError:
        return min(instant, _FIRST) if by < timedelta(0) else max(instant, _LAST)


def _bounds(found: re.Match[str]) -> tuple[datetime, datetime]:
    """Return first and last instant that the written time may mean, both aware."""
    year, month, day = int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)
    if found["hour"] is not None:
        start = datetime(
            year,
            month,
            day,
            int(found["hour"]),
            int(found["minute"]),
            int(found["second"]),
            tzinfo=_offset(found["zone"]),
        )
        fraction = found["fraction"] or ""
        start = _shifted(start, timedelta(seconds=float(fraction or 0)))
        precision = timedelta(seconds=1) if not fraction else timedelta(seconds=10 ** -(len(fraction) - 1))
        return start, _shifted(start, precision)
    start = datetime(year, month, day, tzinfo=UTC)
    if found["month"] is None:
        end = datetime(year, 12, 31, tzinfo=UTC)
    elif found["day"] is None:
        end = datetime(year, month, calendar.monthrange(year, month)[1], tzinfo=UTC)
    else:
        end = start
    return _shifted(start, -_ZONE_SPREAD), _shifted(end, timedelta(days=1) + _ZONE_SPREAD)


@dataclass(frozen=True)
class ClinicalTime:
    """A FHIR ``dateTime``: year, year-month, date, or date and time with seconds and offset.

    ``text`` is what was written; a partial date is never completed.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what FHIR does not allow, a time without offset above all."""
        found = _PATTERN.fullmatch(self.text)
        if found is None:
            msg = "not a FHIR dateTime (a time needs seconds and an offset)"
            raise ValueError(msg)
        _bounds(found)

    @property
    def interval(self) -> tuple[datetime, datetime]:
        """First and last instant the text may mean (aware)."""
        found = _PATTERN.fullmatch(self.text)
        assert found is not None  # noqa: S101 - checked at construction
        return _bounds(found)

    @property
    def is_instant(self) -> bool:
        """Whether a time of day is stated."""
        return "T" in self.text

    @property
    def is_full_date(self) -> bool:
        """Whether at least year, month and day are stated."""
        return len(self.text) >= len("YYYY-MM-DD")

    def is_after(self, instant: datetime) -> bool:
        """Whether the whole of the written time lies after ``instant`` (aware)."""
        return self.interval[0] > instant

    def is_before(self, instant: datetime) -> bool:
        """Whether the whole of the written time lies before ``instant`` (aware)."""
        return self.interval[1] <= instant

    def is_same_instant(self, other: ClinicalTime) -> bool:
        """Whether both state the same time with the same precision, in whatever zone."""
        return self.interval == other.interval

    def __str__(self) -> str:
        """Return the text as written."""
        return self.text

    @classmethod
    def _parse(cls, value: Any) -> ClinicalTime:
        if isinstance(value, ClinicalTime):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("clinical_time", "a FHIR dateTime is a string")
        try:
            return cls(value)
        except ValueError:
            raise PydanticCustomError(
                "clinical_time",
                "not a FHIR dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with an offset",
            ) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Validate from text, dump to the same text."""
        return core_schema.no_info_plain_validator_function(
            cls._parse,
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe it as FHIR does."""
        return {
            "type": "string",
            "format": "fhir-dateTime",
            "pattern": f"^{_PATTERN.pattern.replace('?P<', '?<')}$",
        }


def _instant(value: ClinicalTime) -> ClinicalTime:
    if not value.is_instant:
        raise PydanticCustomError("clinical_instant", "a time of day with offset is required here")
    return value


def _date(value: ClinicalTime) -> ClinicalTime:
    if value.is_instant:
        raise PydanticCustomError("clinical_date", "a date without a time of day is required here")
    return value


def _utc(value: Any) -> datetime:
    """Accept a system time only with an offset; a naive one has no meaning between machines."""
    if isinstance(value, str):
        parsed = ClinicalTime._parse(value)  # noqa: SLF001 - same module
        _instant(parsed)
        value = parsed.interval[0]
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise PydanticCustomError("aware_time", "a date and time with an offset is required")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("aware_time", "a date and time between the years 1 and 9999 is required") from None


#: A clinical time with a time of day and an offset.
ClinicalInstant = Annotated[ClinicalTime, AfterValidator(_instant)]
#: A FHIR ``date``: year, year-month or day.
ClinicalDate = Annotated[ClinicalTime, AfterValidator(_date)]
#: A system time: aware, kept in UTC.
SystemTime = Annotated[
    datetime,
    BeforeValidator(_utc),
    PlainSerializer(datetime.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
