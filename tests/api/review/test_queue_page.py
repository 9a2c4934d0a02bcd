from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from api.review.queue_page import COOKIE
from canonical.case_views import QueueQuery
from canonical.review_desk import ReviewError, Verb
from canonical.reviewer import Pool, Right
from tests.api.review.desk import Ward
from tests.api.review.markup import Markup
from tests.case_factories import CaseRowFactory, ReviewerFactory, outage_row
from tests.factories import NOW


def queue(ward: Ward, path: str = "/review/queue") -> Markup:
    return Markup(ward.get(path).text)


def test_a_row_says_what_a_reviewer_must_know_before_opening_it(ward: Ward) -> None:
    ward.typical(
        row=CaseRowFactory.build(severity=1, due_at=NOW - timedelta(minutes=130), level=2, asked=True, waiting=3)
    )
    text = queue(ward).text
    for words in (
        "1 · now",
        "overdue by 2 h 10 min",
        "25 min old",
        "Ada Testcase, 1957",
        "metoprolol 25 → 50 mg: chart moved to 12.5 mg",
        "Visit notes (Dr. Ines Author)",
        "North Clinic EHR",
        "handed up 2×",
        "author asked",
    ):
        assert words in text


def test_rows_stand_in_the_order_of_the_desk(ward: Ward) -> None:
    for number in (7, 3, 9):
        ward.typical(row=CaseRowFactory.build(id=number))
    assert [tag["href"] for tag in queue(ward).all("a", class_="case")] == [
        f"/review/cases/{number}" for number in (7, 3, 9)
    ]


def test_who_may_not_see_content_is_told_so(ward: Ward) -> None:
    ward.typical(row=CaseRowFactory.build(patient=None, headline=None))
    text = queue(ward).text
    assert "not shown to you" in text
    assert "The chart moved Medication change" in text


def test_a_claimed_case_names_who_has_it_and_offers_no_claim(ward: Ward) -> None:
    page = ward.typical(row=CaseRowFactory.build(claimed_by="Nora Nurse"))
    assert "Nora Nurse" in queue(ward).text
    assert f"/review/cases/{page.row.id}/claim" not in queue(ward).addresses()


def test_an_empty_queue_says_that_nothing_waits(ward: Ward) -> None:
    assert "No case is open. Nothing waits for you." in queue(ward).text


def test_filters_go_to_the_desk_and_are_remembered_by_name(ward: Ward) -> None:
    path = "/review/queue?pool=clinical&severity=2&kind=moved&connection=north-r4&action_type=VitalReading&mine=1"
    answer = ward.get(path)
    asked = QueueQuery(
        pool=Pool.CLINICAL, severity=2, kind="moved", connection="north-r4", action_type="VitalReading", mine=True
    )
    assert ward.desk.asked_of("queue") == [asked]
    assert "HttpOnly" in answer.headers["set-cookie"]
    ward.get("/review/queue", cookies={COOKIE: (answer.cookies[COOKIE] or "").strip('"')})
    assert ward.desk.asked_of("queue")[-1] == asked
    assert (ward.get("/review/queue?all=1").cookies.get(COOKIE) or "").strip('"') == ""


@pytest.mark.parametrize("query", ["severity=9", "severity=x", "pool=none", "unknown=1", "kind=" + "x" * 500])
def test_a_filter_that_is_none_narrows_nothing(ward: Ward, query: str) -> None:
    assert ward.get(f"/review/queue?{query}").status_code == 200
    (asked,) = ward.desk.asked_of("queue")
    assert asked.severity is None
    assert asked.pool is None


def test_news_are_told_once_and_move_nothing(ward: Ward) -> None:
    for number in (1, 2):
        ward.typical(row=CaseRowFactory.build(id=number))
    (poll,) = [tag for _, tag in queue(ward).tags if "hx-get" in tag]
    assert ward.get(poll["hx-get"]).status_code == 204
    for number in (3, 4, 5):
        ward.typical(row=CaseRowFactory.build(id=number))
    del ward.desk.pages[1]
    part = Markup(ward.get(poll["hx-get"]).text)
    assert part.text == "3 new cases, 1 case closed or moved — show"
    assert part.all("a", href="/review/queue")
    assert part.all("tr") == []
    (again,) = [tag for _, tag in part.tags if "hx-get" in tag]
    assert ward.get(again["hx-get"]).status_code == 204, "the same news is not announced twice"


def test_the_address_of_the_news_names_only_cases_and_filters(ward: Ward) -> None:
    ward.typical(row=CaseRowFactory.build(id=11))
    (poll,) = [tag for _, tag in queue(ward, "/review/queue?severity=2").tags if "hx-get" in tag]
    assert parse_qs(urlsplit(poll["hx-get"]).query) == {"severity": ["2"], "known": ["11"]}


def test_pages_after_the_first_are_reached_by_the_cursor(ward: Ward) -> None:
    ward.typical()
    ward.desk.facets = {"cursor": "c/2&x"}
    (link,) = [it for it in queue(ward, "/review/queue?severity=2").addresses() if "cursor" in it]
    ward.get(link)
    assert ward.desk.asked_of("queue")[-1] == QueueQuery(severity=2, cursor="c/2&x")


def test_approval_is_never_offered_for_many(ward: Ward) -> None:
    ward.typical(row=outage_row(1))
    verbs = [tag["value"] for tag in queue(ward).all("button", name="verb")]
    assert verbs == ["resend", "ask_author", "reject", "escalate"]
    for verb in set(Verb) - {*verbs, "found"}:
        answer = ward.post("/review/bulk", {"case": ["1"], "verb": verb})
        assert answer.status_code == 422
    assert ward.desk.asked_of("bulk") == []


def test_a_cause_is_one_row_that_names_it_and_leads_to_its_commands(ward: Ward) -> None:
    ward.typical(row=outage_row(7, together=12, cause="for vital sign, code SITE-7"))
    (link,) = [it for it in queue(ward).addresses() if "together" in it]
    assert (link, "12 commands of this cause" in queue(ward).text) == ("/review/queue?together=7", True)
    assert "for vital sign, code SITE-7" in queue(ward).text
    assert "found" not in [tag["value"] for tag in queue(ward, link).all("button", name="verb")]


def test_a_digest_is_one_row_that_leads_to_each_of_its_cases_and_many_may_be_said_to_be_there(ward: Ward) -> None:
    ward.typical(row=outage_row(7, kind="time_box_ended", pool=Pool.CLINICAL, together=12))
    (link,) = [it for it in queue(ward).addresses() if "together" in it]
    assert (link, "11 more of that day" in queue(ward).text) == ("/review/queue?together=7", True)
    shown = queue(ward, link)
    assert ward.desk.asked_of("queue")[-1] == QueueQuery(together=7)
    assert "found" in [tag["value"] for tag in shown.all("button", name="verb")]
    assert [it for it in shown.addresses() if "together=7" in it and "queue?" in it and "cursor" not in it] == []
    ward.post("/review/bulk", {"case": ["7"], "verb": "found"})
    assert ward.desk.asked_of("bulk") == [((7,), Verb.FOUND, "", "")]


def test_what_is_decided_one_by_one_cannot_be_selected_and_says_why(ward: Ward) -> None:
    ward.typical(row=CaseRowFactory.build(id=1, not_in_bulk="A medicine is decided one by one."))
    ward.typical(row=outage_row(2))
    assert [tag["value"] for tag in queue(ward).all("input", name="case")] == ["2"]
    assert "A medicine is decided one by one." in queue(ward).text


def test_a_row_may_not_be_selected_unless_the_desk_says_so() -> None:
    assert CaseRowFactory.build().not_in_bulk != ""


def test_acts_on_many_are_for_those_with_the_right(ward: Ward) -> None:
    ward.typical(row=outage_row(1))
    ward.me = ReviewerFactory.build(rights=frozenset({Right.SEE_ROWS}))
    assert queue(ward).all("button", name="verb") == []
    assert queue(ward).all("input", name="case") == []


@pytest.mark.parametrize("verb", ["resend", "ask_author", "reject", "escalate"])
def test_many_of_one_cause_are_acted_on_with_a_reason(ward: Ward, verb: str) -> None:
    for number in (1, 2):
        ward.typical(row=outage_row(number))
    fields = {"case": ["1", "2"], "verb": verb, "reason": "fixed", "text": "the setting was mended"}
    shown = Markup(ward.post("/review/bulk", fields).text)
    assert ward.desk.asked_of("bulk") == [((1, 2), Verb(verb), "fixed", "the setting was mended")]
    assert "Case 1 done Case 2 done" in shown.text


def test_a_refused_act_on_many_keeps_selection_and_words(ward: Ward) -> None:
    for number in (1, 2):
        ward.typical(row=outage_row(number))
    ward.desk.facets = {"bulk_reasons": (("fixed", "It is mended"),)}
    ward.desk.refusing["bulk"] = ReviewError("not-possible", "These are not of one cause.")
    answer = ward.post("/review/bulk", {"case": ["2"], "verb": "reject", "reason": "fixed", "text": "as agreed"})
    shown = Markup(answer.text)
    assert answer.status_code == 409
    assert "These are not of one cause." in shown.text
    assert [tag["value"] for tag in shown.all("input", name="case") if "checked" in tag] == ["2"]
    assert shown.all("input", name="text")[0]["value"] == "as agreed"
    assert [tag["value"] for tag in shown.all("option") if "selected" in tag] == ["fixed"]


def test_nothing_selected_is_told(ward: Ward) -> None:
    ward.typical(row=outage_row(1))
    answer = ward.post("/review/bulk", {"verb": "reject", "text": "kept"})
    assert (answer.status_code, ward.desk.asked_of("bulk")) == (422, [])
    assert "Select the cases first." in Markup(answer.text).text
    assert Markup(answer.text).all("input", name="text")[0]["value"] == "kept"


def test_the_count_is_told_up_to_where_it_was_counted(ward: Ward) -> None:
    ward.typical()
    ward.desk.facets = {"counted_to": 1}
    assert "More than 1 open cases" in queue(ward).text


def test_overdue_is_in_words_and_in_the_title(ward: Ward) -> None:
    page = ward.typical()
    ward.desk.add(replace(page, row=replace(page.row, due_at=NOW, is_overdue=True)))
    assert "1 open case, 1 overdue" in queue(ward).text.replace(" ,", ",")
