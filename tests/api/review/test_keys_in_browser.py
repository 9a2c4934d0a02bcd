"""What keys do on the review pages, in Chromium: they move, open and claim; they decide nothing."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.review.desk import Ward
from tests.case_factories import CaseRowFactory, outage_row

pytestmark = pytest.mark.browser


def test_keys_move_open_and_claim_and_never_decide(ward: Ward, page: Page) -> None:
    for number in (1, 2, 3):
        ward.typical(row=CaseRowFactory.build(id=number))
    page.goto(f"{ward.url}/review/queue")
    links = page.locator("a.case")
    for key, at in [("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)]:
        page.keyboard.press(key)
        expect(links.nth(at)).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_text("No key decides anything.")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url("**/review/cases/2")
    for key in "abcdefghijklmnopqrstuvwxyz?":
        page.keyboard.press(key)
    expect(page.get_by_text("You have this case.")).to_be_visible()
    assert ward.desk.asked_of("claim") == [2]
    assert ward.desk.asked_of("decide") == []


def test_c_claims_the_case_in_focus(ward: Ward, page: Page) -> None:
    for number in (1, 2):
        ward.typical(row=CaseRowFactory.build(id=number))
    page.goto(f"{ward.url}/review/queue")
    page.keyboard.press("c")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.wait_for_url("**/review/cases/2")
    assert ward.desk.asked_of("claim") == [2]


def test_keys_rest_in_fields_and_can_be_turned_off(ward: Ward, page: Page) -> None:
    ward.typical(row=outage_row(1))
    page.goto(f"{ward.url}/review/queue")
    page.get_by_label("In words").press_sequentially("jock?")
    expect(page.get_by_label("In words")).to_have_value("jock?")
    expect(page.get_by_label("In words")).to_be_focused()
    page.get_by_text("Keyboard").click()
    page.get_by_label("Turn these keys off").check()
    page.reload()
    page.keyboard.press("j")
    expect(page.locator("a.case").first).not_to_be_focused()


@pytest.mark.parametrize("scripted", [True, False], ids=["with JavaScript", "without"])
@pytest.mark.parametrize("place", ["Dose and timing: directions", "Status: keep the chart"])
def test_enter_in_a_field_decides_nothing(ward: Ward, chrome: Browser, place: str, *, scripted: bool) -> None:
    """A browser presses the first button of the form then, also for a radio button."""
    ward.typical(row=CaseRowFactory.build(id=1))
    with chrome.new_context(java_script_enabled=scripted) as context:
        page = context.new_page()
        page.goto(f"{ward.url}/review/cases/1")
        page.get_by_label("Dose and timing: directions").fill("once daily")
        page.get_by_label(place).press("Enter")
        if not scripted:
            expect(page.get_by_text("Choose one of the decisions. Nothing was changed.")).to_be_visible()
        expect(page.get_by_label("Dose and timing: directions")).to_have_value("once daily")
    assert ward.desk.asked_of("decide") == []


@pytest.mark.parametrize("scripted", [True, False], ids=["with JavaScript", "without"])
def test_enter_in_the_queue_acts_on_nothing(ward: Ward, chrome: Browser, *, scripted: bool) -> None:
    ward.typical(row=outage_row(1))
    with chrome.new_context(java_script_enabled=scripted) as context:
        page = context.new_page()
        page.goto(f"{ward.url}/review/queue")
        page.get_by_label("Select case 1").check()
        page.get_by_label("Select case 1").press("Enter")
        expect(page.get_by_label("Select case 1")).to_be_checked()
    assert {name for name, _ in ward.desk.asked} == {"queue"}
