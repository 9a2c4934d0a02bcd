"""Checks that several EHRs make of what a client brings, each as a function to build a rule with; not whose they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox import written_json
from sandbox.answers import Refusal
from sandbox.personality import Resource, Situation
from sandbox.references import elements_at, local_reference, reference_text

Rule = Callable[[Situation, Resource], None]


@dataclass(frozen=True)
class Told:
    """How a broken rule is told: HTTP status, issue type, the EHR's own number."""

    status: int
    code: str
    vendor_code: str | None = None

    def refusal(self, text: str, path: str | None = None) -> Refusal:
        return Refusal(self.status, self.code, text, expression=path, vendor_code=self.vendor_code)


def _full(resource: Resource, path: str) -> str:
    return f"{resource['resourceType']}.{path}"


def needs(path: str, told: Told) -> Rule:
    """The element is there."""

    def rule(_: Situation, resource: Resource) -> None:
        if not elements_at(resource, path):
            raise told.refusal(f"{_full(resource, path)} is missing.", _full(resource, path))

    return rule


def lacks(path: str, told: Told) -> Rule:
    """The element is not there."""

    def rule(_: Situation, resource: Resource) -> None:
        if elements_at(resource, path):
            raise told.refusal(f"{_full(resource, path)} cannot be taken.", _full(resource, path))

    return rule


def only(path: str, values: set[str], told: Told) -> Rule:
    """Every value of the element is one of these."""

    def rule(_: Situation, resource: Resource) -> None:
        if any(found not in values for found in elements_at(resource, path)):
            raise told.refusal(
                f"{_full(resource, path)} is not one of {', '.join(sorted(values))}.", _full(resource, path)
            )

    return rule


def exactly(number: int, path: str, told: Told) -> Rule:
    """There are so many of the element."""

    def rule(_: Situation, resource: Resource) -> None:
        if len(elements_at(resource, path)) != number:
            raise told.refusal(f"{_full(resource, path)}: exactly {number} wanted.", _full(resource, path))

    return rule


def at_most(characters: int, path: str, told: Told) -> Rule:
    """No text of the element is longer."""

    def rule(_: Situation, resource: Resource) -> None:
        if any(len(text) > characters for text in elements_at(resource, path) if isinstance(text, str)):
            raise told.refusal(f"{_full(resource, path)} has more than {characters} characters.", _full(resource, path))

    return rule


def coded_in(path: str, systems: set[str], told: Told) -> Rule:
    """The concept has a coding of one of these systems."""

    def rule(_: Situation, resource: Resource) -> None:
        if not systems & set(elements_at(resource, f"{path}.coding.system")):
            raise told.refusal(
                f"{_full(resource, path)} has no coding of {', '.join(sorted(systems))}.", _full(resource, path)
            )

    return rule


def encounter_of(at: Situation, reference: Any) -> Resource | None:
    """The encounter that a Reference names, where it is in the chart."""
    text = reference_text(reference)
    target = local_reference(text, at.chart.base) if text else None
    stored = at.chart.current(*target) if target and target[0] == "Encounter" else None
    found: Resource | None = written_json.loads(stored.body) if stored and not stored.deleted else None
    return found


def in_encounter(path: str, absent: Told, closed: Told | None) -> Rule:
    """An encounter of the chart is named; with `closed`, one that is neither over nor still to come."""

    def rule(at: Situation, resource: Resource) -> None:
        references = elements_at(resource, path)
        encounter = encounter_of(at, references[0]) if references else None
        if encounter is None:
            raise absent.refusal(f"{_full(resource, path)} names no encounter of this chart.", _full(resource, path))
        if closed is not None and encounter.get("status") not in {"in-progress", "arrived", "triaged", "onleave"}:
            raise closed.refusal(f"{_full(resource, path)} is not open.", _full(resource, path))

    return rule
