import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.problems import PROBLEMS
from api.review.refusals import told
from api.review.words import DONE
from canonical.case_views import CasePage
from canonical.errors import StoreUnavailableError
from canonical.review_desk import REFUSALS, FieldPick, Pick, ReviewError, Verb
from tests.api.review.desk import Ward
from tests.api.review.markup import Markup
from tests.case_factories import (
    COMMAND,
    BannerFactory,
    CasePageFactory,
    CaseRowFactory,
    ChoiceFactory,
    CommandPageViewFactory,
    FieldRowFactory,
    ai_proposal,
    choices,
    closed_page,
    first_decision,
    proven,
)
from tests.factories import NOW

TYPED = {
    "another-dosage": "6.25 mg by mouth, I typed this",
    "dose-dosage": "6.25",
    "reason-reject": "outdated",
    "text-reject": "the <b>note</b> is old",
    "text-ask_author": "which dose did you mean?",
}


def decide(ward: Ward, page: CasePage, **fields: str) -> Markup:
    data = {"view": page.view, **fields}
    return Markup(ward.post(f"/review/cases/{page.row.id}/decide", data).text)


def sent(shown: Markup, verb: str) -> dict[str, Any]:
    """What a browser posts of the form when the button of ``verb`` is pressed and nothing was touched."""
    fields: dict[str, Any] = {}
    for tag in shown.all("input", type="hidden"):
        fields.setdefault(tag["name"], []).append(tag["value"])
    return {**fields, "csrf": shown.hidden("csrf"), "verb": verb}


def test_the_page_is_read_in_the_order_of_the_decision(ward: Ward) -> None:
    page = ward.typical()
    text = Markup(ward.get(f"/review/cases/{page.row.id}").text).text
    order = [
        "Ada Testcase",
        "Decide which dose stays.",
        "Seen by the author",
        "In the chart now",
        "Proposed",
        "▲ raises risk",
        "Who changed the chart",
        "Dr. Cole lowered the dose 14 min after the author looked.",
        "Who proposes it, and on what evidence",
        "What the decision needs",
        "The chart goes on saying: 12.5 mg",
        "due in 35 min",
        "1 command waits behind it",
        "1 field that nobody changes",
        "What would be sent",
    ]
    places = [text.find(words) for words in order]
    assert -1 not in places
    assert places == sorted(places)


def test_nothing_is_chosen_for_the_reviewer(ward: Ward) -> None:
    shown = Markup(ward.get(f"/review/cases/{ward.typical().row.id}").text)
    assert shown.all("input", type="radio") != []
    assert [tag for _, tag in shown.tags if "checked" in tag or "selected" in tag] == []
    assert [tag for tag in shown.all("input") if tag.get("type") not in {"hidden", "radio"} and tag.get("value")] == []


def test_what_could_not_be_read_is_said_in_words(ward: Ward) -> None:
    page = ward.typical(banner=BannerFactory.build(allergies="could not be read"))
    text = Markup(ward.get(f"/review/cases/{page.row.id}").text).text
    assert "Allergies could not be read" in text
    assert "Renal function could not be read" in text
    assert "Start one side changed it not seen" in text


def test_a_question_of_identity_is_asked_before_anything_else(ward: Ward) -> None:
    page = ward.typical(banner=BannerFactory.build(identity_in_question=True))
    text = Markup(ward.get(f"/review/cases/{page.row.id}").text).text
    assert text.index("Is this the right patient?") < text.index("Ada Testcase")
    assert "Is this the right patient?" not in Markup(ward.get(f"/review/cases/{ward.typical().row.id}").text).text


def test_what_an_ai_wrote_is_marked_and_never_quoted_as_a_clinician(ward: Ward) -> None:
    shown = Markup(ward.get(f"/review/cases/{ward.typical(proposal=ai_proposal()).row.id}").text)
    assert "Written by an AI, not by a person" in shown.text
    assert "The AI's stated reason: Blood pressure was above target." in shown.text
    assert shown.all("blockquote") == []


def test_each_button_sends_the_verb_that_its_label_says(ward: Ward) -> None:
    page = ward.typical()
    html = ward.get(f"/review/cases/{page.row.id}").text
    buttons = re.findall(r'<button name="verb" value="([^"]*)"[^>]*>([^<]*)</button>', html)
    assert buttons == [(choice.verb, choice.label) for choice in page.choices]


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.RESOLVE])
def test_what_is_pressed_is_what_is_decided(ward: Ward, verb: Verb) -> None:
    page = ward.typical(choices=(ChoiceFactory.build(verb=verb, label=f"do {verb}", fields=False),))
    shown = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    answer = ward.post(f"/review/cases/{page.row.id}/decide", sent(shown, verb))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/review/cases/{page.row.id}?did={verb}")
    (decision,) = ward.desk.asked_of("decide")
    assert (decision.verb, decision.view, decision.fields) == (verb, page.view, {})
    assert DONE[verb] in Markup(ward.get(answer.headers["location"]).text).text


def test_picks_go_to_the_desk_field_by_field(ward: Ward) -> None:
    page = ward.typical(
        fields=(FieldRowFactory.build(), FieldRowFactory.build(name="note", fixed="goes with the dose"))
    )
    shown = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    assert "goes with the dose" in shown.text
    assert shown.all("input", name="pick-note") == []
    ward.post(f"/review/cases/{page.row.id}/decide", {**sent(shown, "resolve"), "pick-dosage": "proposal"})
    (decision,) = ward.desk.asked_of("decide")
    assert decision.fields == {"dosage": FieldPick(pick=Pick.PROPOSAL)}


def test_reasons_are_asked_for_only_where_the_policy_asks(ward: Ward) -> None:
    shown = Markup(ward.get(f"/review/cases/{ward.typical().row.id}").text)
    assert [tag["name"] for tag in shown.all("select") if tag["name"].startswith("reason-")] == ["reason-reject"]
    assert [tag["name"] for tag in shown.all("textarea")] == ["text-reject", "text-ask_author"]


def test_a_choice_closed_to_this_reviewer_says_why_and_has_no_button(ward: Ward) -> None:
    page = ward.typical(choices=(ChoiceFactory.build(closed_to="A pharmacist decides doses."),))
    shown = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    assert "not for you. A pharmacist decides doses." in shown.text
    assert shown.all("button", name="verb") == []
    assert shown.all("input", type="radio") == []


def test_the_author_can_be_asked_from_the_top_of_the_page(ward: Ward) -> None:
    shown = Markup(ward.get(f"/review/cases/{ward.typical().row.id}").text)
    assert shown.all("a", href="#choice-ask_author")
    assert shown.all("li", id="choice-ask_author")


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_refusal_is_told_and_loses_nothing_that_was_typed(ward: Ward, code: str) -> None:
    page = ward.typical()
    shown = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    ward.desk.refusing["decide"] = ReviewError(code, f"Refused as {code}; do this.")
    picks = {"pick-dosage": "another", "pick-effective": "chart", "pick-status": "proposal"}
    answer = ward.post(f"/review/cases/{page.row.id}/decide", {**sent(shown, "resolve"), **picks, **TYPED})
    again = Markup(answer.text)
    assert answer.status_code == PROBLEMS[code].status
    assert f"Refused as {code}; do this." in again.text
    assert again.all("input", name="another-dosage")[0]["value"] == TYPED["another-dosage"]
    assert again.all("input", name="dose-dosage")[0]["value"] == "6.25"
    assert [tag["value"] for tag in again.all("option") if "selected" in tag] == ["outdated"]
    assert TYPED["text-reject"] in again.text
    assert TYPED["text-ask_author"] in again.text
    checked = {tag["name"]: tag["value"] for tag in again.all("input") if "checked" in tag}
    assert checked == picks


def test_a_refusal_has_the_status_that_the_case_door_gives_it() -> None:
    for code in REFUSALS:
        assert told(ReviewError(code, "no")) == (PROBLEMS[code].status, "no")
    assert PROBLEMS["forged-view"].status == 422


def test_a_pick_on_a_value_that_has_moved_is_not_kept(ward: Ward) -> None:
    """It would now mean another value than the one that was read."""
    page = ward.typical()
    shown = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    moved = (FieldRowFactory.build(chart="6.25 mg by mouth once daily"), *page.fields[1:])
    ward.desk.add(replace(page, fields=moved, view="view-2", news="The chart moved again."))
    ward.desk.refusing["decide"] = ReviewError("stale-view", "The chart moved since you looked.")
    picks = {"pick-dosage": "chart", "pick-effective": "chart", "pick-status": "chart"}
    answer = ward.post(f"/review/cases/{page.row.id}/decide", {**sent(shown, "resolve"), **picks})
    again = Markup(answer.text)
    assert {tag["name"] for tag in again.all("input") if "checked" in tag} == {"pick-effective", "pick-status"}
    assert "those choices were cleared" in again.text
    assert again.hidden("view") == "view-2"


def test_a_field_left_open_is_named_beside_it(ward: Ward) -> None:
    page = ward.typical()
    shown = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    answer = ward.post(f"/review/cases/{page.row.id}/decide", {**sent(shown, "resolve"), "pick-status": "chart"})
    again = Markup(answer.text)
    assert answer.status_code == 422
    assert "Dose and timing: Choose whose value stays." in again.text
    described = {tag["aria-describedby"] for tag in again.all("input", name="pick-dosage")}
    assert described <= {tag["id"] for tag in again.all("p") if "id" in tag}
    assert ward.desk.asked_of("decide") == []


@pytest.mark.parametrize("token", ["", "of-another-session"])
def test_a_decision_without_the_token_of_the_session_is_not_taken_and_kept(ward: Ward, token: str) -> None:
    page = ward.typical()
    answer = ward.post(f"/review/cases/{page.row.id}/decide", {"csrf": token, "verb": "reject", **TYPED})
    assert answer.status_code == 403
    assert TYPED["text-reject"] in Markup(answer.text).text
    assert Markup(answer.text).hidden("csrf") == ward.token
    assert ward.desk.asked_of("decide") == []


def test_what_another_site_posts_is_refused_and_not_repeated(ward: Ward) -> None:
    page = ward.typical()
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        answer = ward.post(f"/review/cases/{page.row.id}/decide", {"verb": "reject", **TYPED}, headers=header)
        assert answer.status_code == 403
        assert TYPED["text-reject"] not in Markup(answer.text).text
        assert [tag for tag in Markup(answer.text).all("input") if "checked" in tag] == []
    assert ward.desk.asked_of("decide") == []


@pytest.mark.parametrize("header", [{}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}])
def test_a_browser_that_does_not_say_where_a_post_comes_from_is_known_by_its_token(
    ward: Ward, header: dict[str, str]
) -> None:
    page = ward.typical()
    answer = ward.post(f"/review/cases/{page.row.id}/decide", {"view": page.view, "verb": "escalate"}, headers=header)
    assert answer.status_code == 303


def test_a_session_that_ended_keeps_what_was_typed_until_it_is_sent_again(ward: Ward) -> None:
    page = ward.typical()
    ward.logged_in = False
    answer = ward.post(f"/review/cases/{page.row.id}/decide", {"view": page.view, "verb": "reject", **TYPED})
    held = Markup(answer.text)
    assert answer.status_code == 401
    assert TYPED["text-reject"] in held.text
    ward.logged_in, ward.token = True, "token-after-the-login"
    kept = {tag["name"]: tag["value"] for tag in held.all("input", type="hidden")}
    again = ward.post(f"/review/cases/{page.row.id}/decide", {**TYPED, **kept})
    assert again.status_code == 403
    assert TYPED["text-reject"] in Markup(again.text).text
    done = ward.post(f"/review/cases/{page.row.id}/decide", {**sent(Markup(again.text), "reject"), **TYPED})
    assert done.status_code == 303
    (decision,) = ward.desk.asked_of("decide")
    assert (decision.verb, decision.reason, decision.text) == (Verb.REJECT, "outdated", TYPED["text-reject"])


def test_a_database_that_is_away_keeps_what_was_typed(ward: Ward) -> None:
    page = ward.typical()
    ward.desk.refusing["decide"] = StoreUnavailableError("away")
    answer = ward.post(f"/review/cases/{page.row.id}/decide", {"verb": "reject", **TYPED})
    assert answer.status_code == 503
    assert TYPED["text-reject"] in Markup(answer.text).text


def test_a_decided_case_stays_until_its_write_is_proven_and_says_so(ward: Ward) -> None:
    page = ward.desk.add(closed_page(CaseRowFactory.build()))
    view = ward.desk.commands[COMMAND] = CommandPageViewFactory.build()
    shown = Markup(ward.get(f"/review/cases/{page.row.id}?did=resolve").text)
    assert "Your decision is recorded." in shown.text
    assert "On the way. It is on its way to the EHR." in shown.text
    (poll,) = [tag for _, tag in shown.tags if "hx-get" in tag]
    assert ward.get(poll["hx-get"]).status_code == 204, "nothing new is not announced again"
    ward.desk.commands[COMMAND] = proven(view)
    part = Markup(ward.get(poll["hx-get"]).text)
    assert "In the chart, proven." in part.text
    assert [tag for _, tag in part.tags if "hx-get" in tag] == [], "what is proven is not asked for again"
    assert shown.all("button", name="verb") == []


def test_a_case_that_the_chart_has_answered_says_so(ward: Ward) -> None:
    page = ward.desk.add(
        closed_page(CaseRowFactory.build(), closed="The chart already says what was proposed.", command_id=None)
    )
    assert "The chart already says what was proposed." in Markup(ward.get(f"/review/cases/{page.row.id}").text).text


def test_what_was_typed_for_a_case_decided_by_a_colleague_is_still_shown(ward: Ward) -> None:
    page = ward.desk.add(closed_page(CaseRowFactory.build()))
    ward.desk.refusing["decide"] = ReviewError("already-decided", "Nora Nurse decided it.")
    shown = decide(ward, page, verb="reject", **TYPED)
    assert f"What you had typed {TYPED['another-dosage']}" not in shown.text
    assert TYPED["text-reject"] in shown.text
    assert TYPED["another-dosage"] in shown.text


def test_a_second_signer_sees_what_the_first_decided(ward: Ward) -> None:
    page = ward.typical(first_decision=first_decision(), needs_second="A second person must sign.")
    text = Markup(ward.get(f"/review/cases/{page.row.id}").text).text
    assert "What Nora Nurse decided, 2026-03-10 14:58 UTC" in text
    assert "Dose and timing 50 mg by mouth twice daily" in text
    assert "In their words Spoke with Dr. Cole." in text


def test_what_the_author_was_asked_and_said_is_shown_as_text(ward: Ward) -> None:
    said = ("Di Nurse asked the author at 14:58 UTC: “5 mg <b>now</b>?”", "the author did not answer in time")
    page = ward.typical(answers=said)
    shown = ward.get(f"/review/cases/{page.row.id}").text
    assert "<b>now</b>" not in shown
    assert all(line in Markup(shown).text for line in said)
    assert "What the author was asked" not in ward.get(f"/review/cases/{ward.typical().row.id}").text


def test_a_restricted_patient_is_shown_after_a_reason_only(ward: Ward) -> None:
    page = ward.typical(break_glass=True)
    before = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    assert "Ada Testcase" not in before.text
    assert before.all("form", action=f"/review/cases/{page.row.id}/open")
    after = Markup(ward.post(f"/review/cases/{page.row.id}/open", {"break_glass": "treating her now"}).text)
    assert "Ada Testcase" in after.text
    assert ward.desk.asked_of("open")[-1] == (page.row.id, "treating her now")
    assert after.hidden("break_glass") == "treating her now", "a refused decision is shown again without asking twice"


def test_a_case_is_taken_and_given_back(ward: Ward) -> None:
    page = ward.typical()
    taken = ward.post(f"/review/cases/{page.row.id}/claim", follow_redirects=True)
    assert "You have this case." in Markup(taken.text).text
    back = ward.post(f"/review/cases/{page.row.id}/release")
    assert (back.status_code, back.headers["location"]) == (303, "/review/queue")
    assert ward.desk.asked_of("release") == [page.row.id]


def test_a_case_that_a_colleague_has_is_told_with_their_name(ward: Ward) -> None:
    page = ward.typical(row=CaseRowFactory.build(claimed_by="Nora Nurse"))
    ward.desk.refusing["claim"] = ReviewError("claimed-by-another", "Nora Nurse has it until 15:10 UTC.")
    answer = ward.post(f"/review/cases/{page.row.id}/claim")
    assert answer.status_code == 409
    assert "Nora Nurse has it until 15:10 UTC." in Markup(answer.text).text
    assert "Nora Nurse has this case." in Markup(ward.get(f"/review/cases/{page.row.id}").text).text


@pytest.mark.parametrize("path", ["/review/cases/999", "/review/cases/0", "/review/cases/x", f"/review/cases/{2**63}"])
def test_a_case_that_is_not_there_is_a_page_too(ward: Ward, path: str) -> None:
    answer = ward.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_every_time_has_its_zone(ward: Ward) -> None:
    page = ward.typical(row=CaseRowFactory.build(due_at=NOW - timedelta(minutes=3)))
    text = Markup(ward.get(f"/review/cases/{page.row.id}").text).text
    assert "overdue by 3 min ( 2026-03-10 14:57 UTC" in text
    times = re.findall(r"\b\d\d:\d\d\b(?!:)(.{4})", text)
    assert times != []
    assert [after for after in times if after not in {" UTC", " EDT"}] == []


def test_what_moved_during_review_is_counted_and_told(ward: Ward) -> None:
    page = ward.typical(round=2, news="Dr. Cole changed the dose again.")
    text = Markup(ward.get(f"/review/cases/{page.row.id}").text).text
    assert "New since your last look: Dr. Cole changed the dose again." in text
    assert "The chart moved 2 times while this was reviewed. After 5" in text


def test_codes_are_there_on_demand_only(ward: Ward) -> None:
    html = ward.get(f"/review/cases/{ward.typical().row.id}").text
    assert re.search(r"<details class=\"codes\"><summary>codes</summary><code>RxNorm", html)


def test_choices_are_the_desks_and_no_other(ward: Ward) -> None:
    page = ward.typical(choices=choices()[2:])
    shown = Markup(ward.get(f"/review/cases/{page.row.id}").text)
    assert [tag["value"] for tag in shown.all("button", name="verb")] == ["ask_author", "escalate"]
    assert CasePageFactory.build().choices != page.choices
