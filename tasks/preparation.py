"""What must hold before a command may be claimed: right patient, right encounter, unmoved target, valid payload.

All of it only saves work: the claim repeats on locked rows whatever can change in between. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from canonical.action import spec_for, with_parts
from canonical.clinical_time import ClinicalTime
from canonical.command import Command
from canonical.compound import Plan, first_plan, plan_of_rest
from canonical.encounter_match import check_encounter
from canonical.envelope import Envelope
from canonical.errors import NeedsPersonError, UnsupportedActionError
from canonical.mentioned import check_mentioned
from canonical.patient_match import check_patient
from canonical.ports import Ehr, Fetched, Operation, Resource, Surrounding, Trace
from tasks.beside import read_beside, rests_on, told, wanted_by
from tasks.merges import check_remapped
from tasks.patients import Patients


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Turns a command into the operation to send; ``ehrs`` gives the EHR of (tenant, connection)."""

    ehrs: Callable[[str, str], Ehr]
    patients: Patients

    def ehr_of(self, command: Command) -> Ehr:
        """Return the EHR that ``command`` is for."""
        return self.ehrs(command.tenant, command.connection)

    def prepare(self, command: Command, stored: list[Operation], trace: Trace) -> Plan:
        """Return what to send: for a repetition exactly the bytes journaled before, else what the adapter plans.

        With a part of it in the chart, what is left is not planned anew: our own writes have moved the chart since.

        Raises ``NeedsPersonError``, ``TargetMovedError``, ``UnsupportedActionError``, ``InvalidPayloadError`` (send nothing,
        a person decides) and ``EhrUnavailableError`` (send nothing, try later).
        """
        ehr = self.ehr_of(command)
        self._check_people(command, ehr, trace)
        if command.partly_in_chart:
            return plan_of_rest(command, stored)
        around = self.look_around(command, ehr, trace)
        planned = list(ehr.plan(command, around))
        if not planned:
            raise UnsupportedActionError("the adapter planned nothing for it")
        is_first_here = not command.attempts or (command.is_remapped and command.is_replanned)
        decided = command.resend_decided or not is_first_here
        self._check_chart(command, ehr, around, planned, trace, decided=decided)
        return first_plan(stored or planned)

    def look_around(self, command: Command, ehr: Ehr, trace: Trace) -> Surrounding:
        """Read what planning ``command`` needs of the chart; raises as :meth:`prepare`."""
        parts = command.spec.parts(command.envelope)
        return Surrounding(
            current=self._current(command, ehr, trace),
            parts=tuple(self._part_target(part, ehr, trace) for part in parts),
            beside=read_beside(command, ehr, trace),
        )

    @staticmethod
    def _part_target(part: Envelope, ehr: Ehr, trace: Trace) -> Fetched | None:
        reference = part.target.reference if part.target else None
        return ehr.fetch(reference, trace) if reference is not None else None

    def _check_chart(
        self,
        command: Command,
        ehr: Ehr,
        around: Surrounding,
        planned: list[Operation],
        trace: Trace,
        *,
        decided: bool,
    ) -> None:
        """Ask a person where the chart speaks against writing this at all; once a person has decided, it is theirs."""
        for reference in () if decided else command.spec.mentions(command.envelope):
            entry = ehr.fetch(reference, trace).resource
            check_mentioned(ehr.project(entry) if entry is not None else None, command.patients)
        self._check_beside(command, ehr, around, trace, decided=decided)
        if not decided and any(ehr.twins(operation, trace) for operation in planned):
            raise NeedsPersonError("possible_duplicate", "The chart already says this, and it is not known by whom.")

    @staticmethod
    def _check_beside(command: Command, ehr: Ehr, around: Surrounding, trace: Trace, *, decided: bool) -> None:
        """Ask a person where a list of the chart speaks against it.

        What is about certain entries is asked before each request, unless they say just what a person decided about.
        """
        wanted = wanted_by(command)
        findings = wanted.judge(command.envelope, told(around.beside, ehr, trace)) if wanted is not None else []
        for finding in findings:
            digest = rests_on(finding, around.beside, ehr)
            if not finding.holds or (digest == command.decided_on if digest else decided):
                continue
            # What was sent before may be the very entry that is found: then nobody may say that nothing was written.
            kind = "possible_duplicate" if command.attempts else finding.kind
            raise NeedsPersonError(kind, finding.detail, rests_on=digest)

    def _check_people(self, command: Command, ehr: Ehr, trace: Trace) -> None:
        envelope = command.envelope
        times = [spec_for(action).clinical_time(action) for action in with_parts(envelope)]
        try:
            self._check_patient(command, times, ehr, trace)
        except NeedsPersonError:
            if not self.forget_patient(command):
                raise
            # The chart may have been put right since we remembered it: ask it before asking a person.
            self._check_patient(command, times, ehr, trace)
        if command.is_remapped:
            check_remapped(command, ehr.trail_of(command.named_patient, trace))
        encounter = envelope.encounter.reference if envelope.encounter else None
        if encounter is not None:
            found = ehr.fetch(encounter, trace).resource
            for when in times:
                check_encounter(found, patients=command.patients, clinical_time=when)

    def _check_patient(self, command: Command, times: Sequence[ClinicalTime | None], ehr: Ehr, trace: Trace) -> None:
        patient = self._patient(command, ehr, trace)
        for when in times:
            check_patient(patient, command.envelope.patient, when)

    def _patient(self, command: Command, ehr: Ehr, trace: Trace) -> Resource | None:
        return self.patients.get(ehr, trace=trace, **self._patient_key(command))

    def forget_patient(self, command: Command) -> bool:
        """Read the patient of ``command`` anew next time; return whether one was remembered."""
        return self.patients.forget(**self._patient_key(command))

    @staticmethod
    def _patient_key(command: Command) -> dict[str, str]:
        reference = command.envelope.patient.reference
        return {"tenant": command.tenant, "connection": command.connection, "reference": reference}

    @staticmethod
    def _current(command: Command, ehr: Ehr, trace: Trace) -> Fetched | None:
        if command.rule.creates:
            return None
        if command.target_reference is None:
            raise NeedsPersonError("gone", "The target was never written to the chart.")
        return ehr.fetch(command.target_reference, trace)
