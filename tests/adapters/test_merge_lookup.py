from collections.abc import Callable

import pytest

from adapters.merge_lookup import MOST_MERGES
from canonical import exact_json
from canonical.patient_trail import MergeStep, PatientTrail, ToldBy, TrailEnd
from canonical.ports import Resource
from tests.adapters.chart import PATIENT, TRACE, opened
from tests.adapters.raw_server import RawServer, Script, answering, http
from tests.sandbox_fixture import RunningSandbox


def merged(old: str, *new: str) -> Resource:
    links = [{"type": "replaced-by", "other": {"reference": f"Patient/{name}"}} for name in new]
    return {**PATIENT, "id": old, "active": False, "link": links}


@pytest.fixture
def trail(sandbox: RunningSandbox) -> Callable[..., PatientTrail]:
    """Return how to seed records and ask where the EHR leads from one of them."""

    def of(patient: str, *records: Resource) -> PatientTrail:
        sandbox.seed(list(records))
        with opened(sandbox.url) as ehr:
            return ehr.trail_of(f"Patient/{patient}", TRACE)

    return of


def step(old: str, new: str, told_by: ToldBy = ToldBy.LINK) -> MergeStep:
    return MergeStep(patient=f"Patient/{old}", into=f"Patient/{new}", told_by=told_by)


def test_a_record_in_use_leads_nowhere(trail: Callable[..., PatientTrail]) -> None:
    found = trail("p1", PATIENT)
    assert found == PatientTrail(start="Patient/p1", end=TrailEnd.IN_USE)
    assert (found.survivor, found.is_apart) == (None, True)


def test_merges_are_followed_to_the_record_in_use(trail: Callable[..., PatientTrail]) -> None:
    found = trail("p3", PATIENT, merged("p2", "p1"), merged("p3", "p2"))
    assert found.steps == (step("p3", "p2"), step("p2", "p1"))
    assert (found.survivor, found.is_apart) == ("Patient/p1", False)


def test_a_circle_is_told_and_has_no_survivor(trail: Callable[..., PatientTrail]) -> None:
    found = trail("p4", merged("p4", "p5"), merged("p5", "p4"))
    assert (found.end, found.survivor, found.last) == (TrailEnd.CIRCLE, None, "Patient/p5")


def test_a_record_merged_into_itself_is_a_circle(trail: Callable[..., PatientTrail]) -> None:
    assert trail("p4", merged("p4", "p4")).end is TrailEnd.CIRCLE


def test_a_record_that_names_two_in_its_place_leads_nowhere(trail: Callable[..., PatientTrail]) -> None:
    found = trail("p2", PATIENT, merged("p2", "p1", "p9"))
    assert (found.end, found.survivor, found.is_apart) == (TrailEnd.NAMELESS, None, False)


def test_a_closed_record_at_the_end_has_no_survivor(trail: Callable[..., PatientTrail]) -> None:
    found = trail("p2", {**PATIENT, "active": False}, merged("p2", "p1"))
    assert (found.end, found.survivor) == (TrailEnd.CLOSED, None)


def test_more_merges_than_anybody_means_are_not_followed(trail: Callable[..., PatientTrail]) -> None:
    chain = [merged(f"c{number}", f"c{number + 1}") for number in range(MOST_MERGES + 1)]
    found = trail("c0", *chain, {**PATIENT, "id": f"c{MOST_MERGES + 1}"})
    assert (found.end, found.survivor, len(found.steps)) == (TrailEnd.TOO_LONG, None, MOST_MERGES)


def test_as_many_as_that_are(trail: Callable[..., PatientTrail]) -> None:
    chain = [merged(f"c{number}", f"c{number + 1}") for number in range(MOST_MERGES)]
    found = trail("c0", *chain, {**PATIENT, "id": f"c{MOST_MERGES}"})
    assert (found.end, found.survivor) == (TrailEnd.IN_USE, f"Patient/c{MOST_MERGES}")


def test_a_record_elsewhere_is_nobody_of_this_ehr(trail: Callable[..., PatientTrail]) -> None:
    link = {"type": "replaced-by", "other": {"reference": "https://other.example/fhir/Patient/p1"}}
    assert trail("p2", PATIENT, {**PATIENT, "id": "p2", "link": [link]}).end is TrailEnd.NAMELESS


def test_a_record_that_is_not_there_is_not_taken_for_one_in_use(trail: Callable[..., PatientTrail]) -> None:
    found = trail("none", PATIENT)
    assert (found.end, found.is_apart) == (TrailEnd.UNREAD, False)


def test_an_ehr_that_cannot_be_reached_is_no_failure() -> None:
    with opened("http://127.0.0.1:9/fhir") as ehr:
        assert ehr.trail_of("Patient/p1", TRACE).end is TrailEnd.UNREAD


def _record(identity: str) -> Script:
    return answering(http("200 OK", body=exact_json.dumps({**PATIENT, "id": identity}).encode()))


def test_an_answer_about_another_record_tells_nothing() -> None:
    with RawServer(_record("p1")) as server, opened(server.url) as ehr:
        assert ehr.trail_of("Patient/p2", TRACE).end is TrailEnd.UNREAD
