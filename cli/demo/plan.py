"""Who does what in the demonstration: so many actions of each kind, spread over the patients by a seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from canonical.high_alert import shipped_list
from cli.demo import medications as change
from cli.demo.intents import Intent, Kind
from cli.demo.neighbours import readings_of, spread
from cli.demo.people import Medication, Person, Resource, people_of
from cli.demo.vitals import IMPOSSIBLE, UNUSUAL, Ward
from cli.sandbox_site import CONNECTION

#: Of a hundred actions so many; whatever remains is plainly recorded.
SHARES: Mapping[Kind, int] = {
    Kind.DUPLICATED: 6,
    Kind.RACING: 3,
    Kind.QUEUED: 3,
    Kind.IMPOSSIBLE: 4,
    Kind.UNCONFIRMED: 3,
    Kind.CONFIRMED: 3,
    Kind.MOVED: 4,
    Kind.WRONG_PATIENT: 3,
    Kind.CORRECTED: 6,
    Kind.RETRACTED: 4,
    Kind.STARTED: 4,
    Kind.STARTED_AGAIN: 1,
    Kind.DOSE_CHANGED: 5,
    Kind.STOPPED: 3,
    Kind.HELD: 2,
}
#: These are shown once, however many actions there are.
ONCE = (Kind.ORDER, Kind.BY_MODEL, Kind.IN_FLIGHT, Kind.REVOKED)
#: Each of these needs a medicine of its own (a change on a moved version needs one half of the time).
ON_MEDICINES = (Kind.DOSE_CHANGED, Kind.STOPPED, Kind.HELD, Kind.MOVED, Kind.ORDER, Kind.STARTED_AGAIN)
FEWEST = 40
_RACERS = 4


def cohort(seed: int, actions: int) -> Resource:
    """Return a Bundle of patients for so many actions: lanes of a few commands each, and medicines enough."""
    # Its generator takes a second to load: by then the person at the terminal knows what is going on.
    from sandbox.patients import synthetic_bundle

    wanted, people = counts(actions), max(12, actions // 5)
    needed = sum(wanted[it] for it in ON_MEDICINES)
    while len(medicines(spread(people_of(bundle := change.directed(synthetic_bundle(seed, people)))))) < needed:
        people += 10
    return bundle


def medicines(people: list[Person]) -> list[tuple[Person, Medication]]:
    """Return the medicines that actions may change; the first patient is left alone: that consent will be revoked."""
    return [(person, it) for person in at_home(people) for it in everyday(person)]


def everyday(person: Person) -> list[Medication]:
    """Return a patient's medicines but those of high alert: of these the pharmacy's app would have to log its author in."""
    named = shipped_list().named_by
    return [it for it in person.medications if not named([it.statement["medicationCodeableConcept"]])]


def at_home(people: list[Person]) -> list[Person]:
    """Return the patients of the hospital that takes every kind of action, without the first one."""
    return [person for person in people[1:] if person.connection == CONNECTION]


def counts(actions: int) -> dict[Kind, int]:
    """Return how many actions of each kind there are; at least one of each.

    Raises:
        ValueError: fewer than `FEWEST` cannot show every kind.
    """
    if actions < FEWEST:
        raise ValueError(f"at least {FEWEST} actions are needed to show each kind")
    wanted = {kind: max(1, actions * share // 100) for kind, share in SHARES.items()}
    wanted |= dict.fromkeys(ONCE, 1)
    # Each confirmed one is an unconfirmed one sent again.
    wanted[Kind.CONFIRMED] = wanted[Kind.UNCONFIRMED]
    return {Kind.RECORDED: actions - sum(wanted.values()), **wanted}


@dataclass
class Planner:
    """Makes the intents of one run; the same seed, patients and time make the same."""

    people: list[Person]
    seed: int
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _made: int = 0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - a repeatable draw, no secret
        self._ward = Ward(self._random)
        self._everyday = medicines(self.people)
        self._medicines = list(self._everyday)
        self._known: dict[str, set[str]] = {}
        self._readings = [(person, it) for person in at_home(self.people) for it in person.vitals.values()]
        self._random.shuffle(self._medicines)
        self._random.shuffle(self._readings)

    def plan(self, actions: int) -> list[Intent]:
        """Return so many intents, in the order in which they are to be sent; corrections name what they correct."""
        wanted = counts(actions)
        first = [
            intent for kind, make in self._makers().items() for intent in (make(kind) for _ in range(wanted[kind]))
        ]
        confirmed = [self._confirmed(it) for it in first if it.kind is Kind.UNCONFIRMED]
        roots = [it for it in first if it.kind is Kind.RECORDED and it.connection == CONNECTION]
        corrected = [self._again(it, Kind.CORRECTED) for it in roots[: wanted[Kind.CORRECTED]]]
        taken_back = roots[len(corrected) : len(corrected) + wanted[Kind.RETRACTED]]
        retracted = [self._again(it, Kind.RETRACTED) for it in taken_back]
        self._random.shuffle(first)
        names = {it.name for it in taken_back}
        first = [it.but_taken_back() if it.name in names else it for it in first]
        return [*self._revocation(), *first, *confirmed, *corrected, *retracted]

    def _makers(self) -> Mapping[Kind, Callable[[Kind], Intent]]:
        return {
            Kind.RECORDED: self._recorded,
            Kind.DUPLICATED: lambda kind: self._recorded(kind, sends=2),
            Kind.RACING: lambda kind: self._recorded(kind, sends=_RACERS),
            Kind.QUEUED: self._recorded,
            Kind.IMPOSSIBLE: lambda kind: self._unlikely(kind, IMPOSSIBLE),
            Kind.UNCONFIRMED: lambda kind: self._unlikely(kind, UNUSUAL),
            Kind.WRONG_PATIENT: self._wrong_patient,
            Kind.MOVED: self._moved,
            Kind.STARTED: self._started,
            Kind.STARTED_AGAIN: self._started_again,
            Kind.DOSE_CHANGED: lambda kind: self._listed(kind, change.change_dose),
            Kind.STOPPED: lambda kind: self._listed(kind, lambda it, today: change.stop(it.statement, today)),
            Kind.HELD: lambda kind: self._listed(kind, change.hold),
            Kind.ORDER: self._order,
            Kind.BY_MODEL: lambda kind: self._started(kind, ai=_MODEL, reason="Said in the visit of today"),
        }

    def _somebody(self) -> Person:
        return self._random.choice(at_home(self.people))

    def _anybody(self) -> Person:
        """Return a patient of any hospital."""
        return self._random.choice(self.people[1:])

    def _recorded(self, kind: Kind, *, sends: int = 1) -> Intent:
        person = self._anybody()
        codes = readings_of().get(person.connection)
        code = self._random.choice(sorted(codes)) if codes else None
        # Elsewhere the EHR wants to know who measured; at home it is the author, as the app leaves it.
        measured_by = {"performer": person.vitals[code]["performer"]} if code else {}
        return self._intent(kind, person, self._ward.reading(person, code) | measured_by, sends=sends)

    def _unlikely(self, kind: Kind, values: Mapping[str, str]) -> Intent:
        person, code = self._somebody(), self._random.choice(sorted(values))
        return self._intent(kind, person, self._ward.reading(person, code, values[code]))

    def _wrong_patient(self, kind: Kind) -> Intent:
        person = self._somebody()
        other = next(it for it in self.people if it.patient["birthDate"] != person.patient["birthDate"])
        mixed = {**other.identity(), "reference": person.reference}
        return self._intent(kind, person, self._ward.reading(person), patient=mixed)

    def _medicine(self) -> tuple[Person, Medication]:
        """Return a medicine that no other intent of this run touches."""
        return self._medicines.pop()

    def _listed(self, kind: Kind, action: Callable[[Medication, str], dict[str, Any]]) -> Intent:
        person, medicine = self._medicine()
        return self._intent(kind, person, action(medicine, self._today), target=self._seen(medicine.statement))

    def _moved(self, kind: Kind) -> Intent:
        """Return a change on a version that the runner lets a clinician change first: of either action in turn."""
        if self._made % 2:
            return self._listed(kind, change.change_dose)
        person, reading = self._readings.pop()
        seen = {"reference": f"Observation/{reading['id']}", "versionId": "1", "seenAt": self._instant}
        charted = {**reading, "type": "VitalReading", "origin": "clinicianMeasured", "performerRole": "nurse"}
        return self._intent(kind, person, self._ward.correction(charted), target=seen)

    def _started(self, kind: Kind, **more: Any) -> Intent:
        """Return a start of what somebody else takes and this patient does not, each time of another medicine."""
        person = self._somebody()
        known = self._known.setdefault(person.reference, {it.name for it in person.medications})
        medicine = self._random.choice([it for _, it in self._everyday if it.name not in known])
        known.add(medicine.name)
        return self._intent(kind, person, change.start(medicine, self._today), **more)

    def _started_again(self, kind: Kind) -> Intent:
        person, medicine = self._medicine()
        return self._intent(kind, person, change.start(medicine, self._today))

    def _order(self, kind: Kind) -> Intent:
        person, medicine = self._medicine()
        return self._intent(kind, person, change.stop(medicine.order, self._today), target=self._seen(medicine.order))

    def _confirmed(self, unconfirmed: Intent) -> Intent:
        person = self._person_of(unconfirmed)
        by = {"system": "urn:example:staff", "value": "nurse-17"}
        action = {**unconfirmed.envelope["action"], "confirmed": {"by": by, "when": self._instant}}
        return self._intent(Kind.CONFIRMED, person, action, key=unconfirmed.key, of=unconfirmed.name)

    def _again(self, root: Intent, kind: Kind) -> Intent:
        make = self._ward.correction if kind is Kind.CORRECTED else self._ward.retraction
        return self._intent(kind, self._person_of(root), make(root.envelope["action"]), of=root.name)

    def _revocation(self) -> Iterator[Intent]:
        person = self.people[0]
        for kind in (Kind.IN_FLIGHT, Kind.REVOKED):
            yield self._intent(kind, person, self._ward.reading(person))

    def _person_of(self, intent: Intent) -> Person:
        reference = intent.envelope["patient"]["reference"]
        return next(it for it in self.people if it.reference == reference)

    @property
    def _today(self) -> str:
        return self.now.date().isoformat()

    @property
    def _instant(self) -> str:
        return self.now.isoformat(timespec="seconds").replace("+00:00", "Z")

    def _seen(self, resource: Resource) -> dict[str, Any]:
        return change.target(resource, seen_at=self._instant, by=_PHARMACIST_ID)

    def _intent(
        self,
        kind: Kind,
        person: Person,
        action: Mapping[str, Any],
        *,
        sends: int = 1,
        key: str | None = None,
        of: str | None = None,
        **more: Any,
    ) -> Intent:
        self._made += 1
        name = f"demo-{self.seed}-{self._made:04}"
        is_vital = action["type"] == "VitalReading"
        # Every third command leaves its key to be derived from the event that made it.
        derived = self._made % 3 == 0 and kind not in {Kind.UNCONFIRMED, Kind.CONFIRMED}
        visit = {"encounter": {"reference": f"Encounter/{person.encounter['id']}"}} if is_vital else {}
        return Intent(
            name=name,
            kind=kind,
            app="ward" if is_vital else "pharmacy",
            key=None if derived else key or name,
            sends=sends,
            of=of,
            envelope={
                "connection": person.connection,
                "schemaVersion": "1",
                "action": action,
                "patient": person.identity(),
                **visit,
                "author": _nurse(person) if is_vital else _PHARMACIST,
                "source": {"eventId": f"event-{name}", "channel": "demo"},
                "consent": {"reference": person.consent},
                "correlationId": name,
                **more,
            },
        )


#: A model that listens to visits and writes what was said.
_MODEL = {"model": "visit-scribe", "version": "2.1", "sourceFacts": ["DocumentReference/visit-transcript"]}
_PHARMACIST_ID = {"system": "urn:example:staff", "value": "pharmacist-3"}
_PHARMACIST = {"identifier": _PHARMACIST_ID, "role": "pharmacist"}


def _nurse(person: Person) -> dict[str, Any]:
    reading = next(iter(person.vitals.values()))
    return {"reference": reading["performer"][0]["reference"], "role": "nurse"}
