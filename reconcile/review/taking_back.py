"""Whether and how a command may be taken out of the chart again: by its state, its EHR, and who asks. It gives no command."""

from __future__ import annotations

from dataclasses import dataclass

from canonical.action import with_parts
from canonical.capabilities import Capabilities, Way
from canonical.compensation import ways_back
from canonical.compensation_catalogue import best_way_back
from canonical.envelope import Envelope
from canonical.lifecycle import ENDED_WITHOUT_EFFECT, State
from canonical.plain_values import words
from canonical.policy import PolicySet
from canonical.review_desk import ReviewError
from canonical.review_reads import CommandRecord, RelatedCommand
from canonical.reviewer import Reviewer
from reconcile.review.taking_rights import why_not

_STATES = {
    State.COMPENSATED: "It was taken back already.",
    State.INCOMPLETE: "A part of it is in the chart and a part is not: what stands is taken back part by part, from its case.",
    State.TAKING_BACK: "It is being taken back, part by part: commands for that are on their way.",
    State.PARTLY_TAKEN_BACK: "It was taken back in part. What stands is taken back by a command about that entry, or in the EHR.",
    **dict.fromkeys(ENDED_WITHOUT_EFFECT, "Nothing of it is in the chart, so there is nothing to take back."),
}
_NOT_YET = "It is not proven to be in the chart. Once it is, this is how it can be undone:"


@dataclass(frozen=True, kw_only=True)
class TakingBack:
    """What may be done about one command by one reviewer; ``envelope`` is what was sent, ``can`` what its EHR can do."""

    record: CommandRecord
    envelope: Envelope
    can: Capabilities
    policies: PolicySet
    reviewer: Reviewer

    def choices(self) -> tuple[tuple[str, str], ...]:
        """Return the operations that are open to the reviewer, each with what it does in words."""
        if self.closed():
            return ()
        return tuple((name, self._does(name)) for name in self._operations() if not self.closed_to(name))

    def explanation(self) -> str:
        """Return how it is taken back, or why it cannot be, in words."""
        closed = self.closed()
        if closed:
            return closed
        refused = [self.closed_to(name) for name in self._operations()]
        if all(refused):
            return " ".join(dict.fromkeys(refused))
        return (
            "It is taken back by a command of its own, sent on the version that we wrote: if somebody changed the entry since, "
            "that becomes a question to a person, and nothing is overwritten."
        )

    def check(self, operation: str) -> None:
        """Pass only if ``operation`` may be given; raises ``ReviewError`` ``not-possible`` or ``not-permitted``."""
        closed = self.closed() or ("" if operation in self._operations() else "This does not take it back.")
        closed = closed or self._impossible(operation)
        if closed:
            raise ReviewError("not-possible", f"{closed} Nothing was changed.")
        refused = self._forbidden(operation)
        if refused:
            raise ReviewError("not-permitted", f"{refused} Nothing was changed.")

    def closed(self) -> str:
        """Return why it cannot be taken back at all, whoever asks, or nothing."""
        summary = self.record.detail.summary
        if self.record.takes_back:
            return (
                "This took another entry out of the chart. What should be there again is written anew, by its author."
            )
        if summary.state is not State.VERIFIED:
            return _STATES.get(summary.state) or f"{_NOT_YET} {self._foreseen()}"
        if summary.sent_as is not None:
            return f"It went as a {summary.sent_as}, which somebody may have read: it cannot be taken back. Tell them."
        if not self._operations():
            return "An entry of this kind cannot be taken back by us: only by hand, in the EHR."
        if self.under_way() is not None:
            return "It is being taken back: a command for that is on its way."
        return ""

    def _foreseen(self) -> str:
        """Return how far it can be undone once it is there."""
        action = self.envelope.action
        return best_way_back(self.can, action.type, action.operation).sentence

    def under_way(self) -> RelatedCommand | None:
        """Return the command that is taking it back and has not ended without effect."""
        found = (item for item in self.record.related if item.takes_back and item.state not in ENDED_WITHOUT_EFFECT)
        return next(found, None)

    @property
    def tries(self) -> int:
        """How many commands to take it back ended without effect."""
        return sum(1 for item in self.record.related if item.takes_back and item.state in ENDED_WITHOUT_EFFECT)

    def closed_to(self, operation: str) -> str:
        """Return why ``operation`` is not open to the reviewer, or nothing."""
        return self._impossible(operation) or self._forbidden(operation)

    def _operations(self) -> tuple[str, ...]:
        return ways_back(self.envelope.action.type)

    def _impossible(self, operation: str) -> str:
        support = self.can.support(self.envelope.action.type, operation)
        if support.way in {Way.DIRECT, Way.REVIEW}:
            return ""
        how = self.can.compensations.get(self.envelope.action.type, "")
        said = support.why or "This EHR does not take it as an entry."
        return (
            f"This EHR cannot do it from outside. {said}{f' ({how})' if how else ''} Take it out by hand, in the EHR."
        )

    def _forbidden(self, operation: str) -> str:
        """Return why this reviewer may not."""
        return why_not(self.envelope, operation, policies=self.policies, reviewer=self.reviewer)

    def _does(self, operation: str) -> str:
        action = self.envelope.action
        landing = self.can.support(action.type, operation).way
        said = f"{words(operation).capitalize()} the {words(action.type)}"
        if len(with_parts(self.envelope)) > 1:
            said += " (its own entry; what was written with it stays)"
        if landing is Way.REVIEW:
            said += ", once the EHR's own staff accept it"
        how = self.can.compensations.get(action.type, "")
        return f"{said} ({how})" if how else said
