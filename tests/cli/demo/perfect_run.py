"""A run as it must be, made without the service: the chart that follows from the intents, and what the apps were told."""

from copy import deepcopy
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from cli.demo.chart import Evidence, Version
from cli.demo.intents import Intent, Kind
from cli.demo.judge import CHANGED_BY, CREATED_BY, Case, Told
from cli.demo.people import Person, Resource, people_of
from cli.demo.plan import Planner, cohort

ACTIONS = 60
SEED = 9
_STATUS = {"record": "final", "correct": "corrected", "retract": "entered-in-error", "start": "active"} | {
    "changeDose": "active",
    "stop": "stopped",
    "hold": "on-hold",
}


@cache
def _bundle() -> Resource:
    return cohort(SEED, ACTIONS)


def people() -> list[Person]:
    return people_of(deepcopy(_bundle()))


def intents() -> list[Intent]:
    """All intents of one run, corrections and retractions aimed at the commands they are of."""
    planned = Planner(people(), SEED).plan(ACTIONS)
    return [it.on(command_of(it.of)) if it.kind in {Kind.CORRECTED, Kind.RETRACTED} and it.of else it for it in planned]


def command_of(name: str) -> str:
    return str(uuid5(UUID(int=7), name))


class Ehr:
    """Writes intents into a chart as an EHR would, and logs each request."""

    def __init__(self) -> None:
        self.seeded = {_name(entry["resource"]): _seeded(entry["resource"]) for entry in _bundle()["entry"]}
        self.histories: dict[str, list[Version]] = {
            name: [Version(reference=name, version="1", source="seed", resource=it)] for name, it in self.seeded.items()
        }
        self.edits: dict[str, Version] = {}
        self.requests: list[dict[str, Any]] = []
        self._created: dict[str, str] = {}

    def edit(self, reference: str) -> None:
        self.edits[reference] = self._store(
            reference, {**self._now(reference), "note": [{"text": "Looked at."}]}, "clinician"
        )

    def write(self, intent: Intent) -> None:
        command, action = command_of(intent.name), intent.envelope["action"]
        if intent.creates:
            kind = "Observation" if action["type"] == "VitalReading" else "MedicationStatement"
            reference = self._created[command] = f"{kind}/{command}"
            resource: Resource = {"resourceType": kind, "id": command, "subject": _subject(intent)}
            mark = CREATED_BY
        else:
            target = intent.envelope["target"]
            reference = target.get("reference") or self._created[target["command"]]
            resource, mark = deepcopy(self._now(reference)), CHANGED_BY
        resource |= _content(action) | {"status": _STATUS[action["operation"]]}
        others = [it for it in resource.get("identifier", []) if it["system"] != mark]
        resource["identifier"] = [*others, {"system": mark, "value": command}]
        self._store(reference, resource, None)
        self.log(intent, "create" if intent.creates else "update", 201 if intent.creates else 200)

    def log(self, intent: Intent, interaction: str, answer: int | None) -> None:
        headers = {"x-correlation-id": intent.name}
        number = len(self.requests) + 1
        self.requests.append({"id": number, "interaction": interaction, "answer": answer, "headers": headers})

    def evidence(self) -> Evidence:
        changed = {name: tuple(it) for name, it in self.histories.items() if name not in self.seeded or len(it) > 1}
        current = {name: it[-1].resource for name, it in self.histories.items()}
        return Evidence(
            seeded=frozenset(self.seeded),
            edits=self.edits,
            current={name: it for name, it in current.items() if it is not None},
            histories=changed,
            requests=tuple(self.requests),
        )

    def _now(self, reference: str) -> Resource:
        resource = self.histories[reference][-1].resource
        assert resource is not None
        return resource

    def _store(self, reference: str, resource: Resource, source: str | None) -> Version:
        versions = self.histories.setdefault(reference, [])
        number = str(len(versions) + 1)
        body = {**deepcopy(resource), "meta": {"versionId": number}}
        versions.append(Version(reference=reference, version=number, source=source, resource=body))
        return versions[-1]


def perfect_case() -> Case:
    ehr, told = Ehr(), []
    for intent in intents():
        if intent.kind is Kind.MOVED:
            ehr.edit(intent.envelope["target"]["reference"])
        if intent.ending.status in {"inChart", "takenBack"}:
            ehr.write(intent)
        told.append(tell(intent))
    flying = frozenset(command_of(it.intent.name) for it in told if it.intent.kind is Kind.IN_FLIGHT)
    return Case(told=tuple(told), found=ehr.evidence(), named_in_flight=flying, balance_closes=True)


def tell(intent: Intent) -> Told:
    ending = intent.ending
    if ending.code is not None:
        return Told(intent=intent, refusals=(ending.code,))
    return Told(
        intent=intent,
        commands=frozenset({command_of(intent.name)}),
        status=ending.status,
        reason=ending.reason or "proven",
    )


def _content(action: dict[str, Any]) -> dict[str, Any]:
    spoken = {"code", "effectiveDateTime", "valueQuantity", "component", "dosage", "effectivePeriod", "statusReason"}
    said = {name: it for name, it in action.items() if name in spoken | {"basedOn", "dateAsserted"}}
    return deepcopy(said | ({"medicationCodeableConcept": action["medication"]} if "medication" in action else {}))


def _subject(intent: Intent) -> dict[str, str]:
    return {"reference": intent.envelope["patient"]["reference"]}


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _seeded(resource: Resource) -> Resource:
    return {**deepcopy(resource), "meta": {"versionId": "1"}}
