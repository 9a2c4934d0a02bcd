"""Between the review desk and the documents of the case door: views to documents, requests to decisions."""

from datetime import timedelta
from typing import Any

from api.board_models import BoardDocument
from api.case_models import (
    BulkDocument,
    BulkItemDocument,
    CaseDocument,
    CaseSearchRequest,
    CasesFoundDocument,
    DecidedDocument,
    DecisionRequest,
    QueueDocument,
)
from api.models import Document
from canonical.case_views import BoardView, CasePage, CaseQuery, CasesFound, QueuePage
from canonical.review_desk import BulkResult, Decided, Decision, FieldPick

#: What the desk says of a case in bulk that went through.
_DONE = "done"


def queue_document(page: QueuePage) -> dict[str, Any]:
    """Return a page of the queue as it is served."""
    return _served(QueueDocument.model_validate(page))


def found_document(found: CasesFound) -> dict[str, Any]:
    """Return a page of a search as it is served."""
    return _served(CasesFoundDocument.model_validate(found))


def board_document(board: BoardView) -> dict[str, Any]:
    """Return the status board as it is served."""
    return _served(BoardDocument.model_validate(board))


def query_of(asked: CaseSearchRequest) -> CaseQuery:
    """Return the search that a request states."""
    members = asked.model_dump(exclude={"older_than_minutes"})
    minutes = asked.older_than_minutes
    return CaseQuery(older_than=timedelta(minutes=minutes) if minutes is not None else None, **members)


def case_document(page: CasePage) -> dict[str, Any]:
    """Return a case as it is served."""
    return _served(CaseDocument.model_validate(page))


def decided_document(decided: Decided) -> dict[str, Any]:
    """Return what came of a decision as it is served."""
    return _served(DecidedDocument.model_validate(decided))


def bulk_document(result: BulkResult) -> dict[str, Any]:
    """Return what became of each case of a bulk act as it is served, in the order of the request."""
    items = tuple(BulkItemDocument(id=case, done=said == _DONE, sentence=said) for case, said in result.results.items())
    return _served(BulkDocument(results=items))


def decision_of(asked: DecisionRequest) -> Decision:
    """Return the decision that a request states; values as they were written."""
    return Decision(
        verb=asked.verb,
        view=asked.view,
        fields={name: FieldPick(pick=item.pick, value=item.value) for name, item in asked.fields.items()},
        parts={int(place): operation for place, operation in asked.parts.items()},
        reason=asked.reason,
        text=asked.text,
    )


def _served(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json", by_alias=True)
