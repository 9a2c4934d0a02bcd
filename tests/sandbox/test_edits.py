from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.sandbox.resources import identified, observation
from tests.sandbox_fixture import RunningSandbox

RUIZ = {"name": "Dr A. Ruiz", "role": "physician", "reference": "Practitioner/d1"}
SYSTEM = "urn:example:ward-system"
AT = datetime(2026, 11, 26, 9, 12, tzinfo=UTC)


def seeded(sandbox: RunningSandbox) -> None:
    sandbox.admin.post("seed", params={"at": (AT - timedelta(hours=1)).isoformat()}, json=[observation(id="o1")])


def edit(sandbox: RunningSandbox, **more: Any) -> dict[str, Any]:
    return sandbox.edit(observation(id="o1", status="amended"), by=RUIZ, system=SYSTEM, at=AT.isoformat(), **more)


def provenance(fhir: httpx.Client) -> list[dict[str, Any]]:
    found = fhir.get("Provenance", params={"target": "Observation/o1"}).json()
    return [item["resource"] for item in found.get("entry", [])]


def test_a_named_clinicians_edit_is_at_its_time_with_its_traces(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    shown = edit(sandbox)
    assert (shown["version"], shown["source"], shown["at"]) == ("2", "Dr A. Ruiz", AT.timestamp())
    meta = fhir.get("Observation/o1").json()["meta"]
    assert (meta["lastUpdated"], meta["source"]) == ("2026-11-26T09:12:00.000Z", SYSTEM)
    (told,) = provenance(fhir)
    assert told["target"] == [{"reference": "Observation/o1/_history/2"}]
    assert told["recorded"] == "2026-11-26T09:12:00.000Z"
    person, system = told["agent"]
    assert person["who"] == {"display": "Dr A. Ruiz", "reference": "Practitioner/d1"}
    assert person["role"] == [{"text": "physician"}]
    assert system["who"]["display"] == SYSTEM


def test_history_and_each_version_show_what_was_when(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    edit(sandbox)
    entries = fhir.get("Observation/o1/_history").json()["entry"]
    assert [item["resource"]["status"] for item in entries] == ["amended", "final"]
    assert fhir.get("Observation/o1/_history/1").json()["status"] == "final"


def test_a_system_is_never_that_of_the_version_before(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    edit(sandbox)
    sandbox.edit(fhir.get("Observation/o1").json())
    assert "source" not in fhir.get("Observation/o1").json()["meta"]


def test_an_edit_by_nobody_named_leaves_no_provenance(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    sandbox.edit(observation(id="o1", status="amended"))
    assert provenance(fhir) == []


@pytest.mark.parametrize(("shows", "names"), [("named", ["Dr A. Ruiz"]), ("nameless", ["Not available"]), ("none", [])])
def test_an_ehr_shows_of_it_what_it_shows(
    sandbox: RunningSandbox, fhir: httpx.Client, shows: str, names: list[str]
) -> None:
    sandbox.settings(provenance=shows, meta_source="hidden", version_ids="none")
    seeded(sandbox)
    edit(sandbox)
    found = provenance(fhir)
    assert [item["agent"][0]["who"]["display"] for item in found] == names
    assert all(item["target"] == [{"reference": "Observation/o1"}] for item in found)
    assert "source" not in fhir.get("Observation/o1").json()["meta"]


def test_provenance_comes_with_the_entry_where_it_is_asked_for(sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    seeded(sandbox)
    sandbox.seed([observation(id="o2")])
    edit(sandbox)
    asked = {"_id": "o1", "_revinclude": "Provenance:target"}
    bundle = fhir.get("Observation", params=asked).json()
    assert [(item["search"]["mode"], item["resource"]["resourceType"]) for item in bundle["entry"]] == [
        ("match", "Observation"),
        ("include", "Provenance"),
    ]
    assert bundle["total"] == 1
    other = fhir.get("Observation", params={"_id": "o2", "_revinclude": "Provenance:target"}).json()
    assert [item["search"]["mode"] for item in other["entry"]] == ["match"]
    assert fhir.get("Observation", params={"_revinclude": "Task:focus"}).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": {"role": "physician"}},
        {"by": {"name": ""}},
        {"at": "2026-11-26T09:12:00"},
        {"by": {"name": "x", "reference": "Patient/p1"}},
    ],
)
def test_an_edit_that_cannot_be_told_is_refused(sandbox: RunningSandbox, wrong: dict[str, Any]) -> None:
    seeded(sandbox)
    answer = sandbox.admin.post("edit", json={"resource": observation(id="o1"), **wrong})
    assert answer.status_code == 422
    assert len(sandbox.history("Observation/o1")) == 1


def test_time_does_not_run_back(sandbox: RunningSandbox) -> None:
    sandbox.seed([observation(id="o1"), identified("x", id="o2")])
    for given in ({"resource": observation(id="o1")}, {"delete": "Observation/o2"}):
        answer = sandbox.admin.post("edit", json={**given, "at": "2020-01-01T00:00:00Z"})
        assert answer.status_code == 422
    assert len(sandbox.history("Observation/o1")) == len(sandbox.history("Observation/o2")) == 1
