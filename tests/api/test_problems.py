import re
from datetime import timedelta
from pathlib import Path

import pytest

from api.problems import PROBLEMS, Problem, problem_of
from canonical.admission import BusyError
from canonical.errors import FieldError, IllegalTransitionError, RefusedError, StoreUnavailableError
from canonical.review_desk import REFUSALS, ReviewError
from tasks.receive import ReceiptLostError

ROOT = Path(__file__).parents[2]


def test_every_refusal_that_a_door_can_raise_has_its_row() -> None:
    """A code without a row would be a defect of ours in the sender's face."""
    raised = re.compile(r"(?:RefusedError|BusyError|_refused)\(\s*\"([a-z][a-z-]+)\"")
    files = [*ROOT.glob("canonical/*.py"), *ROOT.glob("canonical/actions/*.py"), *ROOT.glob("store/*.py")]
    files += [ROOT / "tasks" / name for name in ("receive.py", "quota.py")]
    files += [file for file in ROOT.glob("api/*.py") if file.name != "endpoints.py"]
    codes = {code for file in files for code in raised.findall(file.read_text(encoding="utf-8"))}
    assert len(codes) > 15
    assert codes <= set(PROBLEMS), codes - set(PROBLEMS)


def test_every_refusal_of_the_review_desk_has_its_row() -> None:
    assert set(PROBLEMS) >= REFUSALS


def test_a_refused_decision_keeps_its_sentence_and_says_when_an_ehr_is_worth_another_look() -> None:
    stale = problem_of(ReviewError("stale-view", "It moved."))
    assert (stale.kind.status, str(stale), stale.retry_after) == (409, "It moved.", None)
    unread = problem_of(ReviewError("chart-unreadable", "It does not answer."))
    assert (unread.kind.status, unread.retry_after_s) == (503, 10)


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_problem_has_a_status_a_title_and_says_whether_to_ask_again(code: str) -> None:
    kind = PROBLEMS[code]
    assert 400 <= kind.status < 600
    assert kind.title
    assert kind.retry in {"never", "later", "afterConsent", "afterApproval", "afterConfirmation"}
    document = Problem(code).document("c-1")
    assert document["type"] == f"urn:fhir-writeback:problem:{code}"
    assert document["detail"]


def test_errors_become_the_problem_that_says_what_is_safe() -> None:
    error = FieldError(pointer="/a", code="b", detail="c")
    refused = problem_of(RefusedError("invalid-field", "Some words.", errors=(error,)))
    assert refused.document()["errors"] == [{"pointer": "/a", "code": "b", "detail": "c"}]
    busy = problem_of(BusyError("in-progress", "Wait.", retry_after=timedelta(seconds=3)))
    assert (busy.kind.status, busy.retry_after) == (409, timedelta(seconds=3))
    assert "nothing was accepted" in str(problem_of(StoreUnavailableError()))
    lost = problem_of(ReceiptLostError())
    assert (lost.code, lost.kind.status) == ("receipt-lost", 503)
    assert "stored once" in str(lost)
    assert problem_of(IllegalTransitionError("a", "b")).code == "internal"
