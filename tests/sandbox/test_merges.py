import httpx

from tests.sandbox.resources import observation
from tests.sandbox_fixture import RunningSandbox


def seeded(sandbox: RunningSandbox) -> None:
    sandbox.seed([observation(id="o1", subject={"reference": "Patient/p2"})])


def test_a_merged_record_is_closed_and_names_the_one_in_its_place(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    sandbox.merge("Patient/p2", "Patient/p1")
    old, survivor = fhir.get("Patient/p2").json(), fhir.get("Patient/p1").json()
    assert (old["active"], old["link"]) == (False, [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}])
    assert survivor["link"] == [{"other": {"reference": "Patient/p2"}, "type": "replaces"}]


def test_its_entries_go_with_it_as_new_versions(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    sandbox.merge("Patient/p2", "Patient/p1")
    entry = fhir.get("Observation/o1").json()
    assert (entry["subject"]["reference"], entry["meta"]["versionId"]) == ("Patient/p1", "2")
    assert "o1" in {
        item["resource"]["id"] for item in fhir.get("Observation", params={"patient": "p1"}).json()["entry"]
    }


def test_or_stay_where_they_are(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    sandbox.merge("Patient/p2", "Patient/p1", moves_entries=False)
    assert fhir.get("Observation/o1").json()["subject"]["reference"] == "Patient/p2"


def test_a_record_that_is_parted_is_in_use_again_and_nothing_comes_back(
    sandbox: RunningSandbox, fhir: httpx.Client
) -> None:
    seeded(sandbox)
    sandbox.merge("Patient/p2", "Patient/p1")
    sandbox.merge("Patient/p2", None)
    old = fhir.get("Patient/p2").json()
    assert (old["active"], old.get("link")) == (True, None)
    assert fhir.get("Observation/o1").json()["subject"]["reference"] == "Patient/p1"


def test_a_record_that_is_not_there_is_refused(sandbox: RunningSandbox) -> None:
    asked = {"patient": "Patient/none", "into": "Patient/p1"}
    assert sandbox.admin.post("merge", json=asked).status_code == 404
