"""What an EHR says of itself against what its adapter declares."""

import json

from adapters.live import live_checks
from adapters.tokens import NoTokens
from tests.adapters.chart import (
    at,
    opened,
)
from tests.adapters.raw_server import RawServer, answering, http
from tests.sandbox_fixture import RunningSandbox


def test_doctor_finds_nothing_wrong_with_the_standard_ehr(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        checks = ehr.check()
    assert checks
    assert [check for check in checks if not check.ok] == []


def test_doctor_names_what_a_poorer_ehr_lacks() -> None:
    statement = {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "3.0.2",
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": "Observation",
                        "interaction": [{"code": "create"}, {"code": "read"}],
                        "versioning": "no-version",
                    }
                ],
            }
        ],
    }
    raw = http("200 OK", body=json.dumps(statement).encode())
    with RawServer(answering(raw)) as server, opened(server.url) as ehr:
        failed = {check.name: check.detail for check in ehr.check() if not check.ok}
    assert "search-type" in failed["Observation interactions"]
    assert "update" in failed["Observation interactions"]
    assert {
        "fhir version",
        "Observation search by identifier",
        "Observation conditional create",
        "Observation versions",
        "MedicationStatement interactions",
    } <= failed.keys()
    assert all(failed.values())


def test_doctor_says_when_the_ehr_cannot_be_asked() -> None:
    with RawServer(answering(http("500 Error"))) as server, opened(server.url) as ehr:
        (check,) = ehr.check()
    assert not check.ok
    assert "outage" in check.detail


def test_doctor_says_when_the_ehr_states_nothing_of_itself() -> None:
    with RawServer(answering(http("404 Not Found"))) as server, opened(server.url) as ehr:
        (check,) = ehr.check()
    assert not check.ok
    assert "404" in check.detail


def test_doctor_wants_to_be_able_to_identify_the_patient(sandbox: RunningSandbox) -> None:
    class Granted(NoTokens):
        granted = (
            "system/Observation.cruds system/MedicationStatement.cruds "
            "system/AllergyIntolerance.cruds system/Condition.cruds"
        )

    with at(sandbox) as ehr:
        failed = [check for check in live_checks(ehr.capabilities, ehr._statement, Granted()) if not check.ok]
    assert [check.name for check in failed] == ["Patient scope"]
