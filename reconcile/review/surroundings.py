"""What is read of the chart beside the entry itself: whom it is about, who changed it, and what the decision needs to be made.

Whatever cannot be read is said to be so; nothing here may keep a page from being shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from canonical.case_store import StoredCase
from canonical.case_views import Banner, ChartChange, ContextEntry
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.patient_banner import banner
from canonical.plain_times import moment_in_words
from canonical.ports import Ehr, Resource, Trace
from canonical.remote_change import chart_change
from canonical.review_context import Subject, context_entry
from reconcile.review.look import Look
from tasks.beside import reference_of

#: Kinds whose question is who the patient is.
IDENTITY = frozenset({"identity_mismatch", "wrong_patient", "merged_patient"})


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Reads beside an entry; ``ehrs`` gives the EHR of (tenant, connection), ``zone`` the clock of (tenant, connection)."""

    ehrs: Callable[[str, str], Ehr]
    zone: Callable[[str, str], tzinfo]

    def banner(self, case: StoredCase, look: Look) -> Banner:
        """Return whom the case is about, as the chart says now."""
        envelope = look.command.envelope
        encounter = envelope.encounter.reference if envelope.encounter else None
        return self._banner(look, envelope.patient.reference, encounter, identity_in_question=case.kind in IDENTITY)

    def successor(self, look: Look) -> Banner | None:
        """Return the record in place of one that was merged; ``None`` where there is none, or nobody asks."""
        if look.successor is None or look.successor.reference is None:
            return None
        return self._banner(look, look.successor.reference, None)

    def _banner(self, look: Look, patient: str, encounter: str | None, *, identity_in_question: bool = False) -> Banner:
        ehr, trace = self._ehr(look), _trace(look)
        return banner(
            _fetched(ehr, patient, trace),
            self._entries(ehr, "AllergyIntolerance", patient, trace),
            encounter=_fetched(ehr, encounter, trace) if encounter else None,
            on=look.read_at.astimezone(self._zone(look)).date(),
            is_visit=encounter is not None,
            identity_in_question=identity_in_question,
        )

    def change(self, look: Look, own_versions: Sequence[str]) -> ChartChange | None:
        """Return who moved the entry since its author looked; ``None`` where it has not moved."""
        target = look.command.envelope.target
        if target is None or look.reference is None or not look.is_ours or not _has_moved(look):
            return None
        found = self._ehr(look).changes(
            look.reference, target.version_id, target.seen_at, _trace(look), own_versions=own_versions
        )
        return chart_change(found, seen_at=target.seen_at, zone=self._zone(look))

    def context(self, look: Look) -> tuple[ContextEntry, ...]:
        """Return what the action asks to see beside it, read now."""
        envelope, ehr, trace = look.command.envelope, self._ehr(look), _trace(look)
        zone, patient = self._zone(look), envelope.patient.reference
        subject = Subject(envelope=envelope, reference=look.reference, now=look.read_at, zone=zone)
        read: dict[str, list[dict[str, Any]] | None] = {}
        for wanted in look.command.spec.context:
            if wanted.resource_type not in read:
                read[wanted.resource_type] = self._entries(ehr, wanted.resource_type, patient, trace)
        read_at = moment_in_words(look.read_at, zone)
        return tuple(
            context_entry(wanted, subject, read[wanted.resource_type], read_at=read_at)
            for wanted in look.command.spec.context
        )

    @staticmethod
    def _entries(ehr: Ehr, resource_type: str, patient: str, trace: Trace) -> list[dict[str, Any]] | None:
        """Return a patient's entries in canonical fields, each with its reference, or ``None``: they could not be read."""
        try:
            found = ehr.entries(resource_type, patient, trace)
        except (EhrUnavailableError, NeedsPersonError):
            return None
        return [dict(ehr.fields(item)) | {"reference": reference_of(item)} for item in found]

    def _ehr(self, look: Look) -> Ehr:
        return self.ehrs(look.command.tenant, look.command.connection)

    def _zone(self, look: Look) -> tzinfo:
        return self.zone(look.command.tenant, look.command.connection)


def _has_moved(look: Look) -> bool:
    target = look.command.envelope.target
    named = target.version_id if target is not None else None
    return look.comparison.moved or (named is not None and look.version is not None and named != look.version)


def _fetched(ehr: Ehr, reference: str, trace: Trace) -> Resource | None:
    try:
        return ehr.fetch(reference, trace).resource
    except (EhrUnavailableError, NeedsPersonError):
        return None


def _trace(look: Look) -> Trace:
    return Trace(correlation_id=look.command.correlation_id, request_id=f"case-of-{look.command.id}")
