"""What an R4 server tells of the changes of an entry: its history, its Provenance, its ``meta``. Pure; no choice among them.

Source: HL7 FHIR R4 (4.0.1), RESTful API, ``history`` and ``vread``; Provenance; US Core, ``_revinclude=Provenance:target``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from adapters.adapter import Request
from adapters.r4.marks import identifiers
from adapters.r4.probes import SEARCH_HEADERS
from adapters.r4.references import local
from adapters.site import Site
from adapters.versions import version_from_etag, version_of
from canonical.capabilities import ProvenanceSearch
from canonical.ports import Resource

#: Options of a connection: the URIs of ``meta.source`` in words, and under which references or identifiers
#: (``system|value``) the EHR names this service as an agent.
SYSTEMS, ACTS_AS = "systems", "acts_as"
#: What EHRs write in place of a name; the first is in the documented example of one of them.
_NO_NAME = frozenset({"", "not available", "unavailable", "unknown", "unspecified", "n/a", "none"})
#: Agents that are no persons.
_SYSTEMS = ("Device/", "Organization/")


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One version of an entry: ``at`` when it was stored (UTC), ``resource`` what it said, ``None`` where it was deleted."""

    version: str | None
    at: datetime | None
    resource: Resource | None


@dataclass(frozen=True, kw_only=True)
class Agent:
    """Somebody or something that took part: a person unless ``is_system``; ``keys`` are the references and identifiers."""

    name: str | None
    role: str | None
    reference: str | None
    is_system: bool
    keys: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One Provenance of the entry; ``versions`` are those that its target names, if any."""

    recorded: datetime | None
    versions: frozenset[str]
    agents: tuple[Agent, ...]


def history_request(reference: str) -> Request:
    """Return the read of all versions of ``Type/id``."""
    return Request(method="GET", path=f"{reference}/_history", headers=SEARCH_HEADERS)


def version_request(reference: str, version: str) -> Request:
    """Return the read of one version of ``Type/id``."""
    return Request(method="GET", path=f"{reference}/_history/{quote(version, safe='')}")


def provenance_request(search: ProvenanceSearch, reference: str) -> Request | None:
    """Return the read of the Provenance of ``Type/id``, ``None`` where the EHR has none to show."""
    resource_type, _, logical_id = reference.partition("/")
    paths = {
        ProvenanceSearch.BY_TARGET: f"Provenance?target={quote(reference, safe='')}",
        ProvenanceSearch.WITH_ENTRY: f"{resource_type}?_id={logical_id}&_revinclude={quote('Provenance:target')}",
    }
    path = paths.get(search)
    return Request(method="GET", path=path, headers=SEARCH_HEADERS) if path else None


def instant(text: Any) -> datetime | None:
    """Return a FHIR instant in UTC, ``None`` for what is none."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def edition_of(resource: Resource) -> Edition:
    """Return a resource as it was read as the version that it is."""
    return Edition(version=version_of(resource), at=instant(_meta(resource).get("lastUpdated")), resource=resource)


def editions_in(bundle: Mapping[str, Any] | None) -> list[Edition]:
    """Return the versions in a history bundle, the newest first."""
    if bundle is None or bundle.get("resourceType") != "Bundle":
        return []
    return [_edition(entry) for entry in _objects(bundle, "entry")]


def _edition(entry: Mapping[str, Any]) -> Edition:
    resource, response = entry.get("resource"), entry.get("response")
    told = response if isinstance(response, Mapping) else {}
    stated = edition_of(resource) if isinstance(resource, dict) else Edition(version=None, at=None, resource=None)
    return Edition(
        version=stated.version or version_from_etag(str(told.get("etag") or "")),
        at=stated.at or instant(told.get("lastModified")),
        resource=stated.resource,
    )


def records_in(bundle: Mapping[str, Any] | None, reference: str, base_url: str) -> list[Record]:
    """Return what the Provenance in a search bundle tells of ``Type/id``."""
    entries = _objects(bundle or {}, "entry")
    found = [item["resource"] for item in entries if isinstance(item.get("resource"), Mapping)]
    records = []
    for item in found:
        targets = [str(target.get("reference") or "") for target in _objects(item, "target")]
        mine = [text for text in targets if local(text, base_url) == reference]
        if item.get("resourceType") == "Provenance" and mine:
            records.append(_record(item, mine, base_url))
    return records


def _record(provenance: Mapping[str, Any], targets: list[str], base_url: str) -> Record:
    versions = (text.partition("/_history/")[2] for text in targets)
    return Record(
        recorded=instant(provenance.get("occurredDateTime")) or instant(provenance.get("recorded")),
        versions=frozenset(version for version in versions if version),
        agents=tuple(_agent(item, base_url) for item in _objects(provenance, "agent")),
    )


def _agent(agent: Mapping[str, Any], base_url: str) -> Agent:
    found = agent.get("who")
    who: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    text = who.get("reference")
    reference = local(text, base_url) if isinstance(text, str) else None
    identifier = who.get("identifier")
    number = f"{identifier.get('system')}|{identifier.get('value')}" if isinstance(identifier, Mapping) else None
    roles = (_concept(item) for item in _objects(agent, "role"))
    return Agent(
        name=name_or_none(who.get("display")),
        role=next((role for role in roles if role), None),
        reference=reference,
        is_system=(reference or "").startswith(_SYSTEMS) or who.get("type") in {"Device", "Organization"},
        keys=frozenset(key for key in (reference, number) if key),
    )


def _concept(concept: Mapping[str, Any]) -> str | None:
    displays = (coding.get("display") for coding in _objects(concept, "coding"))
    return next((text for text in (concept.get("text"), *displays) if isinstance(text, str) and text), None)


def name_or_none(text: Any) -> str | None:
    """Return a name, ``None`` for words that stand in place of one."""
    said = " ".join(text.split()) if isinstance(text, str) else ""
    return None if said.casefold() in _NO_NAME else said


def name_of(resource: Resource | None) -> str | None:
    """Return how a person, an organisation or a device is called, as its own resource says."""
    if resource is None:
        return None
    name = resource.get("name")
    if isinstance(name, str):
        return name_or_none(name)
    for item in [*_objects(resource, "name"), *_objects(resource, "deviceName")]:
        parts = [*(item.get("prefix") or []), *(item.get("given") or []), item.get("family") or ""]
        said = item.get("text") or item.get("name") or " ".join(str(part) for part in parts if part)
        if name_or_none(said):
            return name_or_none(said)
    return None


def system_of(resource: Resource | None, site: Site) -> str | None:
    """Return through which system a version came, in the connection's words for its ``meta.source``, else as it stands.

    What follows ``#`` names a request, not a system.
    """
    stated = _meta(resource or {}).get("source")
    return system_words(stated.partition("#")[0], site) if isinstance(stated, str) else None


def system_words(name: str | None, site: Site) -> str | None:
    """Return the connection's words for a system, else its name as it stands."""
    words = site.options.get(SYSTEMS)
    named = words.get(name) if isinstance(words, Mapping) else None
    return str(named or name or "") or None


def marks_in(resource: Resource | None, site: Site) -> frozenset[tuple[str, str]]:
    """Return our marks in a version, as (system, value)."""
    ours = {site.command_system, site.change_system}
    found = ((item.get("system"), item.get("value")) for item in identifiers(resource or {}))
    return frozenset((str(system), str(value)) for system, value in found if system in ours and value)


def _meta(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = resource.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def _objects(element: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = element.get(name)
    items: Iterable[Any] = found if isinstance(found, list) else [found]
    return [item for item in items if isinstance(item, Mapping)]
