"""What an EHR says of itself against what its adapter declares."""

import json

from adapters.fhir_r4 import ADAPTER
from adapters.live import effective, live_checks
from adapters.tokens import NoTokens
from canonical.capabilities import Capabilities, Interaction, Meaning, Transport, Write
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


def test_doctor_says_where_a_provenance_that_is_asked_for_cannot_be_written(sandbox: RunningSandbox) -> None:
    class ReadingsOnly(NoTokens):
        granted = "system/Observation.cruds system/Provenance.rs system/Patient.rs"

    with at(sandbox) as ehr:
        checks = live_checks(ehr.capabilities, ehr._statement, ReadingsOnly())
    (check,) = (item for item in checks if item.name == "Provenance is taken")
    assert not check.ok
    assert "scope c" in check.detail
    assert "provenance = 'none'" in check.detail


def test_doctor_compares_what_is_declared_with_what_is_to_be_had(sandbox: RunningSandbox) -> None:
    class ReadingsOnly(NoTokens):
        granted = "system/Observation.crs system/MedicationStatement.cruds system/Patient.rs"

    with at(sandbox) as ehr:
        told = {check.name: check for check in live_checks(ehr.capabilities, ehr._statement, ReadingsOnly())}
    assert told["MedicationChange is taken"].ok
    vitals = told["VitalReading is taken"]
    assert not vitals.ok
    assert "direct: record" in vitals.detail
    assert "not to be had here: correct, retract" in vitals.detail


def test_what_is_no_fhir_needs_no_place_in_the_statement() -> None:
    native = Write(meaning=Meaning.UPSERTS, transport=Transport.FORM)
    rest = Write(meaning=Meaning.CREATES)
    key, other = ("AllergyIntolerance", Interaction.UPDATE), ("Observation", Interaction.CREATE)
    left = effective(Capabilities(writes={key: native, other: rest}, supports={}), {"fhirVersion": "4.0.1"}, None)
    assert left.interactions == {key}


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
        written = {name for name, _ in ADAPTER.capabilities.interactions} | {"Provenance"}
        granted = " ".join(f"system/{name}.cruds" for name in sorted(written))

    with at(sandbox) as ehr:
        failed = [check for check in live_checks(ehr.capabilities, ehr._statement, Granted()) if not check.ok]
    assert [check.name for check in failed] == ["Patient scope"]


def test_doctor_names_rights_that_are_granted_and_not_needed(sandbox: RunningSandbox) -> None:
    class Granted(NoTokens):
        granted = "system/*.read system/Observation.crus system/Consent.write"

    with at(sandbox) as ehr:
        checks = {check.name: check for check in live_checks(ehr.capabilities, ehr._statement, Granted())}
    assert checks["least rights"].ok
    assert "system/Consent.write" in checks["least rights"].detail
    assert "Observation" not in checks["least rights"].detail
