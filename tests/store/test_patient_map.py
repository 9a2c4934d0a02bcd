"""The stored map of patients: a history of what the EHR said, by which commands are found, and nothing that names a patient."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import psycopg
import pytest

from canonical.admission import patient_key
from canonical.command_views import CommandQuery
from canonical.patient_trail import MergeStep, PatientTrail, ToldBy, TrailEnd
from store.command_reads import CommandReads
from store.database import open_session
from store.patient_map import learn
from tests.tasks.ward import Ward

OLD, NEW, NEWEST = "Patient/a-secret-1", "Patient/a-secret-2", "Patient/a-secret-3"


def told(ward: Ward, *records: str, end: TrailEnd = TrailEnd.IN_USE, by: ToldBy = ToldBy.LINK) -> int | None:
    steps = tuple(MergeStep(patient=old, into=new, told_by=by) for old, new in pairwise(records))
    with open_session(ward.url) as session:
        return learn(session, PatientTrail(start=records[0], steps=steps, end=end), tenant="t1", connection="north")


def submit(ward: Ward, patient: str) -> UUID:
    named = {"reference": patient, "birthDate": "1961-04-02", "family": "Lopez"}
    return ward.submit(patient=named).command_id


def found(ward: Ward, patient: str) -> set[UUID]:
    query = CommandQuery(patient_keys=(patient_key("t1", "north", patient),))
    return {item.id for item in CommandReads(ward.engine).search("t1", query).commands}


def test_what_the_ehr_says_is_added_once_with_who_said_it(ward: Ward) -> None:
    line = told(ward, OLD, NEW, by=ToldBy.REDIRECT)
    assert told(ward, OLD, NEW, by=ToldBy.REDIRECT) == line
    rows = ward.query("SELECT id, patient_key, survivor_key, told_by, tenant FROM patient_merges")
    assert [(row["id"], row["told_by"], row["tenant"]) for row in rows] == [(line, "redirect", "t1")]
    assert bytes(rows[0]["patient_key"]) == patient_key("t1", "north", OLD)
    assert bytes(rows[0]["survivor_key"]) == patient_key("t1", "north", NEW)


def test_the_map_names_no_patient_outside_the_payloads(ward: Ward) -> None:
    told(ward, OLD, NEW)
    text = ward.query("SELECT patient_merges::text AS line FROM patient_merges")[0]["line"]
    assert "secret" not in text
    (kept,) = ward.query("SELECT p.content FROM payloads p JOIN patient_merges m ON m.names_digest = p.digest")
    assert OLD.encode() in bytes(kept["content"])


@pytest.mark.parametrize("end", [TrailEnd.CIRCLE, TrailEnd.CLOSED, TrailEnd.NAMELESS, TrailEnd.UNREAD])
def test_what_leads_to_no_record_in_use_is_not_kept_and_joins_nothing(ward: Ward, end: TrailEnd) -> None:
    submit(ward, OLD)
    submit(ward, NEW)
    assert told(ward, OLD, NEW, end=end) is None
    assert ward.query("SELECT 1 FROM patient_merges") == []
    assert ward.query("SELECT 1 FROM lanes WHERE joining OR joins IS NOT NULL") == []


def test_an_ehr_that_is_away_takes_nothing_back(ward: Ward) -> None:
    line = told(ward, OLD, NEW)
    assert told(ward, OLD, end=TrailEnd.UNREAD) == line


@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_history_is_never_changed(ward: Ward, statement: str) -> None:
    told(ward, OLD, NEW)
    with open_session(ward.url) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement.format("patient_merges").encode())


def test_commands_are_found_by_the_record_named_and_by_the_one_that_it_was_merged_into(ward: Ward) -> None:
    old, new, other = submit(ward, OLD), submit(ward, NEW), submit(ward, NEWEST)
    assert (found(ward, OLD), found(ward, NEW)) == ({old}, {new})
    told(ward, OLD, NEW)
    lane = ward.query("SELECT lane_id FROM commands WHERE id = %(id)s", id=old)[0]["lane_id"]
    with ward.lanes().hold(lane) as held:
        assert held is not None
        assert held.join()
    assert (found(ward, OLD), found(ward, NEW), found(ward, NEWEST)) == ({old}, {old, new}, {other})
    told(ward, NEW, NEWEST)
    assert found(ward, NEWEST) == {old, new, other}
    told(ward, OLD)
    assert (found(ward, OLD), found(ward, NEWEST)) == ({old}, {new, other}), "parted, it is its own again"


def test_another_connection_knows_nothing_of_it(ward: Ward) -> None:
    told(ward, OLD, NEW)
    with open_session(ward.url) as session:
        session.execute(
            "INSERT INTO connections (tenant, name, adapter, max_in_flight, lease, quarantine)"
            " SELECT tenant, 'south', adapter, max_in_flight, lease, quarantine FROM connections"
        )
        apart = PatientTrail(start=OLD, end=TrailEnd.IN_USE)
        assert learn(session, apart, tenant="t1", connection="south") is None
    assert ward.query("SELECT count(*) AS n FROM patient_merges")[0]["n"] == 1
