"""From stored commands to the documents that are served: status, sentence and next step come from the state."""

from typing import Any

from api.models import (
    AcknowledgementDocument,
    ActionName,
    CommandDocument,
    CommandSummaryDocument,
    OperationDocument,
    QuestionDocument,
    TimelineDocument,
)
from canonical.acknowledging import Owed, in_words
from canonical.asking import Question
from canonical.command_views import CommandDetail, CommandSummary, OperationView
from canonical.review_reads import RelatedCommand
from canonical.status import STATUS_OF, explain


def _members(summary: CommandSummary) -> dict[str, Any]:
    said = explain(summary.state, summary.reason, summary.sent_as)
    return {
        "id": summary.id,
        "status": STATUS_OF[summary.state],
        "state": summary.state.value,
        "reason": summary.reason,
        "sentence": said.sentence,
        "next": said.next,
        "action": ActionName(type=summary.action_type, operation=summary.operation),
        "connection": summary.connection,
        "app": summary.app,
        "received_at": summary.received_at,
        "state_since": summary.state_since,
        "not_after": summary.not_after,
        "correlation_id": summary.correlation_id,
        "author_assurance": summary.author_assurance,
        "attempts": summary.attempts,
        "sent_as": summary.sent_as,
        "possible_duplicate_of": summary.possible_duplicate_of,
    }


def summary_document(summary: CommandSummary) -> CommandSummaryDocument:
    """Return the document of a command without its timeline."""
    return CommandSummaryDocument(**_members(summary))


def acknowledgement_document(owed: Owed | None) -> AcknowledgementDocument | None:
    """Return what an app is to confirm, or confirmed; nothing where nothing is owed."""
    if owed is None:
        return None
    members = {name: value for name, value in vars(owed).items() if name != "severity"}
    return AcknowledgementDocument(**members, sentence=in_words(owed))


def command_document(
    detail: CommandDetail,
    question: Question | None = None,
    owed: Owed | None = None,
    related: tuple[RelatedCommand, ...] = (),
) -> CommandDocument:
    """Return the document of a command: timeline, operations, what is asked and owed, and what takes back what."""
    return CommandDocument(
        **_members(detail.summary),
        question=QuestionDocument.model_validate(question) if question is not None else None,
        acknowledgement=acknowledgement_document(owed),
        compensates=next((item.id for item in related if not item.takes_back), None),
        compensated_by=tuple(item.id for item in related if item.takes_back),
        replay_of=detail.replay_of,
        replays=detail.replays,
        timeline=tuple(TimelineDocument.model_validate(event) for event in detail.events),
        operations=tuple(_operation(operation, related) for operation in detail.operations),
    )


def _operation(operation: OperationView, related: tuple[RelatedCommand, ...]) -> OperationDocument:
    undoing = tuple(item.id for item in related if item.takes_back and item.part == operation.seq)
    return OperationDocument(**vars(operation), compensated_by=undoing)
