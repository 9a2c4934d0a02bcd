"""One command for people, and taking it out of the chart again: shown, refused in words, given once, proven in the chart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from canonical import exact_json
from canonical.capabilities import Support, Way
from canonical.case_views import CommandPageView
from canonical.review_desk import Pick, ReviewError, Verb
from canonical.reviewer import Licence, Pool, Reviewer, Right
from tests.factories import RXNORM, concept, medication_change_json
from tests.reconcile.review.bench import ALL_RIGHTS, ENGINEER, NURSE, PHARMACIST, ReviewBench, person
from tests.reconcile.review.whole_desk import WholeDesk, open_whole_desk
from tests.tasks.ward import heart_rate

CURIOUS = person("fay-clerk", rights=frozenset({Right.SEE_ROWS}))
WITH_RECORD = person("gil-nurse", Licence.NURSE, fhir_user="https://ehr.example/fhir/Practitioner/g7")
WHY = "typed for another patient"


def refused(
    whole: WholeDesk, reviewer: Reviewer, command: UUID, *, operation: str = "retract", reason: str = WHY
) -> str:
    """Return code and sentence with which it is refused; nothing was stored."""
    before = whole.look("SELECT count(*) AS n FROM commands")
    with pytest.raises(ReviewError) as caught:
        whole.desk.compensate(reviewer, command, operation=operation, reason=reason)
    assert whole.look("SELECT count(*) AS n FROM commands") == before
    return f"{caught.value.code}: {caught.value}"


def envelope(whole: WholeDesk, command: UUID) -> dict[str, Any]:
    (row,) = whole.look(
        "SELECT p.content FROM commands c JOIN payloads p ON p.digest = c.envelope_digest WHERE c.id = %(id)s",
        id=command,
    )
    parsed: dict[str, Any] = exact_json.parse(bytes(row["content"]))
    return parsed


def test_a_command_says_what_was_intended_what_happened_and_where_it_is(whole: WholeDesk) -> None:
    command = whole.written(heart_rate())
    view = whole.desk.command(NURSE, command)
    assert view.words is not None
    assert dict(view.words)["Value"].startswith("72.50")
    assert (view.status, view.patient, view.sender) == ("inChart", "Lopez, born 1961", "visits")
    assert view.sentence == "It is in the chart. We read it back and it is the same."
    assert [event.target for event in view.timeline][-1] == "verified"
    entry = whole.entry(command)
    assert view.operations == (("Create Observation", f"verified: Observation/{entry['id']}, version 1"),)
    assert view.case_id is None
    assert view.acknowledgement == ""
    assert [name for name, _ in view.compensations] == ["retract"]
    assert "a command of its own" in view.may_compensate


def test_a_command_that_was_taken_back_for_another_says_that_its_author_must_learn_of_it(whole: WholeDesk) -> None:
    command = whole.written(heart_rate())
    whole.run(whole.desk.compensate(NURSE, command, operation="retract", reason=WHY))
    view = whole.desk.command(NURSE, command)
    assert view.status == "takenBack"
    assert view.acknowledgement.startswith("Its app has until ")


def test_who_may_not_see_content_sees_that_a_command_is_there_and_no_more(whole: WholeDesk) -> None:
    command = whole.written(heart_rate())
    view = whole.desk.command(CURIOUS, command)
    assert (view.words, view.patient, view.compensations) == (None, None, ())
    assert view.status == "inChart"
    assert whole.entry(command)["id"] not in repr(view)
    with pytest.raises(ReviewError, match="no right"):
        whole.desk.command(person("hal", rights=frozenset()), command)


def test_another_tenants_command_is_not_there(whole: WholeDesk) -> None:
    command = whole.written(heart_rate())
    stranger = person("ivy", Licence.NURSE, tenant="t2")
    for reviewer, wanted in ((stranger, command), (NURSE, uuid4())):
        with pytest.raises(ReviewError) as caught:
            whole.desk.command(reviewer, wanted)
        assert caught.value.code == "not-found"


def test_what_was_decided_otherwise_stands_beside_what_was_proposed(bench: ReviewBench, whole: WholeDesk) -> None:
    accepted, case = bench.conflict("decided-1")
    before = whole.desk.command(PHARMACIST, accepted.command_id)
    assert before.case_id == case
    assert whole.desk.command(ENGINEER, accepted.command_id).case_id == case, "whoever oversees sees every pool"
    other_pool = replace(PHARMACIST, pools=frozenset({Pool.OPERATIONS}))
    assert whole.desk.command(other_pool, accepted.command_id).case_id is None
    page = bench.desk.open(PHARMACIST, case)
    bench.decide(PHARMACIST, page, Verb.RESOLVE, {"dosage": Pick.PROPOSAL})
    words = dict(whole.desk.command(PHARMACIST, accepted.command_id).words or ())
    assert any("20 mg" in text for text in words.values())
    bench.station.run(accepted.lane_id)
    assert whole.desk.command(PHARMACIST, accepted.command_id).status == "inChart"


def test_a_reading_that_is_taken_back_is_an_error_in_the_chart_and_both_commands_name_each_other(
    whole: WholeDesk,
) -> None:
    root = whole.written(heart_rate())
    back = whole.desk.compensate(WITH_RECORD, root, operation="retract", reason=f"  {WHY} ")
    assert whole.desk.command(NURSE, root).related == (("Taken back by (pending)", back),)
    assert "on its way" in whole.desk.command(NURSE, root).may_compensate
    whole.run(back)
    assert (whole.state(back), whole.state(root)) == ("verified", "compensated")
    assert whole.entry(root)["status"] == "entered-in-error"
    assert whole.desk.command(NURSE, root).related == (("Taken back by (in chart)", back),)
    assert whole.desk.command(NURSE, back).related == (("Takes back (taken back)", root),)
    assert whole.desk.command(NURSE, root).may_compensate == "It was taken back already."
    assert "anew" in whole.desk.command(NURSE, back).may_compensate
    said = envelope(whole, back)
    assert said["action"]["retractReason"] == said["reason"] == WHY
    assert said["author"]["reference"] == "Practitioner/g7"
    (stored,) = whole.look("SELECT app, author_assurance, correlation_id FROM commands WHERE id = %(id)s", id=back)
    (first,) = whole.look("SELECT correlation_id FROM commands WHERE id = %(id)s", id=root)
    assert stored == {
        "app": "writeback-review",
        "author_assurance": "authenticated",
        "correlation_id": first["correlation_id"],
    }
    (event,) = whole.look("SELECT actor, detail FROM events WHERE command_id = %(id)s AND seq = 1", id=back)
    assert event["actor"] == "app:writeback-review person:gil-nurse"
    assert event["detail"]["door"] == "review"


def test_a_double_post_is_one_command(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())

    def post(_: int) -> UUID:
        return whole.desk.compensate(NURSE, root, operation="retract", reason=WHY)

    with ThreadPoolExecutor(4) as pool:
        given = set(pool.map(post, range(4)))
    assert len(given) == 1
    assert post(0) in given
    assert whole.look("SELECT count(*) AS n FROM commands")[0]["n"] == 2
    (back,) = given
    whole.run(back)
    assert post(0) == back, "the same form, sent again after it is done, is answered with what it made"


def test_a_colleague_is_told_that_it_is_being_taken_back(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())
    whole.desk.compensate(NURSE, root, operation="retract", reason=WHY)
    assert refused(whole, WITH_RECORD, root).startswith("not-possible: It is being taken back")


def test_what_ended_without_effect_may_be_tried_again(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())
    first = whole.desk.compensate(NURSE, root, operation="retract", reason=WHY)
    whole.look(
        "UPDATE commands SET state = 'withdrawn' WHERE id = %(id)s RETURNING id",
        id=first,
    )
    second = whole.desk.compensate(NURSE, root, operation="retract", reason=WHY)
    assert second != first
    whole.run(second)
    assert (whole.state(root), whole.entry(root)["status"]) == ("compensated", "entered-in-error")


def test_an_entry_that_somebody_changed_since_is_not_taken_back_unseen(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())
    entry = whole.entry(root)
    edited = {**entry, "note": [{"text": "counted twice, it is right"}]}
    whole.station.server.put(edited)
    back = whole.desk.compensate(NURSE, root, operation="retract", reason=WHY)
    whole.run(back)
    assert (whole.state(back), whole.state(root)) == ("conflicted", "verified")
    assert whole.station.ward.cases(back) == ["conflict"]
    now = whole.entry(root)
    assert (now["status"], now["note"][0]["text"]) == ("final", "counted twice, it is right")


def test_a_medicine_is_taken_back_by_who_may_decide_of_it_with_what_was_written_before_their_eyes(
    whole: WholeDesk,
) -> None:
    started = medication_change_json(medication=concept(RXNORM, "214354", "candesartan"))
    root = whole.written(started, author={"role": "pharmacist"})
    assert refused(whole, NURSE, root).startswith("not-permitted: This is decided by a pharmacist or prescriber.")
    view = whole.desk.command(NURSE, root)
    assert (view.compensations, view.may_compensate) == ((), "This is decided by a pharmacist or prescriber.")
    back = whole.desk.compensate(PHARMACIST, root, operation="retract", reason=WHY)
    target = envelope(whole, back)["target"]
    assert target["seen"]["medication"]["text"]
    assert target["acknowledged"]["by"] == {"system": PHARMACIST.issuer, "value": PHARMACIST.subject}
    whole.run(back)
    assert (whole.state(back), whole.state(root)) == ("verified", "compensated")
    assert whole.entry(root, "MedicationStatement")["status"] == "entered-in-error"


def test_operations_take_nothing_back(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())
    assert refused(whole, ENGINEER, root).startswith("not-permitted: This is decided by a nurse or prescriber.")
    watcher = person("jo-nurse", Licence.NURSE, rights=ALL_RIGHTS - {Right.DECIDE})
    assert refused(whole, watcher, root).startswith("not-permitted")
    blind = person("kim-nurse", Licence.NURSE, rights=ALL_RIGHTS - {Right.SEE_CONTENT})
    assert refused(whole, blind, root).startswith("not-permitted: You may not see what it says")


@pytest.mark.parametrize(("reason", "code"), [(" ", "reason-required"), ("x" * 501, "value-refused")])
def test_a_reason_is_needed_and_is_no_essay(whole: WholeDesk, reason: str, code: str) -> None:
    root = whole.written(heart_rate())
    assert refused(whole, NURSE, root, reason=reason).startswith(code)


def test_what_is_not_in_the_chart_is_not_taken_back(whole: WholeDesk) -> None:
    waiting = whole.give(heart_rate())
    assert refused(whole, NURSE, waiting).startswith("not-possible: It is not proven to be in the chart.")
    whole.look("UPDATE commands SET state = 'withdrawn' WHERE id = %(id)s RETURNING id", id=waiting)
    assert refused(whole, NURSE, waiting).startswith("not-possible: Nothing of it is in the chart")


def test_an_operation_that_takes_nothing_back_is_refused(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())
    assert refused(whole, NURSE, root, operation="correct").startswith("not-possible: This does not take it back.")


def test_consent_is_asked_for_as_of_anybody_and_the_refusal_is_kept(whole: WholeDesk) -> None:
    root = whole.written(heart_rate())
    whole.consent(apps=("visits",))
    said = refused(whole, NURSE, root)
    assert said.startswith("not-possible: It was refused at the door: This consent does not cover the app.")
    assert whole.look("SELECT door, code FROM refused_messages") == [{"door": "review", "code": "consent-absent"}]


def test_an_ehr_that_cannot_do_it_is_named_with_what_to_do_instead(
    bench: ReviewBench, redis_url: str, tmp_path: Path
) -> None:
    declared = bench.station.ehr.capabilities
    refusing = Support(way=Way.REFUSED, why="It has no update.")
    unable = replace(
        declared,
        supports={**declared.supports, ("VitalReading", "retract"): refusing},
        compensations={"VitalReading": "none from outside: by hand in the EHR's chart review"},
    )
    with open_whole_desk(bench.station, redis_url, tmp_path, unable) as whole:
        root = whole.written(heart_rate())
        view: CommandPageView = whole.desk.command(NURSE, root)
        assert view.compensations == ()
        for part in ("It has no update.", "chart review", "by hand, in the EHR"):
            assert part in view.may_compensate
        assert refused(whole, NURSE, root).startswith("not-possible: This EHR cannot do it from outside.")


def test_a_command_that_a_model_wrote_says_which_and_whether_the_chart_names_it(whole: WholeDesk) -> None:
    command = whole.give(heart_rate(), ai={"model": "scribe", "version": "2"})
    words = dict(whole.desk.command(NURSE, command).words or ())
    assert words["Written by a model"] == "scribe 2"
    assert words["The chart"].startswith("names the model scribe 2 as its source")
    by_hand = dict(whole.desk.command(NURSE, whole.give(heart_rate())).words or ())
    assert {"Written by a model", "The chart"} & by_hand.keys() == set()
