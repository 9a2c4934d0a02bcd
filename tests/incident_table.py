"""Records and charts of one command by what they are: those that agree, and every way in which they come apart."""

from __future__ import annotations

from dataclasses import replace

from canonical.incident.report import ChartVersion, DivergenceKind, OwnWrite, RecordedDecision
from tests.incident_factories import (
    AWAY,
    COMMAND,
    HOME,
    MARK,
    OTHER,
    OTHER_MARK,
    asked,
    at,
    chart,
    entry,
    events,
    operation,
    ours,
    record,
    sent,
    theirs,
)

K = DivergenceKind
CLEAN = ("received", "accepted", "claimed", "answered_applied", "proven")
LOST = ("received", "accepted", "claimed", "answer_lost")
TWICE = (*LOST, "probe_not_applied", "claimed", "answered_applied", "proven")
APPLIED = sent(1, "applied", HOME, "1")
UPDATE = operation(interaction="update", if_match="1", version="3", mark="urn:change|x")
UPDATED = OwnWrite(command=COMMAND, mark="urn:change|x", reference=HOME, version="3")
CREATED = OwnWrite(command=OTHER, mark=OTHER_MARK, reference=HOME, version="1")


def created(minutes: float = 0) -> ChartVersion:
    """Return the version that an earlier command of ours created."""
    return ours("1", mark=OTHER_MARK, minutes=minutes)


NOTHING = {
    "written and proven": (record(events(*CLEAN), APPLIED), chart(entry(ours()))),
    "written while the EHR's clock is behind": (record(events(*CLEAN), APPLIED), chart(entry(ours(minutes=-1)))),
    "written while the EHR's clock is ahead": (record(events(*CLEAN), APPLIED), chart(entry(ours(minutes=9)))),
    "an answer that was lost, and found": (
        record(events(*LOST, "probe_found", "proven"), sent(1, "unknown"), asked(1, "probe_applied", HOME, "1")),
        chart(entry(ours())),
    ),
    "an answer that was lost, and is still asked for": (
        record(events(*LOST), sent(1, "unknown"), wrote=operation("unknown", None, None)),
        chart(entry(ours(reference=AWAY), reference=AWAY)),
    ),
    "an edit with a name to it": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90, is_named=True))),
    ),
    "stored anew with the same meaning": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90, changes=False))),
    ),
    "an edit at an EHR that names nobody": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90)), names_authors=False),
    ),
    "a later command of ours": (
        record(events(*CLEAN), APPLIED),
        chart(
            entry(ours(), ours("2", mark=OTHER_MARK, minutes=60)),
            writes=(
                OwnWrite(command=record(events(*CLEAN)).id, mark=MARK, reference=HOME, version="1"),
                OwnWrite(command=OTHER, mark=OTHER_MARK, reference=HOME, version="2"),
            ),
        ),
    ),
    "a version by another name than the record has": (
        record(events(*CLEAN), sent(1, "applied", HOME, "1-gzip"), wrote=operation(version="1-gzip")),
        chart(entry(ours())),
    ),
    "taken out in the EHR, which a person left so": (
        record(events(*CLEAN, "removed_in_ehr"), APPLIED),
        chart(entry(is_whole=False)),
    ),
    "an update over a version that means the same": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=UPDATE),
        chart(
            entry(created(), theirs("2", minutes=2.9, changes=False), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
    ),
    "a version that the record does not have, next to another command's": (
        record(events(*CLEAN), APPLIED),
        chart(
            entry(ours(), ours("2", mark=OTHER_MARK, minutes=60), ours("3", mark="urn:test|nobody", minutes=70)),
            writes=(
                OwnWrite(command=COMMAND, mark=MARK, reference=HOME, version="1"),
                OwnWrite(command=OTHER, mark=OTHER_MARK, reference=HOME, version="2"),
            ),
        ),
    ),
    "sent twice, once into the chart, and stored anew by somebody with a name": (
        record(events(*TWICE), sent(1, "unknown"), asked(1, "probe_not_applied"), sent(2, "applied", HOME, "1")),
        chart(entry(ours(), theirs("2", minutes=90, changes=False, is_named=True))),
    ),
    "nothing could be read": (record(events(*CLEAN), APPLIED), chart()),
    "the current version alone, which is a later one": (
        record(events(*CLEAN), APPLIED),
        chart(entry(theirs("4", minutes=90), is_whole=False), names_authors=False),
    ),
    "an edit that the author saw": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match="2")),
        chart(
            entry(ours("1", mark=OTHER_MARK), theirs("2", minutes=2), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
    ),
    "an edit that a reviewer decided on": (
        record(
            events(*CLEAN),
            sent(1, "applied", HOME, "3"),
            wrote=replace(UPDATE, if_match=None),
            decisions=(RecordedDecision(at=at(2), verb="resolve", person="Dr R.", reason="", base_version="2"),),
        ),
        chart(
            entry(ours("1", mark=OTHER_MARK), theirs("2", minutes=2), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
    ),
    "an unguarded update long after the edit that it was read with": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match=None)),
        chart(
            entry(ours("1", mark=OTHER_MARK, minutes=-90), theirs("2", minutes=-60), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
    ),
}

DIVERGING = {
    "the record forgot an event": (
        replace(record(events(*CLEAN), APPLIED), events=(*events(*CLEAN)[:3], events(*CLEAN)[4])),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 3)],
    ),
    "an event leaves another state than the one before led to": (
        replace(
            record(events(*CLEAN), APPLIED),
            events=(*events(*CLEAN)[:3], replace(events(*CLEAN)[3], source="parked"), events(*CLEAN)[4]),
        ),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 4)],
    ),
    "a state that no event led to": (
        record(events(*CLEAN), APPLIED, state="in_review"),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 5)],
    ),
    "the balance cannot account for it": (
        record(events(*CLEAN), APPLIED, unfit="in-chart-without-proof"),
        chart(entry(ours())),
        [(K.RECORD_DISAGREES, 5)],
    ),
    "denied, sent again, and in the chart twice": (
        record(events(*TWICE), sent(1, "unknown"), asked(1, "probe_not_applied"), sent(2, "applied", HOME, "1")),
        chart(entry(ours(minutes=8)), entry(ours(reference=AWAY, minutes=3), reference=AWAY)),
        [(K.WRITTEN_WITHOUT_RECORD, 4), (K.WRITTEN_TWICE, 6)],
    ),
    "delivered twice by one request": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours()), entry(ours(reference=AWAY), reference=AWAY)),
        [(K.WRITTEN_TWICE, 3)],
    ),
    "an update sent twice without a guard": (
        record(
            events(*TWICE),
            sent(1, "unknown"),
            asked(1, "probe_not_applied"),
            sent(2, "applied", HOME, "3"),
            wrote=operation(interaction="update", version="3"),
        ),
        chart(
            entry(created(), ours("2", minutes=3), theirs("3", minutes=7, changes=False)),
            writes=(CREATED, OwnWrite(command=COMMAND, mark=MARK, reference=HOME, version="3")),
        ),
        [(K.WRITTEN_WITHOUT_RECORD, 4), (K.WRITTEN_TWICE, 6)],
    ),
    "refused by a person, and in the chart": (
        record(
            events(*LOST, "probe_cannot_tell", "refused_by_person"),
            sent(1, "unknown"),
            wrote=operation("in_review", None, None),
        ),
        chart(entry(ours(reference=AWAY), reference=AWAY)),
        [(K.WRITTEN_WITHOUT_RECORD, 4)],
    ),
    "a version by a command that the record does not have": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), ours("2", mark=OTHER_MARK, minutes=60))),
        [(K.WRITTEN_WITHOUT_RECORD, 4)],
    ),
    "a version by this service's own account, without a mark": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), ours("2", mark=None, is_ours=True, minutes=60))),
        [(K.WRITTEN_WITHOUT_RECORD, 4)],
    ),
    "answered, and not there": (
        record(events(*CLEAN[:4]), APPLIED, wrote=operation("applied")),
        chart(entry()),
        [(K.RECORDED_BUT_ABSENT, 4)],
    ),
    "answered, and not there at an EHR without history": (
        record(events(*CLEAN[:4]), APPLIED, wrote=operation("applied")),
        chart(entry(is_whole=False)),
        [(K.RECORDED_BUT_ABSENT, 4)],
    ),
    "an update that left no version": (
        record(events(*CLEAN[:4]), APPLIED, wrote=operation("applied", interaction="update", version="2")),
        chart(entry(created()), writes=(CREATED,)),
        [(K.RECORDED_BUT_ABSENT, 4)],
    ),
    "read back, and gone with its history": (
        record(events(*CLEAN), APPLIED),
        chart(entry()),
        [(K.RECORDED_BUT_ABSENT, 5)],
    ),
    "an edit between read and write, which the guard let through": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=UPDATE),
        chart(
            entry(created(), theirs("2", minutes=2.9), ours("3", mark="urn:change|x")),
            writes=(CREATED, UPDATED),
        ),
        [(K.OVERWRITTEN_UNSEEN, 3)],
    ),
    "an edit that was undone without a guard, an hour before by the EHR's clock": (
        record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match=None)),
        chart(
            entry(created(-90), theirs("2", minutes=-60), ours("3", mark="urn:change|x", reverts=True)),
            writes=(CREATED, UPDATED),
        ),
        [(K.OVERWRITTEN_UNSEEN, 3)],
    ),
    "changed on nobody's word after the proof": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "changed on nobody's word behind an edit with a name": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=60, is_named=True), theirs("3", minutes=90))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "taken out on nobody's word": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(), theirs("2", minutes=90, is_removal=True))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "changed under the same version": (
        record(events(*CLEAN), APPLIED),
        chart(entry(ours(differs=True))),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
    "found to have drifted, at an EHR that shows nothing of it": (
        record(events(*CLEAN, "drift_found"), APPLIED),
        chart(),
        [(K.DRIFT_AFTER_PROOF, 5)],
    ),
}
