"""A resource in canonical words, and in which of them two versions of it differ. Pure; it judges no difference.

Beyond the fields of our actions every element counts: what an EHR drops, adds or changes is noticed under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.r4.comparable import comparable
from adapters.r4.fields import Field
from adapters.r4.patients import SUBJECT, patient_element
from canonical import exact_json
from canonical.ports import Projection, Resource

#: canonical name → element, for what every action has.
_FRAME: Mapping[str, str] = {"status": "status", "modifierExtension": "modifierExtension"}
#: The fields that every entry can have.
FRAME = frozenset({*_FRAME, SUBJECT, "encounter", "securityLabel"})
#: Elements an EHR keeps for itself: versions, its own text, its ids.
_OF_THE_EHR = frozenset({"resourceType", "id", "meta", "text"})
#: Lists to which an EHR may add; what was sent must be among them.
_ADDED_TO = frozenset({"identifier", "securityLabel", "tag"})
#: Elements that an EHR may fill when nothing was sent.
_FILLED_BY_EHR = frozenset({"issued", "dateAsserted", "recordedDate", "recorded", "lastModified"})


def project(resource: Resource, fields: Sequence[Field], *, encounter: str, base_url: str) -> Projection:
    """Return what ``resource`` says by canonical field, only fields that say something; ``encounter`` is its element."""
    return _comparable(_said(resource, fields, encounter=encounter), base_url)


def _said(resource: Resource, fields: Sequence[Field], *, encounter: str) -> Projection:
    said: Projection = {name: resource.get(element) for name, element in _FRAME.items()}
    said[SUBJECT] = resource.get(patient_element(str(resource.get("resourceType"))))
    said["encounter"] = _at(resource, encounter)
    said["securityLabel"] = resource.get("meta", {}).get("security")
    return said | {field.name: field.read(resource) for field in fields}


def written(resource: Resource, fields: Sequence[Field], *, encounter: str) -> Projection:
    """Return what :func:`project` does with nothing brought into another form: displays, and elements that have no field too."""
    stated = _said(resource, fields, encounter=encounter)
    return {name: item for name, item in (resource | stated).items() if item not in (None, [], {})}


def _at(resource: Resource, path: str) -> Any:
    """Return what stands at a dotted ``path``, of a list its only entry."""
    found: Any = resource
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def elements(resource: Resource, *, base_url: str) -> Projection:
    """Return every element of ``resource`` but those of the EHR itself; also the projection of a type nothing is mapped to."""
    said = {name: item for name, item in resource.items() if name not in _OF_THE_EHR}
    return _comparable({**said, "tag": resource.get("meta", {}).get("tag")}, base_url)


def _comparable(said: Mapping[str, Any], base_url: str) -> Projection:
    normalised = ((name, comparable(value, base_url)) for name, value in said.items())
    return {name: value for name, value in normalised if value is not None}


def differing(sent: Projection, stored: Projection) -> set[str]:
    """Return the names under which ``stored`` says something else than ``sent``."""
    return {name for name in sent.keys() | stored.keys() if not _same(name, sent.get(name), stored.get(name))}


def _same(name: str, sent: Any, stored: Any) -> bool:
    # Where a type has one identifier, there is nothing to add to.
    if name in _ADDED_TO and not isinstance(sent, Mapping):
        return all(item in (stored or []) for item in sent or [])
    if name in _FILLED_BY_EHR and sent is None:
        return True
    return exact_json.equal(sent, stored)
