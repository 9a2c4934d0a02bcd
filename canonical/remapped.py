"""A command whose patient was merged, said of the record in its place: decided by a person to be sent, or only to be looked for.

It keeps key, author, consent, target and content; only what names the merged record names the other. Nothing is sent here.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from canonical import exact_json
from canonical.ports import Operation

#: What of an envelope is about its patient. Who wrote it and what it was made from stay as they were said.
_ABOUT_THE_PATIENT = ("action", "encounter")


def remapped(envelope: Mapping[str, Any], survivor: str) -> dict[str, Any]:
    """Return ``envelope`` (JSON with exact decimals) for the record ``survivor`` (``Patient/id``).

    The second identifier stays as its app gave it: the record in its place must answer to it as well.
    """
    named = envelope["patient"]["reference"]
    made = copy.deepcopy(dict(envelope))
    made["patient"]["reference"] = survivor
    for part in _ABOUT_THE_PATIENT:
        if part in made:
            made[part] = renamed(made[part], named, survivor)
    return made


def renamed(value: Any, named: str, survivor: str) -> Any:
    """Return a copy of ``value`` (JSON) in which every reference to the record ``named`` is one to ``survivor``."""
    if isinstance(value, list):
        return [renamed(item, named, survivor) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: survivor if name == "reference" and item == named else renamed(item, named, survivor)
        for name, item in value.items()
    }


def looked_for(operation: Operation, named: str, survivor: str) -> Operation | None:
    """Return ``operation`` as its entry would be found under ``survivor``, ``None`` where what it sends names no patient.

    Only to ask the chart whether it is there, never to send it.
    """
    try:
        said = exact_json.parse(operation.body)
    except exact_json.InvalidJsonError:
        return None
    moved = renamed(said, named, survivor)
    return replace(operation, body=exact_json.dumps(moved).encode()) if moved != said else None
