"""What one reviewer may do about each part of a command, and the commands that do it. It reads no chart and gives no command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canonical.command import Command
from canonical.compensation import Wrote, compensation, is_takeable
from canonical.compensation_catalogue import Means, WayBack
from canonical.part_views import PartRow, PartWay
from canonical.parts import REMOVED_NOW, STANDING_WORDS, Standing, is_record_of_makers
from canonical.plain_values import words
from canonical.policy import PolicySet
from canonical.review_desk import ReviewError
from canonical.reviewer import Reviewer
from reconcile.review.rows import about
from reconcile.review.standing import PartStanding
from reconcile.review.taking_rights import why_not

#: A reason for what is only tried out: any will do.
_ANY_REASON = "tried out, and not sent"
_NOT_COMPOSED = "It says what is right, so its author sends it: it cannot be made up here."
_MOVED = (
    "Somebody changed it since: taking it back is asked once more, of a person who sees both. Nothing is overwritten."
)
_GOES_ALONG = (
    "It goes along with another part, and this service cannot undo it: a person looks whether it is right, in the EHR."
)
_MAKERS = "It says who made what was written, and that stays true: it is not taken back, and nothing else rests on it."


@dataclass(frozen=True, kw_only=True)
class PartWays:
    """What ``reviewer`` may do about one ``part`` of ``command``, as the chart was read at ``now`` (UTC)."""

    part: PartStanding
    command: Command
    policies: PolicySet
    reviewer: Reviewer
    now: datetime

    @property
    def open_to(self) -> tuple[str, ...]:
        """The operations that would undo it and that the reviewer may give."""
        return tuple(way.operation for way in self.ways() if way.operation and not way.closed_to)

    def ways(self) -> tuple[PartWay, ...]:
        """Return every way back from it, with why one is not open."""
        return tuple(self._way(way) for way in self.part.ways) if self.part.stands else ()

    def row(self) -> PartRow:
        """Return it as a page shows it."""
        part = self.part
        return PartRow(
            seq=part.seq,
            what=self._what(),
            standing=part.standing.value,
            sentence=self._sentence(),
            reference=part.done.reference or "",
            version=part.done.version or "",
            ways=self.ways(),
            note=self._note(),
        )

    def envelope(self, operation: str, reason: str) -> dict[str, Any]:
        """Return, as JSON, the envelope of the command that undoes it by ``operation``.

        Raises ``ReviewError`` ``not-possible`` or ``not-permitted`` for what is not open to the reviewer.
        """
        found = next((way for way in self.ways() if way.operation == operation), None)
        if found is None:
            raise ReviewError("not-possible", f"Part {self.part.seq} cannot be taken back so. Nothing was changed.")
        if found.closed_to:
            code = "not-permitted" if self._composes(operation) else "not-possible"
            raise ReviewError(code, f"Part {self.part.seq}: {found.closed_to} Nothing was changed.")
        return self._made(operation, reason)

    def _way(self, way: WayBack) -> PartWay:
        return PartWay(
            operation=way.operation or "",
            means=way.means.value,
            degree=way.degree.value,
            sentence=way.sentence,
            closed_to=self._closed(way),
        )

    def _closed(self, way: WayBack) -> str:
        envelope = self.part.envelope
        if way.operation is None or envelope is None:
            return way.sentence
        if not self._composes(way.operation):
            return _NOT_COMPOSED
        return why_not(envelope, way.operation, policies=self.policies, reviewer=self.reviewer)

    def _composes(self, operation: str) -> bool:
        envelope = self.part.envelope
        if envelope is None or operation not in {way.operation for way in self.part.ways}:
            return False
        if operation in {way.operation for way in self.part.ways if way.means is Means.SUPERSEDING_DOCUMENT}:
            return False
        return is_takeable(self._made(operation, _ANY_REASON), envelope.action, self._wrote, self.now)

    def _made(self, operation: str, reason: str) -> dict[str, Any]:
        envelope = self.part.envelope
        assert envelope is not None  # noqa: S101 - what has no envelope has no way back that could be asked for
        return compensation(envelope, self._wrote, operation, reviewer=self.reviewer, reason=reason, now=self.now)

    @property
    def _wrote(self) -> Wrote:
        part = self.part
        return Wrote(
            command=self.command.id,
            fields=part.wrote,
            version=part.done.version,
            at=self.now,
            reference=part.done.reference,
            before=part.before,
        )

    def _what(self) -> str:
        part = self.part
        if part.envelope is not None:
            action = part.envelope.action
            return f"{words(action.operation).capitalize()}: {about(action.as_json(), part.wrote)}"
        if is_record_of_makers(part.operation):
            return "The record of who made it"
        if self.command.sent_as is not None:
            return f"Sent as a {self.command.sent_as}"
        return f"A change that goes along: {words(part.operation.resource_type)}"

    def _sentence(self) -> str:
        part = self.part
        version = f", version {part.version}" if part.version and part.stands else ""
        written = f"; version {part.done.version} was written" if part.standing is Standing.CHANGED else ""
        return f"{STANDING_WORDS[part.standing]}{version}{written if part.done.version else ''}. {part.who}".strip()

    def _note(self) -> str:
        """Return what else is to be known before somebody decides about it, or nothing."""
        part = self.part
        if not part.stands:
            return ""
        if is_record_of_makers(part.operation):
            return _MAKERS
        if part.envelope is None:
            sent_as = self.command.sent_as
            return f"It went as a {sent_as}, which somebody may have read: tell them." if sent_as else _GOES_ALONG
        return _MOVED if part.standing is Standing.CHANGED else ""


@dataclass(frozen=True, kw_only=True)
class Picked:
    """What was decided about the parts of a command, by place.

    ``bodies`` are (place, operation, envelope as JSON) in the order in which they are carried out: the last written first.
    ``left`` stand in the chart by decision, ``maybe`` may be there though nobody knows, ``removed`` were found out of it.
    """

    bodies: tuple[tuple[int, str, Mapping[str, Any]], ...]
    left: tuple[int, ...]
    maybe: tuple[int, ...]
    removed: tuple[int, ...]


def picked(ways: Sequence[PartWays], picks: Mapping[int, str], reason: str) -> Picked:
    """Return what follows from ``picks`` (place → operation); raises ``ReviewError`` for what cannot be, or may not."""
    known = {one.part.seq: one for one in ways}
    unknown = sorted(set(picks) - set(known))
    if unknown:
        raise ReviewError("not-possible", f"There is no part {unknown[0]}. Nothing was changed.")
    removed = tuple(one.part.seq for one in ways if one.part.standing in REMOVED_NOW)
    if not picks and (not removed or any(one.open_to for one in ways)):
        raise ReviewError("field-missing", "Choose at least one part that is taken back. Nothing was changed.")
    return Picked(
        bodies=tuple((seq, picks[seq], known[seq].envelope(picks[seq], reason)) for seq in sorted(picks, reverse=True)),
        left=tuple(one.part.seq for one in ways if one.open_to and one.part.seq not in picks),
        maybe=tuple(_maybe(ways)),
        removed=removed,
    )


def _maybe(ways: Sequence[PartWays]) -> Iterator[int]:
    for one in ways:
        if one.part.standing is Standing.MAYBE_THERE and not is_record_of_makers(one.part.operation):
            yield one.part.seq
