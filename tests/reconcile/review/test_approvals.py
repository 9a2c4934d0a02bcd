"""Approvals: bound to a person, to bytes and to a time; signed twice where policy wants it; and what opens only with a reason."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from canonical.review_desk import ReviewError, Verb
from tests.factories import concept
from tests.list_factories import allergy_update_json
from tests.reconcile.review.bench import (
    PHARMACIST,
    PRESCRIBER,
    RXNORM,
    SECOND_PHARMACIST,
    ReviewBench,
)


def _refused(bench: ReviewBench, *arguments: Any, **more: Any) -> str:
    with pytest.raises(ReviewError) as refused:
        bench.decide(*arguments, **more)
    return refused.value.code


def _ai_allergy(bench: ReviewBench) -> tuple[Any, int]:
    accepted = bench.station.ward.submit(
        allergy_update_json("record", code=concept(RXNORM, str(uuid4().int % 10_000_000), "penicillin")),
        ai={"model": "scribe", "version": "3", "sourceFacts": ["DocumentReference/n1"]},
        author={"role": "physician"},
        new={"approval_required": True, "approval_reason": "ai-authored"},
    )
    return accepted, bench.case_of(accepted.command_id)


def test_what_a_model_wrote_is_sent_only_after_a_person_approved_these_very_bytes(bench: ReviewBench) -> None:
    accepted, case = _ai_allergy(bench)
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "awaiting_approval"
    page = bench.desk.open(PRESCRIBER, case)
    assert page.proposal is not None
    assert ("Written by a model", "scribe 3") in page.proposal.ai
    assert _refused(bench, PHARMACIST, bench.desk.open(PHARMACIST, case), Verb.APPROVE) == "not-permitted"
    bench.decide(PRESCRIBER, page, Verb.APPROVE)
    bench.station.run(accepted.lane_id)
    ward = bench.station.ward
    assert ward.state(accepted.command_id) == "verified"
    assert len(bench.station.marked(accepted.command_id, "AllergyIntolerance")) == 1
    (decision,) = ward.query("SELECT * FROM decisions WHERE command_id = %(id)s", id=accepted.command_id)
    (command,) = ward.query("SELECT * FROM commands WHERE id = %(id)s", id=accepted.command_id)
    assert decision["payload_digest"] == command["approval_payload"]
    assert command["approval_digest"] == command["envelope_digest"]
    assert decision["policy_version"] == bench.desk.policies.version
    assert decision["valid_until"] > decision["at"]


def test_an_expired_approval_sends_nothing_and_asks_again(bench: ReviewBench) -> None:
    accepted, case = _ai_allergy(bench)
    bench.decide(PRESCRIBER, bench.desk.open(PRESCRIBER, case), Verb.APPROVE)
    bench.station.ward.query(
        "UPDATE commands SET approval_until = clock_timestamp() WHERE id = %(id)s", id=accepted.command_id
    )
    bench.station.run(accepted.lane_id)
    ward = bench.station.ward
    assert (ward.state(accepted.command_id), ward.attempts(accepted.command_id)) == ("awaiting_approval", [])
    again = bench.case_of(accepted.command_id)
    assert again != case
    bench.decide(PRESCRIBER, bench.desk.open(PRESCRIBER, again), Verb.APPROVE)
    bench.station.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "verified"


def test_an_approval_of_other_bytes_than_would_leave_sends_nothing(bench: ReviewBench) -> None:
    accepted, case = _ai_allergy(bench)
    bench.decide(PRESCRIBER, bench.desk.open(PRESCRIBER, case), Verb.APPROVE)
    bench.station.ward.query(
        "UPDATE commands SET approval_payload = %(other)s WHERE id = %(id)s",
        other=b"\x00" * 32,
        id=accepted.command_id,
    )
    bench.station.run(accepted.lane_id)
    ward = bench.station.ward
    assert (ward.state(accepted.command_id), ward.attempts(accepted.command_id)) == ("awaiting_approval", [])
    assert bench.station.marked(accepted.command_id, "AllergyIntolerance") == []


def test_restricted_content_opens_only_to_who_says_why_and_that_is_kept(bench: ReviewBench) -> None:
    stored = bench.statement("restricted")
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETH"}
    accepted = bench.change_dose(stored, "20", securityLabel=[label])
    bench.move_chart("restricted", "5")
    bench.station.run(accepted.lane_id)
    case = bench.case_of(accepted.command_id)
    shut = bench.desk.open(PHARMACIST, case)
    assert (shut.break_glass, shut.fields, shut.row.patient, shut.row.headline) == (True, (), None, None)
    opened = bench.desk.open(PHARMACIST, case, break_glass="dispensing now, the prescriber is on the phone")
    assert (opened.break_glass, bool(opened.fields)) == (False, True)
    assert bench.desk.open(PHARMACIST, case).fields
    assert bench.desk.open(SECOND_PHARMACIST, case).break_glass
    (kept,) = bench.desk.cases.decisions(bench.desk._case(PHARMACIST, case))
    assert (kept.verb, kept.person) == ("break_glass", PHARMACIST.actor)
    assert "prescriber is on the phone" in (kept.content or b"").decode()


def test_of_what_two_must_sign_the_second_is_another_person(bench: ReviewBench) -> None:
    from canonical.reviewer import Licence
    from tests.reconcile.review.bench import person

    second = person("fay-prescriber", Licence.PRESCRIBER)
    recorded = bench.station.ward.submit(allergy_update_json("record"))
    bench.station.run(recorded.lane_id)
    (entry,) = bench.station.marked(recorded.command_id, "AllergyIntolerance")
    told = bench.station.ehr.fields(entry)
    seen = {name: told[name] for name in ("code", "clinicalStatus", "verificationStatus")}
    target = {"reference": f"AllergyIntolerance/{entry['id']}", "versionId": entry["meta"]["versionId"], "seen": seen}
    refuted = bench.station.ward.submit(
        allergy_update_json("refute"),
        target=target,
        new={"approval_required": True, "approval_reason": "always-a-person"},
    )
    case = bench.case_of(refuted.command_id)
    first = bench.decide(PRESCRIBER, bench.desk.open(PRESCRIBER, case), Verb.APPROVE)
    assert first.awaits_second
    assert bench.station.ward.state(refuted.command_id) == "awaiting_approval"
    assert _refused(bench, PRESCRIBER, bench.desk.open(PRESCRIBER, case), Verb.SIGN) == "second-signer"
    page = bench.desk.open(second, case)
    assert PRESCRIBER.name in page.needs_second
    bench.decide(second, page, Verb.SIGN)
    bench.station.run(refuted.lane_id)
    assert bench.station.ward.state(refuted.command_id) == "verified"
    now = bench.station.server.get(f"AllergyIntolerance/{entry['id']}")
    assert now["verificationStatus"]["coding"][0]["code"] == "refuted"
