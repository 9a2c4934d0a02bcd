"""Asking the author from the desk: the case waits for them, and its page shows what was asked and what they said."""

from __future__ import annotations

import pytest

from canonical.asking import Answer, AuthorsAnswer, Taken
from canonical.review_desk import Pick, ReviewError, Verb
from store.questions import Questions
from tests.reconcile.review.bench import NURSE, PHARMACIST, ReviewBench

QUESTION = "Did you know that it was lowered to 5 mg?"


def asked(bench: ReviewBench, name: str) -> tuple[Questions, int]:
    _, case = bench.conflict(name)
    bench.decide(NURSE, bench.desk.open(NURSE, case), Verb.ASK_AUTHOR, text=QUESTION)
    return Questions(bench.station.ward.engine), case


def said(answer: Answer, text: str = "") -> AuthorsAnswer:
    return AuthorsAnswer(answer=answer, by="n1", by_system=None, text=text, actor="app:app")


def test_the_answer_is_on_the_page_with_the_question_and_a_person_decides(bench: ReviewBench) -> None:
    questions, case = asked(bench, "told")
    command = bench.desk.open(PHARMACIST, case).command_id
    assert command is not None
    assert questions.answer("t1", command, said(Answer.KEEP, "Yes, 20 mg is meant.")) is Taken.RECORDED
    page = bench.desk.open(PHARMACIST, case)
    question, answer = page.answers
    assert question.startswith("Di Nurse asked the author at ")
    assert question.endswith(f"“{QUESTION}”")
    assert answer.startswith("n1 answered for the author at ")
    assert answer.endswith("it is meant as it was sent. “Yes, 20 mg is meant.”")
    assert all("UTC" in line for line in page.answers)
    assert not page.row.asked
    bench.decide(PHARMACIST, page, Verb.RESOLVE, {"dosage": Pick.PROPOSAL})
    assert bench.station.ward.state(command) == "ready"


def test_a_page_opened_before_the_author_withdrew_decides_nothing_more(bench: ReviewBench) -> None:
    questions, case = asked(bench, "gone")
    page = bench.desk.open(PHARMACIST, case)
    assert page.command_id is not None
    assert questions.answer("t1", page.command_id, said(Answer.WITHDRAW)) is Taken.WITHDRAWN
    with pytest.raises(ReviewError) as refused:
        bench.decide(PHARMACIST, page, Verb.RESOLVE, {"dosage": Pick.PROPOSAL})
    assert refused.value.code == "already-decided"
    assert bench.station.ward.state(page.command_id) == "withdrawn"
    assert bench.station.ward.attempts(page.command_id) == []
    over = bench.desk.open(PHARMACIST, case)
    assert "author withdrew" in over.closed


def test_that_nobody_answered_is_on_the_page(bench: ReviewBench) -> None:
    questions, case = asked(bench, "silent")
    bench.station.ward.query("UPDATE cases SET asked_until = clock_timestamp() WHERE id = %(id)s", id=case)
    assert questions.give_up(limit=10, actor="machine:unanswered") == [case]
    assert bench.desk.open(PHARMACIST, case).answers[-1].endswith("the author did not answer in time.")


def test_a_case_can_be_asked_about_again(bench: ReviewBench) -> None:
    questions, case = asked(bench, "twice")
    page = bench.desk.open(NURSE, case)
    assert page.command_id is not None
    questions.answer("t1", page.command_id, said(Answer.UNSURE))
    bench.decide(NURSE, bench.desk.open(NURSE, case), Verb.ASK_AUTHOR, text="Who would know?")
    found = questions.of("t1", page.command_id)
    assert found is not None
    assert found.text == "Who would know?"
    assert bench.desk.open(NURSE, case).row.asked
