"""What happened to a command, event by event and request by request, as sentences. It reads no store."""

from __future__ import annotations

from collections.abc import Mapping

from canonical.events import Note
from canonical.lifecycle import Trigger

T = Trigger

#: Every trigger in words: a test keeps this whole.
EVENT_WORDS: Mapping[Trigger, str] = {
    T.ACCEPTED: "Nothing stood in its way",
    T.APPROVAL_REQUIRED: "Policy asks for a person's approval before it is sent",
    T.APPROVED: "A person approved exactly this",
    T.APPROVAL_LAPSED: "The approval ended, or no longer fitted what would be sent",
    T.CLAIMED: "It was taken up, and its request journaled before it left",
    T.NOT_SENT: "Its request did not leave",
    T.CONTINUED: "One part of it is in the EHR; the next part was taken up",
    T.OPERATION_APPLIED: "One part of it is in the EHR; the next part is due",
    T.ANSWERED_APPLIED: "The EHR answered that it wrote it",
    T.ANSWERED_PROVEN: "The EHR's answer was the stored entry, and equal to what was sent",
    T.ANSWERED_PENDING: "The EHR took it for its own staff to accept",
    T.ANSWERED_CONFLICT: "The EHR answered that the entry had changed meanwhile",
    T.ANSWERED_REFUSED: "The EHR, or its staff, refused it",
    T.RETRY_SCHEDULED: "The EHR proved that it had done nothing; it is tried again",
    T.CONNECTION_CLOSED: "The EHR could not take anything; nothing was written",
    T.ANSWER_LOST: "The request left, and no answer came that can be trusted",
    T.LEASE_EXPIRED: "Whoever sent it stopped before saying what came of it",
    T.PARTLY_APPLIED: "Some of it is in the chart, and the rest may not follow",
    T.PROBE_FOUND: "The chart was asked, and has it",
    T.OPERATION_FOUND: "The chart was asked, and has this part of it; the next part is due",
    T.PROBE_NOT_APPLIED: "The chart was asked, and proved not to have it",
    T.PROBE_CANNOT_TELL: "The chart was asked, and could not tell",
    T.REST_REPLAYED: "What stands was read and is as it was written; the rest, which is not there, is sent",
    T.PROVEN: "It was read back, and is equal to what was sent",
    T.PROOF_FAILED: "It was read back, and is different or not there",
    T.BECAME_VISIBLE: "What the EHR's staff had became visible in the chart",
    T.TIME_BOX_ENDED: "The time it had ended",
    T.TARGET_MOVED: "The entry was no longer as its author saw it; nothing was sent",
    T.REVIEW_REQUIRED: "A check found something that a person must decide",
    T.REBASED: "Chart and proposal were brought together",
    T.REMAPPED: "A person decided that it belongs to the record that its patient's was merged into",
    T.RESEND_DECIDED: "A person decided to send it again",
    T.FOUND_BY_PERSON: "A person found it in the chart; it must still be proven",
    T.REFUSED_BY_PERSON: "A person decided not to write it",
    T.AUTHOR_WITHDREW: "Its author took it back when asked",
    T.CONSENT_ENDED: "The consent ended before it was sent",
    T.PAUSED: "A switch or a pause stood in its way",
    T.CAUSE_ENDED: "What held it up ended",
    T.CANCELLED: "Its app took it back before it was sent",
    T.DEADLINE_PASSED: "Its deadline passed before it was sent",
    T.REPLACED: "A later command replaced it before it was sent",
    T.TAKEN_BACK: "A later command took it out of the chart, and that was proven",
    T.TAKE_BACK_DECIDED: "A person decided which parts of it are taken out of the chart again",
    T.PARTS_TAKEN_BACK: "Every part of it that was in the chart was taken out again, and that was proven",
    T.PART_STANDS: "What could be taken back was; a part stands, or was only made up for by a correction",
    T.NOTHING_TAKEN_BACK: "None of it was taken back, after all",
    T.DRIFT_FOUND: "The chart no longer says what was written",
    T.CHANGED_SINCE: "The chart says something else than was written, and that counts from here on",
    T.DRIFT_ACCEPTED: "A person decided that the chart is right as it is now",
    T.REMOVED_IN_EHR: "It was taken out in the EHR itself",
}
#: Every fact that moves nothing.
NOTE_WORDS: Mapping[Note, str] = {
    Note.AUTHOR_ASKED: "A reviewer asked its author",
    Note.AUTHOR_ANSWERED: "Its author answered",
    Note.AUTHOR_SILENT: "Its author did not answer in time",
    Note.ACKNOWLEDGED: "It is known that its author learned where it is",
    Note.AUTHOR_MESSAGED: "Nobody confirmed in time that its author saw it; they are sent a message",
    Note.UNACKNOWLEDGED: "Nobody confirmed in time that its author saw it; operations are asked",
    Note.GLASS_BROKEN: "Somebody opened its restricted content, and said why they must",
}
#: The first event, by which no state is left.
_FIRST = {"received": "It was received and stored"}
#: What an attempt was.
ATTEMPT_WORDS: Mapping[str, str] = {"send": "sent", "probe": "asked whether it is there"}


def event_words(trigger: str) -> str:
    """Return a trigger in words; one of a later version of this service by its name."""
    told = (*EVENT_WORDS.items(), *NOTE_WORDS.items())
    known = _FIRST | {item.value: text for item, text in told}
    return known.get(trigger, trigger.replace("_", " "))
