"""What may be decided of a case, derived from the life cycle; each with its result in words. None is ever preselected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from canonical.case_kinds import case_kind
from canonical.case_store import StoredCase
from canonical.case_views import Choice
from canonical.field_words import UNTOLD, field_label
from canonical.lifecycle import TRANSITIONS, State, Trigger
from canonical.parts import REMOVED_NOW
from canonical.review_desk import Verb
from reconcile.review.look import Look
from reconcile.review.part_ways import PartWays
from reconcile.review.permissions import CLINICAL, Permissions

#: What a verb does to the command that its case holds.
TRIGGERS: Mapping[Verb, Trigger] = {
    Verb.APPROVE: Trigger.APPROVED,
    Verb.EDIT: Trigger.APPROVED,
    Verb.RESOLVE: Trigger.REBASED,
    Verb.REMAP: Trigger.REMAPPED,
    Verb.RESEND: Trigger.RESEND_DECIDED,
    Verb.FOUND: Trigger.FOUND_BY_PERSON,
    Verb.ACCEPT: Trigger.DRIFT_ACCEPTED,
    Verb.REJECT: Trigger.REFUSED_BY_PERSON,
    Verb.COMPENSATE: Trigger.TAKE_BACK_DECIDED,
}
#: These rest on what the chart says at the moment of deciding.
NEEDS_CHART = frozenset(
    {
        *(Verb.APPROVE, Verb.EDIT, Verb.RESOLVE, Verb.REMAP, Verb.RESEND),
        *(Verb.FOUND, Verb.ACCEPT, Verb.SIGN, Verb.COMPENSATE),
    }
)
#: Whether a person can look the answer up with the chart open decides how the same verb is called.
_LABELS: Mapping[tuple[Verb, bool], str] = {
    (Verb.APPROVE, False): "Approve: send it as it stands",
    (Verb.EDIT, False): "Approve with changes: decide field by field",
    (Verb.RESOLVE, False): "Decide field by field",
    (Verb.REMAP, False): "It belongs to the record in its place: send it for that one",
    (Verb.RESEND, False): "Send it",
    (Verb.RESEND, True): "It is not in the chart: send it again",
    (Verb.FOUND, True): "It is in the chart",
    (Verb.ACCEPT, False): "The chart is right: leave it",
    (Verb.COMPENSATE, False): "Take back the parts picked above",
    (Verb.REJECT, False): "Do not write it",
    (Verb.REJECT, True): "It is not in the chart, and is not wanted any more",
    (Verb.ACKNOWLEDGE, False): "I have seen it",
    (Verb.ASK_AUTHOR, False): "I do not know: ask the author",
    (Verb.ESCALATE, False): "Hand it up",
    (Verb.SIGN, False): "Sign what was decided first",
}
_BY_FIELD = frozenset({Verb.RESOLVE, Verb.EDIT})
#: What they are called where no field can be chosen alone.
_AS_A_WHOLE: Mapping[Verb, str] = {
    Verb.RESOLVE: "Send it all the same",
    Verb.EDIT: "Approve it all the same: send it on the chart as it is now",
}


_TAKES_BACK = (
    "What you pick is taken out of the chart, what was written last first, each part by a command of its own, with its own "
    "approval, on the version that was written. What you do not pick stays in the chart, and the rest of the command is never "
    "sent. It counts as taken back only when all of it is, and was read back."
)
_NOTHING_OPEN = "Nothing of it can be taken back by this service: a person does it, in the EHR."


def offered(case: StoredCase, look: Look, *, awaits_second: bool) -> tuple[Verb, ...]:
    """Return the verbs that this case has in the state its command is in."""
    return tuple(_offered(case, look, awaits_second=awaits_second)) if case.is_open else ()


def _offered(case: StoredCase, look: Look, *, awaits_second: bool) -> Iterator[Verb]:
    if awaits_second:
        yield Verb.SIGN
    if case.holds:
        for verb, trigger in TRIGGERS.items():
            if (case.state, trigger) in TRANSITIONS and _makes_sense(verb, case, look):
                yield verb
    else:
        yield Verb.ACKNOWLEDGE
    yield Verb.ASK_AUTHOR
    yield Verb.ESCALATE


def _makes_sense(verb: Verb, case: StoredCase, look: Look) -> bool:
    if case_kind(case.kind).drifted or verb is Verb.ACCEPT:
        # It was proven: nothing is written over what happened since, and "not written" would not be true.
        return case_kind(case.kind).drifted and verb is Verb.ACCEPT
    if verb is Verb.COMPENSATE:
        return any(part.stands or part.standing in REMOVED_NOW for part in look.parts)
    if verb in _BY_FIELD:
        # With no field to choose, a change on an unmoved chart is approved as it stands, and in no other way.
        chooses = _has_picks(look) or verb is Verb.RESOLVE or look.has_moved
        return bool(look.operations) and bool(look.comparison.author_fields) and chooses
    if verb is Verb.APPROVE:
        # On a chart that moved nothing is approved as it stands: what stays is decided field by field.
        return bool(look.operations) and not look.has_moved
    if verb in {Verb.RESEND, Verb.REJECT} and stands_there(case, look):
        # Sent again it could be there twice, and "not written" would not be true.
        return False
    maybe = case_kind(case.kind).maybe_there and look.command.attempts > 0
    if verb is Verb.REMAP:
        # First it is known whether it is there: what is said again of another record would be there twice.
        return look.successor is not None and not maybe
    if verb is Verb.RESEND:
        # For a record that was merged nothing is sent, whoever decides it; who knows that it is not there is asked of that next.
        return look.is_ours and (look.successor is None or maybe)
    if verb is Verb.FOUND:
        return case_kind(case.kind).maybe_there and look.command.attempts > 0
    return True


def stands_there(case: StoredCase, look: Look) -> bool:
    """Whether what nobody was sure of is in the chart: the entry that it made, or the change that it meant to make."""
    if case.state is not State.IN_REVIEW or not case_kind(case.kind).maybe_there or not look.command.attempts:
        return False
    return look.current is not None and (look.command.rule.creates or not look.differing)


def choices(case: StoredCase, look: Look, permissions: Permissions, *, awaits_second: bool) -> tuple[Choice, ...]:
    """Return the choices of a case as its reviewer is shown them; what they may not do says why."""
    return tuple(_choice(verb, case, look, permissions) for verb in offered(case, look, awaits_second=awaits_second))


def _choice(verb: Verb, case: StoredCase, look: Look, permissions: Permissions) -> Choice:
    maybe = case_kind(case.kind).maybe_there and look.command.attempts > 0
    as_a_whole = verb in _BY_FIELD and not _has_picks(look)
    return Choice(
        verb=verb.value,
        label=_AS_A_WHOLE[verb] if as_a_whole else _LABELS.get((verb, maybe)) or _LABELS[verb, False],
        result=_RESULTS[Verb.RESEND if as_a_whole else verb](look),
        undo=_undo(look) if verb in CLINICAL - {Verb.FOUND} else "",
        behind=_behind(case, verb),
        reasons=permissions.reasons(verb),
        text_required=text_required(verb, maybe_there=maybe),
        closed_to=permissions.closed_to(verb),
        fields=verb in _BY_FIELD and not as_a_whole,
        parts=verb is Verb.COMPENSATE,
    )


def closed_unless_open(found: tuple[Choice, ...], ways: Sequence[PartWays]) -> tuple[Choice, ...]:
    """Return choices of which taking back is closed where no part of the command is open to the reviewer, with why."""
    standing = [one for one in ways if one.part.stands]
    is_open = any(one.open_to for one in ways) or any(one.part.standing in REMOVED_NOW for one in ways)
    if is_open or not standing:
        return found
    why = " ".join(dict.fromkeys(way.closed_to for one in standing for way in one.ways() if way.closed_to))
    return tuple(
        replace(item, closed_to=item.closed_to or why or _NOTHING_OPEN) if item.parts else item for item in found
    )


def _has_picks(look: Look) -> bool:
    """Whether there is a field to choose: of what is wanted as a whole (it stops, it was an error) there is none."""
    stated = look.command.envelope.action.as_json()
    return any(field.name in stated for field in look.comparison.author_fields)


def text_required(verb: Verb, *, maybe_there: bool) -> bool:
    """Whether a decision must say something in words: a question, or how somebody came to know what no machine could prove."""
    return verb in {Verb.ASK_AUTHOR, Verb.ESCALATE, Verb.COMPENSATE} or (
        verb in {Verb.RESEND, Verb.REJECT} and maybe_there
    )


def _told(look: Look, which: str) -> list[str]:
    """Return what ``which`` says of the fields that the author would change; who said it and when only if there is no other."""
    heavy = {group.name for group in look.comparison.groups if group.significance == "high"}
    fields = [field for field in look.comparison.author_fields if field.name not in UNTOLD]
    names = [field.name for field in fields if field.group in heavy] or [field.name for field in fields]
    return [f"{field_label(name)} {look.in_words(name, which)}" for name in names]


def _will_say(look: Look) -> str:
    said = _told(look, "proposed")
    return f"The chart will say: {'; '.join(said)}." if said else "The chart will say what it says now."


def _stays(look: Look) -> str:
    if look.current is None:
        return "Nothing is written."
    said = _told(look, "chart") if look.is_ours else []
    return f"The chart stays as it is: {'; '.join(said)}." if said else "The chart stays as it is."


def _left(look: Look) -> str:
    if look.current is None:
        return "Nothing is written. It ends as taken back, since it is gone from the chart. Its author is told."
    return (
        f"Nothing is written. {_stays(look)} Only what changes from here on is asked again. "
        "If it should not be in the chart at all, it can then be taken back on the command's page."
    )


def _field_by_field(look: Look) -> str:
    return f"You choose for every field what stays. If all of the proposal is kept: {_will_say(look)} The rest is not touched."


_RESULTS: Mapping[Verb, Callable[[Look], str]] = {
    Verb.APPROVE: _will_say,
    Verb.EDIT: _field_by_field,
    Verb.RESOLVE: _field_by_field,
    Verb.REMAP: lambda look: (
        f"Every check is made again on the record in its place, an approval given before counts no more, and then it is sent for "
        f"that record. {_will_say(look)}"
    ),
    Verb.RESEND: lambda look: f"It is sent now. {_will_say(look)}",
    Verb.FOUND: lambda _look: "Nothing is sent. It is read back, and counts as written only if the chart proves it.",
    Verb.ACCEPT: _left,
    Verb.COMPENSATE: lambda _look: _TAKES_BACK,
    Verb.REJECT: lambda look: f"It ends, not written. {_stays(look)} Its author is told.",
    Verb.SIGN: lambda _look: "What the first person decided is sent.",
    Verb.ACKNOWLEDGE: lambda _look: "The case is closed. The command goes on as it is.",
    Verb.ASK_AUTHOR: lambda _look: "Its author is asked and has some time to answer; until then nothing is sent.",
    Verb.ESCALATE: lambda _look: "It goes to the top of the queue of whoever stands above. Nothing is sent.",
}


def _undo(look: Look) -> str:
    best = look.ways_back[0]
    return f"It can be undone afterwards. {best.sentence}" if best.operation is not None else best.sentence


def _behind(case: StoredCase, verb: Verb) -> str:
    if not case.waiting or verb in {Verb.ACKNOWLEDGE, Verb.ASK_AUTHOR, Verb.ESCALATE}:
        return ""
    many = "1 command waits" if case.waiting == 1 else f"{case.waiting} commands wait"
    if verb is Verb.REJECT:
        return f"{many} behind it: what builds on it comes to a person."
    return (
        f"{many} behind it, and goes on once this is proven."
        if case.waiting == 1
        else f"{many} behind it, and go on then."
    )
