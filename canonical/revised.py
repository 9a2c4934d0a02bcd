"""The command that a reviewer's picks make of the one in question: the same intent, on the chart that the reviewer saw.

It keeps key, patient, consent and author; who decided is recorded elsewhere. Nothing is sent or stored here.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.action import action_specs, spec_for
from canonical.envelope import Envelope, envelope_from
from canonical.errors import FieldError, RefusedError, WritebackError
from canonical.review_desk import FieldPick, Pick

if TYPE_CHECKING:
    from datetime import datetime

    from canonical.three_way import Comparison, FieldDiff

Json = dict[str, Any]
#: Where action and target stand in an envelope; a part of a compound has both inside the action.
ACTION, TARGET = ("action",), ("target",)


class RevisionError(WritebackError):
    """These picks make no command that could be sent; nothing was changed. ``fields`` says which ones, never what is in them.

    ``code``: ``field-missing`` (no pick), ``not-possible`` (it cannot be decided alone), ``value-refused`` (another value is none
    that the action may have), ``confirmation-required`` (it is implausible and nobody confirmed it).
    """

    def __init__(self, code: str, fields: Iterable[str], message: str) -> None:
        """Carry the code, and the fields by their names."""
        self.code, self.fields = code, tuple(dict.fromkeys(fields))
        super().__init__(f"{message}: {', '.join(self.fields)}." if self.fields else f"{message}.")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the reviewer saw, and who they are.

    ``reference`` is ``Type/id`` (``None``: there is no target, it creates), ``version`` its opaque version (``None`` where the
    EHR states none), ``seen`` its projection; ``at`` when it was read, ``decided_at`` when they decided (UTC); ``reviewer`` an
    ``Identifier`` (JSON), ``None`` for a machine, which acknowledges nothing in anybody's name. ``confirmed``: they
    said that an implausible value of theirs is right.
    """

    reference: str | None
    version: str | None
    seen: Mapping[str, Any]
    at: datetime
    decided_at: datetime
    reviewer: Mapping[str, str] | None
    confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in the envelope the action and target in question stand: members and places in lists."""

    action: Sequence[str | int] = ACTION
    target: Sequence[str | int] = TARGET


def revised(
    original: Mapping[str, Any],
    comparison: Comparison,
    picks: Mapping[str, FieldPick],
    look: Look,
    *,
    place: Place = Place(),
) -> Json | None:
    """Return the envelope that the picks make of ``original`` (JSON with exact decimals), or ``None``: nothing left to write.

    What is picked ``chart`` is no longer stated by the action; where the action cannot do without it, it states what the chart
    says. Fields without a pick go as :func:`completed` says, unless author and chart both changed their group.
    Raises :class:`RevisionError`: nothing may be sent.
    """
    stated = _at(original, place.action)
    asked = {field.name: field for field in comparison.author_fields}
    _check_picks(comparison, asked, picks, stated)
    whole = completed(comparison, picks, stated)
    if all(pick.pick is Pick.CHART for pick in whole.values()):
        return None
    envelope = _with_target(original, look, place)
    action = _at(envelope, place.action)
    action.update({name: copy.deepcopy(pick.value) for name, pick in picks.items() if pick.pick is Pick.ANOTHER})
    if (
        look.confirmed
        and look.reviewer is not None
        and "confirmed" in action_specs()[action["type"]].model.model_fields
    ):
        action["confirmed"] = {"by": dict(look.reviewer), "when": _instant(look.decided_at)}
    kept = [name for name, pick in whole.items() if pick.pick is Pick.CHART and name in stated]
    return _without(envelope, kept, asked, original, picks, look, place)


def completed(comparison: Comparison, picks: Mapping[str, FieldPick], stated: Container[str]) -> dict[str, FieldPick]:
    """Return a pick for everything that the author would change; ``stated`` are the fields that the action itself states.

    What nobody picked goes as proposed; but what only follows from fields of its group goes with them when the chart keeps all.
    """
    chosen = dict(picks)
    for group in comparison.groups:
        names = [field.name for field in group.fields if field.pending]
        leading = [name for name in names if name in stated]
        dropped = bool(leading) and all(name in picks and picks[name].pick is Pick.CHART for name in leading)
        for name in names:
            follows = dropped and name not in stated
            chosen.setdefault(name, FieldPick(pick=Pick.CHART if follows else Pick.PROPOSAL))
    return chosen


def decided(comparison: Comparison, picks: Mapping[str, FieldPick], stated: Container[str]) -> Json:
    """Return what the chart is to say after the picks, as field → value: what a plan of the revised command must come to."""
    chosen = completed(comparison, picks, stated)
    said = {field.name: _picked(field, chosen.get(field.name)) for field in comparison.fields}
    return {name: value for name, value in said.items() if value is not None}


def _picked(field: FieldDiff, pick: FieldPick | None) -> Any:
    if pick is None or pick.pick is Pick.CHART:
        return field.current
    return field.proposed if pick.pick is Pick.PROPOSAL else pick.value


def _check_picks(
    comparison: Comparison,
    asked: Mapping[str, FieldDiff],
    picks: Mapping[str, FieldPick],
    stated: Container[str],
) -> None:
    unknown = [name for name in picks if name not in asked]
    if unknown:
        raise RevisionError("not-possible", unknown, "Nothing is to be decided about these fields")
    overlapping = {field.name for group in comparison.overlapping for field in group.fields}
    missing = [name for name in asked if name not in picks and name in overlapping and name in stated]
    if missing:
        raise RevisionError("field-missing", missing, "Decide these fields too")
    empty = [name for name, pick in picks.items() if pick.pick is Pick.ANOTHER and pick.value is None]
    if empty:
        raise RevisionError("value-refused", empty, "No other value was given for these fields")
    follows = completed(comparison, {name: pick for name, pick in picks.items() if name in stated}, stated)
    fixed = [name for name, pick in picks.items() if name not in stated and pick.pick is not follows[name].pick]
    if fixed:
        message = "These fields follow from what the command does; leave them to it, or reject the command"
        raise RevisionError("not-possible", fixed, message)


def _with_target(original: Mapping[str, Any], look: Look, place: Place) -> Json:
    envelope: Json = copy.deepcopy(dict(original))
    if look.reference is None:
        return envelope
    whole = _at(envelope, place.target[:-1])
    by_author = whole.get(place.target[-1]) or {}
    target = {name: value for name, value in by_author.items() if name not in {"command", "versionId"}}
    by, when = look.reviewer, _instant(look.decided_at)
    whole[place.target[-1]] = {
        **target,
        "reference": look.reference,
        **({} if look.version is None else {"versionId": look.version}),
        "seenAt": _instant(look.at),
        "seen": copy.deepcopy(dict(look.seen)),
        **({} if by is None else {"acknowledged": {"by": dict(by), "when": when}}),
    }
    return envelope


def _without(
    envelope: Json,
    kept: list[str],
    asked: Mapping[str, FieldDiff],
    original: Mapping[str, Any],
    picks: Mapping[str, FieldPick],
    look: Look,
    place: Place,
) -> Json:
    """Take out what the chart keeps; what the action then lacks is stated as the chart has it."""
    restated: list[str] = []
    while True:
        tried = copy.deepcopy(envelope)
        action = _at(tried, place.action)
        for name in kept:
            action.pop(name, None)
        # A field that the chart does not have cannot be restated: ``null`` would clear what is clear already.
        action.update({name: copy.deepcopy(asked[name].current) for name in restated})
        wrong = _errors(tried, original, look)
        if not wrong:
            return tried
        lacking = [name for name in kept if name not in restated and asked[name].current is not None]
        named = {_field_of(error, place) for error in wrong}
        further = [name for name in lacking if name in named] or lacking
        if not further:
            raise _refusal(wrong, picks, place)
        restated += further


def _errors(tried: Json, original: Mapping[str, Any], look: Look) -> list[FieldError]:
    """Return what is wrong with an envelope, beyond what was found before and let through."""
    try:
        envelope = envelope_from(exact_json.parse(exact_json.dumps(tried)))
    except RefusedError as error:
        return list(error.errors) or [FieldError(pointer="/action", code=error.code, detail="")]
    spec = spec_for(envelope.action)
    wrong = spec.check(envelope, look.decided_at)
    if wrong:
        return wrong
    doubtful = spec.confirmations(envelope, look.decided_at)
    if doubtful:
        return [FieldError(pointer=one.pointer, code="confirmation-required", detail=one.detail) for one in doubtful]
    return _new_findings(envelope, original, look)


def _new_findings(envelope: Envelope, original: Mapping[str, Any], look: Look) -> list[FieldError]:
    """What a reviewer types must not need a reviewer: directions and dose that disagree, for one."""
    spec = spec_for(envelope.action)
    before = {(one.kind, one.pointer) for one in spec.findings(envelope_from(dict(original)), look.decided_at)}
    return [
        FieldError(pointer=one.pointer, code=one.kind, detail=one.detail)
        for one in spec.findings(envelope, look.decided_at)
        if one.holds and (one.kind, one.pointer) not in before
    ]


def _refusal(wrong: Sequence[FieldError], picks: Mapping[str, FieldPick], place: Place) -> RevisionError:
    named = [_field_of(error, place) for error in wrong]
    if all(error.code == "confirmation-required" for error in wrong):
        return RevisionError(
            "confirmation-required", named, "These values are implausible; confirm them, or type others"
        )
    typed = {name for name, pick in picks.items() if pick.pick is Pick.ANOTHER}
    if typed & set(named):
        return RevisionError(
            "value-refused", [name for name in named if name in typed], "These values cannot be written"
        )
    return RevisionError("not-possible", named, "The command cannot be written with these fields as picked")


def _field_of(error: FieldError, place: Place) -> str:
    """Return the name of the field that an error is about; of the whole, ``action``."""
    steps = error.pointer.strip("/").split("/")
    depth = len(place.action)
    return steps[depth] if steps[:depth] == [str(step) for step in place.action] and len(steps) > depth else steps[-1]


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for name in path:
        value = value[name]
    return value


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
