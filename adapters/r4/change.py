"""One command as a mapping sees it, and the building of the resource that would leave. No version rule, no transport."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.r4.fields import Field, put
from adapters.r4.patients import patient_element
from adapters.site import Site
from canonical import exact_json
from canonical.capabilities import Interaction
from canonical.command import Command
from canonical.errors import UnsupportedActionError
from canonical.ports import Resource

#: Members of an action that are no content.
_NO_CONTENT = frozenset({"type", "operation"})
#: Members of an envelope's author that a ``Reference`` has too.
_NAMES_WHO = frozenset({"reference", "identifier"})


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a build function gets.

    ``content``: the action's fields as written (``None``: clear); ``seen``: names of the fields its author had on the screen;
    ``author``: who decided it, as a ``Reference``, ``None`` where the envelope names nobody;
    ``current``: the target's resource (updates); ``parts``: the placeholders of what a compound's parts write, in their
    order; ``beside``: the patient's entries that were read because the action asks for them.
    """

    operation: str
    content: Mapping[str, Any]
    patient: str
    encounter: Mapping[str, Any] | None
    security: list[dict[str, Any]]
    site: Site
    seen: frozenset[str] = frozenset()
    author: Mapping[str, Any] | None = None
    current: Resource | None = None
    parts: tuple[str, ...] = ()
    beside: tuple[Resource, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Revision:
    """An entry of the chart besides the target that a change entails changing: as it was read, and as it is to be."""

    before: Resource
    after: Resource


@dataclass(frozen=True, kw_only=True)
class Handler:
    """How one operation of one action is expressed: the type it writes and a pure function to the whole resource.

    ``creates``: it makes a new resource, also where the action names a target that the new one refers to. ``patches``:
    elements of what is built that alone are sent, as a JSON Patch. ``entails`` returns what else must change when this is
    written, which follows it.
    """

    resource_type: str
    build: Callable[[Change], Resource]
    creates: bool = False
    patches: tuple[str, ...] = ()
    entails: Callable[[Change], Sequence[Revision]] | None = None

    @property
    def interaction(self) -> Interaction:
        """The verb by which it leaves."""
        if self.creates:
            return Interaction.CREATE
        return Interaction.PATCH if self.patches else Interaction.UPDATE


def change_of(command: Command, site: Site, current: Resource | None, **more: Any) -> Change:
    """Return ``command`` as its mapping sees it; ``more`` are further members of :class:`Change`."""
    envelope = exact_json.parse(command.envelope.as_text())
    action = envelope["action"]
    return Change(
        operation=action["operation"],
        content={name: value for name, value in action.items() if name not in _NO_CONTENT},
        patient=command.envelope.patient.reference,
        encounter=envelope.get("encounter"),
        security=envelope.get("securityLabel") or [],
        site=site,
        seen=frozenset(command.envelope.target.seen or ()) if command.envelope.target else frozenset(),
        author={name: item for name, item in envelope["author"].items() if name in _NAMES_WHO} or None,
        current=current,
        **more,
    )


def write_fields(resource: Resource, fields: Iterable[Field], content: Mapping[str, Any]) -> None:
    """Write into ``resource`` what ``content`` says, field by field; a field that is absent is left alone."""
    for field in fields:
        if field.name in content:
            field.write(resource, content[field.name])


def new_resource(resource_type: str, change: Change, *, status: str | None = None) -> Resource:
    """Return the frame of a resource to create: type, labels, ``status`` where the type has one, and the patient."""
    meta = {"meta": {"security": change.security}} if change.security else {}
    stated = {} if status is None else {"status": status}
    return {
        "resourceType": resource_type,
        **meta,
        **stated,
        patient_element(resource_type): {"reference": change.patient},
    }


def copy_of_current(change: Change) -> Resource:
    """Return the target as it was read, to be changed; what this product does not know stays as it is.

    A generated narrative is left out: it would go on telling what the elements no longer say.
    """
    resource = copy.deepcopy(change.current or {})
    narrative = resource.get("text")
    if isinstance(narrative, Mapping) and narrative.get("status") in {"generated", "extensions"}:
        put(resource, "text", None)
    if "source" in resource.get("meta", {}):
        # Through which system the version before came is not true of this one.
        put(resource, "meta", {name: item for name, item in resource["meta"].items() if name != "source"} or None)
    if change.security:
        meta = dict(resource.get("meta", {}))
        labels = list(meta.get("security", []))
        meta["security"] = labels + [label for label in change.security if label not in labels]
        resource["meta"] = meta
    return resource


def refuse_besides(change: Change, allowed: Iterable[str]) -> None:
    """Pass only content that the operation may change: a field that would be dropped silently is refused.

    Raises :class:`UnsupportedActionError` naming the fields.
    """
    foreign = sorted(set(change.content) - set(allowed))
    if foreign:
        raise UnsupportedActionError(f"'{change.operation}' does not change {', '.join(foreign)}")
