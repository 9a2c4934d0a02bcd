"""The author's answer at the door: who may give it, what is shown of the question to whom, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from canonical import exact_json
from canonical.case_store import Resolution, Resolved
from canonical.reviewer import Pool, Reviewer, Right
from store.cases import Cases
from tests.reception import TENANT, Reception, put_state

TEXT = "Did you know that Ms Lopez weighs 82 kg?"
BY = {"system": "urn:staff", "value": "n1"}
ASKER = Reviewer(
    tenant=TENANT,
    issuer="https://people.example",
    subject="di",
    name="Di Nurse",
    rights=frozenset(Right),
    pools=frozenset(Pool),
)


def asked(reception: Reception, kind: str = "conflict", state: str = "conflicted") -> str:
    """Give a command, put it into a person's hands, and have its author asked by a reviewer."""
    command = str(reception.post().json()["id"])
    put_state(reception.services, command, state)
    (case,) = reception.rows(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at)"
        " SELECT tenant, id, connection_id, action_type, %(kind)s, 'clinical', 2, clock_timestamp()"
        " FROM commands WHERE id = %(id)s RETURNING id, clock_timestamp() + interval '4 hours' AS until",
        id=command,
        kind=kind,
    )
    cases = Cases(reception.services.engine)
    found = cases.find(TENANT, case["id"])
    assert found is not None
    content = exact_json.canonical_bytes({"verb": "ask_author", "fields": {}, "text": TEXT, "reason": ""})
    resolution = Resolution(
        case=found, reviewer=ASKER, verb="ask_author", view_id=None, content=content, asked_until=case["until"]
    )
    assert cases.resolve(resolution) is Resolved.DONE
    return command


def answer(reception: Reception, command: str, body: Any = None, **headers: str) -> httpx.Response:
    said = {"answer": "keep", "text": "I saw it.", "by": BY} if body is None else body
    return reception.post(said, path=f"/v1/commands/{command}:answer", **headers)


def question(reception: Reception, command: str, **claims: Any) -> Any:
    found = reception.client.get(f"/v1/commands/{command}", headers=reception.as_(**claims) if claims else None)
    assert found.status_code == 200
    return found.json()["question"]


def test_the_app_reads_what_its_author_is_asked_and_until_when(reception: Reception) -> None:
    command = asked(reception)
    found = question(reception, command)
    assert set(found) == {"askedAt", "answerBy", "text"}
    assert found["text"] == TEXT
    assert found["answerBy"] > found["askedAt"]


def test_whoever_else_may_read_the_command_does_not_read_the_question(reception: Reception) -> None:
    command = asked(reception)
    for scope in ("writeback/read", "writeback/admin"):
        assert question(reception, command, client_id="other", scope=scope) is None


def test_a_poller_sees_that_its_author_is_asked_and_that_it_is_not_any_more(reception: Reception) -> None:
    command = str(reception.post().json()["id"])
    etags = [reception.client.get(f"/v1/commands/{command}").headers["etag"]]
    command = asked(reception)
    etags.append(reception.client.get(f"/v1/commands/{command}").headers["etag"])
    answer(reception, command)
    etags.append(reception.client.get(f"/v1/commands/{command}").headers["etag"])
    assert len(set(etags)) == 3
    assert question(reception, command) is None


@pytest.mark.parametrize("said", ["keep", "unsure"])
def test_an_answer_leaves_the_command_with_the_reviewers(reception: Reception, said: str) -> None:
    command = asked(reception)
    answered = answer(reception, command, {"answer": said, "by": BY})
    assert (answered.status_code, answered.json()["state"]) == (200, "conflicted")
    (decision,) = reception.rows("SELECT reason, person, stage FROM decisions ORDER BY id DESC LIMIT 1")
    assert decision == {"reason": said, "person": "author:n1", "stage": "author"}


def test_a_withdrawal_ends_a_command_that_was_not_written(reception: Reception) -> None:
    command = asked(reception)
    answered = answer(reception, command, {"answer": "withdraw", "by": BY}).json()
    assert (answered["state"], answered["status"], answered["reason"]) == (
        "withdrawn",
        "notWritten",
        "author-withdrew",
    )


def test_a_withdrawal_of_what_may_be_in_the_chart_is_kept_for_a_person(reception: Reception) -> None:
    command = asked(reception, kind="cannot_tell", state="in_review")
    reception.rows("UPDATE commands SET attempts = 1")
    answered = answer(reception, command, {"answer": "withdraw", "by": BY})
    assert (answered.status_code, answered.json()["state"]) == (200, "in_review")


def test_the_same_answer_again_is_answered_alike_and_another_is_refused(reception: Reception) -> None:
    command = asked(reception)
    assert [answer(reception, command).status_code for _ in range(2)] == [200, 200]
    refused = answer(reception, command, {"answer": "withdraw", "by": BY})
    assert (refused.status_code, refused.json()["code"]) == (409, "not-asked")
    assert reception.client.get(f"/v1/commands/{command}").json()["state"] == "conflicted"


def test_whoever_was_not_asked_is_told_so(reception: Reception) -> None:
    command = str(reception.post().json()["id"])
    refused = answer(reception, command)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-asked")


def test_only_the_app_itself_answers_and_only_within_its_scopes(reception: Reception) -> None:
    command = asked(reception)
    assert answer(reception, command, **reception.as_(client_id="other")).status_code == 404
    assert answer(reception, command, **reception.as_(client_id="other", scope="writeback/admin")).status_code == 404
    assert answer(reception, command, **reception.as_(tenant="south")).status_code == 404
    assert answer(reception, "no-id").status_code == 404
    scopes = reception.as_(scope="writeback/MedicationChange.*")
    assert answer(reception, command, **scopes).status_code == 403
    assert question(reception, command) is not None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"answer": "maybe", "by": BY}, "/answer"),
        ({"by": BY}, "/answer"),
        ({"answer": "keep"}, "/by"),
        ({"answer": "keep", "by": {"system": "urn:staff"}}, "/by/value"),
        ({"answer": "none", "by": BY}, "/answer"),
        ({"answer": "keep", "by": BY, "text": "x" * 2_001}, "/text"),
        ({"answer": "keep", "by": BY, "command": "other"}, "/command"),
    ],
)
def test_an_answer_that_says_nothing_is_refused_and_nothing_changes(
    reception: Reception, body: dict[str, Any], pointer: str
) -> None:
    command = asked(reception)
    refused = answer(reception, command, body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-field")
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert question(reception, command) is not None
    assert "x" * 100 not in refused.text
