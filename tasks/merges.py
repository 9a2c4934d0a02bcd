"""Following merges of patients: asking the EHR where they lead, and keeping what it says. It moves and re-maps no command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from canonical.command import Command
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.lanes import HeldLane
from canonical.patient_trail import PatientTrail, TrailEnd
from canonical.ports import Ehr, Trace
from tasks.patients import Patients

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Merges:
    """Learns of merges for the holder of a lane; ``ehrs`` gives the EHR of (tenant, connection)."""

    ehrs: Callable[[str, str], Ehr]
    patients: Patients

    def learn(self, lane: HeldLane, command: Command) -> int | None:
        """Ask where the record that ``command`` named leads now, and keep it; return the number of its merge, if there is one.

        What was remembered of the records on the way is forgotten: nothing more is sent on the word of an earlier read.
        """
        trace = Trace(
            correlation_id=command.correlation_id, request_id=str(command.id), traceparent=command.traceparent
        )
        trail = self.ehrs(command.tenant, command.connection).trail_of(command.named_patient, trace)
        for record in {trail.start, *(step.into for step in trail.steps)}:
            self.patients.forget(tenant=command.tenant, connection=command.connection, reference=record)
        line = lane.learn(trail, command.id)
        log.info("patient followed", action="patient.followed", command=str(command.id), end=trail.end.value, line=line)
        return line

    def look_again(self, lane: HeldLane) -> None:
        """Ask whether the record of the lane's patient, which was merged, still is, and keep what the EHR says."""
        record = lane.take_merged()
        if record is None:
            return
        number = str(lane.view.lane_id)
        trace = Trace(correlation_id=f"merge-{number}", request_id=f"merge-{number}")
        trail = self.ehrs(lane.view.tenant, lane.view.connection).trail_of(record, trace)
        line = lane.learn(trail)
        log.info("merge looked at", action="patient.looked_at", lane=number, end=trail.end.value, line=line)


def check_remapped(command: Command, trail: PatientTrail) -> None:
    """Pass only if the record that a re-mapped command's app named is, now, merged into the one that it is sent for.

    Raises ``NeedsPersonError`` ``merged_patient`` where it is not, or not any more, and ``EhrUnavailableError``: try later.
    """
    if trail.end is TrailEnd.UNREAD:
        raise EhrUnavailableError("outage")
    if trail.survivor != command.envelope.patient.reference:
        raise NeedsPersonError(
            "merged_patient", "The record that was named is not, or not any more, merged into the one it was sent for."
        )
