"""One case as a page shows it: from a look at the chart to words, in reading order. It decides nothing and reads nothing more."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from canonical import exact_json
from canonical.asking import ANSWER_WORDS, AUTHOR_STAGE, Answer
from canonical.case_kinds import MOST_SEVERE, SEVERITY_DEFAULT, case_kind
from canonical.case_store import StoredCase, StoredDecision, WaitingRow
from canonical.case_views import Banner, ChartChange, ContextEntry, FieldRow, Proposal, WaitingCommand
from canonical.chart_words import codes_of, field_text
from canonical.envelope import Envelope
from canonical.field_words import UNTOLD, field_label
from canonical.plain_times import moment_in_words
from canonical.plain_values import words
from canonical.policy import ActionPolicy, Direction
from canonical.provenance import chart_will_say, model_words
from canonical.review_desk import Verb
from canonical.risk import field_direction
from canonical.three_way import UNSEEN, FieldDiff
from reconcile.review.look import Look
from reconcile.review.picks import to_pick
from reconcile.review.rows import about, action_words
from reconcile.review.typed import editable

#: Which way a proposal moves the risk, said in words; a sign alone says nothing to who cannot see it.
_DIRECTION: Mapping[Direction, str] = {
    Direction.ADDS: "▲ raises risk told",
    Direction.REDUCES: "▼ lowers risk told",
    Direction.NEUTRAL: "",
}
_ROLE = {"relatedPerson": "relative", "other": "somebody"}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What was read beside the entry: the banner, who changed the chart, and what the decision needs to be made."""

    banner: Banner
    change: ChartChange | None
    context: tuple[ContextEntry, ...]


def question_of(case: StoredCase, look: Look) -> str:
    """Return the decision as one sentence, made from who proposes what, and what is to be decided."""
    envelope, kind = look.command.envelope, case_kind(case.kind)
    action = envelope.action.as_json()
    role = _role(envelope)
    one = f"{'an' if role[:1] in 'aeio' else 'a'} {role}" if role != "somebody" else role
    who = f"{one} ({case.app})" if envelope.ai is None else f"an AI model ({case.app})"
    what = f"{words(envelope.action.operation)} — {about(action, look.written.chart, look.written.seen)}"
    return f"{who[:1].upper()}{who[1:]} proposes: {what}. {kind.question}"


def field_rows(look: Look, policy: ActionPolicy) -> tuple[tuple[FieldRow, ...], tuple[FieldRow, ...]]:
    """Return the fields to decide and those that the chart moved, and all others, in the order of the action's groups.

    What only goes along stands with the others, and what nobody reads in neither.
    """
    stated, asked = look.command.envelope.action.as_json(), to_pick(look, policy)
    shown = [field for field in look.comparison.fields if field.name not in UNTOLD or field.name in asked]
    differing = [field for field in shown if field.name in asked or field.moved]
    rest = [field for field in shown if field not in differing]
    return (
        tuple(_row(field, look, policy, _fixed(field, stated, asked)) for field in differing),
        tuple(_row(field, look, policy, _fixed(field, stated, asked)) for field in rest),
    )


def _row(field: FieldDiff, look: Look, policy: ActionPolicy, fixed: str) -> FieldRow:
    model = type(look.command.envelope.action)
    return FieldRow(
        name=field.name,
        label=field_label(field.name).capitalize(),
        group=field.group,
        state=field.state,
        changed_by=field.changed_by,
        seen=None if field.base is UNSEEN else look.in_words(field.name, "seen"),
        chart=look.in_words(field.name, "chart") if look.is_ours else "not compared: the entry is not ours",
        # What the author would leave alone is no proposal of theirs, whatever the plan repeats.
        proposed=look.in_words(field.name, "proposed") if field.pending else "not changed",
        direction=_DIRECTION[field_direction(policy, field)],
        codes=codes_of([written.get(field.name) for written in (look.written.chart, look.written.proposed)]),
        editable=editable(model, field.name, look.written.proposed.get(field.name)) if not fixed else None,
        fixed=fixed,
    )


def _fixed(field: FieldDiff, stated: Container[str], asked: Container[str]) -> str:
    """Return why a field cannot be chosen alone, or nothing."""
    if field.name in asked:
        return ""
    if not field.pending:
        return "the author does not change this"
    return "goes along with what you decide" if field.name in stated else "follows from the rest of the proposal"


def proposal_of(envelope: Envelope, case: StoredCase, *, told_in_chart: bool) -> Proposal:
    """Return who proposes it and on what evidence; ``told_in_chart``: the connection takes a Provenance."""
    return Proposal(
        lines=tuple(line for line in _lines(envelope, case) if line[1]),
        why=envelope.reason or "",
        ai=tuple(_ai(envelope, told_in_chart=told_in_chart)),
    )


def _lines(envelope: Envelope, case: StoredCase) -> Iterator[tuple[str, str]]:
    version = envelope.app.version if envelope.app is not None else None
    yield "Author", f"{_name(envelope)}, {_role(envelope)}"
    yield "App", f"{case.app} {version}" if version else case.app
    yield "Channel", (envelope.source.channel or "") if envelope.source else ""
    for attestation in envelope.attestation or ():
        yield (
            "Reviewed upstream",
            f"{attestation.who.value or 'somebody'}, {attestation.role}, {attestation.time.isoformat()}",
        )
    derived = envelope.source.derived_from if envelope.source else None
    yield "Derived from", ", ".join(derived or ())
    yield "On behalf of", (envelope.on_behalf_of.value or "") if envelope.on_behalf_of else ""


def _ai(envelope: Envelope, *, told_in_chart: bool) -> Iterator[tuple[str, str]]:
    ai = envelope.ai
    if ai is None:
        return
    yield "Written by a model", model_words(envelope)
    yield "It read", ", ".join(ai.source_facts or ()) or "not stated"
    approved = ai.approved_by.value if ai.approved_by is not None else None
    yield "Approved upstream by", approved or "nobody"
    yield "The chart", chart_will_say(envelope, is_taken=told_in_chart)


def _name(envelope: Envelope) -> str:
    author = envelope.author
    named = author.identifier.value if author.identifier is not None else None
    return named or author.reference or "not named"


def _role(envelope: Envelope) -> str:
    return _ROLE.get(envelope.author.role, envelope.author.role)


def waiting_of(rows: Sequence[WaitingRow]) -> tuple[WaitingCommand, ...]:
    """Return what waits behind a case, in words."""
    return tuple(
        WaitingCommand(
            id=row.id,
            words=action_words(exact_json.parse(row.envelope)),
            received_at=row.received_at,
            severity=MOST_SEVERE if row.is_urgent else SEVERITY_DEFAULT,
        )
        for row in rows
    )


def first_of(decision: StoredDecision, look: Look, zone: tzinfo) -> str:
    """Return what a first person decided, as the second one is asked to sign it."""
    told = exact_json.parse(decision.content) if decision.content is not None else {}
    said = [f"{field_label(name)}: {_picked(name, item, look)}" for name, item in told.get("fields", {}).items()]
    when = moment_in_words(decision.at, zone)
    return f"{decision.person_name} decided at {when}: {words(decision.verb)}. {'; '.join(said)}".strip()


def answers_of(decisions: Iterable[StoredDecision], zone: tzinfo) -> tuple[str, ...]:
    """Return what an author was asked and what they said, a sentence each, oldest first."""
    return tuple(_said(item, zone) for item in decisions if item.verb == Verb.ASK_AUTHOR or item.stage == AUTHOR_STAGE)


def _said(item: StoredDecision, zone: tzinfo) -> str:
    told = exact_json.parse(item.content) if item.content is not None else {}
    text, when = f" “{told['text']}”" if told.get("text") else "", moment_in_words(item.at, zone)
    if item.stage != AUTHOR_STAGE:
        return f"{item.person_name} asked the author at {when}:{text}"
    answer = Answer(item.reason)
    if answer is Answer.NONE:
        return f"At {when}: {ANSWER_WORDS[answer]}."
    return f"{item.person_name} answered for the author at {when}: {ANSWER_WORDS[answer]}.{text}"


def _picked(name: str, item: Mapping[str, object], look: Look) -> str:
    if item["pick"] == "another":
        return field_text(name, item["value"])
    which = "chart" if item["pick"] == "chart" else "proposed"
    return f"{look.in_words(name, which)} ({item['pick']})"
