"""The form of a decision: what was posted made into a :class:`Decision`, and kept as typed where it is shown again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from api.review.form import Form
from api.review.typed_value import TypedValueError, typed_value
from canonical.case_views import CasePage, EditKind, FieldRow
from canonical.part_views import PartRow
from canonical.review_desk import Decision, FieldPick, Pick, Verb

#: Hidden fields: the names of the fields that can be picked, and the verbs that go by them.
FIELD, BY_FIELD = "field", "by-field"
#: Hidden fields: the verbs that go by parts; and what the name of a part's own field begins with.
BY_PART, PART = "by-part", "part-"
_NO_VERB = "Choose one of the decisions. Nothing was changed."
_CHECK_FIELDS = "Some fields are not decided yet. Nothing was changed."
_PICK_ONE = "Choose whose value stays."


class IncompleteFormError(ValueError):
    """The form says no decision yet; ``fields`` (name → sentence) are what to mend."""

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        """Carry what to mend."""
        super().__init__(message)
        self.fields = fields or {}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a reviewer typed and chose, to be shown again.

    Picks and other values are by field name, reason and text by verb, ``parts`` by the part's place: the way that was chosen.
    """

    picks: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    doses: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    verb: str = ""
    dropped: bool = False
    parts: Mapping[str, str] = field(default_factory=dict)


def digest(row: FieldRow) -> str:
    """Return what a pick on ``row`` was made on; another one means that the pick would now mean another value."""
    return sha256("\0".join((row.seen or "", row.chart, row.proposed)).encode()).hexdigest()[:16]


def decision_of(form: Form) -> Decision:
    """Return what ``form`` decides, from what it carries alone: the desk reads the chart and judges.

    Raises :class:`IncompleteFormError`.
    """
    try:
        verb = Verb(form.text("verb"))
    except ValueError:
        raise IncompleteFormError(_NO_VERB) from None
    return Decision(
        verb=verb,
        view=form.text("view"),
        fields=_picks(form) if verb in form.every(BY_FIELD) else {},
        parts=_parts(form) if verb in form.every(BY_PART) else {},
        reason=form.text(f"reason-{verb}"),
        text=form.text(f"text-{verb}"),
    )


def _picks(form: Form) -> dict[str, FieldPick]:
    picks: dict[str, FieldPick] = {}
    wrong: dict[str, str] = {}
    for name in form.every(FIELD):
        try:
            picks[name] = _pick(form, name)
        except TypedValueError as error:
            wrong[name] = str(error)
        except ValueError:
            wrong[name] = _PICK_ONE
    if wrong:
        raise IncompleteFormError(_CHECK_FIELDS, wrong)
    return picks


def _parts(form: Form) -> dict[int, str]:
    """Return how each part is undone, by place; what stays, or was not chosen of, is not among them."""
    found = _named(form, PART)
    return {int(place): way for place, way in found.items() if way and place.isascii() and place.isdecimal()}


def _pick(form: Form, name: str) -> FieldPick:
    pick = Pick(form.text(f"pick-{name}"))
    if pick is not Pick.ANOTHER:
        return FieldPick(pick=pick)
    dose = form.text(f"dose-{name}") if form.every(f"dose-{name}") else None
    kind, unit = EditKind(form.text(f"kind-{name}")), form.text(f"unit-{name}")
    return FieldPick(pick=pick, value=typed_value(kind, form.text(f"another-{name}"), unit=unit, dose=dose))


def kept(form: Form, page: CasePage) -> Kept:
    """Return what ``form`` says, as far as it still means the same on ``page``: a pick goes where its values changed."""
    same = {row.name for row in page.fields if form.text(f"shown-{row.name}") == digest(row)}
    picks = _named(form, "pick-")
    return Kept(
        picks={name: pick for name, pick in picks.items() if name in same},
        values=_named(form, "another-"),
        doses=_named(form, "dose-"),
        reasons=_named(form, "reason-"),
        texts=_named(form, "text-"),
        verb=form.text("verb"),
        dropped=bool(picks.keys() - same),
        parts=_kept_parts(form, page),
    )


def _kept_parts(form: Form, page: CasePage) -> dict[str, str]:
    """Return the ways that were chosen of parts that stand as they did: what moved since is chosen of anew."""
    same = {str(row.seq) for row in page.parts if form.text(f"stood-{row.seq}") == part_digest(row)}
    return {place: way for place, way in _named(form, PART).items() if place in same}


def part_digest(row: PartRow) -> str:
    """Return what a choice about a part was made on."""
    return sha256(f"{row.standing}\0{row.sentence}".encode()).hexdigest()[:16]


def _named(form: Form, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in form.pairs if name.startswith(prefix)}
