"""FHIR search: parameters to SQL and back to a Bundle; not the index it looks into.

Source: https://hl7.org/fhir/R4/search.html
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import simplejson

from sandbox.answers import Refusal
from sandbox.chart import Chart, StoredVersion
from sandbox.clinical_interval import Interval, interval_of
from sandbox.references import local_reference
from sandbox.resource_types import COMMON_SEARCH, RESOURCE_TYPES, Kind
from sandbox.settings import Behaviour

#: Where a page starts; our own parameter, met only in the links we hand out.
OFFSET = "_offset"
#: Taken and without effect: they ask for what we do anyway.
_WITHOUT_EFFECT = {"_format", "_pretty", "_total"}
#: The one thing that can be asked for beside the matches.
_REVINCLUDE, _PROVENANCE = "_revinclude", "Provenance:target"
_SORTS = {
    "_id": "v.id",
    "_lastUpdated": "v.stored_at",
    "date": "(SELECT min(d.low) FROM search_dates d WHERE d.seq = v.seq)",
}


@dataclass(frozen=True)
class Clause:
    """A condition on a row `v` of `versions`."""

    sql: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search as asked for."""

    type: str
    pairs: tuple[tuple[str, str], ...]
    clauses: tuple[Clause, ...]
    order: str
    count: int
    offset: int
    with_provenance: bool = False

    def run(self, chart: Chart, *, as_of: float | None = None) -> tuple[int, list[StoredVersion]]:
        """Total of the matches and the ones of this page; `as_of` sees the index as it was then."""
        visible = (
            Clause("v.superseded_at IS NULL", ())
            if as_of is None
            else Clause("v.stored_at <= ? AND (v.superseded_at IS NULL OR v.superseded_at > ?)", (as_of, as_of))
        )
        conditions = [Clause("v.type = ? AND NOT v.deleted", (self.type,)), visible, *self.clauses]
        where = " AND ".join(clause.sql for clause in conditions)
        arguments = [argument for clause in conditions for argument in clause.arguments]
        # Only our own fragments reach the text of the statement; every value of the request is bound.
        total = chart.connection.execute(f"SELECT count(*) FROM versions v WHERE {where}", arguments)  # noqa: S608
        rows = chart.connection.execute(
            f"SELECT v.* FROM versions v WHERE {where} ORDER BY {self.order} LIMIT ? OFFSET ?",  # noqa: S608
            [*arguments, self.count, self.offset],
        )
        return total.fetchone()[0], [StoredVersion.from_row(row) for row in rows]

    def included(self, chart: Chart, found: list[StoredVersion]) -> list[StoredVersion]:
        """The Provenance of what was found, where it was asked for."""
        if not self.with_provenance:
            return []
        rows = chart.connection.execute(
            "SELECT v.* FROM versions v WHERE v.type = 'Provenance' AND v.superseded_at IS NULL AND NOT v.deleted"
            " AND v.seq IN (SELECT s.seq FROM search_values s, json_each(?) j"
            " WHERE s.type = 'Provenance' AND s.param = 'target' AND s.value = j.value) ORDER BY v.seq",
            (simplejson.dumps([it.reference for it in found]),),
        )
        return [StoredVersion.from_row(row) for row in rows]


def parse_search(
    type: str, pairs: list[tuple[str, str]], *, behaviour: Behaviour, base: str, strict: bool = False
) -> Search:
    """Understand the parameters of a search.

    Raises:
        Refusal: 400, a parameter is unknown or its value cannot be read.
    """
    clauses, order, count, offset = [], "v.seq", behaviour.page_size, 0
    with_provenance = (_REVINCLUDE, _PROVENANCE) in pairs
    for name, value in pairs:
        if name == "_count":
            count = min(_number(name, value), behaviour.max_page_size)
        elif name == OFFSET:
            offset = _number(name, value)
        elif name == "_sort":
            order = _order(value)
        elif name not in _WITHOUT_EFFECT and (name, value) != (_REVINCLUDE, _PROVENANCE):
            kind = _kind(type, name)
            if kind is not None:
                clauses.append(_clause(type, name, kind, value, base))
            elif strict or behaviour.unknown_search == "reject":
                raise Refusal(400, "not-supported", f"{type} cannot be searched by '{name}'.")
    return Search(
        type=type,
        pairs=tuple(pairs),
        clauses=tuple(clauses),
        order=order,
        count=count,
        offset=offset,
        with_provenance=with_provenance,
    )


def searchset(
    search: Search, total: int, found: list[StoredVersion], *, base: str, included: list[StoredVersion] | None = None
) -> str:
    """The Bundle of a page, with links to itself and to the next page, and what was `included` beside the matches."""
    links = [{"relation": "self", "url": _url(search, search.offset, base)}]
    if search.count and search.offset + len(found) < total:
        links.append({"relation": "next", "url": _url(search, search.offset + search.count, base)})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
    modes = [*((stored, "match") for stored in found), *((stored, "include") for stored in included or ())]
    if modes:
        bundle["entry"] = [
            {
                "fullUrl": f"{base}/{stored.reference}",
                "resource": simplejson.RawJSON(stored.body),
                "search": {"mode": mode},
            }
            for stored, mode in modes
        ]
    return str(simplejson.dumps(bundle, ensure_ascii=False, separators=(",", ":")))


def _url(search: Search, offset: int, base: str) -> str:
    pairs = [(name, value) for name, value in search.pairs if name not in {OFFSET, "_count"}]
    pairs += [("_count", str(search.count))]
    if offset:
        pairs.append((OFFSET, str(offset)))
    return f"{base}/{search.type}?{urlencode(pairs)}"


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"\d{1,9}", value):
        raise Refusal(400, "invalid", f"'{name}' is not a whole number.")
    return int(value)


def _order(value: str) -> str:
    keys = []
    for key in value.split(","):
        column = _SORTS.get(key.removeprefix("-"))
        if column is None:
            raise Refusal(400, "not-supported", f"Sorting goes by {', '.join(_SORTS)} only.")
        keys.append(f"{column} DESC" if key.startswith("-") else column)
    return ", ".join([*keys, "v.seq"])


def _kind(type: str, name: str) -> Kind | None:
    parameter = RESOURCE_TYPES[type].search.get(name)
    return parameter.kind if parameter else COMMON_SEARCH.get(name)


def _clause(type: str, name: str, kind: Kind, value: str, base: str) -> Clause:
    alternatives = [_unescape(part) for part in re.split(r"(?<!\\),", value)]
    if not all(alternatives):
        raise Refusal(400, "invalid", f"'{name}' has an empty value.")
    if name == "_id":
        return _any([Clause("v.id = ?", (value,)) for value in alternatives])
    if name == "_lastUpdated":
        return _any([_last_updated(part) for part in alternatives])
    build = _BUILDERS[kind]
    return _any([build(type, name, part, base) for part in alternatives])


def _unescape(value: str) -> str:
    # `\|` keeps its backslash until the token is split.
    return re.sub(r"\\([,$\\])", r"\1", value)


def _any(clauses: list[Clause]) -> Clause:
    sql = " OR ".join(clause.sql for clause in clauses)
    return Clause(f"({sql})", tuple(argument for clause in clauses for argument in clause.arguments))


def _indexed(table: str, condition: str, arguments: tuple[object, ...]) -> Clause:
    # `table` and `condition` are our own words.
    return Clause(
        f"v.seq IN (SELECT seq FROM {table} WHERE type = ? AND param = ? AND {condition})",  # noqa: S608
        arguments,
    )


def _token(type: str, name: str, value: str, _base: str) -> Clause:
    parts = [part.replace("\\|", "|") for part in re.split(r"(?<!\\)\|", value, maxsplit=1)]
    if len(parts) == 1:
        return _indexed("search_values", "value = ?", (type, name, parts[0]))
    system, code = parts
    if not code:
        return _indexed("search_values", "system = ?", (type, name, system))
    return _indexed("search_values", "value = ? AND system = ?", (type, name, code, system))


def _reference(type: str, name: str, value: str, base: str) -> Clause:
    local = local_reference(value, base)
    target = "/".join(local) if local else value if "/" in value else f"Patient/{value}"
    if name in {"encounter", "context"} and "/" not in value:
        target = f"Encounter/{value}"
    return _indexed("search_values", "value = ?", (type, name, target))


def _string(type: str, name: str, value: str, _base: str) -> Clause:
    start = value.casefold()
    return _indexed("search_values", "substr(value, 1, ?) = ?", (type, name, len(start), start))


def _date(type: str, name: str, value: str, _base: str) -> Clause:
    condition, bounds = _date_condition(value, low="low", high="high")
    return _indexed("search_dates", condition, (type, name, *bounds))


def _last_updated(value: str) -> Clause:
    low = "CAST(round(v.stored_at * 1000) AS INTEGER) * 1000"
    condition, bounds = _date_condition(value, low=low, high=f"({low} + 1000)")
    return Clause(condition, bounds)


def _date_condition(value: str, *, low: str, high: str) -> tuple[str, tuple[int, ...]]:
    found = re.fullmatch(r"(eq|ne|ge|le|gt|lt|sa|eb)?(\d.*)", value)
    if found is None:
        raise Refusal(400, "invalid", "A date parameter is a prefix (eq ne ge le gt lt sa eb) and a date.")
    try:
        interval = interval_of(found[2])
    except (ValueError, OverflowError):
        raise Refusal(400, "invalid", "A date parameter cannot be read; is '+' written as %2B?") from None
    template, bounds = _PREFIXES[found[1] or "eq"]
    return template.format(low=low, high=high), bounds(interval)


def _both(interval: Interval) -> tuple[int, ...]:
    return interval


def _start(interval: Interval) -> tuple[int, ...]:
    return (interval[0],)


def _end(interval: Interval) -> tuple[int, ...]:
    return (interval[1],)


# Intervals are half open: [low, high) of the resource against [start, end) of the parameter.
_PREFIXES: dict[str, tuple[str, Callable[[Interval], tuple[int, ...]]]] = {
    "eq": ("({low} >= ? AND {high} <= ?)", _both),
    "ne": ("NOT ({low} >= ? AND {high} <= ?)", _both),
    "gt": ("{high} > ?", _end),
    "lt": ("{low} < ?", _start),
    "ge": ("{high} > ?", _start),
    "le": ("{low} < ?", _end),
    "sa": ("{low} >= ?", _end),
    "eb": ("{high} <= ?", _start),
}
_BUILDERS: dict[Kind, Callable[[str, str, str, str], Clause]] = {
    "token": _token,
    "reference": _reference,
    "string": _string,
    "date": _date,
}
