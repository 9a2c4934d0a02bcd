"""What a personality may decide, each on the standard EHR by setting."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.personalities import conduct_of, personalities
from sandbox.server import SandboxSettings, serve
from tests.sandbox.resources import identified, observation
from tests.sandbox_fixture import RunningSandbox


@pytest.mark.parametrize("key", sorted(personalities()))
def test_every_personality_has_settings_that_hold_and_a_statement(
    fhir: httpx.Client, sandbox: RunningSandbox, key: str
) -> None:
    conduct = conduct_of({"personality": key})
    assert conduct.personality.key == key
    sandbox.settings(personality=key)
    statement = fhir.get("metadata").json()
    stated = {it["type"]: {code["code"] for code in it["interaction"]} for it in statement["rest"][0]["resource"]}
    for name, verbs in (conduct.personality.verbs or {}).items():
        assert verbs <= stated[name], name


@pytest.mark.parametrize("key", sorted(personalities()))
def test_a_fault_is_played_on_every_personality(fhir: httpx.Client, sandbox: RunningSandbox, key: str) -> None:
    sandbox.settings(personality=key)
    sandbox.faults({"fault": "error_before_commit", "parameters": {"status": 503}})
    assert fhir.get("Patient/p1").status_code == 503
    sandbox.faults({"fault": "drop_before_commit"})
    with pytest.raises(httpx.TransportError):
        fhir.get("Patient/p1")


def test_what_was_said_goes_before_the_personality_and_a_reset_forgets_it(
    fhir: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.settings(stale_status=409)
    sandbox.settings(personality="fhir_r4")
    assert sandbox.admin.get("settings").json()["stale_status"] == 409
    sandbox.reset()
    assert sandbox.admin.get("settings").json()["stale_status"] == 412


@pytest.mark.parametrize("changes", [{"personality": "nobody"}, {"quirks": {"colour": "blue"}}, {"personality": 1}])
def test_an_unknown_personality_or_quirk_changes_nothing(sandbox: RunningSandbox, changes: dict[str, Any]) -> None:
    before = sandbox.admin.get("settings").json()
    assert sandbox.admin.patch("settings", json=changes).status_code == 422
    assert sandbox.admin.get("settings").json() == before


def test_a_process_plays_the_personality_it_was_started_with(tmp_path: Path) -> None:
    key = min(set(personalities()) - {"fhir_r4"})
    running = RunningSandbox(tmp_path, arguments=("--personality", key)).start()
    try:
        assert running.admin.get("settings").json()["personality"] == key
    finally:
        running.close()


def test_a_process_is_not_started_as_nobody(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such personality"):
        serve(SandboxSettings(data_dir=tmp_path, personality="nobody"))


def put(fhir: httpx.Client, made: dict[str, Any], **headers: str) -> int:
    path = f"Observation/{made['id']}"
    return fhir.put(path, json={**made, "status": "amended"}, headers=headers).status_code


@pytest.mark.parametrize(
    ("form", "header", "status"),
    [
        ("quoted", "1", 400),
        ("quoted", '"1"', 200),
        ("weak", '"1"', 400),
        ("weak", 'W/"1"', 200),
        ("bare-too", "1", 200),
        ("bare-too", "2", 412),
        ("bare-too", 'W/"1"', 200),
        ("quoted-or-ignored", "2", 200),
        ("quoted-or-ignored", '"2"', 412),
    ],
)
def test_an_entity_tag_is_read_as_the_server_reads_it(
    fhir: httpx.Client, sandbox: RunningSandbox, form: str, header: str, status: int
) -> None:
    made = fhir.post("Observation", json=observation()).json()
    sandbox.settings(entity_tags=form)
    assert put(fhir, made, **{"If-Match": header}) == status


def test_an_ehr_without_preconditions_overwrites(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = fhir.post("Observation", json=observation()).json()
    sandbox.settings(precondition="none")
    assert put(fhir, made, **{"If-Match": 'W/"9"'}) == 200


def test_a_missing_precondition_may_be_refused_for_some_types(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = fhir.post("Observation", json=observation()).json()
    sandbox.settings(missing_if_match="reject", missing_if_match_status=412, missing_if_match_types=["Patient"])
    assert put(fhir, made) == 200
    assert fhir.put("Patient/p1", json={"resourceType": "Patient", "id": "p1"}).status_code == 412


def test_if_none_exist_may_be_refused(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(if_none_exist="reject")
    answer = fhir.post("Observation", json=observation(), headers={"If-None-Exist": "identifier=urn:test|a"})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (412, "not-supported")


def test_identifiers_may_be_dropped(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(identifiers="drop")
    assert "identifier" not in fhir.post("Observation", json=identified("a")).json()


def test_the_id_of_a_client_may_be_honoured_once(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(client_ids="honour")
    assert fhir.post("Observation", json=observation(id="own")).json()["id"] == "own"
    assert fhir.post("Observation", json=observation(id="own")).status_code == 409


def test_an_update_without_a_change_may_make_a_version(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = fhir.post("Observation", json=observation()).json()
    sandbox.settings(noop_update="bump")
    assert fhir.put(f"Observation/{made['id']}", json=made).headers["ETag"] == 'W/"2"'


@pytest.mark.parametrize(
    ("form", "versions"), [("zero", ["0", "1"]), ("dashed", ["10-1", "11-1"]), ("counter", ["1", "2"])]
)
def test_version_ids_come_in_several_forms(
    fhir: httpx.Client, sandbox: RunningSandbox, form: str, versions: list[str]
) -> None:
    sandbox.settings(version_ids=form)
    made = fhir.post("Observation", json=observation()).json()
    fhir.put(f"Observation/{made['id']}", json={**made, "status": "amended"})
    assert [it["version"] for it in sandbox.history(f"Observation/{made['id']}")] == versions


@pytest.mark.parametrize(
    ("changes", "header", "expected"),
    [
        ({"location": "relative"}, "Location", "Observation/{id}"),
        ({"location": "bare"}, "Location", "/Observation/{id}"),
        ({"location": "absolute"}, "Location", "{url}/Observation/{id}"),
        ({"location_header": "Content-Location"}, "Content-Location", "{url}/Observation/{id}/_history/1"),
        ({"location": "none"}, "Location", None),
    ],
)
def test_a_location_comes_in_several_forms(
    fhir: httpx.Client, sandbox: RunningSandbox, changes: dict[str, Any], header: str, expected: str | None
) -> None:
    sandbox.settings(create_status=200, **changes)
    answer = fhir.post("Observation", json=observation())
    wanted = expected and expected.format(url=sandbox.url, id=answer.json()["id"])
    assert (answer.status_code, answer.headers.get(header)) == (200, wanted)


def test_an_answer_may_be_the_word_null(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(default_return="null", prefer="ignore")
    answer = fhir.post("Observation", json=observation(), headers={"Prefer": "return=representation"})
    assert answer.text == "null"


def test_what_was_not_given_to_a_site_is_403(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(withheld=["Observation.create"])
    assert fhir.post("Observation", json=observation()).status_code == 403
    assert fhir.get("Observation").status_code == 200


def test_a_locked_entry_is_423_until_it_is_let_go(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = fhir.post("Observation", json=observation()).json()
    path = f"Observation/{made['id']}"
    sandbox.admin.post("lock", json={"reference": path}).raise_for_status()
    assert put(fhir, made) == 423
    assert fhir.delete(path).status_code == 423
    sandbox.admin.post("lock", json={"reference": path, "seconds": 0}).raise_for_status()
    assert put(fhir, made) == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("held/1/accept", {}, 404),
        ("held/1/burn", {}, 404),
        ("close", {"reference": "Patient/p1"}, 404),
        ("close", {"reference": "Encounter/nobody"}, 404),
        ("lock", {"reference": "somewhere"}, 422),
    ],
)
def test_what_cannot_be_decided_is_refused(
    fhir: httpx.Client, sandbox: RunningSandbox, path: str, body: dict[str, Any], status: int
) -> None:
    assert sandbox.admin.post(path, json=body).status_code == status


@pytest.mark.parametrize(("hint", "headers"), [("none", []), ("retry-after", ["Retry-After", "x-ms-retry-after-ms"])])
def test_everything_is_refused_until_the_next_minute(
    fhir: httpx.Client, sandbox: RunningSandbox, hint: str, headers: list[str]
) -> None:
    sandbox.settings(calls_per_minute=2, throttle_hint=hint, tokens_count_as_calls=True)
    httpx.post(f"{sandbox.origin}/oauth/token", data={})
    answers = [fhir.get("Patient/p1") for _ in range(5)]
    assert answers[-1].status_code == 429
    assert [name for name in ("Retry-After", "x-ms-retry-after-ms") if name in answers[-1].headers] == headers
