"""Base, current, proposed: what an author saw, what the chart says now and what it is to say, compared field by field.

Pure and on canonical words, normalised already (the projections that an EHR's adapter gives); what to do about a difference is
policy (``canonical/policy.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from canonical import exact_json
from canonical.differences import pointers

if TYPE_CHECKING:
    from canonical.action import FieldGroup

#: Of a field that stands in no group of its action nobody said how much it means.
UNGROUPED_SIGNIFICANCE = "high"


class FieldState(StrEnum):
    """How one field stands between author and chart."""

    #: Neither changed it.
    SAME = "same"
    #: Only one of them changed it.
    INDEPENDENT = "independent"
    #: Both did, to different values; or the author would change what they never saw.
    OVERLAPPING = "overlapping"
    #: The chart already says what is proposed.
    ALREADY_THERE = "already_there"


class _Sight(Enum):
    UNSEEN = "unseen"


#: The base of a field that its author never saw; ``None`` is a field that they saw and that said nothing.
UNSEEN: Final = _Sight.UNSEEN


@dataclass(frozen=True, kw_only=True)
class FieldDiff:
    """One field in three columns; ``None`` is a field that says nothing, ``base`` may be :data:`UNSEEN`.

    ``changed_by``: ``author``, ``chart``, ``both`` or nobody (``None``), each against the base. ``pending``: what is
    proposed would change what the chart says now. ``moved``: the chart says something else than the author saw.
    """

    name: str
    group: str
    state: FieldState
    changed_by: str | None
    base: Any
    current: Any
    proposed: Any
    pending: bool
    moved: bool

    @property
    def is_unseen(self) -> bool:
        """Whether the chart says something here that the author never saw."""
        return self.base is UNSEEN and self.current is not None

    @property
    def parts(self) -> tuple[str, ...]:
        """Return where inside the field chart and proposal differ: JSON pointers, ``""`` for the whole of it."""
        return pointers(self.current, self.proposed) if self.pending else ()

    @property
    def moved_parts(self) -> tuple[str, ...]:
        """Return where inside the field the chart differs from what the author saw."""
        return pointers(self.base, self.current) if self.moved else ()


@dataclass(frozen=True, kw_only=True)
class GroupDiff:
    """A clinical unit: the fields of one group that say anything; ``significance`` is ``low``, ``medium`` or ``high``."""

    name: str
    significance: str
    state: FieldState
    fields: tuple[FieldDiff, ...]

    @property
    def pending(self) -> bool:
        """Whether the author would change something in it."""
        return any(field.pending for field in self.fields)

    @property
    def moved(self) -> bool:
        """Whether the chart has moved in it since the author looked."""
        return any(field.moved for field in self.fields)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One entry of the chart compared; groups in the order of the action, then the fields that stand in none."""

    groups: tuple[GroupDiff, ...]

    @property
    def fields(self) -> tuple[FieldDiff, ...]:
        """Every field that says anything."""
        return tuple(field for group in self.groups for field in group.fields)

    def field(self, name: str) -> FieldDiff | None:
        """Return one field by name, if it says anything."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def author_fields(self) -> tuple[FieldDiff, ...]:
        """What the author would still change."""
        return tuple(field for field in self.fields if field.pending)

    @property
    def chart_fields(self) -> tuple[FieldDiff, ...]:
        """What the chart says otherwise than the author saw."""
        return tuple(field for field in self.fields if field.moved)

    @property
    def overlapping(self) -> tuple[GroupDiff, ...]:
        """The units that author and chart both would have otherwise: a person decides."""
        return tuple(group for group in self.groups if group.state is FieldState.OVERLAPPING)

    @property
    def moot(self) -> bool:
        """Whether the chart says already all that the author would change."""
        return not self.author_fields

    @property
    def moved(self) -> bool:
        """Whether the chart moved in anything that the author saw."""
        return bool(self.chart_fields)

    @property
    def merged(self) -> dict[str, Any]:
        """What the chart would say if what is proposed were written on what it says now: field → value."""
        said = {field.name: field.proposed if field.pending else field.current for field in self.fields}
        return {name: value for name, value in said.items() if value is not None}

    def digest(self) -> bytes:
        """Return the SHA-256 of all that was compared, numbers by value: equal for two looks at the same chart."""
        return exact_json.digest([_told(field) for field in sorted(self.fields, key=lambda field: field.name)])


def compare(
    *,
    base: Mapping[str, Any] | None,
    current: Mapping[str, Any],
    proposed: Mapping[str, Any],
    touched: Collection[str],
    groups: Sequence[FieldGroup],
    same_version: bool = False,
) -> Comparison:
    """Compare what the author saw, what the chart says and what it would say, each as field → normalised value.

    ``base`` is what the author had on the screen; a field that is not in it was not seen, and ``None`` stands for nothing seen at
    all. ``proposed`` is the projection of the planned resource, ``touched`` the fields that the action's own content states: what
    it does not state counts as a change of the author's only where the plan makes it something else than both author and chart
    had. ``same_version``: the chart has the version that the author named, so what they did not see has not moved either.
    """
    seen = {**current, **(base or {})} if same_version else dict(base or {})
    names = {name: None for said in (current, proposed, seen) for name in said}
    placed = [(group.name, group.significance, [name for name in group.fields if name in names]) for group in groups]
    grouped = {name for group in groups for name in group.fields}
    placed += [(name, UNGROUPED_SIGNIFICANCE, [name]) for name in names if name not in grouped]
    diffs = (
        (name, significance, [_diff(field, name, seen, current, proposed, touched) for field in fields])
        for name, significance, fields in placed
    )
    said = ((name, significance, tuple(filter(_says_anything, fields))) for name, significance, fields in diffs)
    return Comparison(
        groups=tuple(
            GroupDiff(name=name, significance=significance, state=_state(fields), fields=fields)
            for name, significance, fields in said
            if fields
        )
    )


def _diff(
    name: str,
    group: str,
    seen: Mapping[str, Any],
    current: Mapping[str, Any],
    proposed: Mapping[str, Any],
    touched: Collection[str],
) -> FieldDiff:
    base = seen.get(name, UNSEEN)
    now, then = current.get(name), proposed.get(name)
    moved = base is not UNSEEN and not exact_json.equal(base, now)
    # Of what the action does not state the plan may repeat what its author saw: that is no wish of theirs.
    repeats = name not in touched and base is not UNSEEN and exact_json.equal(base, then)
    pending = not exact_json.equal(now, then) and not repeats
    by_author = pending if base is UNSEEN or name not in touched else not exact_json.equal(base, then)
    return FieldDiff(
        name=name,
        group=group,
        state=_field_state(base, now, moved=moved, pending=pending, stated=name in touched),
        changed_by={(True, True): "both", (True, False): "author", (False, True): "chart"}.get((by_author, moved)),
        base=base,
        current=now,
        proposed=then,
        pending=pending,
        moved=moved,
    )


def _field_state(base: Any, now: Any, *, moved: bool, pending: bool, stated: bool) -> FieldState:
    if pending:
        # Stating again what was seen would undo what the chart says now: that overlaps as well.
        unseen = base is UNSEEN and now is not None
        return FieldState.OVERLAPPING if moved or unseen else FieldState.INDEPENDENT
    if stated and (moved or base is UNSEEN):
        return FieldState.ALREADY_THERE
    return FieldState.INDEPENDENT if moved else FieldState.SAME


def _state(fields: Sequence[FieldDiff]) -> FieldState:
    """Return how a clinical unit stands: what author and chart did to different fields of one overlaps too."""
    pending, moved = any(field.pending for field in fields), any(field.moved for field in fields)
    if pending:
        # What was not seen of a unit may be what somebody changed in it.
        return FieldState.OVERLAPPING if moved or any(f.is_unseen for f in fields) else FieldState.INDEPENDENT
    if any(field.state is FieldState.ALREADY_THERE for field in fields):
        return FieldState.ALREADY_THERE
    return FieldState.INDEPENDENT if moved else FieldState.SAME


def _says_anything(field: FieldDiff) -> bool:
    return any(value is not None and value is not UNSEEN for value in (field.base, field.current, field.proposed))


def _told(field: FieldDiff) -> list[Any]:
    seen = field.base is not UNSEEN
    return [field.name, seen, *map(_by_value, (field.base if seen else None, field.current, field.proposed))]


def _by_value(value: Any) -> Any:
    """Return ``value`` with numbers that are equal written the same: ``72.5`` and ``72.50``."""
    if isinstance(value, Mapping):
        return {name: _by_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_by_value(item) for item in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _plain(Decimal(value))
    return value


def _plain(number: Decimal) -> Decimal:
    """Return ``number`` without the zeros at its end and with every other digit, however many there are."""
    exact = Context(prec=max(len(number.as_tuple().digits), 1), Emax=MAX_EMAX, Emin=MIN_EMIN)
    return number.normalize(exact)
