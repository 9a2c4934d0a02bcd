"""The pages behind a real login: nobody sees one without, and what somebody typed outlives the end of their session."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from api.problem_handlers import add_problem_handlers
from api.review import ReviewPages
from api.review.login import ReviewLogin
from api.review.logins import SessionCookies
from config.wiring import Services
from tests.api.review.desk import FakeDesk
from tests.api.review.login_site import Browser, open_sandbox_site
from tests.api.review.markup import Markup
from tests.case_factories import CasePageFactory
from tests.sandbox_fixture import RunningSandbox

WORDS = "Called the ward: 12.5 mg is what they give & meant."


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def pages(
    desk: FakeDesk, sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path
) -> Iterator[Browser]:
    """A browser at the pages over a desk of our own."""

    def application(services: Services, login: ReviewLogin) -> FastAPI:
        app = FastAPI()
        app.include_router(login.router())
        app.include_router(ReviewPages(desk, login.logins.access, services.clock).router())
        app.add_middleware(SessionCookies, logins=login.logins)
        add_problem_handlers(app)
        return app

    # So short that the provider's tokens, judged by the same moved clock, outlive it.
    settings = {"application": application, "review_idle": timedelta(seconds=60)}
    with open_sandbox_site(sandbox, database_url, redis_url, tmp_path, **settings) as site:
        yield site.browser()


def send(browser: Browser, page: Markup, **typed: str) -> httpx.Response:
    """Send the form of a page that holds a post, as a browser on our own page does."""
    (form,) = page.all("form", class_="held")
    held = {found["name"]: found["value"] for found in page.all("input", type="hidden")}
    named = [found["name"] for found in page.all("textarea")]
    assert named == ["text-reject"]
    data = held | typed
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    return browser.http.post(form["action"], data=data, headers=headers)


def test_a_page_leads_to_the_login_and_the_login_back_to_the_page(pages: Browser, desk: FakeDesk) -> None:
    case = desk.add(CasePageFactory.build())
    asked = pages.http.get(f"/review/cases/{case.row.id}")
    assert asked.status_code == 303
    leads_to = parse_qs(urlsplit(asked.headers["location"]).query)["next"][0]
    answer = pages.log_in("paul-abara", leads_to)
    assert answer.headers["location"] == f"/review/cases/{case.row.id}"
    shown = pages.http.get(answer.headers["location"])
    assert (shown.status_code, "Paul Abara" in shown.text) == (200, True)


def test_what_was_typed_outlives_the_session_and_is_decided_after_the_next_login(
    pages: Browser, desk: FakeDesk
) -> None:
    case = desk.add(CasePageFactory.build())
    address = f"/review/cases/{case.row.id}/decide"
    pages.log_in("paul-abara")
    token = pages.who()["csrf"]
    form: dict[str, Any] = {"csrf": token, "verb": "reject", "view": case.view, "text-reject": WORDS}
    pages.site.clock.moved = timedelta(seconds=61)

    late = pages.http.post(address, data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert (late.status_code, desk.asked_of("decide")) == (401, [])
    assert WORDS in Markup(late.text).text

    pages.log_in("paul-abara")
    unsure = send(pages, Markup(late.text), **{"text-reject": WORDS})
    assert (unsure.status_code, desk.asked_of("decide")) == (403, [])
    assert WORDS in Markup(unsure.text).text

    token = Markup(unsure.text).hidden("csrf")
    assert token == pages.who()["csrf"]
    again = pages.http.post(address, data=form | {"csrf": token}, headers={"Sec-Fetch-Site": "same-origin"})
    assert again.status_code == 303
    (decision,) = desk.asked_of("decide")
    assert decision.text == WORDS


def test_another_site_neither_decides_nor_learns_what_it_sent(pages: Browser, desk: FakeDesk) -> None:
    case = desk.add(CasePageFactory.build())
    pages.log_in("paul-abara")
    form = {"csrf": pages.who()["csrf"], "verb": "reject", "view": case.view, "text-reject": WORDS}
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    answer = pages.http.post(f"/review/cases/{case.row.id}/decide", data=form, headers=headers)
    assert (answer.status_code, desk.asked_of("decide")) == (403, [])
    assert WORDS not in Markup(answer.text).text


def test_the_pages_own_button_logs_out(pages: Browser, desk: FakeDesk) -> None:
    pages.log_in("paul-abara")
    page = Markup(pages.http.get("/review/queue").text)
    (form,) = page.all("form", class_="who")
    answer = pages.post(page.hidden("csrf"), form["action"])
    assert (answer.status_code, pages.http.get("/review/queue").status_code) == (200, 303)


def test_news_that_a_page_asks_for_by_itself_keep_nobody_logged_in(pages: Browser, desk: FakeDesk) -> None:
    pages.log_in("paul-abara")
    page = Markup(pages.http.get("/review/queue").text)
    news = next(found["hx-get"] for _, found in page.tags if "hx-get" in found)
    for seconds in (40, 55):
        pages.site.clock.moved = timedelta(seconds=seconds)
        assert pages.http.get(news, headers={"HX-Request": "true"}).status_code in {200, 204}
    pages.site.clock.moved = timedelta(seconds=61)
    assert pages.http.get(news, headers={"HX-Request": "true"}).status_code == 401
