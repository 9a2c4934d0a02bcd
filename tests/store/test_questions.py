"""Asking authors: what their app is told, what they may answer, and what their word does to the command."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from canonical import exact_json
from canonical.asking import Answer, AuthorsAnswer, Taken
from canonical.case_store import Resolution, Resolved
from canonical.case_views import QueueQuery
from canonical.reviewer import Pool, Reviewer, Right
from store.callbacks import Callbacks
from store.cases import Cases
from store.questions import Questions
from tests.tasks.ward import Ward

ASKER = Reviewer(
    tenant="t1",
    issuer="https://people.example",
    subject="di",
    name="Di Nurse",
    rights=frozenset(Right),
    pools=frozenset(Pool),
)
TEXT = "Did you know that Ms Lopez takes 5 mg?"


def said(answer: Answer = Answer.KEEP, text: str = "", by: str = "n1") -> AuthorsAnswer:
    return AuthorsAnswer(answer=answer, by=by, by_system="urn:staff", text=text, actor="app:app")


def case_in(ward: Ward, state: str, kind: str, *, attempts: int = 0, holds: bool = True) -> tuple[UUID, int]:
    """Put a command into ``state`` with a case of ``kind``: a test of asking, not of how it came there."""
    command = ward.submit().command_id
    ward.query(
        "UPDATE commands SET state = %(state)s, attempts = %(attempts)s WHERE id = %(id)s",
        id=command,
        state=state,
        attempts=attempts,
    )
    (row,) = ward.query(
        "INSERT INTO cases (tenant, command_id, connection_id, action_type, kind, pool, severity, due_at, holds)"
        " SELECT tenant, id, connection_id, action_type, %(kind)s, 'clinical', 1, clock_timestamp(), %(holds)s"
        " FROM commands WHERE id = %(id)s RETURNING id",
        id=command,
        kind=kind,
        holds=holds,
    )
    return command, int(row["id"])


def ask(ward: Ward, case: int, *, minutes: int = 240) -> None:
    cases = Cases(ward.engine)
    found = cases.find("t1", case)
    assert found is not None
    (row,) = ward.query("SELECT clock_timestamp() + make_interval(mins => %(m)s) AS until", m=minutes)
    told = {"verb": "ask_author", "fields": {}, "text": TEXT, "reason": ""}
    resolution = Resolution(
        case=found,
        reviewer=ASKER,
        verb="ask_author",
        view_id=None,
        content=exact_json.canonical_bytes(told),
        asked_until=row["until"],
    )
    assert cases.resolve(resolution) is Resolved.DONE


def register(ward: Ward) -> None:
    ward.query(
        "INSERT INTO endpoints (id, tenant, app, url, secret)"
        " VALUES (%(id)s, 't1', 'app', 'https://app.example/hooks', 'whsec_AAAA')",
        id=uuid4(),
    )


def case_row(ward: Ward, case: int) -> dict[str, Any]:
    return ward.query("SELECT asked_until, closed_at, closed_reason FROM cases WHERE id = %(id)s", id=case)[0]


def last_event(ward: Ward, command: UUID) -> dict[str, Any]:
    sql = "SELECT * FROM events WHERE command_id = %(id)s ORDER BY seq DESC LIMIT 1"
    return ward.query(sql, id=command)[0]


@pytest.fixture
def questions(ward: Ward) -> Questions:
    return Questions(ward.engine)


def test_asking_tells_the_app_that_and_nothing_more(ward: Ward, questions: Questions) -> None:
    register(ward)
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case)
    store = Callbacks(ward.engine)
    (due,) = store.due(limit=10)
    callback = store.take(due, lease=ward.query("SELECT interval '1 minute' AS lease")[0]["lease"])
    assert callback is not None
    body = exact_json.parse(callback.body().encode())
    assert body["type"] == "command.needs_attention"
    assert (body["data"]["reason"], body["data"]["status"], body["data"]["state"]) == (
        "author-asked",
        "needsAttention",
        "conflicted",
    )
    assert "Lopez" not in callback.body()
    question = questions.of("t1", command)
    assert question is not None
    assert (question.text, question.answer_by > question.asked_at) == (TEXT, True)


def test_the_event_moves_nothing_and_names_who_asked(ward: Ward) -> None:
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case)
    event = last_event(ward, command)
    assert (event["trigger"], event["source"], event["target"]) == ("author_asked", "conflicted", "conflicted")
    assert (event["actor"], event["detail"]) == ("person:di", {"case": case})
    assert event["seq"] == ward.query("SELECT event_seq FROM commands WHERE id = %(id)s", id=command)[0]["event_seq"]


def test_nobody_who_was_not_asked_answers(ward: Ward, questions: Questions) -> None:
    command, _ = case_in(ward, "conflicted", "conflict")
    assert questions.of("t1", command) is None
    assert questions.answer("t1", command, said()) is Taken.NOT_ASKED
    assert questions.answer("t1", uuid4(), said()) is Taken.NOT_ASKED
    assert ward.query("SELECT 1 FROM decisions") == []


def test_another_tenants_question_is_not_there(ward: Ward, questions: Questions) -> None:
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case)
    assert questions.of("t2", command) is None
    assert questions.answer("t2", command, said(Answer.WITHDRAW)) is Taken.NOT_ASKED
    assert ward.state(command) == "conflicted"


@pytest.mark.parametrize("answer", [Answer.KEEP, Answer.UNSURE])
def test_an_answer_is_the_authors_decision_and_the_case_is_back(
    ward: Ward, questions: Questions, answer: Answer
) -> None:
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case)
    assert questions.answer("t1", command, said(answer, "I saw it.")) is Taken.RECORDED
    (decision,) = ward.query("SELECT * FROM decisions WHERE stage = 'author'")
    assert (decision["verb"], decision["reason"], decision["person"]) == ("answer", answer.value, "author:n1")
    (kept,) = ward.query("SELECT content FROM payloads WHERE digest = %(d)s", d=decision["content_digest"])
    assert exact_json.parse(bytes(kept["content"]))["text"] == "I saw it."
    assert case_row(ward, case) == {"asked_until": None, "closed_at": None, "closed_reason": None}
    assert questions.of("t1", command) is None
    event = last_event(ward, command)
    assert (event["trigger"], event["reason"], event["actor"]) == (
        "author_answered",
        f"author-says-{answer.value}",
        "app:app",
    )
    assert (ward.state(command), ward.attempts(command)) == ("conflicted", [])


@pytest.mark.parametrize(
    ("state", "kind", "attempts"),
    [
        ("awaiting_approval", "awaiting_approval", 0),
        ("conflicted", "conflict", 0),
        ("conflicted", "conflict", 1),
        ("in_review", "identity_mismatch", 0),
        ("in_review", "possible_duplicate", 0),
        ("in_review", "rejected_payload", 1),
    ],
)
def test_a_withdrawal_ends_what_cannot_be_in_the_chart(
    ward: Ward, questions: Questions, state: str, kind: str, attempts: int
) -> None:
    register(ward)
    command, case = case_in(ward, state, kind, attempts=attempts)
    ask(ward, case)
    assert questions.answer("t1", command, said(Answer.WITHDRAW)) is Taken.WITHDRAWN
    assert (ward.state(command), ward.reason(command)) == ("withdrawn", "author-withdrew")
    assert case_row(ward, case)["closed_reason"] == "author_withdrew"
    told = ward.query("SELECT reason FROM callbacks WHERE command_id = %(id)s ORDER BY id", id=command)
    assert [row["reason"] for row in told] == ["author-asked", "author-withdrew"]
    assert len(ward.query("SELECT 1 FROM decisions WHERE stage = 'author'")) == 1


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("in_review", "cannot_tell"),
        ("in_review", "proof_failed"),
        ("in_review", "time_box_ended"),
        ("in_review", "drift"),
        ("in_review", "possible_duplicate"),
        ("incomplete", "incomplete"),
    ],
)
def test_what_may_be_in_the_chart_is_not_ended_by_a_word(
    ward: Ward, questions: Questions, state: str, kind: str
) -> None:
    command, case = case_in(ward, state, kind, attempts=1)
    ask(ward, case)
    assert questions.answer("t1", command, said(Answer.WITHDRAW)) is Taken.RECORDED
    assert ward.state(command) == state
    assert case_row(ward, case)["closed_at"] is None
    (decision,) = ward.query("SELECT reason FROM decisions WHERE stage = 'author'")
    assert decision["reason"] == "withdraw"


def test_what_is_in_the_chart_in_part_is_not_ended_by_a_word(ward: Ward, questions: Questions) -> None:
    command, case = case_in(ward, "in_review", "rejected_payload", attempts=2)
    ward.query(
        "INSERT INTO operations (command_id, seq, tenant, state, interaction, resource_type, mark, body_digest,"
        " mapping_version) VALUES (%(id)s, 1, 't1', 'applied', 'create', 'Observation', 'm', '', '1')",
        id=command,
    )
    ask(ward, case)
    assert questions.answer("t1", command, said(Answer.WITHDRAW)) is Taken.RECORDED
    assert ward.state(command) == "in_review"


def test_a_question_beside_a_command_that_goes_on_does_not_end_it(ward: Ward, questions: Questions) -> None:
    command, case = case_in(ward, "ready", "implausible_value", holds=False)
    ask(ward, case)
    assert questions.answer("t1", command, said(Answer.WITHDRAW)) is Taken.RECORDED
    assert ward.state(command) == "ready"


def test_the_same_answer_twice_is_one_and_another_one_is_too_late(ward: Ward, questions: Questions) -> None:
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case)
    assert questions.answer("t1", command, said()) is Taken.RECORDED
    assert questions.answer("t1", command, said()) is Taken.REPEATED
    assert questions.answer("t1", command, said(Answer.UNSURE)) is Taken.NOT_ASKED
    assert len(ward.query("SELECT 1 FROM decisions WHERE stage = 'author'")) == 1


def test_of_two_answers_at_once_one_counts(ward: Ward, questions: Questions) -> None:
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case)
    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(lambda by: questions.answer("t1", command, said(by=by)), ("n1", "n2")))
    assert sorted(one.name for one in taken) == ["NOT_ASKED", "RECORDED"]


def test_a_decision_while_the_author_is_asked_takes_the_question_back(ward: Ward, questions: Questions) -> None:
    from canonical.events import move
    from canonical.lifecycle import State, Trigger

    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case)
    cases = Cases(ward.engine)
    found = cases.find("t1", case)
    assert found is not None
    step = move(State.CONFLICTED, Trigger.REFUSED_BY_PERSON, "chart_newer")
    ended = Resolution(case=found, reviewer=ASKER, verb="reject", view_id=None, move=step)
    assert cases.resolve(ended) is Resolved.DONE
    assert questions.of("t1", command) is None
    assert questions.answer("t1", command, said()) is Taken.NOT_ASKED


def test_a_case_whose_author_is_asked_is_marked_and_counts_as_late_only_afterwards(ward: Ward) -> None:
    _, case = case_in(ward, "conflicted", "conflict")
    cases = Cases(ward.engine)
    assert cases.page(ASKER, QueueQuery()).overdue == 1
    ask(ward, case)
    page = cases.page(ASKER, QueueQuery())
    assert (page.overdue, page.open, page.cases[0].is_overdue) == (0, 1, False)
    ward.query("UPDATE cases SET asked_until = clock_timestamp() - interval '1 second'")
    page = cases.page(ASKER, QueueQuery())
    assert (page.overdue, page.cases[0].is_overdue) == (1, True)
