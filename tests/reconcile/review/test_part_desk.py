"""What stands of an incomplete command is taken back: decided, done in order, proven, and ended honestly."""

from __future__ import annotations

from itertools import combinations

import pytest

from canonical.review_desk import Decision, Verb
from canonical.reviewer import Licence
from reconcile import incomplete
from store.withdrawals import Withdrawals
from tests.reconcile.conftest import Noted, let_wait
from tests.reconcile.review.bench import ENGINEER, NURSE, person
from tests.reconcile.review.part_bench import (
    BOTH,
    OTHER_NURSE,
    WHY,
    PartBench,
    closes,
    events,
    open_cases,
    readings,
    told,
    undone,
)
from tests.reconcile.review.whole_desk import WholeDesk


@pytest.fixture
def bench(whole: WholeDesk) -> PartBench:
    return PartBench(whole)


def test_all_that_stands_is_taken_back_the_last_written_first_and_then_it_counts_as_taken_back(
    bench: PartBench,
) -> None:
    root = bench.stopped(readings(), key="whole-command")
    page = bench.page(root)
    assert told(page.parts) == [(1, "asWritten"), (2, "asWritten"), (3, "notThere")]
    before = len(bench.writes())
    said = bench.decide(page, BOTH).sentence
    assert "the rest of the command is never sent" in said
    assert (bench.whole.state(root), closes(bench)) == ("taking_back", True)
    last, first = bench.undoing(root)
    bench.drive(root)
    written = {
        item["seq"]: item["reference"]
        for item in bench.whole.look("SELECT * FROM operations WHERE command_id = %(r)s", r=root)
    }
    assert bench.writes()[before:] == [f"PUT {written[2]}", f"PUT {written[1]}"]
    assert bench.chart(root) == {".1": "entered-in-error", ".2": "entered-in-error"}
    assert [events(bench, item)[-2:] for item in (last, first)] == [["answered_applied", "proven"]] * 2
    assert bench.states(root) == ["taken_back", "taken_back", "incomplete"]
    assert events(bench, root)[-2:] == ["take_back_decided", "parts_taken_back"]
    assert (bench.whole.state(root), open_cases(bench, root), closes(bench)) == ("compensated", [], True)
    assert bench.whole.give(readings(), key="whole-command") == root, "its key still answers with it"
    assert bench.chart(root, "Task") == {}


def test_both_commands_name_each_other_and_each_says_which_part(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.decide(bench.page(root), BOTH)
    last, first = bench.undoing(root)
    assert bench.whole.desk.command(NURSE, root).related == (
        ("Part 2 taken back by (pending)", last),
        ("Part 1 taken back by (pending)", first),
    )
    assert bench.whole.desk.command(NURSE, first).related == (("Takes back part 1 (needs attention)", root),)
    bench.drive(root)
    assert bench.whole.desk.command(NURSE, last).related == (("Takes back part 2 (taken back)", root),)
    links = bench.whole.services.doors.compensations.of(root)
    assert [(item.id, item.part, item.takes_back) for item in links] == [(last, 2, True), (first, 1, True)]


def test_it_is_given_by_its_reviewer_with_their_reason_about_the_version_that_was_written(bench: PartBench) -> None:
    root = bench.stopped(readings(1))
    bench.decide(bench.page(root), {1: "retract"}, reason=f" {WHY} ")
    (back,) = bench.undoing(root)
    (row,) = bench.whole.look(
        "SELECT c.app, c.author_assurance, c.correlation_id, p.content FROM commands c "
        "JOIN payloads p ON p.digest = c.envelope_digest WHERE c.id = %(id)s",
        id=back,
    )
    (given,) = bench.whole.look("SELECT correlation_id FROM commands WHERE id = %(id)s", id=root)
    from canonical import exact_json

    envelope = exact_json.parse(bytes(row["content"]))
    (part,) = [
        item
        for item in bench.whole.look("SELECT * FROM operations WHERE command_id = %(r)s", r=root)
        if item["seq"] == 1
    ]
    assert (row["app"], row["author_assurance"], row["correlation_id"]) == (
        "writeback-review",
        "authenticated",
        given["correlation_id"],
    )
    assert envelope["target"]["reference"] == part["reference"]
    assert envelope["target"]["versionId"] == part["version_written"]
    assert (envelope["reason"], envelope["action"]["retractReason"]) == (WHY, WHY)
    assert envelope["author"]["identifier"]["value"] == NURSE.subject
    (decision,) = bench.whole.look("SELECT verb, person FROM decisions WHERE command_id = %(r)s", r=root)
    assert decision == {"verb": "compensate", "person": NURSE.actor}


def test_what_is_not_picked_stays_and_it_is_never_called_taken_back(bench: PartBench) -> None:
    root = bench.stopped(readings())
    bench.decide(bench.page(root), {2: "retract"})
    bench.drive(root)
    assert bench.chart(root) == {".1": "final", ".2": "entered-in-error"}
    assert (bench.whole.state(root), bench.states(root)[:2]) == ("partly_taken_back", ["verified", "taken_back"])
    assert events(bench, root)[-1] == "part_stands"
    assert open_cases(bench, root) == [], "a person decided to leave it"
    view = bench.whole.desk.command(NURSE, root)
    assert view.status == "needsAttention"
    assert "some is in the chart" in view.sentence
    assert "in part" in view.may_compensate
    sheet = bench.whole.services.doors.balances.sheet()
    assert (sheet.closes, sheet.total.partly_taken_back, sheet.total.taken_back) == (True, 1, 0)
    (owed,) = bench.whole.look("SELECT acknowledged_at FROM acknowledgements WHERE command_id = %(r)s", r=root)
    assert owed["acknowledged_at"] is None, "its author must learn of it"


@pytest.mark.parametrize("stands", [1, 2, 3])
@pytest.mark.parametrize("type_", ["all", "none"])
def test_whatever_stands_and_whatever_is_picked_the_record_says_what_the_chart_says(
    bench: PartBench, stands: int, type_: str
) -> None:
    """Every choice among what stands, for every number of parts that stand."""
    places = range(1, stands + 1)
    wanted = (
        [set(places)] if type_ == "all" else [set(some) for n in range(1, stands) for some in combinations(places, n)]
    )
    for picks in wanted:
        nth = stands + 1 if stands < 3 else 1
        root = bench.stopped(readings(3), *(("Observation", nth) if stands < 3 else ("Task", 1)))
        bench.decide(bench.page(root), dict.fromkeys(picks, "retract"))
        bench.drive(root)
        out = {f".{seq}": "entered-in-error" if seq in picks else "final" for seq in places}
        assert bench.chart(root) == out
        assert bench.states(root)[:stands] == ["taken_back" if seq in picks else "verified" for seq in places]
        assert bench.whole.state(root) == ("compensated" if picks == set(places) else "partly_taken_back")
        assert len(bench.undoing(root)) == len(picks)
        assert closes(bench)


def test_when_none_of_it_is_taken_back_after_all_it_is_what_it_was_and_a_person_decides_of_the_rest(
    bench: PartBench,
) -> None:
    root = bench.stopped(readings(), status=422)
    bench.decide(bench.page(root), {1: "retract"})
    (only,) = bench.undoing(root)
    Withdrawals(bench.whole.station.ward.engine).withdraw("t1", only, actor="app")
    assert bench.whole.state(only) == "withdrawn"
    assert (bench.swept(), bench.swept()) == (1, 0)
    assert (bench.whole.state(root), open_cases(bench, root)) == ("incomplete", ["incomplete"])
    let_wait(bench.whole.station.ward, 10_000)
    hands = Noted()
    incomplete.run_once(bench.whole.services, hands)
    assert hands.incomplete == [], "no machine goes on where a person meant to undo"
    page = bench.page(root)
    assert "a person had decided to take back what is in the chart" in page.status
    bench.whole.desk.decide(
        NURSE, page.row.id, Decision(verb=Verb.RESEND, view=page.view, text="it was hers after all")
    )
    bench.drive(root)
    assert bench.whole.state(root) == "verified"
    assert bench.chart(root) == {".1": "final", ".2": "final"}
    assert closes(bench)


def test_a_success_that_changed_nothing_takes_nothing_back(bench: PartBench) -> None:
    root = bench.stopped(readings(1))
    bench.decide(bench.page(root), {1: "retract"})
    bench.whole.lie()
    bench.drive(root)
    assert bench.whole.lied() == 1
    (back,) = bench.undoing(root)
    assert (bench.whole.state(back), bench.whole.state(root)) == ("in_review", "taking_back")
    assert (bench.chart(root), bench.states(root)[0], bench.swept()) == ({".1": "final"}, "verified", 0)


def test_a_refusal_at_the_door_of_one_part_gives_none(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root)
    bench.whole.consent(apps=("visits",))
    assert "was refused at the door: This consent does not cover the app." in bench.refused(page, BOTH)
    assert (undone(bench, root), bench.whole.state(root)) == ([], "incomplete")
    bench.whole.consent()
    bench.decide(bench.page(root), BOTH)
    bench.drive(root)
    assert bench.whole.state(root) == "compensated"


def test_who_may_take_a_part_back_follows_from_what_it_is(bench: PartBench) -> None:
    root = bench.stopped(readings())
    seen = bench.page(root, ENGINEER)
    choice = next(item for item in seen.choices if item.verb == Verb.COMPENSATE)
    assert "decided by a nurse or prescriber" in choice.closed_to
    assert bench.refused(seen, BOTH, ENGINEER).startswith("not-permitted: Part 2: This is decided by a nurse")
    only_operations = person("olaf", Licence.OPERATIONS)
    assert bench.refused(bench.page(root, only_operations), BOTH, only_operations).startswith("not-permitted")


def test_a_clinician_finds_the_case_from_the_command_whoevers_queue_it_is_in(bench: PartBench) -> None:
    root = bench.stopped(readings())
    (case,) = bench.whole.look("SELECT id, pool FROM cases WHERE command_id = %(r)s", r=root)
    assert case["pool"] == "operations"
    view = bench.whole.desk.command(NURSE, root)
    assert (view.case_id, "part by part, from its case" in view.may_compensate) == (case["id"], True)
    assert view.words is not None
    assert bench.page(root).row.patient == "Lopez, born 1961"


@pytest.mark.parametrize(("picks", "reason", "said"), [
    ({}, WHY, "field-missing: Choose at least one part"),
    ({7: "retract"}, WHY, "not-possible: There is no part 7."),
    ({3: "retract"}, WHY, "not-possible: Part 3 cannot be taken back so."),
    ({1: "delete"}, WHY, "not-possible: Part 1 cannot be taken back so."),
    ({1: "retract"}, "  ", "reason-required"),
    ({1: "retract"}, "x" * 501, "value-refused"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    bench: PartBench, picks: dict[int, str], reason: str, said: str
) -> None:
    root = bench.stopped(readings())
    assert bench.refused(bench.page(root), picks, reason=reason).startswith(said)


def test_a_colleague_who_has_the_case_keeps_it(bench: PartBench) -> None:
    root = bench.stopped(readings())
    page = bench.page(root, OTHER_NURSE)
    bench.whole.desk.claim(NURSE, bench.case_of(root))
    assert bench.refused(page, BOTH, OTHER_NURSE).startswith("claimed-by-another")
