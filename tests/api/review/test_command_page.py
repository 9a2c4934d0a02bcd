from dataclasses import replace

import pytest

from canonical.explanation import ChartAnswer, ChartSays
from canonical.review_desk import ReviewError
from canonical.status import Status
from tests.api.review.desk import Ward
from tests.api.review.markup import Markup
from tests.case_factories import COMMAND, WAITING, CommandPageViewFactory, proven
from tests.factories import NOW

ADDRESS = f"/review/commands/{COMMAND}"


def test_three_questions_are_answered(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build()
    text = Markup(ward.get(ADDRESS).text).text
    assert "What was intended Patient Ada Testcase, 1957 Action Change metoprolol" in text
    assert "Where it is now On the way. It is on its way to the EHR." in text
    assert "2026-03-10 14:33 UTC target moved (attempt 1) sending conflicted version moved" in text


def test_the_chart_is_read_where_the_command_is_shown(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build()
    text = Markup(ward.get(ADDRESS).text).text
    assert ward.desk.asked_of("explain") == [COMMAND]
    assert "Consent c1, version 2" in text
    assert "Safe to leave." in text
    assert "What the chart says now MedicationRequest The chart says what was written." in text
    assert "10:12 UTC on 10 March 2026 It was received and stored." in text


def test_a_chart_that_could_not_be_read_is_said_in_words_and_not_left_out(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build()
    unread = ChartAnswer(says=ChartSays.NOT_READ, read_at=NOW, trouble="The chart could not be read (outage).")
    ward.desk.explanation = replace(ward.desk.explanation, now=unread)
    text = Markup(ward.get(ADDRESS).text).text
    assert "The chart could not be read (outage)." in text
    assert "What was intended Patient Ada Testcase" in text


def test_who_may_not_see_content_is_told_so(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build(words=None, patient=None)
    assert "Patient not shown to you Content not shown to you" in Markup(ward.get(ADDRESS).text).text


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_in_plain_words(ward: Ward, status: Status) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build(status=status)
    text = Markup(ward.get(ADDRESS).text).text
    if status.value != status.value.lower():
        assert status.value not in text


def test_it_says_whether_its_author_is_known_to_know(ward: Ward) -> None:
    said = "Its app has until 2026-03-10 17:00 UTC to confirm that its author saw where it is."
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build(acknowledgement=said)
    assert said in Markup(ward.get(ADDRESS).text).text


def test_its_open_case_is_one_step_away(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build(status=Status.NEEDS_ATTENTION, case_id=7)
    assert "/review/cases/7" in Markup(ward.get(ADDRESS).text).addresses()


def test_what_took_it_back_is_one_step_away(ward: Ward) -> None:
    related = (("Taken back by (in chart)", WAITING),)
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build(related=related)
    shown = Markup(ward.get(ADDRESS).text)
    assert "Taken back by (in chart)" in shown.text
    assert f"/review/commands/{WAITING}" in shown.addresses()


def test_it_is_taken_back_by_a_command_of_its_own(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = proven(CommandPageViewFactory.build())
    shown = Markup(ward.get(ADDRESS).text)
    assert "Put the 12.5 mg back into the chart" in shown.text
    fields = {"operation": shown.hidden("operation"), "reason-restore": "wrong patient's note"}
    answer = ward.post(f"{ADDRESS}/compensate", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/review/commands/{WAITING}")
    assert ward.desk.asked_of("compensate") == [(COMMAND, "restore", "wrong patient's note")]


def test_a_refused_compensation_keeps_its_reason(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = proven(CommandPageViewFactory.build())
    ward.desk.refusing["compensate"] = ReviewError("not-possible", "The chart has moved since.")
    answer = ward.post(f"{ADDRESS}/compensate", {"operation": "restore", "reason-restore": "typed"})
    assert answer.status_code == 409
    assert "The chart has moved since." in Markup(answer.text).text
    assert "typed" in Markup(answer.text).text
    answer = ward.post(f"{ADDRESS}/compensate", {})
    assert answer.status_code == 422


def test_where_nothing_can_be_taken_back_no_form_is_shown(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build(may_compensate="A vital sign is marked, never removed.")
    shown = Markup(ward.get(ADDRESS).text)
    assert "A vital sign is marked, never removed." in shown.text
    assert shown.all("form", action=f"{ADDRESS}/compensate") == []


@pytest.mark.parametrize("address", [f"/review/commands/{WAITING}", "/review/commands/not-an-id"])
def test_a_command_that_is_not_there_is_a_page_too(ward: Ward, address: str) -> None:
    answer = ward.get(address)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_restricted_content_is_opened_with_a_reason_that_is_posted(ward: Ward) -> None:
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build(words=None, patient=None, break_glass=True)
    page = Markup(ward.get(ADDRESS).text)
    assert "looked at only with a reason" in page.text
    assert [tag["name"] for tag in page.all("textarea", id="break-glass")] == ["break_glass"]
    refused = ward.post(f"{ADDRESS}/open", {"break_glass": "  "})
    assert (refused.status_code, "Nothing was opened." in refused.text) == (422, True)
    opened = ward.post(f"{ADDRESS}/open", {"break_glass": "on call for this patient"})
    assert (opened.status_code, opened.headers["location"]) == (303, ADDRESS)
    assert (COMMAND, "on call for this patient") in ward.desk.asked_of("command")
    assert "on call" not in opened.headers["location"]
