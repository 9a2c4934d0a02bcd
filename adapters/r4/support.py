"""From what a file under ``adapters/`` can build and which verbs it has to what it declares of every operation. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.r4.change import Handler
from canonical.action import action_specs
from canonical.capabilities import Interaction, Landing, Support, Way, Write

Writes = Mapping[tuple[str, Interaction], Write]


def need(handler: Handler) -> tuple[str, Interaction]:
    """Return the verb by which a handler's resource leaves."""
    return handler.resource_type, handler.interaction


def supported(handlers: Mapping[tuple[str, str], Handler], writes: Writes) -> dict[tuple[str, str], Support]:
    """Return how each operation that has a handler is taken: at once, or held until the EHR's staff accepts it."""
    found = {}
    for key, handler in handlers.items():
        write = writes[need(handler)]
        way = Way.REVIEW if write.landing is Landing.REVIEW else Way.DIRECT
        found[key] = Support(way=way, needs=(need(handler),))
    return found


def refused_but(
    actions: Sequence[str], taken: Mapping[tuple[str, str], Handler], why: str
) -> dict[tuple[str, str], Support]:
    """Return every operation of ``actions`` that is not among ``taken`` as refused for one reason in words for people."""
    specs = action_specs()
    operations = ((name, operation) for name in actions for operation in specs[name].operations)
    return {key: Support(way=Way.REFUSED, why=why) for key in operations if key not in taken}


def refused(action: str, operations: Mapping[str, str]) -> dict[tuple[str, str], Support]:
    """Return operations of ``action`` that the EHR cannot take, each with the reason in words for people."""
    return {(action, operation): Support(way=Way.REFUSED, why=why) for operation, why in operations.items()}
