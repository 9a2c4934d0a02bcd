"""Who changed an entry, asked over the wire of an EHR in which clinicians with names edit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canonical.ports import Resource
from canonical.remote_change import ChangeSource
from tests.adapters.chart import PATIENT, TRACE, at, entry_in_chart, hold, opened, plan
from tests.adapters.commands import COMMAND_ID, command, medication
from tests.sandbox_fixture import RunningSandbox

RUIZ = {"name": "Dr A. Ruiz", "role": "physician"}
CHEN = {"name": "Dr B. Chen", "role": "physician"}
SYSTEM = "urn:example:ward-system"
READING: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"reference": "Patient/p1"},
}
SEEN_AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def minutes(count: int) -> datetime:
    return SEEN_AT + timedelta(minutes=count)


def charted(sandbox: RunningSandbox) -> None:
    """Put the reading into the chart an hour before its author looked."""
    answer = sandbox.admin.post("seed", params={"at": minutes(-60).isoformat()}, json=[PATIENT, READING])
    assert answer.is_success


def edited(sandbox: RunningSandbox, count: int, by: dict[str, str] | None = RUIZ, **more: Any) -> None:
    sandbox.edit({**READING, **more.pop("says", {})}, at=minutes(count).isoformat(), by=by, **more)


def test_a_named_clinicians_edit_is_told_with_role_system_and_time(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    edited(sandbox, 14, system=SYSTEM)
    with opened(sandbox.url, options={"systems": {SYSTEM: "the ward system"}}) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
    assert (change.by, change.role, change.system) == ("Dr A. Ruiz", "physician", "the ward system")
    assert (change.at, change.between, change.version) == (minutes(14), None, "2")
    assert (change.source, change.same_app, change.others) == (ChangeSource.PROVENANCE, False, 0)


def test_a_system_known_by_meta_source_alone_has_the_connections_words(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    edited(sandbox, 14, by=None, system=f"{SYSTEM}#request-7")
    with opened(sandbox.url, options={"systems": {SYSTEM: "the ward system"}}) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
    assert (change.by, change.system, change.source) == (None, "the ward system", ChangeSource.HISTORY)


def test_of_several_changes_the_latest_is_named_and_the_others_are_counted(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    edited(sandbox, 5)
    edited(sandbox, 9, CHEN)
    with opened(sandbox.url) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
        later = ehr.changes("Observation/o1", "2", minutes(6), TRACE)
    assert (change.by, change.at, change.others) == ("Dr B. Chen", minutes(9), 1)
    assert (later.by, later.others) == ("Dr B. Chen", 0)


def test_an_edit_that_names_nobody_does_not_get_the_author_of_another_one(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    edited(sandbox, 5)
    edited(sandbox, 30, by=None)
    with opened(sandbox.url) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
    assert (change.by, change.at, change.source) == (None, minutes(30), ChangeSource.HISTORY)


def test_a_deletion_is_told_too(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    sandbox.admin.post("edit", json={"delete": "Observation/o1", "by": RUIZ, "at": minutes(14).isoformat()})
    with opened(sandbox.url) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
    assert (change.by, change.at) == ("Dr A. Ruiz", minutes(14))


def test_a_person_without_a_display_is_looked_up(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    doctor: Resource = {
        "resourceType": "Practitioner",
        "id": "d1",
        "name": [{"prefix": ["Dr"], "given": ["Ana"], "family": "Ruiz"}],
    }
    told = {
        "resourceType": "Provenance",
        "id": "pr1",
        "target": [{"reference": "Observation/o1/_history/2"}],
        "recorded": minutes(14).isoformat(),
        "agent": [{"who": {"reference": "Practitioner/d1"}}],
    }
    edited(sandbox, 14, by=None)
    sandbox.seed([doctor, told])
    with opened(sandbox.url) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
    assert (change.by, change.source) == ("Dr Ana Ruiz", ChangeSource.PROVENANCE)


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_an_ehr_that_refuses_history_and_provenance_leaves_less_to_be_told_and_nothing_is_held_against_it(
    sandbox: RunningSandbox, status: int
) -> None:
    charted(sandbox)
    edited(sandbox, 14, system=SYSTEM)
    refused = {"fault": "error_before_commit", "parameters": {"status": status}}
    sandbox.faults(*({**refused, "match": {"path": path}} for path in ("_history", "/Provenance")))
    with opened(sandbox.url) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
        assert ehr.fetch_version("Observation/o1", "1", TRACE) is None
        assert ehr.fetch("Observation/o1", TRACE).version == "2"
    assert (change.by, change.at, change.system) == (None, minutes(14), SYSTEM)
    assert change.source is ChangeSource.META


def test_an_ehr_that_shows_nothing_leaves_the_span_between_two_reads(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    sandbox.faults({"fault": "error_before_commit", "match": {"method": "GET"}})
    with opened(sandbox.url) as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
        unseen = ehr.changes("Observation/o1", None, None, TRACE)
    assert (change.by, change.at, change.source) == (None, None, ChangeSource.BRACKET)
    assert change.between is not None
    assert change.between[0] == SEEN_AT
    assert unseen.between is None


def test_an_ehr_that_cannot_be_reached_is_no_failure() -> None:
    with opened("http://127.0.0.1:9/fhir") as ehr:
        change = ehr.changes("Observation/o1", "1", SEEN_AT, TRACE)
    assert change.source is ChangeSource.BRACKET


def test_our_own_earlier_write_is_named_as_ours_by_its_mark(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        held = command(medication("hold"), **hold(reference)).evolve(target_reference=reference)
        assert ehr.send(plan(ehr, held), TRACE).version == "2"
        change = ehr.changes(reference, "1", datetime.now(UTC), TRACE)
    assert (change.same_app, change.command, change.version) == (True, str(COMMAND_ID), "2")


def test_an_edit_that_keeps_our_mark_is_still_somebody_elses(sandbox: RunningSandbox) -> None:
    with at(sandbox) as ehr:
        reference = entry_in_chart(sandbox, ehr)
        held = command(medication("hold"), **hold(reference)).evolve(target_reference=reference)
        ehr.send(plan(ehr, held), TRACE)
        (entry,) = sandbox.resources("MedicationStatement")
        sandbox.edit({**entry, "status": "stopped"}, by=RUIZ)
        change = ehr.changes(reference, "1", datetime.now(UTC), TRACE)
        only = ehr.changes(reference, "2", datetime.now(UTC), TRACE)
    assert (change.same_app, change.by, change.others) == (False, "Dr A. Ruiz", 1)
    assert (only.same_app, only.by) == (False, "Dr A. Ruiz")


def test_our_own_write_is_known_by_its_version_or_by_who_acted(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    edited(sandbox, 14, {"name": "Interface", "reference": "Practitioner/us"})
    with opened(sandbox.url) as ehr:
        assert not ehr.changes("Observation/o1", "1", SEEN_AT, TRACE).same_app
        assert ehr.changes("Observation/o1", "1", SEEN_AT, TRACE, own_versions=["2"]).same_app
    with opened(sandbox.url, options={"acts_as": ["Practitioner/us"]}) as ehr:
        assert ehr.changes("Observation/o1", "1", SEEN_AT, TRACE).same_app


def test_an_earlier_version_is_read_as_it_was(sandbox: RunningSandbox) -> None:
    charted(sandbox)
    edited(sandbox, 14, says={"status": "amended"})
    with opened(sandbox.url) as ehr:
        before = ehr.fetch_version("Observation/o1", "1", TRACE)
        assert ehr.fetch_version("Observation/o1", "9", TRACE) is None
    assert before is not None
    assert before.resource is not None
    assert (before.version, before.resource["status"]) == ("1", "final")
