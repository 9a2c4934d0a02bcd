"""Create, read, update and delete, as a client sees them over HTTP."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import pytest
import simplejson

from tests.sandbox.resources import identified, medication_statement, observation
from tests.sandbox_fixture import RunningSandbox

LAST_MODIFIED = "%a, %d %b %Y %H:%M:%S GMT"


def created(fhir: httpx.Client, **changes: object) -> dict[str, object]:
    answer = fhir.post("Observation", json=observation(**changes))
    assert answer.status_code == 201
    resource: dict[str, object] = answer.json()
    return resource


def test_a_create_names_what_it_made(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    answer = fhir.post("Observation", json=observation(id="mine", meta={"versionId": "9", "tag": [{"code": "t"}]}))
    made = answer.json()
    assert answer.status_code == 201
    assert made["id"] != "mine"
    assert made["meta"]["versionId"] == "1"
    assert made["meta"]["tag"] == [{"code": "t"}]
    assert answer.headers["Location"] == f"{sandbox.url}/Observation/{made['id']}/_history/1"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Last-Modified"] == parsedate_to_datetime(answer.headers["Last-Modified"]).strftime(
        LAST_MODIFIED
    )
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"


def test_decimals_come_back_byte_for_byte(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    body = simplejson.dumps(observation()).replace("72.5", "72.50")
    body = body.replace('"unit"', '"extension": [{"url": "urn:x", "valueDecimal": 1e-3}], "unit"')
    made = fhir.post("Observation", content=body)
    read = fhir.get(f"Observation/{made.json()['id']}")
    for text in (made.text, read.text, fhir.get("Observation").text):
        assert '"value":72.50,' in text
        assert '"valueDecimal":1e-3' in text
    assert str(sandbox.resources("Observation")[0]["valueQuantity"]["value"]) == "72.50"


@pytest.mark.parametrize(
    ("prefer", "body"),
    [
        ("return=minimal", None),
        ("return=OperationOutcome", "OperationOutcome"),
        ("return=representation", "Observation"),
        ("respond-async, return=representation", "Observation"),
        ("", "Observation"),
    ],
)
def test_the_client_says_what_it_wants_back(fhir: httpx.Client, prefer: str, body: str | None) -> None:
    answer = fhir.post("Observation", json=observation(), headers={"Prefer": prefer})
    assert answer.status_code == 201
    assert "Location" in answer.headers
    if body is None:
        assert answer.content == b""
    else:
        assert answer.json()["resourceType"] == body


def test_without_a_preference_the_setting_decides(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(default_return="minimal")
    assert fhir.post("Observation", json=observation()).content == b""


def test_a_conditional_create_makes_one_and_then_finds_it(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    condition = {"If-None-Exist": "identifier=urn:test|a"}
    first = fhir.post("Observation", json=identified("a"), headers=condition)
    second = fhir.post("Observation", json=identified("a", status="amended"), headers=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert second.headers["Location"] == first.headers["Location"]
    assert len(sandbox.resources("Observation")) == 1


def test_a_conditional_create_that_finds_several_is_refused(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    for _ in range(2):
        fhir.post("Observation", json=identified("a"))
    answer = fhir.post("Observation", json=identified("a"), headers={"If-None-Exist": "identifier=urn:test|a"})
    assert answer.status_code == 412
    assert answer.json()["issue"][0]["code"] == "multiple-matches"
    assert len(sandbox.resources("Observation")) == 2


@pytest.mark.parametrize("condition", ["", "colour=blue", "_count=1"])
def test_a_condition_that_says_nothing_is_refused(fhir: httpx.Client, sandbox: RunningSandbox, condition: str) -> None:
    answer = fhir.post("Observation", json=observation(), headers={"If-None-Exist": condition})
    assert answer.status_code == 400
    assert sandbox.resources("Observation") == []


def test_twenty_conditional_creates_at_once_make_one(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    def attempt(_: int) -> tuple[int, str]:
        with httpx.Client(base_url=f"{sandbox.url}/", timeout=10) as client:
            answer = client.post(
                "Observation", json=identified("race"), headers={"If-None-Exist": "identifier=urn:test|race"}
            )
            return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(attempt, range(20)))
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    assert len({made for _, made in answers}) == 1
    assert len(sandbox.resources("Observation")) == 1


def test_a_server_without_conditional_create_ignores_the_header(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(if_none_exist="ignore")
    for _ in range(2):
        answer = fhir.post("Observation", json=identified("a"), headers={"If-None-Exist": "identifier=urn:test|a"})
        assert answer.status_code == 201
    assert len(sandbox.resources("Observation")) == 2


def test_a_read_says_which_version_it_is(fhir: httpx.Client) -> None:
    made = created(fhir)
    answer = fhir.get(f"Observation/{made['id']}")
    assert answer.json() == made
    assert answer.headers["ETag"] == 'W/"1"'


def test_a_read_of_a_known_version_is_not_sent_again(fhir: httpx.Client) -> None:
    path = f"Observation/{created(fhir)['id']}"
    answer = fhir.get(path, headers={"If-None-Match": 'W/"1"'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert fhir.get(path, headers={"If-None-Match": 'W/"0"'}).status_code == 200


def test_what_never_was_is_not_found(fhir: httpx.Client) -> None:
    answer = fhir.get("Observation/nobody")
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_an_update_makes_the_next_version_and_keeps_the_first(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = created(fhir)
    path = f"Observation/{made['id']}"
    answer = fhir.put(path, json={**made, "status": "amended"}, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 200
    assert answer.headers["ETag"] == 'W/"2"'
    assert answer.headers["Location"] == f"{sandbox.url}/{path}/_history/2"
    assert fhir.get(path).json()["status"] == "amended"
    assert fhir.get(f"{path}/_history/1").json()["status"] == "final"
    assert fhir.get(f"{path}/_history/3").status_code == 404


@pytest.mark.parametrize("status", [412, 409])
def test_an_update_on_an_older_version_is_refused(fhir: httpx.Client, sandbox: RunningSandbox, status: int) -> None:
    sandbox.settings(stale_status=status)
    made = created(fhir)
    path = f"Observation/{made['id']}"
    sandbox.edit({**made, "status": "corrected"})
    answer = fhir.put(path, json={**made, "status": "amended"}, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == status
    assert answer.json()["issue"][0]["code"] == "conflict"
    assert fhir.get(path).json()["status"] == "corrected"


def test_of_two_updates_on_one_version_one_wins(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = created(fhir)

    def attempt(number: int) -> int:
        with httpx.Client(base_url=f"{sandbox.url}/", timeout=10) as client:
            changed = {**made, "note": [{"text": str(number)}]}
            headers = {"If-Match": 'W/"1"'}
            return client.put(f"Observation/{made['id']}", json=changed, headers=headers).status_code

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(attempt, range(10))) == [200] + [412] * 9
    assert len(sandbox.history(f"Observation/{made['id']}")) == 2


def test_a_missing_precondition_is_taken_or_refused_by_setting(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = created(fhir)
    path = f"Observation/{made['id']}"
    assert fhir.put(path, json={**made, "status": "amended"}).status_code == 200
    sandbox.settings(missing_if_match="reject")
    assert fhir.put(path, json={**made, "status": "corrected"}).status_code == 400
    assert fhir.get(path).json()["status"] == "amended"


@pytest.mark.parametrize("header", ["1", 'W/1"', "W/"])
def test_an_unquoted_precondition_is_refused_and_not_overlooked(fhir: httpx.Client, header: str) -> None:
    made = created(fhir)
    answer = fhir.put(f"Observation/{made['id']}", json=made, headers={"If-Match": header})
    assert answer.status_code == 400


def test_an_identical_update_keeps_the_version(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = created(fhir)
    answer = fhir.put(f"Observation/{made['id']}", json=made, headers={"If-Match": 'W/"1"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"1"')
    assert len(sandbox.history(f"Observation/{made['id']}")) == 1


def test_another_spelling_of_the_number_is_another_version(fhir: httpx.Client) -> None:
    answer = fhir.post("Observation", json=observation())
    body = answer.text.replace('"value":72.5,', '"value":72.50,')
    changed = fhir.put(f"Observation/{answer.json()['id']}", content=body)
    assert changed.headers["ETag"] == 'W/"2"'


def test_an_update_of_what_never_was_is_refused(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    body = observation(id="new")
    assert fhir.put("Observation/new", json=body).status_code == 405
    assert fhir.put("Observation/new", json=body, headers={"If-Match": 'W/"1"'}).status_code == 404
    sandbox.settings(update_create=True)
    assert fhir.put("Observation/new", json=body).status_code == 201


def test_an_update_under_another_id_is_refused(fhir: httpx.Client) -> None:
    made = created(fhir)
    answer = fhir.put(f"Observation/{made['id']}", json={**made, "id": "other"})
    assert answer.status_code == 400


def test_what_was_deleted_is_gone_for_reads_updates_and_searches(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    made = created(fhir)
    path = f"Observation/{made['id']}"
    assert fhir.delete(path, headers={"If-Match": 'W/"0"'}).status_code == 412
    assert fhir.delete(path).status_code == 204
    assert fhir.get(path).status_code == 410
    assert fhir.put(path, json=made, headers={"If-Match": 'W/"1"'}).status_code == 410
    assert fhir.put(path, json=made).status_code == 410
    assert fhir.get("Observation").json()["total"] == 0
    assert fhir.delete(path).status_code == 204
    assert fhir.delete("Observation/nobody").status_code == 404
    assert [it["deleted"] for it in sandbox.history(path)] == [False, True]


def test_version_ids_may_be_opaque(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(version_ids="uuid")
    made = fhir.post("Observation", json=observation())
    tag = made.headers["ETag"]
    assert len(tag) == len('W/""') + 36
    path = f"Observation/{made.json()['id']}"
    changed = fhir.put(path, json={**made.json(), "status": "amended"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    stale = fhir.put(path, json={**made.json(), "status": "corrected"}, headers={"If-Match": tag})
    assert stale.status_code == 412


def test_a_medication_statement_is_kept_too(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    assert fhir.post("MedicationStatement", json=medication_statement()).status_code == 201
    assert sandbox.resources("MedicationStatement")[0]["status"] == "active"


def test_a_commit_may_be_slow(fhir: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.settings(commit_delay_s=0.2)
    answer = fhir.post("Observation", json=observation())
    assert answer.elapsed >= dt.timedelta(seconds=0.2)
