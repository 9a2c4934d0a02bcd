"""The charts of all hospitals of the demonstration together; which patient is where, the patients know."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cli.demo.chart import Chart, Evidence
from cli.demo.faults import rules, rules_elsewhere
from cli.demo.people import Person, Resource
from cli.sandbox_site import CONNECTION


@dataclass(frozen=True)
class Charts:
    """Running sandboxes by connection."""

    by_connection: Mapping[str, Chart]

    @property
    def home(self) -> Chart:
        """The chart of the hospital that takes every kind of action."""
        return self.by_connection[CONNECTION]

    def seed(self, bundle: Resource, people: Iterable[Person]) -> int:
        """Put each patient's resources into the chart of their hospital; returns how many."""
        where = {person.reference: person.connection for person in people}
        return sum(chart.seed(_part_of(bundle, where, name)) for name, chart in self.by_connection.items())

    def play(self, seed: int, *, drop_answer_of: str) -> None:
        """Let faults happen from now on, at each hospital other ones."""
        for number, (name, chart) in enumerate(self.by_connection.items()):
            at_home = name == CONNECTION
            chart.play(rules(seed, drop_answer_of=drop_answer_of) if at_home else rules_elsewhere(seed + 10 * number))

    def played(self) -> dict[str, int]:
        """Return how often each fault happened, by its name."""
        total: Counter[str] = Counter()
        for chart in self.by_connection.values():
            total.update(chart.played())
        return dict(total)

    def evidence(self) -> dict[str, Evidence]:
        """Return what each EHR itself says at the end."""
        return {name: chart.evidence() for name, chart in self.by_connection.items()}

    def close(self) -> None:
        for chart in self.by_connection.values():
            chart.close()


def _part_of(bundle: Resource, where: Mapping[str, str], connection: str) -> Resource:
    """Return the resources of a hospital's own patients, and those of nobody in particular, which every hospital has."""

    def is_here(resource: Mapping[str, Any]) -> bool:
        own = f"{resource['resourceType']}/{resource['id']}"
        whose = own if own in where else resource.get("subject", {}).get("reference")
        return where.get(whose, connection) == connection

    here = [entry for entry in bundle["entry"] if is_here(entry["resource"])]
    return {**bundle, "entry": here if connection == CONNECTION else [_still_open(entry) for entry in here]}


def _still_open(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with its visit going on: some EHRs take readings of a visit no longer than it lasts."""
    resource = entry["resource"]
    if resource["resourceType"] != "Encounter":
        return {**entry}
    period = {"start": resource["period"]["start"]}
    return {**entry, "resource": {**resource, "status": "in-progress", "period": period}}
