"""An EHR that is read by FHIR and written by an interface of its own; a vendor's file says how each type travels. No wire.

What is built and checked is the FHIR resource of what the EHR keeps. It leaves in the vendor's form, and that form read
back again (:attr:`Native.decode`) is what the chart is compared with: never anything that was not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapters.accepted import code_in, codings, is_refuted, takes_back
from adapters.adapter import Request
from adapters.measured import same_amount
from adapters.r4.adapter import R4Adapter
from adapters.r4.change import Change, Handler, Revision
from adapters.r4.comparable import comparable
from adapters.r4.components import SNOMED
from adapters.site import Site
from canonical import exact_json
from canonical.capabilities import Interaction
from canonical.command import Command
from canonical.errors import UnsupportedActionError
from canonical.ports import Fetched, Operation, Resource


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A write in the vendor's form: ``path`` under the native address, encoded, and the bytes that leave."""

    path: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Native:
    """How resources of one type travel: ``encode`` and its reverse, and by which HTTP ``method``.

    ``reads_as`` returns the FHIR type under which the EHR shows what was written.
    """

    encode: Callable[[Resource, Site], Sent]
    decode: Callable[[Operation, Site], Resource]
    method: str = "POST"
    reads_as: Callable[[Site], str] | None = None


#: element → whether two resources say the same in it, given the comparison's base URL.
Comparisons = Mapping[str, Callable[[Any, Any], bool]]


def same_code(sent: Any, stored: Any) -> bool:
    """Whether what is stored has one of the codings that were sent."""
    meant = {(item.get("system"), item["code"]) for item in codings(sent)}
    return bool(meant & {(item.get("system"), item["code"]) for item in codings(stored)})


def same_day(sent: Any, stored: Any) -> bool:
    """Whether two times lie on one day, as they are written."""
    return isinstance(sent, str) and isinstance(stored, str) and sent[:10] == stored[:10]


def same_quantity(sent: Any, stored: Any) -> bool:
    """Whether two quantities are one amount, whatever their units."""
    return bool(sent and stored) and same_amount(sent, stored)


def same_components(sent: Any, stored: Any) -> bool:
    """Whether every component that was sent is there with its amount, and no other number."""
    meant, found = _numbers(sent), _numbers(stored)
    return meant.keys() == found.keys() and all(same_quantity(item, found[code]) for code, item in meant.items())


def _numbers(components: Any) -> dict[str, Any]:
    with_number = [item for item in components or [] if item.get("valueQuantity")]
    return {str(codings(item.get("code"))[0]["code"]): item["valueQuantity"] for item in with_number}


def same_texts(sent: Any, stored: Any) -> bool:
    """Whether two lists of dosages have the same texts."""
    return [item.get("text") for item in sent or []] == [item.get("text") for item in stored or []]


def same_reactions(sent: Any, stored: Any) -> bool:
    """Whether two lists of reactions state the same manifestations with the same severities, however they are grouped."""
    return _reactions(sent) == _reactions(stored)


def _reactions(reactions: Any) -> set[tuple[str | None, Any]]:
    stated = ((what, item.get("severity")) for item in reactions or [] for what in item.get("manifestation", []))
    return {(code_in(what, SNOMED), severity) for what, severity in stated}


COMPARISONS: Comparisons = {
    "code": same_code,
    "medicationCodeableConcept": same_code,
    "clinicalStatus": same_code,
    "effectiveDateTime": same_day,
    "onsetDateTime": same_day,
    "valueQuantity": same_quantity,
    "component": same_components,
    "reaction": same_reactions,
    "dosage": same_texts,
    "dosageInstruction": same_texts,
}


@dataclass(frozen=True, kw_only=True)
class NativeAdapter(R4Adapter):
    """FHIR for reading, the vendor's own interface for writing; ``natives`` says how each type is written."""

    natives: Mapping[str, Native]
    comparisons: Comparisons

    def said(self, operation: Operation, site: Site) -> Resource:
        return self._native(operation.resource_type, site).decode(operation, site)

    def said_on(self, operation: Operation, stored: Resource, site: Site) -> Resource:
        """Lay what a form says over the entry, which keeps its own words where both mean the same."""
        said = self.said(operation, site)
        if operation.interaction is Interaction.CREATE:
            return said
        told = (name for name in said if name != "resourceType")
        return {**stored, **{n: said[n] for n in told if not self._same(n, said, stored, site.base_url)}}

    def differences(self, operation: Operation, stored: Resource, site: Site) -> tuple[str, ...]:
        """Compare what was sent, element by element; what the EHR adds of its own was never ours to say."""
        said = self.said(operation, site)
        if said.get("resourceType") != stored.get("resourceType"):
            return ("resourceType",)
        if takes_back(stored):
            return ("status",)
        if is_refuted(stored):
            return ("verificationStatus",)
        names = (name for name in said if name != "resourceType")
        return tuple(sorted(name for name in names if not self._same(name, said, stored, site.base_url)))

    def _same(self, name: str, said: Resource, stored: Resource, base_url: str) -> bool:
        same = self.comparisons.get(name)
        if same is not None:
            return same(said[name], stored.get(name))
        return bool(comparable(said[name], base_url) == comparable(stored.get(name), base_url))

    def is_known_change(self, name: str, sent: Resource, stored: Resource, site: Site) -> bool:
        elements = [element for element in sent if element != "resourceType"]
        return bool(elements) and all(self._same(element, sent, stored, site.base_url) for element in elements)

    def request(self, operation: Operation, site: Site) -> Request:
        native = self._native(operation.resource_type, site)
        return Request(
            method=native.method,
            path=operation.path or "",
            headers=self.headers,
            body=operation.body,
            native=True,
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of a write."""
        return {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

    def _native(self, resource_type: str, site: Site) -> Native:
        for name, native in self.natives.items():
            if resource_type == name or (native.reads_as is not None and native.reads_as(site) == resource_type):
                return native
        raise UnsupportedActionError(f"this EHR has no way to write a {resource_type}")

    def _create(
        self, command: Command, handler: Handler, change: Change, current: Fetched | None, number: int
    ) -> Operation:
        return self._travelling(super()._create(command, handler, change, current, number), change.site)

    def _update(
        self, command: Command, handler: Handler, change: Change, current: Fetched | None, number: int
    ) -> Operation:
        return self._travelling(super()._update(command, handler, change, current, number), change.site)

    def _revise(self, command: Command, revision: Revision, site: Site, at: int) -> Operation:
        raise UnsupportedActionError("another entry must change with this one, which this EHR has no way to do")

    def _travelling(self, operation: Operation, site: Site) -> Operation:
        resource: Resource = exact_json.parse(operation.body)
        if b"urn:uuid:" in operation.body:
            raise UnsupportedActionError("this EHR cannot be told of what is written with it by reference")
        native = self._native(operation.resource_type, site)
        sent = native.encode(resource, site)
        shown = native.reads_as(site) if native.reads_as is not None else operation.resource_type
        return replace(operation, body=sent.body, path=sent.path, resource_type=shown)
