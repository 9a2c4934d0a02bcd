"""The review pages in Chromium: accessibility, sizes, keys, and that nothing typed is lost with or without JavaScript."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from canonical.review_desk import FieldPick, Pick, ReviewError, Verb
from tests.api.review.desk import Ward
from tests.api.review.window import DESK, TELEPHONE, watched
from tests.case_factories import (
    COMMAND,
    BannerFactory,
    CasePageFactory,
    CaseRowFactory,
    CommandPageViewFactory,
    ai_proposal,
    closed_page,
    first_decision,
    outage_row,
    proven,
)
from tests.factories import NOW
from tests.part_factories import parts_of_an_incomplete_command, takes_parts_back

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "vendored" / "axe-core" / "axe.min.js"
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
PAGES = {
    "queue": "/review/queue",
    "case": "/review/cases/1",
    "case with all that can be said": "/review/cases/2",
    "case of a command that is there in part": "/review/cases/5",
    "closed case": "/review/cases/9",
    "break glass": "/review/cases/20",
    "command": f"/review/commands/{COMMAND}",
    "board": "/review/board",
    "search": "/review/search",
    "nothing there": "/review/cases/999",
}


@pytest.fixture
def full(ward: Ward) -> Ward:
    """A ward with everything that pages can show."""
    desk = ward.desk
    desk.facets = {
        "kinds": (("moved", "The chart moved"),),
        "connections": ("north-r4",),
        "bulk_reasons": (("a", "b"),),
    }
    ward.typical(row=CaseRowFactory.build(id=1, severity=1, due_at=NOW - timedelta(minutes=5)))
    ward.typical(
        row=CaseRowFactory.build(id=2, asked=True, level=1),
        banner=BannerFactory.build(identity_in_question=True),
        proposal=ai_proposal(),
        first_decision=first_decision(),
        needs_second="A second person must sign.",
        news="The chart moved again.",
        round=2,
    )
    ward.typical(
        row=CaseRowFactory.build(id=5),
        fields=(),
        parts=parts_of_an_incomplete_command(),
        choices=(takes_parts_back(), *CasePageFactory.build().choices),
    )
    for number in (3, 4):
        ward.typical(row=outage_row(number))
    ward.typical(row=CaseRowFactory.build(id=20), break_glass=True)
    desk.add(closed_page(CaseRowFactory.build(id=9)))
    desk.commands[COMMAND] = proven(CommandPageViewFactory.build())
    return ward


def troubles_of(page: Page) -> list[str]:
    """What the console will say from now on."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    return said


def violations(page: Page) -> list[tuple[str, list[str]]]:
    # The page's own policy lets no foreign script in; a browser's debugger may.
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, rules)", RULES)
    return [(it["id"], [node["html"][:160] for node in it["nodes"]]) for it in found["violations"]]


@pytest.mark.parametrize("viewport", [DESK, TELEPHONE], ids=["1366", "360"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_used_by_everybody(full: Ward, chrome: Browser, viewport: Any, scheme: Any) -> None:
    """WCAG 2.2 AA as far as a machine can tell; no page scrolls sideways; nothing is asked of another site."""
    with chrome.new_context(viewport=viewport, color_scheme=scheme) as context:
        page = watched(context)
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        for name, path in PAGES.items():
            page.goto(full.url + path)
            page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true; })")
            assert violations(page) == [], name
            assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"], name
        assert [url for url in urls if not url.startswith(full.url)] == []


@pytest.mark.parametrize("path", list(PAGES.values())[:-1])
def test_the_console_has_nothing_to_complain_of(full: Ward, page: Page, path: str) -> None:
    troubles = troubles_of(page)
    page.goto(full.url + path, wait_until="networkidle")
    assert troubles == []


def test_targets_are_large_enough_for_a_finger(full: Ward, chrome: Browser) -> None:
    small = """[...document.querySelectorAll('button, summary, select, input:not([type=hidden]), a.case, nav a')]
      .map(it => it.closest('label.pick, .select label') ?? it).filter(it => it.checkVisibility())
      .map(it => [it.outerHTML.slice(0, 90), it.getBoundingClientRect()])
      .filter(([, box]) => box.width < 24 || box.height < 24).map(([html]) => html)"""
    with chrome.new_context(viewport=TELEPHONE) as context:
        page = watched(context)
        for path in PAGES.values():
            page.goto(full.url + path)
            assert page.evaluate(small) == [], path


def test_a_typical_conflict_fits_the_first_screen(full: Ward, page: Page) -> None:
    page.goto(f"{full.url}/review/cases/1")
    order = [
        ".banner",
        ".question h1",
        ".compare",
        "#change-title",
        "#proposal-title",
        "#context-title",
        ".choices",
        ".waits",
    ]
    boxes = [page.locator(place).bounding_box() for place in order]
    assert all(box is not None and box["y"] >= 0 and box["y"] + box["height"] <= DESK["height"] for box in boxes)
    tops = [(round(box["y"]), round(box["x"])) for box in boxes if box is not None]
    assert tops == sorted(tops)
    for choice in page.locator(".choice").all():
        expect(choice.locator(".result")).to_be_visible()
        expect(choice.locator("button, summary").first).to_be_in_viewport(ratio=1)


def test_a_case_is_decided_field_by_field_without_javascript(ward: Ward, chrome: Browser) -> None:
    ward.typical(row=CaseRowFactory.build(id=1))
    with chrome.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{ward.url}/review/queue")
        page.get_by_role("button", name="Claim case 1").click()
        expect(page.get_by_text("You have this case.")).to_be_visible()
        page.get_by_label("Dose and timing: another value").check()
        page.get_by_label("Dose and timing: directions").fill("37.5 mg by mouth twice daily")
        page.get_by_label("Start: keep the proposal").check()
        page.get_by_role("button", name="Write what I chose above").click()
        expect(page.get_by_text("Dose and timing: Type a number with a point")).to_be_visible()
        expect(page.get_by_text("Status: Choose whose value stays.")).to_be_visible()
        expect(page.get_by_label("Dose and timing: directions")).to_have_value("37.5 mg by mouth twice daily")
        page.get_by_label("Dose and timing: dose in mg").fill("37.5")
        page.get_by_label("Status: keep the chart").check()
        page.get_by_role("button", name="Write what I chose above").click()
        expect(page.get_by_text("Your decision is recorded.")).to_be_visible()
        ward.desk.commands[COMMAND] = proven(ward.desk.commands[COMMAND])
        page.get_by_role("link", name="Look again").click()
        expect(page.get_by_text("In the chart, proven.")).to_be_visible()
    (decision,) = ward.desk.asked_of("decide")
    assert decision.verb is Verb.RESOLVE
    assert decision.fields["effective"] == FieldPick(pick=Pick.PROPOSAL)
    assert decision.fields["status"] == FieldPick(pick=Pick.CHART)
    assert str(decision.fields["dosage"].value["doseAndRate"][0]["doseQuantity"]["value"]) == "37.5"


@pytest.mark.parametrize(
    "choice", ["Keep the chart, do not write", "I do not know, ask the author", "Hand it up to a prescriber"]
)
def test_every_other_choice_needs_no_javascript_either(ward: Ward, chrome: Browser, choice: str) -> None:
    page_of = ward.typical(row=CaseRowFactory.build(id=1))
    (offered,) = [it for it in page_of.choices if it.label == choice]
    with chrome.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{ward.url}/review/cases/1")
        card = page.locator(f"#choice-{offered.verb}")
        if offered.reasons or offered.text_required:
            card.locator("summary").click()
            card.get_by_role("textbox").fill("in my words")
        card.get_by_role("button", name=choice).click()
        page.wait_for_url("**/review/cases/1?did=*")
    (decision,) = ward.desk.asked_of("decide")
    assert decision.verb == offered.verb


def test_parts_are_picked_and_taken_back_without_javascript_and_none_is_preselected(
    ward: Ward, chrome: Browser
) -> None:
    parts, choice = parts_of_an_incomplete_command(), takes_parts_back()
    ward.typical(row=CaseRowFactory.build(id=1), fields=(), parts=parts, choices=(choice,))
    with chrome.new_context(java_script_enabled=False, viewport=TELEPHONE) as context:
        page = context.new_page()
        page.goto(f"{ward.url}/review/cases/1")
        expect(page.get_by_text("In the chart, as it was written, version 1.")).to_be_visible()
        expect(page.get_by_text("Not in the chart: the EHR did not take it.")).to_be_visible()
        expect(page.get_by_text("A person does it in the EHR.")).to_be_visible()
        assert page.locator("input[type=radio]:checked").count() == 0
        assert page.locator("#part-2 input[type=radio], #part-3 input[type=radio]").count() == 0
        page.get_by_role("radio", name="Take it back (it counts no more).").check()
        page.get_by_text("Take back the parts picked above …").click()
        page.get_by_label("In words").fill("measured on another patient")
        ward.desk.refusing["decide"] = ReviewError("stale-view", "The chart moved again while you decided.")
        page.get_by_role("button", name="Take back the parts picked above").click()
        expect(page.get_by_text("The chart moved again while you decided.")).to_be_visible()
        expect(page.get_by_role("radio", name="Take it back (it counts no more).")).to_be_checked()
        expect(page.get_by_label("In words")).to_have_value("measured on another patient")
        ward.desk.refusing.clear()
        page.get_by_role("button", name="Take back the parts picked above").click()
        expect(page.get_by_text("What you picked is being taken out of the chart")).to_be_visible()
    _, decision = ward.desk.asked_of("decide")
    assert (decision.verb, decision.parts, decision.view) == (Verb.COMPENSATE, {1: "retract"}, "view-1")
    assert decision.text == "measured on another patient"


def test_what_was_picked_of_a_part_that_moved_since_is_picked_anew(ward: Ward, page: Page) -> None:
    parts = parts_of_an_incomplete_command()
    shown = ward.typical(row=CaseRowFactory.build(id=1), fields=(), parts=parts, choices=(takes_parts_back(),))
    page.goto(f"{ward.url}/review/cases/1")
    page.get_by_role("radio", name="Take it back (it counts no more).").check()
    page.get_by_text("Take back the parts picked above …").click()
    page.get_by_label("In words").fill("measured on another patient")
    moved = replace(parts[0], standing="changed", sentence="In the chart, and changed there since it was written.")
    ward.desk.add(replace(shown, parts=(moved, *parts[1:])))
    ward.desk.refusing["decide"] = ReviewError("stale-view", "The chart moved again while you decided.")
    page.get_by_role("button", name="Take back the parts picked above").click()
    expect(page.get_by_text("The chart moved again while you decided.")).to_be_visible()
    expect(page.get_by_role("radio", name="Take it back (it counts no more).")).not_to_be_checked()


def test_typing_another_value_chooses_it(ward: Ward, page: Page) -> None:
    ward.typical(row=CaseRowFactory.build(id=1))
    page.goto(f"{ward.url}/review/cases/1")
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)
    page.get_by_label("Dose and timing: directions").fill("once daily")
    expect(page.get_by_label("Dose and timing: another value")).to_be_checked()
    expect(page.locator("input[type=radio]:checked")).to_have_count(1)


def type_a_reason(ward: Ward, page: Page) -> None:
    ward.typical(row=CaseRowFactory.build(id=1))
    page.goto(f"{ward.url}/review/cases/1")
    page.locator("#choice-reject summary").click()
    page.get_by_label("Reason").select_option("outdated")
    page.locator("#choice-reject-text").fill("I typed this")


def press(page: Page) -> None:
    page.get_by_role("button", name="Keep the chart, do not write").click()


def test_what_was_typed_survives_the_end_of_the_session(ward: Ward, page: Page) -> None:
    type_a_reason(ward, page)
    ward.logged_in = False
    press(page)
    expect(page.get_by_role("alert")).to_contain_text("You are not logged in any more")
    expect(page.locator("#choice-reject-text")).to_have_value("I typed this")
    ward.logged_in, ward.token = True, "token-after-the-login"
    press(page)
    expect(page.locator("#error")).to_contain_text("Nothing was changed")
    expect(page.locator("#choice-reject-text")).to_have_value("I typed this")
    press(page)
    expect(page.get_by_text("Recorded: it will not be written.")).to_be_visible()
    (decision,) = ward.desk.asked_of("decide")
    assert (decision.verb, decision.reason, decision.text) == (Verb.REJECT, "outdated", "I typed this")


def test_what_was_typed_survives_a_refusal_and_the_reader_is_led_to_it(ward: Ward, page: Page) -> None:
    type_a_reason(ward, page)
    ward.desk.refusing["decide"] = ReviewError("stale-view", "The chart moved since you looked.")
    press(page)
    expect(page.locator("#error")).to_be_focused()
    expect(page.locator("#error")).to_contain_text("The chart moved since you looked.")
    expect(page.locator("#choice-reject-text")).to_have_value("I typed this")
    ward.desk.refusing.clear()
    press(page)
    expect(page.get_by_text("Recorded: it will not be written.")).to_be_visible()


def test_what_was_typed_survives_a_service_that_is_away(ward: Ward, page: Page) -> None:
    type_a_reason(ward, page)
    page.context.set_offline(True)
    press(page)
    expect(page.get_by_role("alert")).to_contain_text("it is not known whether this was taken")
    expect(page.locator("#choice-reject-text")).to_have_value("I typed this")


def test_the_page_of_a_decided_case_says_by_itself_when_the_write_is_proven(ward: Ward, page: Page) -> None:
    ward.desk.add(closed_page(CaseRowFactory.build(id=9)))
    ward.desk.commands[COMMAND] = CommandPageViewFactory.build()
    page.goto(f"{ward.url}/review/cases/9")
    live = page.locator("#standing")
    expect(live).to_have_attribute("aria-live", "polite")
    expect(live).to_contain_text("On the way.")
    page.get_by_text("What happened so far").focus()
    with page.expect_response(lambda answer: "/standing" in answer.url) as polled:
        pass
    assert polled.value.status == 204
    ward.desk.commands[COMMAND] = proven(ward.desk.commands[COMMAND])
    expect(live).to_contain_text("In the chart, proven.")
    expect(page.get_by_text("What happened so far")).to_be_focused()


def test_news_announce_themselves_and_move_nothing(ward: Ward, chrome: Browser) -> None:
    for number in range(1, 31):
        ward.typical(row=CaseRowFactory.build(id=number))
    with chrome.new_context(viewport=DESK) as context:
        page = watched(context)
        page.clock.install()
        page.goto(f"{ward.url}/review/queue")
        page.locator("a.case").nth(20).focus()
        before = page.evaluate(
            "[scrollY, document.activeElement.href, document.activeElement.getBoundingClientRect().top]"
        )
        assert before[0] > 0
        for number in (31, 32, 33):
            ward.typical(row=CaseRowFactory.build(id=number))
        page.clock.run_for(10_500)
        expect(page.locator(".news")).to_have_text("3 new cases — show")
        assert before == page.evaluate(
            "[scrollY, document.activeElement.href, document.activeElement.getBoundingClientRect().top]"
        )
        expect(page.locator("a.case")).to_have_count(30)
        page.get_by_role("link", name="show").click()
        expect(page.locator("a.case")).to_have_count(33)


def test_a_part_that_cannot_renew_itself_says_so(ward: Ward, chrome: Browser) -> None:
    ward.typical()
    with chrome.new_context(viewport=DESK) as context:
        page = watched(context)
        page.clock.install()
        page.goto(f"{ward.url}/review/queue")
        ward.logged_in = False
        page.clock.run_for(10_500)
        expect(page.locator(".news")).to_contain_text("This no longer renews itself")
        expect(page.locator("a.case")).to_have_count(1)


def test_the_content_is_one_step_from_the_top_for_a_keyboard(full: Ward, page: Page) -> None:
    page.goto(f"{full.url}/review/cases/1")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_printed_case_holds_what_was_folded_and_no_controls(full: Ward, page: Page) -> None:
    page.goto(f"{full.url}/review/cases/1")
    page.emulate_media(media="print")
    expect(page.get_by_text("metoprolol tartrate")).to_be_visible()
    expect(page.locator("#decide button").locator("visible=true")).to_have_count(0)
    expect(page.locator("nav")).to_be_hidden()
    assert page.locator(".compare").is_visible()


def test_a_case_in_a_restricted_class_is_opened_by_its_reason(ward: Ward, page: Page) -> None:
    ward.desk.add(CasePageFactory.build(row=CaseRowFactory.build(id=20), break_glass=True))
    page.goto(f"{ward.url}/review/cases/20")
    page.get_by_label("Reason").fill("treating her now")
    page.get_by_role("button", name="Open the case with this reason").click()
    expect(page.get_by_text("Decide which dose stays.")).to_be_visible()
    ward.desk.add(replace(ward.desk.pages[20], break_glass=True))
    page.get_by_role("button", name="Write what I chose above").click()
    expect(page.locator("#error")).to_contain_text("Some fields are not decided yet.")
    assert {reason for _, reason in ward.desk.asked_of("open")} == {"", "treating her now"}
