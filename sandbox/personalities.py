"""Which personalities there are: every module of this folder that has one; not what they are."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.answers import Refusal
from sandbox.personality import Conduct, Personality
from sandbox.settings import Behaviour


@cache
def personalities() -> dict[str, Personality]:
    """Every personality by its key.

    Raises:
        ValueError: two files claim one key.
    """
    found: dict[str, Personality] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        # The command line's module runs something when it is imported as a program, and is no personality.
        if module.name == "__main__":
            continue
        personality = getattr(importlib.import_module(f"sandbox.{module.name}"), "PERSONALITY", None)
        if personality is None:
            continue
        if personality.key in found:
            raise ValueError(f"Two personalities are called {personality.key}.")
        found[personality.key] = personality
    return found


def conduct_of(stated: dict[str, Any]) -> Conduct:
    """How the EHR behaves where this much was said: the rest is the personality's, then the standard's.

    Raises:
        Refusal: 422, there is no such personality.
        ValidationError: a setting is unknown or its value is none.
    """
    key = stated.get("personality", Behaviour().personality)
    personality = personalities().get(key) if isinstance(key, str) else None
    if personality is None:
        raise Refusal(422, "value", f"There is no such personality; there are {', '.join(sorted(personalities()))}.")
    behaviour = Behaviour.model_validate({**personality.behaviour, **stated})
    return Conduct(
        behaviour=behaviour, personality=personality, quirks=personality.quirks.model_validate(behaviour.quirks)
    )
