"""Puts the three answers together: each by one look-up of its own, and each standing though another fails. It writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from uuid import UUID

import structlog

from canonical.errors import ConfigurationError, EhrUnavailableError, NeedsPersonError, StoreUnavailableError
from canonical.explanation import (
    Answer,
    ChartAnswer,
    ChartSays,
    Explanation,
    ExplanationRecords,
    NowRecord,
    Standing,
)
from canonical.plain_words import Line
from canonical.ports import Ehr
from canonical.restricted import is_restricted
from canonical.safety_words import headline
from reconcile.explaining.chart import ChartQuestion
from reconcile.explaining.happened import happened
from reconcile.explaining.intended import HIDDEN, intended

log = structlog.get_logger()

_OWN_RECORD = "Our own record could not be read (the database is away): ask again. Nothing was lost by asking."
_UNFORESEEN = "It could not be told: something unforeseen stopped the answer ({}). The other answers stand."
_AWAY = {
    "outage": "The chart could not be read: the EHR does not answer (outage).",
    "throttled": "The chart could not be read: the EHR takes no more requests for now (throttled).",
    "auth": "The chart could not be read: the EHR does not accept this service's credentials (auth).",
}
_RESTRICTED = "The content is restricted: what the chart says of it is opened on the review pages, with a reason."


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who asks: whether they may see what it says (``shows``), and of restricted content what the chart says (``opened``)."""

    shows: bool
    opened: bool = False


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Explains commands. Thread-safe.

    ``ehrs`` and ``zone`` give the EHR and the clock's zone of (tenant, connection), ``clock`` aware UTC.
    """

    records: ExplanationRecords
    ehrs: Callable[[str, str], Ehr]
    zone: Callable[[str, str], tzinfo]
    clock: Callable[[], datetime]

    def explain(self, tenant: str, command: UUID, asker: Callable[[Standing], Asker | None]) -> Explanation | None:
        """Return the three answers; ``None``: there is no such command, or ``asker`` gives nobody who may ask about it.

        Raises ``StoreUnavailableError`` only where none of our own record can be read.
        """
        standings: list[Standing] = []

        def may(standing: Standing) -> Asker | None:
            standings.append(standing)
            return asker(standing)

        first = self._answer(lambda: self._intended(tenant, command, may))
        second = self._answer(lambda: self._happened(tenant, command, may))
        third = self._now(tenant, command, may)
        if not standings:
            if first is None:
                return None
            raise StoreUnavailableError
        if asker(standings[0]) is None or first is None or second is None or third is None:
            return None
        said = standings[-1]
        head = headline(said.state, said.reason, said.sent_as)
        return Explanation(id=command, head=head, intended=first, happened=second, now=third)

    def _intended(self, tenant: str, command: UUID, may: Callable[[Standing], Asker | None]) -> Answer | None:
        record = self.records.intended(tenant, command)
        asker = may(record.standing) if record is not None else None
        if record is None or asker is None:
            return None
        return intended(record, shows=asker.shows, zone=self.zone(tenant, record.standing.connection))

    def _happened(self, tenant: str, command: UUID, may: Callable[[Standing], Asker | None]) -> Answer | None:
        record = self.records.happened(tenant, command)
        asker = may(record.standing) if record is not None else None
        if record is None or asker is None:
            return None
        return happened(record, shows=asker.shows, zone=self.zone(tenant, record.standing.connection))

    def _now(self, tenant: str, command: UUID, may: Callable[[Standing], Asker | None]) -> ChartAnswer | None:
        told: list[ChartAnswer] = []

        def ask() -> Answer | None:
            record = self.records.now(tenant, command)
            asker = may(record.standing) if record is not None else None
            if record is None or asker is None:
                return None
            told.append(self._chart(tenant, command, record, asker))
            return told[0]

        answer = self._answer(ask)
        if answer is None or told:
            return told[0] if told else None
        return self._unread(answer.trouble)

    def _chart(self, tenant: str, command: UUID, record: NowRecord, asker: Asker) -> ChartAnswer:
        shows = asker.shows and (asker.opened or not is_restricted(record.labels))
        try:
            question = ChartQuestion(
                ehr=self.ehrs(tenant, record.standing.connection),
                command=command,
                record=record,
                shows=shows,
                zone=self.zone(tenant, record.standing.connection),
                asked_at=self.clock(),
            )
            answer = question.answer()
        except EhrUnavailableError as error:
            return self._unread(_AWAY.get(error.reason, f"The chart could not be read ({error.reason})."))
        except NeedsPersonError as error:
            return self._unread(f"The EHR works and did not show this entry to this service ({error.kind}).")
        except ConfigurationError:
            return self._unread("The chart could not be read: its EHR connection is not configured any more.")
        if shows:
            return answer
        told = _RESTRICTED if asker.shows else HIDDEN
        hidden = Line(label="What the chart says", text=told)
        return ChartAnswer(says=answer.says, read_at=answer.read_at, lines=(*answer.lines, hidden))

    def _unread(self, trouble: str) -> ChartAnswer:
        return ChartAnswer(says=ChartSays.NOT_READ, read_at=self.clock(), trouble=trouble)

    @staticmethod
    def _answer(ask: Callable[[], Answer | None]) -> Answer | None:
        """Return what ``ask`` gives, or why it gives nothing: one answer that fails takes none of the others with it."""
        try:
            return ask()
        except StoreUnavailableError:
            return Answer(trouble=_OWN_RECORD)
        except Exception as error:
            log.error("an answer failed", action="explanation.failed", exc_info=error)
            return Answer(trouble=_UNFORESEEN.format(type(error).__name__))
