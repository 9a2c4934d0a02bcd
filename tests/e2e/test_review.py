"""The review queue on the running product: people log in at the sandbox, decide in a browser, and see the chart prove it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.clinic import Clinic, Desk, Question, waiting
from tests.e2e.conftest import Hospital

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "vendored" / "axe-core" / "axe.min.js"
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
PROVEN = "In the chart, proven."
#: From the decision to the proof on the page, in milliseconds; ten times what it takes on a quiet machine.
PROVEN_WITHIN = 20_000


@pytest.fixture(scope="module")
def clinic(hospital: Hospital) -> Iterator[Clinic]:
    with closing(Clinic(hospital.site, hospital.product.stack.urls.database_url)) as clinic:
        yield clinic


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def desk(clinic: Clinic, browser: Browser) -> Iterator[Desk]:
    with closing(Desk(clinic=clinic, browser=browser, contexts=[])) as desk:
        yield desk


def decide(page: Page, choice: str) -> None:
    page.get_by_role("button", name=choice, exact=True).click()


def doses(clinic: Clinic, question: Question) -> list[str]:
    """Every dose that the chart ever said, the oldest first."""
    dosages = [it["resource"]["dosage"][0] for it in clinic.history(question.entry)]
    return [str(it["doseAndRate"][0]["doseQuantity"]["value"]) for it in dosages]


@pytest.mark.parametrize("scripted", [True, False], ids=["with JavaScript", "without"])
def test_a_conflict_of_two_clinicians_is_decided_field_by_field_and_proven(
    clinic: Clinic, desk: Desk, *, scripted: bool
) -> None:
    question = clinic.conflict()
    page = desk.log_in("paul-abara", scripted=scripted)
    row = page.locator(f"tr[data-case='{question.case}']")
    expect(row).to_contain_text(f"{question.family}, born 1957")
    row.get_by_role("link").click()
    for said in ("Dr. Alma Reyes", "physician", "12.5 mg", "25 mg", "50 mg", "Heart rate still 96 a minute"):
        expect(page.locator("main")).to_contain_text(said)
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)
    decide(page, "Decide field by field")
    expect(page.locator("#error")).to_contain_text("Some fields are not decided yet.")
    assert clinic.state(question) == "conflicted"

    page.get_by_label("Dosage: directions").fill("Take 37.5 mg by mouth twice daily")
    page.get_by_label("Dosage: dose in mg").fill("37.5")
    page.get_by_label("Dosage: another value").check()
    decide(page, "Decide field by field")
    expect(page.get_by_text("Your decision is recorded.")).to_be_visible()
    expect(page.get_by_text("Decided field by field")).to_contain_text("by Paul Abara")
    if scripted:
        expect(page.locator("#standing")).to_contain_text(PROVEN, timeout=PROVEN_WITHIN)
    else:
        assert waiting(lambda: clinic.state(question) == "verified")
        page.get_by_role("link", name="Look again").click()
        expect(page.locator("#standing")).to_contain_text(PROVEN)

    assert doses(clinic, question) == ["25", "12.5", "37.5"], "the physician's edit stays in the history"
    assert clinic.entry(question.entry)["status"] == "active"
    assert [it["source"] for it in clinic.history(question.entry)] == ["seed", "Dr. Alma Reyes", None]
    assert clinic.state(question) == "verified"
    happened = clinic.triggers(question)
    assert [it for it in happened if it in {"target_moved", "rebased", "proven"}] == [
        "target_moved",
        "rebased",
        "proven",
    ]
    (decision,) = clinic.decisions(question)
    assert (decision["verb"], decision["stage"], decision["person"]) == ("resolve", "final", "person:paul-abara")
    assert (decision["licences"], decision["base_version"], decision["changed"]) == (["pharmacist"], "2", True)
    assert clinic.case_of(question) is None


def test_a_chart_that_moves_again_refuses_the_decision_and_keeps_what_was_typed(clinic: Clinic, desk: Desk) -> None:
    question = clinic.conflict()
    page = desk.at_case("paul-abara", question)
    page.get_by_label("Dosage: keep the proposal").check()
    page.get_by_text("Hand it up …").click()
    page.locator("#choice-escalate-text").fill("I typed this")
    clinic.prescribe(question.entry, "6.25")
    decide(page, "Decide field by field")
    expect(page.locator("#error")).to_contain_text("The chart moved again while you decided. Nothing was changed")
    expect(page.locator("#error")).to_be_focused()
    expect(page.locator("td.now")).to_contain_text("6.25 mg")
    expect(page.locator("input[type=radio]:checked")).to_have_count(0)
    expect(page.locator("#choice-escalate-text")).to_have_value("I typed this")
    assert doses(clinic, question) == ["25", "12.5", "6.25"]
    assert (clinic.state(question), clinic.decisions(question)) == ("conflicted", [])

    page.get_by_label("Dosage: keep the proposal").check()
    decide(page, "Decide field by field")
    expect(page.locator("#standing")).to_contain_text(PROVEN, timeout=PROVEN_WITHIN)
    assert doses(clinic, question) == ["25", "12.5", "6.25", "50"]
    (decision,) = clinic.decisions(question)
    assert decision["base_version"] == "3", "what was decided rests on what was seen last"


def test_of_two_reviewers_at_once_one_decides_and_the_other_is_told(clinic: Clinic, desk: Desk) -> None:
    question = clinic.conflict()
    first, second = (desk.at_case(who, question) for who in ("paul-abara", "petra-silva"))
    first.get_by_label("Dosage: keep the proposal").check()
    second.get_by_label("Dosage: keep the chart").check()
    decide(first, "Decide field by field")
    expect(first.get_by_text("Your decision is recorded.")).to_be_visible()
    decide(second, "Decide field by field")
    expect(second.locator("#error")).to_contain_text("This was decided before. Nothing was changed by what you sent")
    expect(second.get_by_text("Decided field by field")).to_contain_text("by Paul Abara")
    expect(first.locator("#standing")).to_contain_text(PROVEN, timeout=PROVEN_WITHIN)
    assert [it["person"] for it in clinic.decisions(question)] == ["person:paul-abara"]
    assert doses(clinic, question) == ["25", "12.5", "50"]


def test_a_case_that_a_colleague_claimed_is_not_decided_by_another(clinic: Clinic, desk: Desk) -> None:
    question = clinic.conflict()
    second = desk.at_case("petra-silva", question)
    first = desk.at_case("paul-abara", question)
    first.get_by_role("button", name="Claim this case").click()
    expect(first.get_by_text("You have this case.")).to_be_visible()
    second.get_by_label("Dosage: keep the proposal").check()
    decide(second, "Decide field by field")
    expect(second.locator("#error")).to_contain_text("A colleague has this case at present.")
    expect(second.get_by_text("Paul Abara has this case.")).to_be_visible()
    expect(second.get_by_label("Dosage: keep the proposal")).to_be_checked()
    assert (clinic.state(question), clinic.decisions(question)) == ("conflicted", [])


def test_what_a_model_wrote_is_marked_and_sent_only_after_somebody_with_the_licence_approved_it(
    clinic: Clinic, desk: Desk
) -> None:
    question = clinic.reading_of_a_model()
    pharmacist = desk.at_case("paul-abara", question)
    expect(pharmacist.get_by_text("Written by an AI, not by a person")).to_be_visible()
    expect(pharmacist.locator("#choice-approve")).to_contain_text(
        "not for you. This is decided by a nurse or prescriber."
    )
    expect(pharmacist.locator("#choice-approve button")).to_have_count(0)

    page = desk.at_case("dan-roth", question)
    expect(page.get_by_role("heading", level=1)).to_contain_text("An AI model (ward) proposes")
    expect(page.locator(".ai")).to_contain_text("visit-scribe 2.1")
    assert clinic.written_by(question, "Observation") == []
    decide(page, "Approve: send it as it stands")
    expect(page.locator("#standing")).to_contain_text(PROVEN, timeout=PROVEN_WITHIN)
    (written,) = clinic.written_by(question, "Observation")
    assert str(written["valueQuantity"]["value"]) == "72.5"
    (decision,) = clinic.decisions(question)
    assert (decision["verb"], decision["person"], decision["changed"]) == ("approve", "person:dan-roth", False)
    assert decision["valid_until"] > decision["at"]
    assert clinic.state(question) == "verified"


def test_an_approval_that_expired_before_it_was_sent_asks_again(clinic: Clinic, desk: Desk) -> None:
    question = clinic.reading_of_a_model()
    page = desk.at_case("nora-lind", question)
    clinic.hold_back(on=False)
    try:
        decide(page, "Approve: send it as it stands")
        expect(page.get_by_text("Your approval is recorded.")).to_be_visible()
        clinic.query("UPDATE commands SET approval_until = clock_timestamp() WHERE id = %(id)s", id=question.command)
    finally:
        clinic.hold_back(on=True)
    expect(page.get_by_role("link", name="Open case")).to_be_visible(timeout=PROVEN_WITHIN)
    assert clinic.state(question) == "awaiting_approval"
    assert clinic.written_by(question, "Observation") == []
    page.get_by_role("link", name="Open case").click()
    decide(page, "Approve: send it as it stands")
    expect(page.locator("#standing")).to_contain_text(PROVEN, timeout=PROVEN_WITHIN)
    assert [it["verb"] for it in clinic.decisions(question)] == ["approve", "approve"]
    assert len(clinic.written_by(question, "Observation")) == 1


def test_an_engineer_works_the_technical_cases_and_reads_no_clinical_one(clinic: Clinic, desk: Desk) -> None:
    question = clinic.conflict()
    secrets = (question.family, "metoprolol", "12.5 mg", "Heart rate")
    page = desk.log_in("olga-meyer")
    expect(page.locator(f"tr[data-case='{question.case}']")).to_have_count(0)
    texts = [page.content()]
    for path in (f"/review/cases/{question.case}", f"/review/commands/{question.command}", "/review/board"):
        page.goto(f"{clinic.origin}{path}")
        texts.append(page.content())
    page.goto(f"{clinic.origin}/review/search")
    page.get_by_label("Status").select_option("needsAttention")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("commands found")).to_be_visible()
    texts.append(page.content())
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []
    page.goto(f"{clinic.origin}/review/cases/{question.case}")
    expect(page.get_by_text("You may see that it is there, and not what it says")).to_be_visible()


def test_who_logged_out_is_asked_who_they_are_before_anything_is_shown(clinic: Clinic, desk: Desk) -> None:
    page = desk.log_in("paul-abara")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    page.goto(f"{clinic.origin}/review/queue")
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()


def test_everything_of_a_typical_conflict_is_on_the_first_screen(clinic: Clinic, desk: Desk) -> None:
    question = clinic.conflict()
    page = desk.at_case("paul-abara", question)
    for place in (".banner", ".question h1", ".compare", "#change-title", "#proposal-title", "#context-title"):
        expect(page.locator(place)).to_be_in_viewport(ratio=1)
    for choice in page.locator(".choice").all():
        expect(choice.locator("button, summary").first).to_be_in_viewport(ratio=1)


def violations(page: Page) -> list[tuple[str, list[str]]]:
    # The page's own policy lets no foreign script in; a browser's debugger may.
    page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, rules)", RULES)
    return [(it["id"], [node["html"][:160] for node in it["nodes"]]) for it in found["violations"]]


def test_the_real_pages_can_be_used_by_everybody(clinic: Clinic, desk: Desk) -> None:
    conflict, by_model = clinic.conflict(), clinic.reading_of_a_model()
    cases = [f"/review/cases/{it.case}" for it in (conflict, by_model)]
    seen: dict[str, list[str]] = {
        "paul-abara": ["/review/queue", *cases, f"/review/commands/{conflict.command}"],
        "olga-meyer": ["/review/board", cases[0]],
    }
    for who, paths in seen.items():
        page = desk.log_in(who)
        for path in paths:
            page.goto(f"{clinic.origin}{path}")
            page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true; })")
            assert violations(page) == [], path
    page = desk.log_in("paul-abara")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    assert violations(page) == []
