"""A conflict over who noted a reading, and nothing else: nobody is asked where policy declares that as bookkeeping."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from canonical.policy import PROTECTED
from config.policy_files import read_policies
from reconcile.review.engine import Looked
from store.intake import Accepted
from tests.reconcile.review.bench import ReviewBench
from tests.reconcile.review.tasks import engine_of

_LOINC = [{"system": "http://loinc.org", "code": code} for code in ("2708-6", "59408-5")]
_CODE = {"coding": _LOINC, "text": "Oxygen saturation"}
_SEEN_AT = "2026-03-08T09:30:00-05:00"


def saturation(percent: int) -> dict[str, Any]:
    return {"value": percent, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}


def corrected(bench: ReviewBench, name: str, percent: int, nurse: str) -> Accepted:
    """An author who saw 93 % corrects it to ``percent``, as noted by ``nurse``."""
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    stored = {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "category": [{"coding": [category]}],
        "code": _CODE,
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": _SEEN_AT,
        "valueQuantity": saturation(93),
        "performer": [{"reference": "Practitioner/n0"}],
    }
    bench.station.server.put(stored)
    now = bench.station.server.get(f"Observation/{name}")
    target = {
        "reference": f"Observation/{name}",
        "versionId": now["meta"]["versionId"],
        "seenAt": datetime.now(UTC).isoformat(),
        "seen": {name: now[name] for name in ("code", "valueQuantity", "effectiveDateTime", "performer")},
    }
    action = {
        "type": "VitalReading",
        "operation": "correct",
        "code": _CODE,
        "valueQuantity": saturation(percent),
        "effectiveDateTime": _SEEN_AT,
        "performer": [{"reference": f"Practitioner/{nurse}"}],
    }
    return bench.station.ward.submit(action, target=target, author={"role": "nurse"})


def moved(bench: ReviewBench, name: str, percent: int, nurse: str) -> None:
    now = bench.station.server.get(f"Observation/{name}")
    performer = [{"reference": f"Practitioner/{nurse}"}]
    bench.station.server.put({**now, "valueQuantity": saturation(percent), "performer": performer})


def looked(bench: ReviewBench, accepted: Accepted) -> Looked:
    bench.station.run(accepted.lane_id)
    assert bench.station.ward.state(accepted.command_id) == "conflicted"
    return engine_of(bench).run(bench.case_of(accepted.command_id))


def test_the_same_saturation_noted_by_another_closes_itself_and_says_why(bench: ReviewBench) -> None:
    accepted = corrected(bench, "same", 97, "n1")
    moved(bench, "same", 97, "n2")
    before = bench.station.server.get("Observation/same")
    assert looked(bench, accepted) is Looked.MOOT
    ward = bench.station.ward
    assert (ward.state(accepted.command_id), ward.reason(accepted.command_id)) == (
        "superseded",
        "agrees-but-for-bookkeeping",
    )
    assert ward.cases(accepted.command_id) == ["conflict"]
    assert ward.attempts(accepted.command_id) == []
    assert bench.station.server.get("Observation/same") == before


def test_another_saturation_is_asked_about_whoever_noted_it(bench: ReviewBench) -> None:
    accepted = corrected(bench, "other", 97, "n1")
    moved(bench, "other", 96, "n2")
    assert looked(bench, accepted) is not Looked.MOOT
    assert bench.station.ward.state(accepted.command_id) == "conflicted"


def test_who_noted_a_medicine_an_allergy_or_a_problem_is_no_bookkeeping() -> None:
    shipped = read_policies()
    assert shipped.action("VitalReading").group("source").bookkeeping
    groups = [group for action in PROTECTED for group in shipped.action(action).groups.values()]
    assert [group.name for group in groups if group.bookkeeping] == []
