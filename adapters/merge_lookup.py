"""Following merges of patients' records as one EHR tells them, read anew each time. It decides nothing and never guesses."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from adapters.r4.operation_outcome import failures, json_object, vendor_codes
from adapters.r4.patients import replaced_by, says_replaced
from adapters.r4.references import local
from adapters.wire import Answer
from canonical.patient_trail import MergeStep, PatientTrail, ToldBy, TrailEnd

#: Merges that are followed from a record to the one in use.
MOST_MERGES = 5


@dataclass(frozen=True, kw_only=True)
class MergeLookup:
    """One question to one EHR; ``look`` reads ``Patient/id`` past every cache (``None``: no answer came).

    ``codes`` are the EHR's own codes for a record that was merged.
    """

    base_url: str
    codes: Collection[str]
    look: Callable[[str], Answer | None]

    def trail(self, patient: str) -> PatientTrail:
        """Return where the EHR leads from ``patient`` (``Patient/id``); it never raises for what happens on the wire."""
        steps: list[MergeStep] = []
        at = patient
        while len(steps) <= MOST_MERGES:
            found = self._read(at)
            if isinstance(found, TrailEnd):
                return PatientTrail(start=patient, steps=tuple(steps), end=found)
            if found.into in {patient, *(step.into for step in steps)}:
                return PatientTrail(start=patient, steps=tuple(steps), end=TrailEnd.CIRCLE)
            steps.append(found)
            at = found.into
        return PatientTrail(start=patient, steps=tuple(steps[:MOST_MERGES]), end=TrailEnd.TOO_LONG)

    def _read(self, patient: str) -> MergeStep | TrailEnd:
        answer = self.look(patient)
        if answer is None:
            return TrailEnd.UNREAD
        if answer.status != 200:
            return self._refused(patient, answer)
        record = json_object(answer.body)
        if record is None or f"{record.get('resourceType')}/{record.get('id')}" != patient:
            return TrailEnd.UNREAD
        into = replaced_by(record, self.base_url)
        if into is not None:
            return MergeStep(patient=patient, into=into, told_by=ToldBy.LINK)
        if says_replaced(record):
            return TrailEnd.NAMELESS
        return TrailEnd.CLOSED if record.get("active") is False else TrailEnd.IN_USE

    def _refused(self, patient: str, answer: Answer) -> MergeStep | TrailEnd:
        """Return what a refusal tells: by the EHR's own code for merged records only, and only where it names the other."""
        if not set(self.codes).intersection(vendor_codes(failures(answer))):
            return TrailEnd.UNREAD
        into = local(answer.headers.get("location", ""), self.base_url)
        if not into.startswith("Patient/"):
            return TrailEnd.NAMELESS
        return MergeStep(patient=patient, into=into, told_by=ToldBy.REDIRECT)
