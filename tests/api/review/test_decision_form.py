from typing import Any

import pytest

from api.review.decision_form import IncompleteFormError, decision_of, digest, kept
from api.review.form import Form
from canonical.exact_json import WrittenDecimal
from canonical.review_desk import Decision, FieldPick, Pick, Verb
from tests.case_factories import CasePageFactory, FieldRowFactory

DOSAGE = {"field": "dosage", "kind-dosage": "dosage", "unit-dosage": "mg"}


def form(**fields: str) -> Form:
    return Form(tuple((name.replace("_", "-"), value) for name, value in fields.items()))


def posted(fields: dict[str, str]) -> Form:
    return Form(tuple({"view": "view-1", "verb": "resolve", "by-field": "resolve", **fields}.items()))


def test_a_decision_names_the_view_the_reason_and_the_words_of_its_own_choice() -> None:
    said = form(
        verb="reject", view="v", reason_reject="outdated", text_reject=" no ", reason_approve="x", text_approve="y"
    )
    assert decision_of(said) == Decision(verb=Verb.REJECT, view="v", reason="outdated", text="no")


@pytest.mark.parametrize("verb", ["", "Approve", "approve ; reject", "delete"])
def test_what_is_no_verb_decides_nothing(verb: str) -> None:
    with pytest.raises(IncompleteFormError, match="Nothing was changed"):
        decision_of(form(verb=verb, view="v"))


def test_picks_count_only_for_the_choice_that_goes_by_them() -> None:
    fields = {**DOSAGE, "pick-dosage": "chart"}
    assert decision_of(posted(fields)).fields == {"dosage": FieldPick(pick=Pick.CHART)}
    assert decision_of(posted({**fields, "verb": "escalate"})).fields == {}


def test_a_field_without_a_pick_is_named() -> None:
    with pytest.raises(IncompleteFormError) as caught:
        decision_of(posted(DOSAGE))
    assert caught.value.fields == {"dosage": "Choose whose value stays."}


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("quantity", {"another-f": "72.50"}, {"value": WrittenDecimal("72.50"), "unit": "mg"}),
        ("quantity", {"another-f": "5"}, {"value": 5, "unit": "mg"}),
        ("dosage", {"another-f": "once daily"}, {"text": "once daily"}),
        (
            "dosage",
            {"another-f": "once daily", "dose-f": "12.50"},
            {"text": "once daily", "doseAndRate": [{"doseQuantity": {"value": WrittenDecimal("12.50"), "unit": "mg"}}]},
        ),
        ("choice", {"another-f": "stopped"}, "stopped"),
        ("date", {"another-f": "2026-03-10T14:30:00-05:00"}, "2026-03-10T14:30:00-05:00"),
        ("text", {"another-f": "with food"}, "with food"),
    ],
    ids=str,
)
def test_another_value_is_taken_as_it_was_typed(kind: str, typed: dict[str, str], value: Any) -> None:
    fields = {"field": "f", "kind-f": kind, "unit-f": "mg", "pick-f": "another", **typed}
    pick = decision_of(posted(fields)).fields["f"]
    assert pick == FieldPick(pick=Pick.ANOTHER, value=value)
    assert str(pick.value) == str(value), "a number keeps its written digits"


@pytest.mark.parametrize(
    ("kind", "typed", "sentence"),
    [
        ("quantity", {"another-f": ""}, "Type the other value."),
        ("quantity", {"another-f": "12,5"}, "Type a number with a point"),
        ("quantity", {"another-f": "1e3"}, "Type a number with a point"),
        ("quantity", {"another-f": "NaN"}, "Type a number with a point"),
        ("quantity", {"another-f": "٣"}, "Type a number with a point"),
        ("dosage", {"another-f": "once", "dose-f": ""}, "Type a number with a point"),
        ("date", {"another-f": "10.3.2026"}, "Type a date as"),
        ("unknown", {"another-f": "x"}, "Choose whose value stays."),
    ],
    ids=str,
)
def test_what_cannot_be_such_a_value_is_asked_for_again(kind: str, typed: dict[str, str], sentence: str) -> None:
    with pytest.raises(IncompleteFormError) as caught:
        decision_of(posted({"field": "f", "kind-f": kind, "unit-f": "mg", "pick-f": "another", **typed}))
    assert caught.value.fields["f"].startswith(sentence)


def test_a_pick_is_kept_while_it_means_the_same_and_dropped_when_the_chart_has_moved() -> None:
    row = FieldRowFactory.build()
    typed = {
        "pick-dosage": "chart",
        "shown-dosage": digest(row),
        "another-dosage": "once daily",
        "text-reject": "because",
    }
    same = kept(posted(typed), CasePageFactory.build(fields=(row,)))
    assert (same.picks, same.dropped) == ({"dosage": "chart"}, False)
    moved = kept(posted(typed), CasePageFactory.build(fields=(FieldRowFactory.build(chart="6.25 mg"),)))
    assert (moved.picks, moved.dropped) == ({}, True)
    assert moved.values == {"dosage": "once daily"}
    assert moved.texts == {"reject": "because"}
