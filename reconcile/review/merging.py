"""What a machine merges: a command brought onto the chart that was read just now, where policy leaves nobody anything to decide.

It builds and refuses; it stores and sends nothing. Whatever it cannot show to be harmless it leaves to a person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from canonical import exact_json
from canonical.case_store import Resolution, StoredCase
from canonical.events import move
from canonical.lifecycle import State, Trigger
from canonical.review_desk import FieldPick, Pick
from canonical.revised import Look as Sight
from canonical.revised import RevisionError, revised
from canonical.ruling import Ruling, Verdict
from reconcile.review.look import Look
from reconcile.review.machine import machine

#: Rulings by which the chart and the proposal do not meet anywhere.
_MERGED = frozenset({Ruling.SEND, Ruling.MERGE, Ruling.APPEND})
#: After so many merges of one command its chart is moving too fast for a machine.
MOST_MERGES = 3


@dataclass(frozen=True, kw_only=True)
class Merge:
    """A merge that may be made: the command's bytes on the version read, and the digest of what will leave for them."""

    look: Look
    verdict: Verdict
    envelope: bytes
    payload_digest: bytes

    def resolution(self, case: StoredCase, view: UUID | None) -> Resolution:
        """Return it as it is stored; ``view`` is what the machine saw. The event names version and fields, never a value."""
        fields = sorted(field.name for field in self.look.comparison.author_fields)
        version, ruling = self.look.version, self.verdict.ruling.value
        step = move(
            State.CONFLICTED, Trigger.REBASED, "merged-by-machine", version=version, fields=fields, ruling=ruling
        )
        return Resolution(
            case=case,
            reviewer=machine(case.tenant),
            verb="merged",
            view_id=view,
            envelope=self.envelope,
            payload_digest=self.payload_digest,
            base_version=self.look.version,
            policy_version=self.verdict.policy,
            replans=True,
            move=step,
            expected_seq=self.look.command.event_seq,
        )


def why_not(look: Look, verdict: Verdict, *, merged_before: int) -> str:
    """Return why a machine may not merge what was looked at, or nothing."""
    command = look.command
    if verdict.ruling not in _MERGED:
        return "policy leaves it to a person"
    if command.governance.approval_required or verdict.second_signature:
        return "people sign it"
    if command.state is not State.CONFLICTED or command.partly_in_chart or command.rule.creates:
        return "it is no change of one entry"
    if look.current is None or look.version is None or len(look.operations) != 1:
        return "there is not one entry and one version to guard it with"
    if look.stop is not None and look.stop[0] != "conflict":
        return "something else speaks against it"
    if merged_before >= MOST_MERGES:
        return "the chart moves too fast"
    return ""


def merge_of(look: Look, verdict: Verdict, plan: Callable[[Look, bytes | None], bytes | None]) -> Merge | None:
    """Return the merge, or ``None`` where it cannot be written just as it was judged.

    ``plan`` gives the digest of what would leave for an envelope; raises as it does.
    """
    stated = look.command.envelope.action.as_json()
    picks = {
        field.name: FieldPick(pick=Pick.PROPOSAL) for field in look.comparison.author_fields if field.name in stated
    }
    sight = Sight(
        reference=look.reference,
        version=look.version,
        seen=look.said,
        at=look.read_at,
        decided_at=look.read_at,
        reviewer=None,
    )
    original = exact_json.parse(exact_json.dumps(look.command.envelope.as_json()))
    try:
        made = revised(original, look.comparison, picks, sight)
    except RevisionError:
        return None
    if made is None:
        return None
    envelope = exact_json.dumps(made).encode()
    digest = plan(look, envelope)
    # What was judged is what will leave, byte for byte, or a person decides.
    if digest is None or digest != look.payload_digest:
        return None
    return Merge(look=look, verdict=verdict, envelope=envelope, payload_digest=digest)
