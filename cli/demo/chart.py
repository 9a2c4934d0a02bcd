"""The sandbox's chart and its side door: seeding, a clinician's edits, faults, and what it holds at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from canonical import exact_json
from cli.demo.medications import thrice
from cli.demo.people import Resource
from cli.errors import CannotDo
from cli.sandbox_site import WORKSTATION


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version in the chart; `source` is None where a client of the FHIR interface wrote it."""

    reference: str
    version: str
    source: str | None
    resource: Resource | None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the EHR itself says at the end.

    Args:
        seeded: references that were in the chart before anybody wrote.
        edits: a clinician's own versions, by reference.
        current: resources as they stand, by reference.
        histories: every version, oldest first, of what is not as it was seeded.
        requests: the EHR's log.
    """

    seeded: frozenset[str]
    edits: Mapping[str, Version]
    current: Mapping[str, Resource]
    histories: Mapping[str, tuple[Version, ...]]
    requests: tuple[Mapping[str, Any], ...]

    @property
    def written(self) -> list[tuple[Version, Version | None]]:
        """Every version a client wrote, with the version before it."""
        pairs = []
        for versions in self.histories.values():
            pairs += list(zip(versions, [None, *versions[:-1]], strict=True))
        return [(version, before) for version, before in pairs if version.source is None]


#: Who works in the EHR itself.
_CLINICIAN = {"name": "Dr. Alma Reyes", "role": "physician"}
#: What no version is.
_NEW = ""


@dataclass
class Chart:
    """One running sandbox; it remembers what was seeded and edited through it."""

    origin: str
    admin_token: str
    _seeded: dict[str, str | None] = field(default_factory=dict)
    _edits: dict[str, Version] = field(default_factory=dict)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        self._http = httpx.Client(base_url=f"{self.origin}/admin", headers=headers, timeout=60)

    def seed(self, bundle: Resource) -> int:
        """Put the resources of a Bundle in the empty chart; returns how many."""
        self._ask("POST", "/seed", bundle)
        self._seeded |= {name: _stated_version(it) for name, it in self.current().items()}
        return len(bundle["entry"])

    def edit(self, reference: str, *, proposed: Mapping[str, Any]) -> None:
        """Let a clinician change what a resource says, to something else than the action that is `proposed` would."""
        current = self.current(reference.partition("/")[0])[reference]
        answer = self._ask(
            "POST", "/edit", {"resource": _changed(current, proposed), "by": _CLINICIAN, "system": WORKSTATION}
        )
        self._edits[reference] = _version(answer)

    def subscribe(self, url: str, secret: str) -> None:
        """Have the EHR tell the service of every change from now on, signed."""
        self._ask("POST", "/subscriptions", {"url": url, "secret": secret})

    def change_unnamed(self, reference: str) -> None:
        """Change what a resource says, and leave nobody's name to it."""
        current = self.current(reference.partition("/")[0])[reference]
        self._ask("POST", "/edit", {"resource": _changed(current, {})})

    def play(self, rules: list[dict[str, Any]]) -> None:
        """Let faults happen from now on."""
        self._ask("PUT", "/faults", rules)

    def played(self) -> dict[str, int]:
        """Return how often each fault happened, by its name."""
        counted: dict[str, int] = {}
        for rule in self._ask("GET", "/faults")["rules"]:
            counted[rule["fault"]] = counted.get(rule["fault"], 0) + rule["fired"]
        return {name: times for name, times in counted.items() if times}

    def current(self, resource_type: str | None = None) -> dict[str, Resource]:
        """Return what is in the chart now, by reference."""
        query = f"?type={resource_type}" if resource_type else ""
        found = self._ask("GET", f"/resources{query}")["resources"]
        return {f"{it['resourceType']}/{it['id']}": it for it in found}

    def evidence(self) -> Evidence:
        """Return all that the judge needs."""
        current = self.current()
        changed = [
            name
            for name, it in current.items()
            if self._seeded.get(name, _NEW) != _stated_version(it) or name in self._edits
        ]
        return Evidence(
            seeded=frozenset(self._seeded),
            edits=dict(self._edits),
            current=current,
            histories={name: self._history(name) for name in changed},
            requests=tuple(self._ask("GET", "/requests")["requests"]),
        )

    def close(self) -> None:
        self._http.close()

    def _history(self, reference: str) -> tuple[Version, ...]:
        return tuple(map(_version, self._ask("GET", f"/history?ref={reference}")["versions"]))

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else exact_json.dumps(body)
        try:
            answer = self._http.request(method, path, content=content)
        except httpx.TransportError:
            raise CannotDo(f"The sandbox at {self.origin} does not answer; the demonstration cannot go on.") from None
        if not answer.is_success:
            raise CannotDo(f"The sandbox refused {method} /admin{path.partition('?')[0]} ({answer.status_code}).")
        return exact_json.parse(answer.content)


def _changed(resource: Resource, proposed: Mapping[str, Any]) -> Resource:
    """Return a resource as somebody left it: another dose, another value than is `proposed`; what is neither gets a note."""
    if resource["resourceType"] == "MedicationStatement":
        return thrice(resource)
    if "valueQuantity" in resource:
        quantity, meant = resource["valueQuantity"], proposed.get("valueQuantity", {}).get("value")
        other = next(value for value in (quantity["value"] - 1, quantity["value"] - 2) if value != meant)
        return {**resource, "status": "amended", "valueQuantity": {**quantity, "value": other}}
    note = {"text": "Seen at the bedside and left as it is."}
    return {**resource, "note": [*resource.get("note", []), note]}


def _stated_version(resource: Resource) -> str | None:
    """Return the version that a resource states of itself; some EHRs state none."""
    version: str | None = resource.get("meta", {}).get("versionId")
    return version


def _version(given: Mapping[str, Any]) -> Version:
    return Version(
        reference=given["reference"], version=given["version"], source=given["source"], resource=given["resource"]
    )
