"""Taking back what stands of a command that is in the chart only in part: decided on its case, done by commands of their own.

Everything is judged before anything is stored; then decision, move and commands are one commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from canonical import exact_json
from canonical.admission import Admission
from canonical.case_store import Resolution, Resolved, StoredView
from canonical.compensation import principal_of
from canonical.errors import RefusedError
from canonical.events import move
from canonical.lifecycle import Trigger
from canonical.part_store import PartCompensations
from canonical.review_desk import Decided, Decision, ReviewError
from canonical.reviewer import Reviewer
from reconcile.review.deciding import Situation, refusal_of
from reconcile.review.desk import CaseDesk
from reconcile.review.part_ways import Picked, picked
from tasks.receive import Receiver

log = structlog.get_logger()

DOOR = "review"
#: Characters; as long as an envelope's own reason may be.
LONGEST_REASON = 500
_GIVEN = (
    "Decided. What you picked is taken back now, what was written last first; the rest of the command is never sent. "
    "This page says what the chart proves."
)
_NOTHING_LEFT = (
    "Recorded: what was written is out of the chart already. Nothing was sent, and the rest of the command never is."
)


@dataclass(frozen=True, kw_only=True)
class PartDesk:
    """Takes parts back; ``cases`` checks the decision, ``receiver`` judges each command, ``store`` keeps all of it together."""

    cases: CaseDesk
    receiver: Receiver
    store: PartCompensations

    def take_back(self, reviewer: Reviewer, case_id: int, decision: Decision) -> Decided:
        """Carry out a decision of the verb ``compensate``.

        Raises ``ReviewError`` (as :meth:`CaseDesk.checked`; ``not-possible``, ``not-permitted``, ``field-missing``,
        ``value-refused``): nothing was changed.
        """
        why = decision.text.strip()
        if len(why) > LONGEST_REASON:
            raise ReviewError("value-refused", f"Say it in at most {LONGEST_REASON} characters. Nothing was changed.")
        situation, seen = self.cases.checked(reviewer, case_id, decision)
        chosen = picked(self.cases.part_ways(reviewer, situation.look), decision.parts, why)
        admissions = [(seq, self._judged(reviewer, situation, seq, body)) for seq, _, body in chosen.bodies]
        resolution = self._resolution(reviewer, decision, situation, seen, chosen)
        return self._begin(resolution, admissions, chosen)

    def _begin(self, resolution: Resolution, admissions: list[tuple[int, Admission]], chosen: Picked) -> Decided:
        try:
            begun = self.store.begin(resolution, admissions, chosen.removed)
        except RefusedError as error:
            raise ReviewError("not-possible", f"It was refused at the door: {error}") from None
        if isinstance(begun, Resolved):
            raise refusal_of(begun)
        self.receiver.given([item for _, item in admissions], begun.lane_id)
        command = resolution.case.command_id
        log.info("parts taken back", action="case.parts_taken_back", command=str(command), given=len(begun.commands))
        return Decided(sentence=_GIVEN if begun.commands else _NOTHING_LEFT, command_id=command)

    def _judged(self, reviewer: Reviewer, situation: Situation, seq: int, body: Mapping[str, Any]) -> Admission:
        """Return what would be stored of the command that takes a part back; raises ``ReviewError`` ``not-possible``."""
        command, action = situation.look.command, body["action"]
        try:
            return self.receiver.judged(
                exact_json.dumps(body).encode(),
                principal=principal_of(reviewer, action["type"], action["operation"]),
                key=_key(command.id.hex, command.event_seq, seq),
                door=DOOR,
                correlation_id=command.correlation_id,
            )
        except RefusedError as error:
            fields = "; ".join(f"{item.pointer}: {item.detail}" for item in error.errors)
            said = f"Part {seq} was refused at the door: {error} {fields}".strip()
            raise ReviewError("not-possible", f"{said} Nothing was changed.") from None

    def _resolution(
        self, reviewer: Reviewer, decision: Decision, situation: Situation, seen: StoredView, chosen: Picked
    ) -> Resolution:
        case, told = situation.case, {str(seq): operation for seq, operation, _ in chosen.bodies}
        content = {"verb": decision.verb.value, "parts": told, "text": decision.text}
        step = move(
            case.state,
            Trigger.TAKE_BACK_DECIDED,
            parts=[seq for seq, _, _ in chosen.bodies],
            left=list(chosen.left),
            maybe=list(chosen.maybe),
            removed=list(chosen.removed),
        )
        return Resolution(
            case=case,
            reviewer=reviewer,
            verb=decision.verb.value,
            view_id=seen.id,
            content=exact_json.canonical_bytes(content),
            base_version=situation.look.version,
            policy_version=self.cases.policies.version,
            move=step,
            expected_seq=situation.look.command.event_seq,
        )


def _key(command: str, event_seq: int, seq: int) -> str:
    """Return the idempotency key of the command that takes part ``seq`` back by the decision that follows event ``event_seq``."""
    return "parts:" + hashlib.sha256(f"{command}\x1f{event_seq}\x1f{seq}".encode()).hexdigest()
