"""The documents of the case door say all that the desk's views say, under the same names."""

from dataclasses import fields

import pytest

from api import board_models, case_models
from api.models import Document
from canonical import case_views, part_views, review_desk

PAIRS = [
    (case_models.CaseRowDocument, case_views.CaseRow),
    (case_models.QueueDocument, case_views.QueuePage),
    (case_models.CasesFoundDocument, case_views.CasesFound),
    (board_models.BoardDocument, case_views.BoardView),
    (board_models.EffortDocument, case_views.Effort),
    (case_models.BannerDocument, case_views.Banner),
    (case_models.EditableDocument, case_views.Editable),
    (case_models.FieldDocument, case_views.FieldRow),
    (case_models.PartDocument, part_views.PartRow),
    (case_models.PartWayDocument, part_views.PartWay),
    (case_models.ChartChangeDocument, case_views.ChartChange),
    (case_models.ProposalDocument, case_views.Proposal),
    (case_models.ContextDocument, case_views.ContextEntry),
    (case_models.ChoiceDocument, case_views.Choice),
    (case_models.WaitingDocument, case_views.WaitingCommand),
    (case_models.FirstDecisionDocument, case_views.FirstDecision),
    (case_models.CaseDocument, case_views.CasePage),
    (case_models.DecidedDocument, review_desk.Decided),
]


@pytest.mark.parametrize(("document", "view"), PAIRS, ids=lambda item: item.__name__)
def test_a_document_has_the_members_of_its_view(document: type[Document], view: type) -> None:
    assert list(document.model_fields) == [field.name for field in fields(view)]


def test_the_filters_of_the_address_are_those_of_the_query() -> None:
    asked = [field.name for field in fields(case_views.QueueQuery)]
    assert list(case_models.QueueFilters.model_fields) == asked
