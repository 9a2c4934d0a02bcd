"""The other hospitals of the demonstration: which EHR each one has, and which readings are sent there; data, not judgement."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cli.demo.people import Person
from cli.sandbox_neighbour import Neighbour
from cli.stack import LOOPBACK
from processes.free_port import free_port

_FILE = Path(__file__).with_name("neighbours.toml")
#: Of the patients after the first, so many in turn are at home; then comes one of each neighbour.
_AT_HOME = 3


@cache
def readings_of() -> Mapping[str, frozenset[str]]:
    """Return the LOINC codes of the readings that are sent to each neighbour, by its connection."""
    return MappingProxyType({it["name"]: frozenset(it["codes"]) for it in _entries()})


def neighbours() -> tuple[Neighbour, ...]:
    """Return the hospitals of the file, each at a free port of this machine."""
    return tuple(
        Neighbour(
            name=it["name"],
            adapter=it["adapter"],
            origin=f"http://{LOOPBACK}:{free_port()}",
            auth=it["auth"],
            options=it["options"],
        )
        for it in _entries()
    )


def spread(people: Sequence[Person]) -> list[Person]:
    """Return the patients, each with the hospital that it is at: the first ones of every turn at home."""
    names = list(readings_of())
    turn = _AT_HOME + len(names)

    def placed(at: int, person: Person) -> Person:
        where = at % turn - _AT_HOME
        measured = 0 <= where < len(names) and set(readings_of()[names[where]]) <= set(person.vitals)
        return replace(person, connection=names[where]) if measured else person

    return [placed(at, person) for at, person in enumerate(people)]


def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))["neighbour"]
    return entries
