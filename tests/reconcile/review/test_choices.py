"""What may be decided of a case, over every kind, state and verb: legal in the life cycle, and said in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from enum import Enum
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonical.case_kinds import case_kinds
from canonical.case_store import Resolution, StoredCase, StoredView
from canonical.lifecycle import ENDED, TRANSITIONS, State, Trigger
from canonical.patient_trail import TrailEnd
from canonical.review_desk import Decision, FieldPick, Pick, ReviewError, Verb
from reconcile.review.choices import TRIGGERS, choices, offered
from reconcile.review.deciding import Situation, check_decision, resolution_of, said_of
from reconcile.review.look import Look
from reconcile.review.merged import Successor
from reconcile.review.picks import to_pick
from tests.reconcile.review.bench import PHARMACIST, ReviewBench

#: Whole product spaces, on a machine that may be busy: seconds.
pytestmark = pytest.mark.timeout(300)

KINDS, STATES = tuple(case_kinds()), tuple(State)
#: What closes a case: decisions, what the machine does, and moves of the command itself.
CLOSED_BY = (
    "approve",
    "edit",
    "resolve",
    "resend",
    "found",
    "reject",
    "sign",
    "acknowledge",
    "merged",
    "moot",
    *Trigger,
)
#: Members that are codes by what they are: no page shows them as they stand.
_CODES = frozenset(
    {
        *("kind", "pool", "verb", "name", "group", "state", "view", "payload", "ids", "timeline", "connection", "ehr"),
        *("codes", "command_id", "id", "sender"),
    }
)
#: A name of a machine's: snake case or camel case.
_RAW = re.compile(r"[a-z]_[a-z]|\b[a-z]+[A-Z][a-z]")


#: The record in place of one that was merged.
IN_PLACE = Successor(reference="Patient/p2", end=TrailEnd.IN_USE)


class Seen(NamedTuple):
    """A real conflict, and what was seen of its chart."""

    bench: ReviewBench
    case: StoredCase
    look: Look


@pytest.fixture
def seen(bench: ReviewBench) -> Seen:
    _, case_id = bench.conflict("product")
    case = bench.desk.cases.find("t1", case_id)
    assert case is not None
    return Seen(bench=bench, case=case, look=bench.desk.reader.look(case))


def _situation(
    seen: Seen,
    kind: str,
    state: State,
    *,
    holds: bool,
    attempts: int,
    planned: bool,
    moved: bool = True,
    successor: Successor | None = None,
) -> Situation:
    """Return the conflict as if it were another kind of case, of a command in another state."""
    case = replace(seen.case, kind=kind, state=state, holds=holds)
    look = replace(
        seen.look,
        command=seen.look.command.evolve(attempts=attempts, state=state),
        operations=seen.look.operations if planned else (),
        stop=seen.look.stop if moved else None,
        successor=successor,
    )
    return seen.bench.desk._situation(PHARMACIST, case, look)


def _product(seen: Seen) -> Iterator[Situation]:
    for kind in KINDS:
        for state in STATES:
            yield _situation(seen, kind, state, holds=True, attempts=0, planned=True, moved=False)
            for attempts in (0, 1):
                yield _situation(
                    seen, kind, state, holds=True, attempts=attempts, planned=True, moved=False, successor=IN_PLACE
                )
            for holds, attempts, planned in ((True, 0, True), (True, 1, True), (True, 1, False), (False, 1, True)):
                yield _situation(seen, kind, state, holds=holds, attempts=attempts, planned=planned)


def _verbs(at: Situation, *, awaits_second: bool = False) -> tuple[Verb, ...]:
    return offered(at.case, at.look, awaits_second=awaits_second)


def _decision(at: Situation, verb: Verb, seen: Seen) -> Decision:
    """Return the plainest decision of ``verb``: the proposal wherever something is to be picked, the first reason of the list."""
    policy = seen.bench.desk.policies.action(at.case.action_type)
    picked = to_pick(at.look, policy) if verb in {Verb.RESOLVE, Verb.EDIT} else ()
    reasons = [code for code, _ in at.permissions.reasons(verb)]
    return Decision(
        verb=verb,
        view="",
        fields={name: FieldPick(pick=Pick.PROPOSAL) for name in picked},
        reason=reasons[0] if reasons else "",
        text="as the pharmacist on duty says",
    )


def _carried_out(decision: Decision, view: StoredView, at: Situation, seen: Seen) -> Resolution | str:
    """Return what would be stored of a decision, or the sentence of its refusal."""
    try:
        check_decision(decision, at)
        return resolution_of(
            PHARMACIST, decision, view, at, policies=seen.bench.desk.policies, plan=lambda _look, _bytes: b"\x00" * 32
        )
    except ReviewError as error:
        return str(error)


def test_every_verb_that_is_offered_is_a_legal_move_and_is_carried_out_or_refused_in_words(seen: Seen) -> None:
    carried: set[Verb] = set()
    view = seen.bench.desk.cases.view("t1", seen.bench.desk._shown(PHARMACIST, seen.case, seen.look, is_round=False))
    assert view is not None
    for at in _product(seen):
        for verb in _verbs(at):
            trigger = TRIGGERS.get(verb)
            assert trigger is None or (at.case.state, trigger) in TRANSITIONS, (at.case.kind, at.case.state, verb)
            decision = _decision(at, verb, seen)
            made = _carried_out(decision, view, at, seen)
            if isinstance(made, str):
                assert made.endswith("."), "a refusal is a sentence"
                continue
            carried.add(verb)
            assert (made.move is None) == (trigger is None)
            assert made.move is None or made.move.target is TRANSITIONS[at.case.state, made.move.trigger]
            assert said_of(made).sentence.endswith(".")
    # Parts are taken back by commands of their own: see test_part_desk.py.
    assert carried == {*TRIGGERS, Verb.ACKNOWLEDGE, Verb.ASK_AUTHOR, Verb.ESCALATE} - {Verb.COMPENSATE}


def test_nothing_is_sent_for_a_merged_record_nor_said_of_another_while_it_may_be_there(seen: Seen) -> None:
    for kind, attempts in product(KINDS, (0, 1)):
        at = _situation(
            seen, kind, State.IN_REVIEW, holds=True, attempts=attempts, planned=True, moved=False, successor=IN_PLACE
        )
        maybe = case_kinds()[kind].maybe_there and attempts > 0
        drifted = case_kinds()[kind].drifted
        assert (Verb.REMAP in _verbs(at)) == (not maybe and not drifted)
        assert not maybe or Verb.REMAP not in _verbs(at)
        assert maybe or Verb.RESEND not in _verbs(at)


def test_no_verb_that_is_not_offered_passes(seen: Seen) -> None:
    for at in _product(seen):
        for verb in set(Verb) - set(_verbs(at)):
            with pytest.raises(ReviewError) as refused:
                check_decision(_decision(at, verb, seen), at)
            assert refused.value.code == "not-possible"


def test_every_open_case_can_be_handed_on_and_nothing_is_decided_of_what_has_ended(seen: Seen) -> None:
    for at in _product(seen):
        verbs = _verbs(at)
        assert {Verb.ASK_AUTHOR, Verb.ESCALATE} <= set(verbs), "nobody is held to an answer that they do not know"
        if at.case.state in ENDED:
            assert not set(verbs) & set(TRIGGERS), (at.case.kind, at.case.state)
        over = replace(at.case, closed_at=at.case.now)
        assert offered(over, at.look, awaits_second=False) == ()


def test_a_choice_says_what_it_does_in_words_and_none_has_the_name_of_another(seen: Seen) -> None:
    for at in _product(seen):
        for awaits_second in (False, True):
            made = choices(at.case, at.look, at.permissions, awaits_second=awaits_second)
            assert tuple(choice.verb for choice in made) == _verbs(at, awaits_second=awaits_second)
            assert len({choice.label for choice in made}) == len(made), [choice.label for choice in made]
            assert [text for choice in made for text in _texts(choice) if _RAW.search(text)] == []
            assert all(choice.label and choice.result.endswith(".") for choice in made)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), state=st.sampled_from(STATES), attempts=st.integers(0, 1), holds=st.booleans())
def test_a_page_says_words_and_no_code(seen: Seen, kind: str, state: State, attempts: int, *, holds: bool) -> None:
    at = _situation(seen, kind, state, holds=holds, attempts=attempts, planned=True)
    page = seen.bench.desk._page(PHARMACIST, at.case, at.look, view="", news="")
    assert [text for text in _texts(page) if _RAW.search(text)] == []
    assert page.question.endswith((".", "?"))


def test_the_page_of_a_case_that_is_over_says_words_and_no_code(seen: Seen) -> None:
    at = seen.case.now + timedelta(minutes=1)
    for reason, state in product(CLOSED_BY, STATES):
        page = seen.bench.desk._over(PHARMACIST, replace(seen.case, state=state, closed_at=at, closed_reason=reason))
        assert [text for text in _texts(page) if _RAW.search(text)] == []
        assert page.closed.endswith(".")


def _texts(value: Any) -> Iterator[str]:
    """Return every text of a page, but for what is a code by what it is: those members, and the code before its words."""
    if isinstance(value, Enum) or value is None:
        return
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            inner = getattr(value, item.name)
            if item.name in {"reasons", "options"}:
                yield from (said for _, said in inner)
            elif item.name not in _CODES:
                yield from _texts(inner)
    elif isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
