"""The command that a person's decision makes of one whose patient was merged: the same intent, for the record in its place.

It keeps key, author, consent, target and content; only what names the merged record names the other. Nothing is sent here.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

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
