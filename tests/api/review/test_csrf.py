"""A post counts if it comes from a page of ours that was made for this session; everything else changes nothing."""

import pytest
from starlette.requests import Request

from api.review.csrf import is_from
from tests.api.review.login_site import Browser, Site

OURS = "https://review.example"


def asked(**headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": named})


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin", "origin": OURS},
        {"sec_fetch_site": "same-origin", "origin": "null"},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"origin": OURS},
    ],
    ids=str,
)
def test_a_post_of_our_own_pages_is_known(headers: dict[str, str]) -> None:
    assert is_from(OURS, asked(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": "http://review.example"},
        {"origin": "https://review.example:8443"},
        {"origin": "https://review.example.evil.example"},
        {"sec_fetch_site": "cross-site", "origin": OURS},
        {"sec_fetch_site": "same-site", "origin": "https://other.review.example"},
        {"sec_fetch_site": "same-origin", "origin": "https://evil.example"},
        {"sec_fetch_site": "", "origin": OURS},
    ],
    ids=str,
)
def test_a_post_of_anybody_else_is_not(headers: dict[str, str]) -> None:
    assert not is_from(OURS, asked(**headers))


def test_the_token_of_the_session_lets_a_form_through_in_a_field_or_a_header(browser: Browser) -> None:
    browser.log_in("nora-lind")
    token = browser.who()["csrf"]
    assert browser.post(token).status_code == 200
    assert browser.post("", **{"X-CSRF-Token": token}).status_code == 200


def test_no_token_a_wrong_one_and_one_of_another_session_do_not(browser: Browser, site: Site) -> None:
    browser.log_in("nora-lind")
    other = site.browser()
    other.log_in("nora-lind")
    token = browser.who()["csrf"]
    for wrong in ("", "x", "ö", token[:-1], token + "x", other.who()["csrf"]):
        assert browser.post(wrong).status_code == 403, wrong
    assert browser.post(token).status_code == 200


def test_the_right_token_from_another_site_does_not(browser: Browser) -> None:
    browser.log_in("nora-lind")
    token = browser.who()["csrf"]
    assert browser.post(token, Origin="https://evil.example").status_code == 403
    assert browser.post(token, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.post(token, Origin="", **{"Sec-Fetch-Site": ""}).status_code == 403


def test_a_token_outlives_no_session(browser: Browser) -> None:
    browser.log_in("nora-lind")
    token = browser.who()["csrf"]
    browser.log_in("nora-lind")
    assert browser.post(token).status_code == 403
    browser.http.cookies.clear()
    assert browser.post(token).status_code == 401
