"""The lists that a start is judged beside, as a worker reads them: what is looked up, and what keeps a start from leaving."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.capabilities import MedicationList
from canonical.command import Command
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.ports import Fetched, Resource, Trace
from canonical.therapy import SURROUNDINGS
from tasks.beside import rests_on
from tasks.patients import Patients
from tasks.preparation import Preparation
from tests.adapters.commands import METFORMIN, START, command
from tests.factories import RXNORM, Json, concept
from tests.tasks.chart import Chart
from tests.tasks.ward import PATIENT

TRACE = Trace(correlation_id="corr-1", request_id="req-1")
TYPES = ("MedicationStatement", "MedicationRequest")
THERAPY = "possible_duplicate_therapy"
INGREDIENT = concept(RXNORM, "6809", "metformin")
OVER = ("completed", "entered-in-error", "stopped", "not-taken", "cancelled")


class Shelf(Chart):
    """A chart whose medication list is read, unless a test says otherwise."""

    hidden: frozenset[str] = frozenset()
    away: frozenset[str] = frozenset()

    def fetch(self, reference: str, trace: Trace) -> Fetched:
        if reference in self.hidden:
            raise NeedsPersonError("not_readable", "not shown")
        if reference in self.away:
            raise EhrUnavailableError("outage")
        return super().fetch(reference, trace)

    def put(self, entry: Resource) -> None:
        self.resources[f"{entry['resourceType']}/{entry['id']}"] = (1, entry)


def shelf(*entries: Resource, types: tuple[str, ...] = TYPES) -> Shelf:
    chart = Shelf()
    chart.capabilities = replace(chart.capabilities, medication_list=MedicationList(types=types))
    chart.admit(PATIENT)
    for entry in entries:
        chart.put(entry)
    return chart


def entry(id: str = "s1", kind: str = "MedicationStatement", **over: Any) -> Resource:
    return {"resourceType": kind, "id": id, "status": "active", "medicationCodeableConcept": METFORMIN, **over}


def started(**more: Any) -> Command:
    return command({**START, "ingredient": [INGREDIENT], **more}).evolve(id=uuid4())


def prepare(chart: Shelf, sent: Command) -> None:
    """Do what a worker does before it claims; raises what keeps the command from being sent."""
    patients = Patients(clock=lambda: datetime.now(UTC))
    Preparation(ehrs=lambda _tenant, _name: chart, patients=patients).prepare(sent, [], TRACE)


def held(chart: Shelf, sent: Command) -> NeedsPersonError:
    with pytest.raises(NeedsPersonError) as caught:
        prepare(chart, sent)
    return caught.value


def test_each_type_of_the_declared_list_is_read_and_no_other() -> None:
    chart = shelf()
    prepare(chart, started())
    assert chart.looked_at == [(name, "Patient/p1") for name in TYPES]
    unread = shelf(entry(), types=())
    prepare(unread, started())
    assert unread.looked_at == []


@pytest.mark.parametrize("kind", TYPES)
def test_a_medicine_that_an_entry_only_refers_to_is_looked_up(kind: str) -> None:
    medication: Json = {"resourceType": "Medication", "id": "m1", "code": {"text": "blue ones"}}
    medication["ingredient"] = [{"itemCodeableConcept": INGREDIENT}]
    linked = entry(kind=kind, medicationReference={"reference": "Medication/m1"})
    del linked["medicationCodeableConcept"]
    assert held(shelf(linked, medication), started()).kind == THERAPY
    other = {**medication, "ingredient": [{"itemCodeableConcept": concept(RXNORM, "1191", "aspirin")}]}
    prepare(shelf(linked, other), started())


def test_what_a_reference_is_called_counts_where_the_medicine_is_not_shown() -> None:
    linked = entry(medicationReference={"reference": "Medication/m1", "display": "metformin 500 MG Oral Tablet"})
    del linked["medicationCodeableConcept"]
    chart = shelf(linked)
    chart.hidden = frozenset({"Medication/m1"})
    assert held(chart, started()).kind == THERAPY
    bare = shelf(entry(medicationReference={"reference": "Medication/m1"}, medicationCodeableConcept=None))
    bare.hidden = chart.hidden
    assert held(bare, started()).kind == "medicine_not_named"


def test_a_medicine_that_cannot_be_read_now_is_waited_for_but_not_for_what_is_over() -> None:
    chart = shelf(entry(medicationReference={"reference": "Medication/m1"}, medicationCodeableConcept=None))
    chart.away = frozenset({"Medication/m1"})
    with pytest.raises(EhrUnavailableError):
        prepare(chart, started())
    chart.put(entry(status="stopped", medicationReference={"reference": "Medication/m1"}))
    prepare(chart, started())


def test_a_decision_holds_of_what_the_entries_said_and_of_nothing_else() -> None:
    chart = shelf(entry())
    first = held(chart, started())
    assert first.rests_on
    prepare(chart, started().evolve(decided_on=first.rests_on, resend_decided=True))
    for moved in ({"dosage": [{"text": "2 tablets"}]}, {"status": "on-hold"}):
        chart.put(entry(**moved))
        assert held(chart, started().evolve(decided_on=first.rests_on, resend_decided=True)).rests_on != first.rests_on
    chart.put(entry())
    chart.put(entry("s2", medicationCodeableConcept={"text": "aspirin"}))
    prepare(chart, started().evolve(decided_on=first.rests_on, resend_decided=True))


def test_a_decision_about_something_else_says_nothing_of_the_list() -> None:
    assert held(shelf(entry()), started().evolve(resend_decided=True)).kind == THERAPY


def test_after_a_request_it_may_be_our_own_that_is_found() -> None:
    assert held(shelf(entry()), started().evolve(attempts=1)).kind == "possible_duplicate"


NAMED: list[Json] = [
    {"medicationCodeableConcept": METFORMIN},
    {"medicationCodeableConcept": INGREDIENT},
    {"medicationCodeableConcept": {"text": "Metformin 850 mg"}},
    {"medicationCodeableConcept": {"text": "blue ones"}, "ingredient": [INGREDIENT]},
]
OTHERS = [{"medicationCodeableConcept": {"text": text}} for text in ("aspirin 81 MG", "lisinopril", "metfor")]
STATUSES = ("active", "on-hold", "intended", "unknown", *OVER)
ENTRIES = st.tuples(st.sampled_from(NAMED + OTHERS), st.sampled_from(STATUSES), st.sampled_from(TYPES))


@given(listed=st.lists(ENTRIES, max_size=6), attempts=st.integers(0, 2), decided=st.booleans(), stale=st.booleans())
def test_no_start_is_sent_while_its_ingredient_is_active_unless_somebody_decided_about_just_that(
    *, listed: list[tuple[Json, str, str]], attempts: int, decided: bool, stale: bool
) -> None:
    entries = [entry(f"e{at}", kind, status=status, **said) for at, (said, status, kind) in enumerate(listed)]
    chart, sent = shelf(*entries), started().evolve(attempts=attempts, resend_decided=decided)
    same = any(said in NAMED and status not in OVER for said, status, _ in listed)
    if not same:
        prepare(chart, sent)
        return
    found = held(chart, sent)
    assert found.kind == ("possible_duplicate" if attempts else THERAPY)
    assert chart.sent == []
    approved = sent.evolve(resend_decided=True, decided_on=("0" * 64 if stale else found.rests_on))
    if stale:
        assert held(chart, approved).rests_on == found.rests_on
    else:
        prepare(chart, approved)


def test_a_finding_about_no_entry_rests_on_nothing() -> None:
    told = {**entry(), "reference": "MedicationStatement/s1"}
    (finding,) = SURROUNDINGS.judge(started().envelope, [told])
    assert rests_on(replace(finding, about=()), [entry()], shelf()) == ""
    assert len(rests_on(finding, [entry()], shelf())) == 64
