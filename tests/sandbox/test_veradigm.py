"""Veradigm's quirks, each played over HTTP: Unity's RPC, errors in 200, a session that dies by silence."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.sandbox.vendor import play, problem
from tests.sandbox_fixture import RunningSandbox

PROBLEM = "<problem><Code>44054006</Code><Name>Type 2 diabetes</Name><OnsetDate>03/01/2026</OnsetDate></problem>"
WEIGHT = (
    '<vitals><field name="Code" value="29463-7"/><field name="Value" value="72.50"/><field name="Unit" value="kg"/>'
)
WEIGHT += '<field name="Date" value="03/01/2026 10:00"/></vitals>'


class Unity:
    """A client in a session of its own."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.token = http.post("GetToken", json={"Username": "app", "Password": "s3cret"}).text

    def act(self, action: str, xml: str = "", **changes: Any) -> Any:
        envelope = {
            "Action": action,
            "AppUserID": "jmedici",
            "Appname": "writer",
            "PatientID": "p1",
            "Token": self.token,
            **{f"Parameter{number}": "" for number in range(1, 7)},
            "Data": "",
            **({"Parameter1": xml} if xml else {}),
            **changes,
        }
        answer = self.http.post("MagicJson", json=envelope)
        assert answer.status_code == 200
        return answer.json()


@pytest.fixture
def unity(sandbox: RunningSandbox, fhir: httpx.Client) -> Iterator[Unity]:
    play(sandbox, "veradigm")
    with httpx.Client(base_url=f"{sandbox.origin}/Unity/UnityService.svc/json/", timeout=10, verify=False) as http:
        yield Unity(http)


def error(answer: Any) -> str:
    found: str = answer[0]["Error"]
    assert found.startswith("Magic Error - ")
    return found


def test_a_token_is_a_bare_guid(unity: Unity) -> None:
    assert str(uuid.UUID(unity.token)) == unity.token


def test_a_wrong_password_is_a_sentence_in_200(unity: Unity, sandbox: RunningSandbox) -> None:
    sandbox.register({"client_id": "app", "client_secret": "s3cret"})
    sandbox.settings(open=False)
    answer = unity.http.post("GetToken", json={"Username": "app", "Password": "wrong"})
    assert (answer.status_code, "error:" in answer.text) == (200, True)
    token = unity.http.post("GetToken", json={"Username": "app", "Password": "s3cret"}).text
    assert str(uuid.UUID(token)) == token
    assert unity.act("SaveProblem", PROBLEM)[0]["saveprobleminfo"]


def test_success_is_an_info_list_in_200(unity: Unity, sandbox: RunningSandbox, fhir: httpx.Client) -> None:
    (found,) = unity.act("SaveProblem", PROBLEM)[0]["saveprobleminfo"]
    assert found["status"] == "Success"
    stored = fhir.get(f"Condition/{found['id']}").json()
    assert (stored["code"]["coding"][0]["code"], stored["onsetDateTime"]) == ("44054006", "2026-03-01")
    assert stored["recorder"] == {"display": "jmedici"}


@pytest.mark.parametrize(
    ("action", "xml", "changes"),
    [
        ("SaveProblem", PROBLEM, {"Token": "other"}),
        ("SaveProblem", PROBLEM, {"AppUserID": ""}),
        ("SaveProblem", PROBLEM, {"PatientID": "nobody"}),
        ("SaveProblem", "<problem/>", {}),
        ("SaveProblem", "<problem>", {}),
        ("SaveProblem", '<!DOCTYPE x [<!ENTITY y "z">]><problem><Code>&y;</Code></problem>', {}),
        ("SaveProblem", PROBLEM.replace("03/01/2026", "yesterday"), {}),
        ("SaveVitals", WEIGHT.replace("72.50", "heavy"), {}),
        ("SaveRX", "<rx><Code>860975</Code></rx>", {}),
        ("SaveEverything", PROBLEM, {}),
    ],
)
def test_an_error_comes_in_200_and_nothing_is_stored(
    unity: Unity, sandbox: RunningSandbox, action: str, xml: str, changes: dict[str, Any]
) -> None:
    assert error(unity.act(action, xml, **changes))
    assert sandbox.resources("Condition") == []


def test_a_body_that_is_no_json_is_a_magic_error_too(unity: Unity) -> None:
    answer = unity.http.post("MagicJson", content=b"[")
    assert (answer.status_code, error(answer.json()) != "") == (200, True)


def test_a_user_is_valid_or_not(unity: Unity, sandbox: RunningSandbox) -> None:
    sandbox.settings(quirks={"users": ["jmedici"], "authentication_first": True})
    assert error(unity.act("SaveProblem", PROBLEM))
    assert unity.act("GetUserAuthentication", AppUserID="x")[0]["getuserauthenticationinfo"][0]["valid_user"] == "NO"
    assert error(unity.act("SaveProblem", PROBLEM, AppUserID="x"))
    assert unity.act("GetUserAuthentication")[0]["getuserauthenticationinfo"][0]["valid_user"] == "YES"
    assert unity.act("SaveProblem", PROBLEM)[0]["saveprobleminfo"]


def test_a_session_dies_by_silence_and_by_retirement(unity: Unity, sandbox: RunningSandbox) -> None:
    sandbox.settings(quirks={"idle_s": 0})
    assert "token" in error(unity.act("SaveProblem", PROBLEM))
    sandbox.settings(quirks={})
    assert unity.act("SaveProblem", PROBLEM)[0]["saveprobleminfo"]
    unity.http.post("RetireSecurityToken", json={"Token": unity.token})
    assert "token" in error(unity.act("SaveProblem", PROBLEM))


def test_times_are_the_sites_own(unity: Unity, sandbox: RunningSandbox) -> None:
    sandbox.settings(quirks={"utc_offset": "-06:00"})
    unity.act("SaveVitals", WEIGHT)
    (found,) = sandbox.resources("Observation")
    assert found["effectiveDateTime"] == "2026-03-01T10:00:00-06:00"
    assert str(found["valueQuantity"]["value"]) == "72.50"


def test_a_replay_makes_a_second_record(unity: Unity, sandbox: RunningSandbox) -> None:
    sandbox.faults({"fault": "commit_then_drop", "match": {"path": "MagicJson"}, "times": 1})
    with pytest.raises(httpx.TransportError):
        unity.act("SaveProblem", PROBLEM)
    unity.act("SaveProblem", PROBLEM)
    assert len(sandbox.resources("Condition")) == 2


def test_the_same_action_changes_an_entry_by_its_id_without_a_version(unity: Unity, sandbox: RunningSandbox) -> None:
    (made,) = unity.act("SaveProblem", PROBLEM)[0]["saveprobleminfo"]
    sandbox.edit({**sandbox.resources("Condition")[0], "note": [{"text": "a clinician's"}]})
    changed = PROBLEM.replace("<Code>", f"<Id>{made['id']}</Id><Status>resolved</Status><Code>")
    unity.act("SaveProblem", changed)
    (found,) = sandbox.resources("Condition")
    assert (found["clinicalStatus"]["coding"][0]["code"], "note" in found) == ("resolved", False)
    assert error(unity.act("SaveProblem", changed.replace(made["id"], "0")))


@pytest.mark.parametrize(
    ("action", "xml", "type"),
    [
        ("SaveAllergy", "<a><Code>723</Code><Reaction>hives</Reaction></a>", "AllergyIntolerance"),
        ("SaveRX", "<rx Historical='Y'><Code>860975</Code><Sig>1 daily</Sig></rx>", "MedicationStatement"),
        ("SaveUnstructuredDocument", "<d><Content>QQ==</Content><Type>Note</Type></d>", "DocumentReference"),
        ("SaveTask", "<t><Comment>Call back</Comment><TaskType>Call</TaskType></t>", "Task"),
        ("SaveImmunization", "<i><Code>207</Code><Date>03/01/2026</Date></i>", "Immunization"),
    ],
)
def test_each_action_saves_its_kind(unity: Unity, sandbox: RunningSandbox, action: str, xml: str, type: str) -> None:
    assert unity.act(action, xml)[0][f"{action.lower()}info"]
    assert len(sandbox.resources(type)) == 1


def test_an_allergy_may_need_an_encounter(unity: Unity, sandbox: RunningSandbox) -> None:
    sandbox.settings(quirks={"allergy_needs_encounter": True})
    assert error(unity.act("SaveAllergy", "<a><Code>723</Code></a>"))
    assert unity.act("SaveAllergy", "<a><Code>723</Code><EncounterID>e-open</EncounterID></a>")[0]["saveallergyinfo"]


def test_fhir_is_read_only(unity: Unity, fhir: httpx.Client) -> None:
    assert fhir.post("Condition", json=problem()).status_code == 405
    assert fhir.get("Patient/p1").status_code == 200


def test_the_site_says_its_time_zone(unity: Unity) -> None:
    assert unity.act("GetServerInfo")[0]["getserverinfoinfo"][0]["ServerTimeZoneOffset"] == "-05:00"


def test_fields_have_the_names_that_the_site_gives_them(unity: Unity, sandbox: RunningSandbox) -> None:
    sandbox.settings(quirks={"vital_fields": {"Pulse": ["8867-4", "/min"]}, "drugs": {"1001": "29046"}})
    fields = '<field name="Pulse" value="72"/><field name="Date" value="03/01/2026"/>'
    unity.act("SaveVitalsData", f"<v>{fields}</v>")
    (reading,) = sandbox.resources("Observation")
    assert (reading["code"]["coding"][0]["code"], reading["valueQuantity"]["code"]) == ("8867-4", "/min")
    drug = '<m><field name="DDI" value="{}"/><field name="historicalflag" value="Y"/></m>'
    unity.act("SaveRX", drug.format("1001"))
    (statement,) = sandbox.resources("MedicationStatement")
    assert statement["medicationCodeableConcept"]["coding"][0]["code"] == "29046"
    assert "not known" in error(unity.act("SaveRX", drug.format("1002")))
