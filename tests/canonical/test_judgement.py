from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from canonical import judgement
from canonical.action import spec_for
from canonical.errors import RefusedError
from canonical.judgement import check_authority, check_content, check_target
from canonical.principal import Principal
from tests.compound_factories import medication_reconciliation_json
from tests.factories import (
    ABSENT,
    NOW,
    EnvelopeFactory,
    acknowledged_json,
    medication_change_json,
    quantity,
    target_json,
    vital_reading_json,
)

CORRECT = vital_reading_json(operation="correct")
HOLD = medication_change_json("hold")
#: The whole of what a correction of a reading touches.
READING = {"valueQuantity": quantity("75.20", "kg", "kg"), "effectiveDateTime": "2026-03-10T09:15:00-05:00"}
COMMAND = "7f3c1c9e-54a5-4a0e-9a52-7a1f9a3a0b11"


def refused(check: Any, *args: Any) -> tuple[str, list[str]]:
    with pytest.raises(RefusedError) as error:
        check(*args)
    return error.value.code, [item.pointer for item in error.value.errors]


def who(*scopes: str, user: str | None = None) -> Principal:
    return Principal(tenant="north", app="visits", user=user, scopes=frozenset(scopes))


def test_an_app_without_the_scope_may_not() -> None:
    assert (
        refused(check_authority, EnvelopeFactory.create(), who("writeback/VitalReading.retract"))[0] == "not-permitted"
    )


def test_what_an_app_may_not_send_alone_it_may_not_send_as_a_part_either() -> None:
    envelope = EnvelopeFactory.create(action=medication_reconciliation_json())
    whole = "writeback/MedicationReconciliation.*"
    assert refused(check_authority, envelope, who(whole))[0] == "not-permitted"
    assert refused(check_authority, envelope, who(whole, "writeback/MedicationChange.start"))[0] == "not-permitted"
    assert refused(check_authority, envelope, who("writeback/MedicationChange.*"))[0] == "not-permitted"
    assert check_authority(envelope, who(whole, "writeback/MedicationChange.*")) == "asserted"


def test_an_author_who_is_logged_in_is_authenticated_and_any_other_asserted() -> None:
    envelope = EnvelopeFactory.create(author={"identifier": {"value": "n-17"}, "role": "nurse"})
    assert check_authority(envelope, who("writeback/*.*", user="n-17")) == "authenticated"
    assert check_authority(envelope, who("writeback/*.*", user="n-18")) == "asserted"
    assert check_authority(envelope, who("writeback/*.*")) == "asserted"


def test_an_action_may_want_its_author_in_person(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(spec_for({"type": "VitalReading"}), asserted_author_allowed=False)
    monkeypatch.setattr(judgement, "spec_for", lambda _action: spec)
    envelope = EnvelopeFactory.create(author={"identifier": {"value": "n-17"}, "role": "nurse"})
    assert check_authority(envelope, who("writeback/*.*", user="n-17")) == "authenticated"
    assert refused(check_authority, envelope, who("writeback/*.*")) == ("author-unverified", ["/author"])


@pytest.mark.parametrize(
    ("action", "target"),
    [
        (CORRECT, target_json(CORRECT, seen=ABSENT)),
        (CORRECT, target_json(CORRECT, versionId=ABSENT, seen=READING)),
        (CORRECT, {"command": COMMAND}),
        (HOLD, target_json(HOLD)),
        (HOLD, target_json(HOLD, versionId=ABSENT)),
        (HOLD, {"command": COMMAND, **{name: target_json(HOLD)[name] for name in ("seen", "acknowledged")}}),
    ],
)
def test_a_change_that_names_what_its_author_saw_passes(action: dict[str, Any], target: dict[str, Any]) -> None:
    check_target(EnvelopeFactory.create(action=action, target=target))


@pytest.mark.parametrize(
    ("action", "target", "pointer"),
    [
        (CORRECT, ABSENT, "/target"),
        (CORRECT, target_json(CORRECT, versionId=ABSENT, seen=ABSENT), "/target/versionId"),
        (HOLD, ABSENT, "/target"),
        (HOLD, target_json(HOLD, seen=ABSENT), "/target/seen"),
        (HOLD, {"command": COMMAND}, "/target/seen"),
        (CORRECT, target_json(CORRECT, versionId=ABSENT), "/target/seen"),
        (HOLD, target_json(HOLD, versionId=ABSENT, seen={"note": None}), "/target/seen"),
    ],
)
def test_a_change_without_it_is_refused(action: dict[str, Any], target: Any, pointer: str) -> None:
    envelope = EnvelopeFactory.create(action=action, target=target)
    assert refused(check_target, envelope) == ("precondition-required", [pointer])


@pytest.mark.parametrize(
    ("acknowledged", "pointer"),
    [
        (ABSENT, "/target/acknowledged"),
        (acknowledged_json(when="2026-03-10T14:39:59Z"), "/target/acknowledged/when"),
    ],
)
def test_a_high_risk_change_is_acknowledged_after_its_author_saw_what_it_changes(
    acknowledged: Any, pointer: str
) -> None:
    envelope = EnvelopeFactory.create(action=HOLD, target=target_json(HOLD, acknowledged=acknowledged))
    assert refused(check_target, envelope) == ("acknowledgement-required", [pointer])


def test_a_change_of_low_risk_needs_no_acknowledgement() -> None:
    check_target(EnvelopeFactory.create(action=CORRECT, target=target_json(CORRECT)))


def test_what_creates_takes_no_target() -> None:
    check_target(EnvelopeFactory.create())
    envelope = EnvelopeFactory.create(target=target_json(CORRECT))
    assert refused(check_target, envelope) == ("target-not-allowed", ["/target"])


def test_a_command_after_its_own_deadline_is_refused() -> None:
    # Clocks differ by minutes; what is late by less is judged at the claim, by the database's.
    check_content(EnvelopeFactory.create(notAfter=(NOW - timedelta(minutes=4)).isoformat()), NOW)
    assert refused(check_content, EnvelopeFactory.create(notAfter=(NOW - timedelta(minutes=5)).isoformat()), NOW) == (
        "deadline-passed",
        ["/notAfter"],
    )


def test_an_impossible_value_is_refused_and_an_implausible_one_asked_about() -> None:
    impossible = EnvelopeFactory.create(action=vital_reading_json(valueQuantity=quantity("7250", "kg", "kg")))
    assert refused(check_content, impossible, NOW)[0] == "invalid-field"
    implausible = EnvelopeFactory.create(action=vital_reading_json(valueQuantity=quantity("340", "kg", "kg")))
    assert refused(check_content, implausible, NOW)[0] == "confirmation-required"
    confirmed = {"by": {"value": "n-17"}, "when": "2026-03-10T14:59:00Z"}
    action = vital_reading_json(valueQuantity=quantity("340", "kg", "kg"), confirmed=confirmed)
    check_content(EnvelopeFactory.create(action=action), NOW)
