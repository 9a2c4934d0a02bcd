"""Authors who do not answer: their cases are back with the reviewers, once, and it is said that nobody answered."""

from config.wiring import Services
from reconcile import unanswered
from tests.reconcile.conftest import Noted
from tests.store.test_questions import ask, case_in, case_row, last_event
from tests.tasks.ward import Ward


def test_an_author_who_does_not_answer_in_time_is_waited_for_no_longer(
    ward: Ward, services: Services, hands: Noted
) -> None:
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case, minutes=0)
    assert unanswered.run_once(services, hands) == {"unanswered": 1}
    assert case_row(ward, case) == {"asked_until": None, "closed_at": None, "closed_reason": None}
    (decision,) = ward.query("SELECT verb, reason, person FROM decisions WHERE stage = 'author'")
    assert decision == {"verb": "answer", "reason": "none", "person": "machine:unanswered"}
    event = last_event(ward, command)
    assert (event["trigger"], event["source"], event["target"]) == ("author_silent", "conflicted", "conflicted")
    assert services.doors.questions.of("t1", command) is None
    assert (ward.state(command), ward.attempts(command)) == ("conflicted", [])
    assert unanswered.run_once(services, hands) == {"unanswered": 0}


def test_until_then_the_author_has_time(ward: Ward, services: Services, hands: Noted) -> None:
    command, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case, minutes=5)
    assert unanswered.run_once(services, hands) == {"unanswered": 0}
    assert services.doors.questions.of("t1", command) is not None


def test_a_case_that_was_closed_is_left_alone(ward: Ward, services: Services, hands: Noted) -> None:
    _, case = case_in(ward, "conflicted", "conflict")
    ask(ward, case, minutes=0)
    ward.query("UPDATE cases SET closed_at = clock_timestamp() WHERE id = %(id)s", id=case)
    assert unanswered.run_once(services, hands) == {"unanswered": 0}
