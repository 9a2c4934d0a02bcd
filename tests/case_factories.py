"""Synthetic cases as the review desk shows them, consistent with themselves. Nobody here is a real patient."""

# mypy: disable-error-code="no-untyped-call"
# factory-boy's declarations are untyped.

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from factory.base import Factory
from factory.declarations import LazyAttribute, Sequence, SubFactory

from canonical.case_views import (
    Banner,
    CasePage,
    CaseRow,
    ChartChange,
    Choice,
    CommandPageView,
    ContextEntry,
    Editable,
    EditKind,
    FieldRow,
    FirstDecision,
    Proposal,
    SearchHit,
    WaitingCommand,
)
from canonical.command_views import TimelineEvent
from canonical.explanation import Answer, ChartAnswer, ChartSays, Explanation, Headline
from canonical.plain_words import Line
from canonical.review_desk import Verb
from canonical.reviewer import Licence, Pool, Reviewer, Right
from canonical.status import Status
from canonical.three_way import FieldState
from tests.factories import NOW

COMMAND = UUID("0199a1b2-0000-7000-8000-000000000001")
WAITING = UUID("0199a1b2-0000-7000-8000-000000000002")
REASONS = (("clinically-right", "The proposal is clinically right"), ("outdated", "The proposal is outdated"))


class ReviewerFactory(Factory[Reviewer]):
    """A pharmacist who may do all that pharmacists may."""

    class Meta:
        model = Reviewer

    tenant = "north"
    issuer = "https://login.example"
    subject = "p-17"
    name = "Petra Pharm"
    licences = frozenset({Licence.PHARMACIST})
    rights = frozenset(Right)
    pools = frozenset({Pool.CLINICAL})


class CaseRowFactory(Factory[CaseRow]):
    """A medication change that met another one."""

    class Meta:
        model = CaseRow

    id = Sequence(lambda number: number + 1)
    kind = "moved"
    kind_words = "The chart moved"
    severity = 2
    pool = Pool.CLINICAL
    opened_at = NOW - timedelta(minutes=25)
    due_at = NOW + timedelta(minutes=35)
    is_overdue = LazyAttribute(lambda row: row.due_at <= NOW)
    patient = "Ada Testcase, 1957"
    headline = "metoprolol 25 → 50 mg: chart moved to 12.5 mg"
    action = "Medication change"
    sender = "Visit notes (Dr. Ines Author)"
    connection = "north-r4"
    ehr = "North Clinic EHR"
    waiting = 1


def outage_row(id: int, **over: Any) -> CaseRow:
    """Return a case of operations, one of many of one cause."""
    return CaseRowFactory.build(
        id=id,
        **{
            "kind": "outage",
            "kind_words": "The EHR refused for want of a setting",
            "severity": 4,
            "pool": Pool.OPERATIONS,
            "patient": None,
            "headline": None,
            "action": "Vital sign",
            "waiting": 0,
            "not_in_bulk": "",
            **over,
        },
    )


class BannerFactory(Factory[Banner]):
    class Meta:
        model = Banner

    name = "Ada Testcase"
    birth = "born 1957-11-23, 68 years"
    sex = "female"
    record_number = "100-17"
    place = "Ward 4 East, bed 12"
    allergies = "3, worst: penicillin (anaphylaxis)"


class FieldRowFactory(Factory[FieldRow]):
    """The dose, changed on both sides."""

    class Meta:
        model = FieldRow

    name = "dosage"
    label = "Dose and timing"
    group = "regimen"
    state = FieldState.OVERLAPPING
    changed_by = "Dr. Cole"
    seen = "25 mg by mouth twice daily"
    chart = "12.5 mg by mouth twice daily"
    proposed = "50 mg by mouth twice daily"
    direction = "▲ raises risk: four times the dose in the chart"
    codes = "RxNorm 866924 → RxNorm 866436"
    editable = Editable(kind=EditKind.DOSAGE, value="25 mg by mouth twice daily", unit="mg", dose="25")


def status_field() -> FieldRow:
    return FieldRowFactory.build(
        name="status",
        label="Status",
        group="status",
        state=FieldState.INDEPENDENT,
        changed_by=None,
        seen="active",
        chart="active",
        proposed="on hold",
        direction="▼ lowers risk",
        codes="",
        editable=Editable(kind=EditKind.CHOICE, options=(("active", "active"), ("stopped", "stopped"))),
    )


def start_field() -> FieldRow:
    return FieldRowFactory.build(
        name="effective",
        label="Start",
        group="regimen",
        state=FieldState.INDEPENDENT,
        changed_by=None,
        seen=None,
        chart="2026-01-04",
        proposed="2026-03-10",
        direction="",
        codes="",
        editable=Editable(kind=EditKind.DATE, value="2026-03-10"),
    )


class ChoiceFactory(Factory[Choice]):
    class Meta:
        model = Choice

    verb = Verb.RESOLVE
    label = "Write what I chose above"
    result = "The chart will say what you choose above, from today; the 12.5 mg entry stays in the history."
    undo = "Can be taken back by a new order."
    behind = "1 command behind it goes on."
    fields = True


def choices() -> tuple[Choice, ...]:
    """The usual choices of a conflict."""
    return (
        ChoiceFactory.build(),
        ChoiceFactory.build(
            verb=Verb.REJECT,
            label="Keep the chart, do not write",
            result="The chart goes on saying: 12.5 mg by mouth twice daily.",
            undo="The author can send it anew.",
            behind="1 command behind it goes to review.",
            reasons=REASONS,
            fields=False,
        ),
        ChoiceFactory.build(
            verb=Verb.ASK_AUTHOR,
            label="I do not know, ask the author",
            result="Nothing is written. Dr. Ines Author is asked and has 4 hours to answer.",
            undo="",
            behind="1 command behind it waits.",
            text_required=True,
            fields=False,
        ),
        ChoiceFactory.build(
            verb=Verb.ESCALATE,
            label="Hand it up to a prescriber",
            result="Nothing is written. It goes to the top of the prescribers' queue.",
            undo="",
            behind="",
            fields=False,
        ),
    )


def timeline() -> tuple[TimelineEvent, ...]:
    return tuple(
        TimelineEvent(
            seq=seq,
            at=NOW - timedelta(minutes=30 - seq),
            trigger=trigger,
            source=source,
            target=target,
            reason=reason,
            actor="app:visits",
            attempt=attempt,
        )
        for seq, (trigger, source, target, reason, attempt) in enumerate(
            [
                ("accept", "", "received", "", None),
                ("checked", "received", "ready", "", None),
                ("target_moved", "sending", "conflicted", "version-moved", 1),
            ],
            1,
        )
    )


class CasePageFactory(Factory[CasePage]):
    """A dose that two clinicians changed; an AI took no part."""

    class Meta:
        model = CasePage

    row = SubFactory(CaseRowFactory)
    question = (
        "Dr. Ines Author raises metoprolol from 25 to 50 mg, from today; "
        "meanwhile Dr. Cole lowered it to 12.5 mg. Decide which dose stays."
    )
    view = "view-1"
    command_id = COMMAND
    banner = SubFactory(BannerFactory)
    fields = LazyAttribute(lambda _: (FieldRowFactory.build(), start_field(), status_field()))
    unchanged = LazyAttribute(
        lambda _: (
            FieldRowFactory.build(
                name="medication",
                label="Medicine",
                state=FieldState.SAME,
                seen="metoprolol tartrate",
                chart="metoprolol tartrate",
                proposed="metoprolol tartrate",
                direction="",
            ),
        )
    )
    chart_change = ChartChange(
        sentence="Dr. Cole lowered the dose 14 min after the author looked.",
        who="Dr. Maria Cole",
        role="Cardiologist",
        system="North Clinic EHR",
        at="2026-03-10 10:44 EDT",
        distance="14 min after the author looked",
    )
    proposal = Proposal(
        lines=(
            ("Author", "Dr. Ines Author, general practitioner"),
            ("App", "Visit notes 4.2, by HTTP"),
            ("Attested", "2026-03-10 10:52 EDT"),
            ("Source", "Visit note of 2026-03-10"),
        ),
        why="Resting heart rate 96 on 25 mg, blood pressure 148/92.",
    )
    context = (
        ContextEntry(
            title="Same ingredient and class",
            lines=("metoprolol 12.5 mg twice daily, active", "no other beta blocker"),
            read_at="15:00 UTC",
        ),
        ContextEntry(title="Weight", lines=("72.50 kg on 2026-03-02",), read_at="15:00 UTC"),
        ContextEntry(title="Renal function", lines=("could not be read",), read_at="15:00 UTC"),
    )
    choices = LazyAttribute(lambda _: choices())
    waiting = LazyAttribute(
        lambda _: (
            WaitingCommand(id=WAITING, words="Stop metoprolol", received_at=NOW - timedelta(minutes=5), severity=1),
        )
    )
    timeline = LazyAttribute(lambda _: timeline())
    payload = '{"resourceType": "MedicationRequest"}'
    ids = (("Correlation id", "visit-77"),)
    read_at = "2026-03-10 15:00 UTC"


def closed_page(row: CaseRow, **over: Any) -> CasePage:
    """Return the page of a case that was decided."""
    return CasePageFactory.build(
        row=row,
        **{
            "choices": (),
            "fields": (),
            "closed": "Petra Pharm decided: 50 mg by mouth twice daily stays.",
            "status": "It is on its way to the EHR.",
            **over,
        },
    )


def ai_proposal() -> Proposal:
    return Proposal(
        lines=(("App", "Scribe 2.0"), ("Channel", "HTTP")),
        why="Blood pressure was above target.",
        ai=(
            ("Model", "scribe-large 2026-01"),
            ("It read", "the visit's transcript"),
            ("Approved by", "Dr. Ines Author"),
        ),
    )


def first_decision() -> FirstDecision:
    return FirstDecision(
        who="Nora Nurse",
        at="2026-03-10 14:58 UTC",
        sentence="Keep the proposal's dose.",
        fields=(("Dose and timing", "50 mg by mouth twice daily"),),
        reason="The proposal is clinically right",
        text="Spoke with Dr. Cole.",
    )


class CommandPageViewFactory(Factory[CommandPageView]):
    class Meta:
        model = CommandPageView

    id = COMMAND
    words = (("Action", "Change metoprolol"), ("Dose", "50 mg by mouth twice daily"))
    status = Status.PENDING
    sentence = "It is on its way to the EHR."
    next = "Wait; we will tell you when it is in the chart."
    patient = "Ada Testcase, 1957"
    connection = "north-r4"
    sender = "Visit notes"
    received_at = NOW - timedelta(minutes=30)
    correlation_id = "visit-77"
    case_id = None
    timeline = LazyAttribute(lambda _: timeline())
    operations = (("MedicationRequest update", "applied, version 4"),)
    break_glass = False


def proven(view: CommandPageView) -> CommandPageView:
    return replace(
        view,
        status=Status.IN_CHART,
        sentence="It is in the chart. We read it back and it is the same.",
        next="Nothing to do.",
        compensations=(("restore", "Put the 12.5 mg back into the chart"),),
        may_compensate="It can be taken back by a new order.",
    )


class ExplanationFactory(Factory[Explanation]):
    class Meta:
        model = Explanation

    id = COMMAND
    head = Headline(what="It is on its way to the EHR.", safe="Safe to leave.", next="Wait.")
    intended = Answer(lines=(Line(label="Consent", text="c1, version 2"),))
    happened = Answer(lines=(Line(label="10:12 UTC on 10 March 2026", text="It was received and stored."),))
    now = ChartAnswer(
        says=ChartSays.SAYS_IT,
        read_at=NOW,
        lines=(Line(label="MedicationRequest", text="The chart says what was written."),),
    )


class SearchHitFactory(Factory[SearchHit]):
    class Meta:
        model = SearchHit

    id = COMMAND
    words = "Change metoprolol to 50 mg"
    status = Status.NEEDS_ATTENTION
    patient = "Ada Testcase, 1957"
    received_at = NOW - timedelta(minutes=30)
    connection = "north-r4"
    case_id = 7
