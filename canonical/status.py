"""What people and apps see of a command: five statuses for ever, with sentence and next step. All copy is here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from canonical.lifecycle import State


class Status(StrEnum):
    """The public statuses; their meaning never changes."""

    PENDING = "pending"
    NEEDS_ATTENTION = "needsAttention"
    IN_CHART = "inChart"
    NOT_WRITTEN = "notWritten"
    TAKEN_BACK = "takenBack"


STATUS_OF: dict[State, Status] = {
    State.RECEIVED: Status.PENDING,
    State.AWAITING_APPROVAL: Status.NEEDS_ATTENTION,
    State.READY: Status.PENDING,
    State.SENDING: Status.PENDING,
    State.UNKNOWN: Status.PENDING,
    State.PENDING_REMOTE: Status.PENDING,
    State.APPLIED: Status.PENDING,
    State.VERIFIED: Status.IN_CHART,
    State.INCOMPLETE: Status.NEEDS_ATTENTION,
    State.TAKING_BACK: Status.NEEDS_ATTENTION,
    State.CONFLICTED: Status.NEEDS_ATTENTION,
    State.IN_REVIEW: Status.NEEDS_ATTENTION,
    State.PARKED: Status.PENDING,
    State.REJECTED: Status.NOT_WRITTEN,
    State.WITHDRAWN: Status.NOT_WRITTEN,
    State.EXPIRED: Status.NOT_WRITTEN,
    State.SUPERSEDED: Status.NOT_WRITTEN,
    State.COMPENSATED: Status.TAKEN_BACK,
    # Neither taken back while something stands, nor in the chart as it was meant: somebody must know.
    State.PARTLY_TAKEN_BACK: Status.NEEDS_ATTENTION,
}


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One sentence on where a command is, and who must do what next."""

    sentence: str
    next: str


_NOTHING = "Nothing to do."
_WAIT = "Wait; we will tell you when it is in the chart."

_BY_STATE: dict[State, Explanation] = {
    State.RECEIVED: Explanation(sentence="We have it. It is not in the chart yet.", next=_WAIT),
    State.AWAITING_APPROVAL: Explanation(
        sentence="A person must approve this before it is sent.",
        next="A reviewer with the right licence decides.",
    ),
    State.READY: Explanation(sentence="It is waiting to be sent. It is not in the chart yet.", next=_WAIT),
    State.SENDING: Explanation(sentence="It is on its way to the EHR.", next=_WAIT),
    State.UNKNOWN: Explanation(
        sentence="We sent it and the EHR did not answer. We are finding out whether it is in the chart.",
        next="Wait; do not enter it again by hand. We look in the chart before anything is sent again.",
    ),
    State.PENDING_REMOTE: Explanation(
        sentence="The EHR took it and its own staff must accept it before it is in the chart.",
        next="The clinic's staff accept it in the EHR.",
    ),
    State.APPLIED: Explanation(
        sentence="The EHR says that it wrote it. We are reading it back to be sure.", next=_WAIT
    ),
    State.VERIFIED: Explanation(sentence="It is in the chart. We read it back and it is the same.", next=_NOTHING),
    State.INCOMPLETE: Explanation(
        sentence="Part of it is in the chart and part is not.", next="A reviewer decides about the rest."
    ),
    State.TAKING_BACK: Explanation(
        sentence="Part of it is in the chart and is being taken back. The rest is not sent.",
        next="Wait; each part is taken back by a command of its own, and read back.",
    ),
    State.CONFLICTED: Explanation(
        sentence="The chart changed after the author looked at it. Nothing was overwritten.",
        next="A reviewer compares both and decides.",
    ),
    State.IN_REVIEW: Explanation(
        sentence="A person must look at this before it can go on.", next="A reviewer decides; see the reason."
    ),
    State.PARKED: Explanation(
        sentence="The EHR cannot take it now. It is kept and goes on by itself when the EHR can.", next=_WAIT
    ),
    State.REJECTED: Explanation(
        sentence="It was not written.",
        next="If it is still right, send it again with a new key once the reason is dealt with.",
    ),
    State.WITHDRAWN: Explanation(sentence="It was taken back before it was sent.", next=_NOTHING),
    State.EXPIRED: Explanation(
        sentence="Its deadline passed before it could be sent. It was not written.",
        next="If it is still right, send it again with a new key.",
    ),
    State.SUPERSEDED: Explanation(sentence="A later entry replaced it before it was sent.", next=_NOTHING),
    State.COMPENSATED: Explanation(sentence="It was in the chart and has been taken back.", next=_NOTHING),
    State.PARTLY_TAKEN_BACK: Explanation(
        sentence="Part of it was written. Some of that was taken back and some is in the chart; the rest was never sent.",
        next="See which part stands; what this service cannot take back is taken out in the EHR.",
    ),
}

_CONSENT_OVER = Explanation(
    sentence="The consent ended before it was sent. It was not written.",
    next="Ask for consent again, then send it anew with a new key.",
)

_BY_REASON: dict[str, Explanation] = {
    "replayed": Explanation(
        sentence="It is given in place of a command that ended, and somebody must approve it first. Nothing was sent.",
        next="A reviewer with the right licence looks at it and decides.",
    ),
    "consent-revoked": _CONSENT_OVER,
    "consent-ended": _CONSENT_OVER,
    "consent-changed": Explanation(
        sentence="The consent was changed after this was accepted. It was not written.",
        next="Check that the new consent covers it, then send it anew with a new key.",
    ),
    "consent-unreadable": Explanation(
        sentence="The consent could not be found when it was about to be sent. It was not written.",
        next="Check the consent's reference, then send it anew with a new key.",
    ),
    "approval-lapsed": Explanation(
        sentence="The approval ran out, or no longer fits what would be sent. Nothing was sent.",
        next="A reviewer with the right licence decides again.",
    ),
    "already-in-chart": Explanation(
        sentence="The chart says it already, so there was nothing left to write.", next=_NOTHING
    ),
    "agrees-but-for-bookkeeping": Explanation(
        sentence="The chart says the same; only who noted it, or through what, differs. It was not written.",
        next="If who noted it matters, correct that by a command of its own.",
    ),
    "chart-kept": Explanation(
        sentence="A reviewer compared both and kept what the chart says. It was not written.",
        next="If that is not right, talk to the reviewer, then send it again with a new key.",
    ),
    "author-withdrew": Explanation(sentence="Its author took it back when asked. It was not written.", next=_NOTHING),
    "not_readable": Explanation(
        sentence="The EHR works, and could not give this patient or target when it was asked. Nothing was sent.",
        next="A reviewer looks whether the record opens in the EHR, and decides.",
    ),
    "time-box-ended": Explanation(
        sentence="The EHR took it for its own staff, and they have not accepted it in the time they had. "
        "It was not sent again.",
        next="A reviewer asks the clinic, and says whether it is in the chart.",
    ),
    "turned-down": Explanation(
        sentence="The EHR took it for its own staff, and they did not leave it in the chart. It was not sent again.",
        next="A reviewer decides what becomes of it, or asks its author.",
    ),
    "merged_patient": Explanation(
        sentence="The chart says that this patient's record was merged or closed. Nothing was sent.",
        next="A reviewer finds the record that is in use.",
    ),
    "deceased": Explanation(
        sentence="The chart says that this patient died before the time of this entry. Nothing was sent.",
        next="A reviewer checks the patient and the time.",
    ),
    "status_backwards": Explanation(
        sentence="The chart is further on than this entry: it would be taken back a step. Nothing was sent.",
        next="A reviewer looks whether anything of it is still wanted.",
    ),
    "newer_applied": Explanation(
        sentence="A later entry is in the chart already, and this one is older. Nothing was sent.",
        next="A reviewer looks whether anything of it is still wanted.",
    ),
    "sig_mismatch": Explanation(
        sentence="The written directions and the structured dose do not say the same. Nothing was sent.",
        next="A reviewer asks the author which one is right.",
    ),
    "identity_mismatch": Explanation(
        sentence="The patient named does not match the patient in the chart. Nothing was sent.",
        next="A reviewer checks who was meant.",
    ),
    "possible_duplicate": Explanation(
        sentence="The chart says this already, or something like it. Nothing was sent.",
        next="A reviewer decides whether it is the same.",
    ),
    "possible_duplicate_therapy": Explanation(
        sentence="The same medicine or ingredient is on the medication list already, and active. Nothing was sent.",
        next="A pharmacist decides whether both entries are meant.",
    ),
    "medicine_not_named": Explanation(
        sentence="The medication list has an active entry of which nobody can tell the medicine, so that it may be the same one. "
        "Nothing was sent.",
        next="A pharmacist looks which medicine it is.",
    ),
    "not_an_allergy": Explanation(
        sentence="The words are those of a side effect or a preference. Nothing was sent.",
        next="A reviewer asks the author whether it is an allergy.",
    ),
    "active_allergy": Explanation(
        sentence="It says that no allergy is known, and the chart has one. Nothing was sent.",
        next="A reviewer asks the author which one is right.",
    ),
    "none_known_unclear": Explanation(
        sentence="The chart says that no allergy of some kind is known, and it is not clear whether this is one. "
        "Nothing was sent.",
        next="A reviewer decides about both.",
    ),
    "reaction_not_found": Explanation(
        sentence="The entry has no reaction of the name given. Nothing was sent.",
        next="A reviewer looks which reaction was meant.",
    ),
    "reaction_ambiguous": Explanation(
        sentence="The entry has several reactions of the name given. Nothing was sent.",
        next="A reviewer looks which reaction was meant.",
    ),
    "mentioned_gone": Explanation(
        sentence="It refers to an entry that is not in the chart any more. Nothing was sent.",
        next="A reviewer looks which entry was meant.",
    ),
    "mentioned_in_error": Explanation(
        sentence="It refers to an entry that the chart has marked as an error. Nothing was sent.",
        next="A reviewer asks the author what it rests on.",
    ),
    "list_incomplete": Explanation(
        sentence="The chart's medication list has an entry that the review does not mention. Nothing was sent.",
        next="A reviewer asks the author to look at the whole list again.",
    ),
    "not_ours_to_change": Explanation(
        sentence="This is a prescriber's order; we may not change it. The prescription and the pharmacy "
        "were not changed.",
        next="Ask the prescriber to change the order.",
    ),
}

_DECIDES = "A reviewer looks at the chart and decides. Nothing is written before."
_BY_REASON |= {
    "drift-changed": Explanation(
        sentence="It was written and read back. Since then the chart says something else, and nobody is named who changed it.",
        next=_DECIDES,
    ),
    "drift-disappeared": Explanation(
        sentence="It was written and read back. Since then it is gone from the chart, and nobody is named who removed it.",
        next=_DECIDES,
    ),
    "drift-merged": Explanation(
        sentence="It was written and read back. Since then the patient's record was merged into another one.",
        next=_DECIDES,
    ),
}

#: What became of a write in the chart after its proof: told where the state alone would say too much.
_SINCE: dict[str, Explanation] = {
    "edited-since": Explanation(
        sentence="It was written and read back. Since then somebody named in the EHR changed the entry there.",
        next=_NOTHING,
    ),
    "changed-nameless": Explanation(
        sentence="It was written and read back. Since then the entry was changed in the EHR, which does not show by whom.",
        next="If that matters, look at the entry in the EHR.",
    ),
    "changed-since": Explanation(
        sentence="It was written and read back. Since then the entry was changed in the EHR, and a reviewer let that stand.",
        next=_NOTHING,
    ),
    "drift-incident": Explanation(
        sentence="It was written and read back. Since then much of this EHR no longer says what was written, this entry too.",
        next="Operations find out what happened there. Look in the chart before you rely on it.",
    ),
    "removed-in-ehr": Explanation(
        sentence="It was in the chart, and somebody named there has removed it in the EHR.", next=_NOTHING
    ),
    "removal-accepted": Explanation(
        sentence="It was in the chart and is gone from it, and a reviewer let that stand.", next=_NOTHING
    ),
}


#: Fallback → what is said besides of a command that went that way.
INSTEAD = {
    "message": "This EHR cannot take it as an entry of its own, so it goes as a message: nothing else in the chart changes.",
    "note": "This EHR cannot take it as an entry of its own, so it goes as a note: nothing else in the chart changes.",
    "task": "This EHR cannot take it as an entry of its own, so it goes as a task for the clinic's staff: nothing else in "
    "the chart changes.",
}
#: What a command that waits by itself waits for, where it is not the EHR.
_WAITS_FOR: dict[str, Explanation] = {
    "loop-between-systems": Explanation(
        sentence="Another system keeps undoing what this app writes to the entry. Nothing was sent; it is kept.",
        next="A person finds out which of the two is right; it goes on once they have.",
    ),
}


def explain(state: State, reason: str = "", sent_as: str | None = None) -> Explanation:
    """Return the sentence and next step for a command in ``state`` that got there for ``reason``.

    A reason speaks only of what stopped a command, or of what it waits for: once it is sent, the state says what is true, and
    what became of it in the chart since. ``sent_as`` is the fallback that was taken: whoever reads that it is in the chart must
    read in which form.
    """
    stopped = STATUS_OF[state] in {Status.NEEDS_ATTENTION, Status.NOT_WRITTEN}
    told = _BY_REASON if stopped else _SINCE if state in {State.VERIFIED, State.COMPENSATED} else {}
    told = _WAITS_FOR if state is State.PARKED else told
    said = told.get(reason, _BY_STATE[state])
    if sent_as is None or STATUS_OF[state] is Status.NOT_WRITTEN:
        return said
    return replace(said, sentence=f"{said.sentence} {INSTEAD[sent_as]}")
