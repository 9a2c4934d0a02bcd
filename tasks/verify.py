"""Proving a write: read back by id what was written and compare it with what was meant. It reads, and never writes.

Later versions are drift, not failure: where the EHR keeps history, the version that we wrote is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.ports import Ehr, Fetched, Trace
from canonical.proving import Evidence, Finding, ProofStore, Unproven, Verdict, Written, judge, next_look

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What one look came to; ``verdict`` is ``None`` when the command was not waiting for proof (any more).

    ``followers``: something in the lane ``lane_id`` may go on now.
    """

    verdict: Verdict | None
    lane_id: int | None = None
    followers: bool = False


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """Proves commands in ``applied``; ``ehrs`` gives the EHR of (tenant, connection)."""

    proofs: ProofStore
    ehrs: Callable[[str, str], Ehr]

    def run(self, command_id: UUID) -> VerifyReport:
        """Look once for what ``command_id`` wrote; raises ``StoreUnavailableError`` when PostgreSQL is gone."""
        unproven = self.proofs.look(command_id)
        if unproven is None:
            return VerifyReport(verdict=None)
        command = unproven.command
        ehr = self.ehrs(command.tenant, command.connection)
        try:
            evidence = [self._compare(ehr, unproven, written) for written in unproven.written]
        except EhrUnavailableError as error:
            self.proofs.postpone(unproven, error.retry_after or next_look(unproven.age))
            return VerifyReport(verdict=Verdict.LATER)
        except NeedsPersonError:
            # The EHR will not show it to us: no proof, and after the time it may take a person's question.
            evidence = [Evidence(finding=Finding.NOT_SEEN)]
        return self._conclude(unproven, evidence, judge(evidence, age=unproven.age, timings=ehr.timings))

    def _conclude(self, unproven: Unproven, evidence: list[Evidence], verdict: Verdict) -> VerifyReport:
        command = unproven.command
        if verdict is Verdict.LATER:
            self.proofs.postpone(unproven, next_look(unproven.age))
            return VerifyReport(verdict=verdict)
        if verdict is Verdict.FAILED:
            if not self.proofs.fail(unproven, evidence):
                return VerifyReport(verdict=None)
            log.warning("the chart does not say what was written", action="proof.failed", command=str(command.id))
            return VerifyReport(verdict=verdict)
        if not self.proofs.prove(unproven, evidence):
            return VerifyReport(verdict=None)
        followers = self.proofs.has_followers(command.lane_id)
        return VerifyReport(verdict=verdict, lane_id=command.lane_id, followers=followers)

    def _compare(self, ehr: Ehr, unproven: Unproven, written: Written) -> Evidence:
        command = unproven.command
        trace = Trace(
            correlation_id=command.correlation_id, request_id=str(command.id), traceparent=command.traceparent
        )
        try:
            return _look(ehr, written, trace)
        except EhrUnavailableError:
            raise
        except Exception as error:
            # Whatever is wrong with it, the look must not be repeated at full speed for ever, nor count as proof.
            log.error("a read-back failed", action="proof.unreadable", command=str(command.id), exc_info=error)
            return Evidence(finding=Finding.UNREADABLE)


def _look(ehr: Ehr, written: Written, trace: Trace) -> Evidence:
    if written.reference is None:
        return Evidence(finding=Finding.NOT_SEEN)
    current = ehr.fetch(written.reference, trace)
    if written.version is not None and current.version != written.version:
        return _look_at_history(ehr, written, current, trace)
    # Without a version of ours, what differs may be a read that is behind the write.
    otherwise = Finding.DIFFERENT if written.version is not None else Finding.NOT_SEEN
    return _evidence(ehr, written, current, otherwise=otherwise)


def _look_at_history(ehr: Ehr, written: Written, current: Fetched, trace: Trace) -> Evidence:
    """Judge by history when the chart is at another version than ours: a later one, or one from before the write."""
    try:
        ours = ehr.fetch(f"{written.reference}/_history/{written.version}", trace)
    except NeedsPersonError:
        # An EHR that keeps no history, or shows none, refuses in its own way.
        ours = Fetched(resource=None)
    if ours.resource is not None:
        return _evidence(ehr, written, ours, otherwise=Finding.DIFFERENT)
    return _evidence(ehr, written, current, otherwise=Finding.NOT_SEEN)


def _evidence(ehr: Ehr, written: Written, read: Fetched, *, otherwise: Finding) -> Evidence:
    if read.resource is None:
        return Evidence(finding=Finding.NOT_SEEN)
    fields = ehr.differences(written.operation, read.resource)
    return Evidence(finding=otherwise if fields else Finding.EQUAL, fields=fields, version=read.version)
