"""The patients of the demonstration as an app knows them from the chart; it makes nobody up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.sandbox_site import CONNECTION

Resource = dict[str, Any]

#: Vital signs of a chart that an action may repeat; a body mass index is derived and belongs to no app.
VITALS = ("8302-2", "29463-7", "8867-4", "9279-1", "8310-5", "59408-5", "85354-9")


@dataclass(frozen=True, kw_only=True)
class Medication:
    """One medicine of a patient: the entry of the documented list, and the prescriber's order behind it."""

    statement: Resource
    order: Resource

    @property
    def name(self) -> str:
        """What the list calls it."""
        text: str = self.statement["medicationCodeableConcept"]["text"]
        return text


@dataclass(frozen=True, kw_only=True)
class Person:
    """One synthetic patient; `vitals` by LOINC code, `connection` to the hospital that has the chart."""

    patient: Resource
    encounter: Resource
    vitals: Mapping[str, Resource]
    medications: tuple[Medication, ...]
    connection: str = CONNECTION

    @property
    def reference(self) -> str:
        return f"Patient/{self.patient['id']}"

    @property
    def consent(self) -> str:
        """The reference under which this patient's consent is recorded."""
        return f"consent-{self.patient['id']}"

    def identity(self) -> dict[str, Any]:
        """Return how an envelope names this patient, twice."""
        return {
            "reference": self.reference,
            "birthDate": self.patient["birthDate"],
            "family": self.patient["name"][0]["family"],
        }


def code_of(observation: Resource) -> str:
    code: str = observation["code"]["coding"][0]["code"]
    return code


def people_of(bundle: Resource) -> list[Person]:
    """Return the patients of a Bundle made by `sandbox.patients.synthetic_bundle`."""
    resources = [entry["resource"] for entry in bundle["entry"]]
    by_id = {f"{it['resourceType']}/{it['id']}": it for it in resources}
    return [_person(it, resources, by_id) for it in resources if it["resourceType"] == "Patient"]


def _person(patient: Resource, resources: list[Resource], by_id: Mapping[str, Resource]) -> Person:
    own = [it for it in resources if it.get("subject", {}).get("reference") == f"Patient/{patient['id']}"]
    observations = [it for it in own if it["resourceType"] == "Observation"]
    statements = [it for it in own if it["resourceType"] == "MedicationStatement"]
    return Person(
        patient=patient,
        encounter=next(it for it in own if it["resourceType"] == "Encounter"),
        vitals={code_of(it): it for it in observations if code_of(it) in VITALS},
        medications=tuple(Medication(statement=it, order=by_id[it["basedOn"][0]["reference"]]) for it in statements),
    )
