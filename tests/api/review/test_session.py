"""A session ends when nobody works, and in the end whatever is done; nobody but us can make, read or change one."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet, MultiFernet

from api.review.session import Session, Sessions
from tests.api.review.login_site import Browser, Site

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
OLD, NEW = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
IDLE, LIFETIME = timedelta(minutes=30), timedelta(hours=10)
CLAIMS = {"sub": "n1", "tenant": "north", "roles": ["nurse"]}


def sessions(*keys: Fernet, issuer: str = "https://op.example") -> Sessions:
    return Sessions(seal=MultiFernet(keys or (NEW,)), issuer=issuer, idle=IDLE, lifetime=LIFETIME)


def begun() -> Session:
    return sessions().begin(CLAIMS, NOW)


def test_a_session_is_what_it_was_until_it_is_idle() -> None:
    sealed = sessions().sealed(begun())
    found = sessions().opened(sealed, NOW + IDLE - timedelta(seconds=1))
    assert found is not None
    assert found.claims == CLAIMS
    assert sessions().opened(sealed, NOW + IDLE) is None


def test_work_keeps_a_session_until_its_lifetime_is_over() -> None:
    session, at = begun(), NOW
    while at < NOW + LIFETIME - timedelta(minutes=20):
        at += timedelta(minutes=20)
        found = sessions().opened(sessions().sealed(session), at)
        assert found is not None, at
        renewed = sessions().renewed(found, at)
        assert renewed is not None
        assert (renewed.id, renewed.csrf, renewed.began_at) == (session.id, session.csrf, session.began_at)
        session = renewed
    assert sessions().opened(sessions().sealed(replace(session, seen_at=at.timestamp())), NOW + LIFETIME) is None


def test_a_session_is_written_anew_once_a_minute_at_most() -> None:
    assert sessions().renewed(begun(), NOW + timedelta(seconds=59)) is None
    assert sessions().renewed(begun(), NOW + timedelta(seconds=60)) is not None


def test_each_session_has_an_id_and_a_token_of_its_own() -> None:
    first, second = begun(), begun()
    assert first.id != second.id
    assert first.csrf != second.csrf
    assert "n1" not in repr(first)
    assert first.csrf not in repr(first)


@pytest.mark.parametrize("change", ["swap", "cut", "add", "empty", "clear"])
def test_what_was_changed_outside_opens_to_nothing(change: str) -> None:
    sealed = sessions().sealed(begun())
    changed = {
        "swap": sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:],
        "cut": sealed[:-4],
        "add": "AAAA" + sealed,
        "empty": "",
        "clear": json.dumps({"for": "review-session", "issuer": "https://op.example"}),
    }[change]
    assert sessions().opened(changed, NOW) is None


def test_what_was_sealed_for_something_else_is_no_session() -> None:
    for members in ({"for": "review-login", "issuer": "https://op.example"}, {"for": "review-session"}, {}):
        assert sessions().opened(NEW.encrypt(json.dumps(members).encode()).decode(), NOW) is None
    of_another_version = {"for": "review-session", "issuer": "https://op.example", "id": "x"}
    assert sessions().opened(NEW.encrypt(json.dumps(of_another_version).encode()).decode(), NOW) is None


def test_a_session_of_another_provider_ends_with_the_change() -> None:
    sealed = sessions().sealed(begun())
    assert sessions(issuer="https://new.example").opened(sealed, NOW) is None


def test_keys_are_exchanged_without_logging_anybody_out() -> None:
    sealed = sessions(OLD).sealed(begun())
    assert sessions(NEW, OLD).opened(sealed, NOW) is not None
    assert sessions(NEW).opened(sealed, NOW) is None
    assert sessions(NEW).opened(sessions(NEW, OLD).sealed(begun()), NOW) is not None


# -- over HTTP


def test_who_left_is_logged_out_and_who_works_is_not(browser: Browser, site: Site) -> None:
    browser.log_in("nora-lind")
    for _ in range(3):
        site.clock.moved += timedelta(minutes=29)
        assert browser.who()["subject"] == "nora-lind"
    site.clock.moved += timedelta(minutes=30)
    assert browser.who() == {}


def test_a_page_that_looks_again_by_itself_keeps_nobody_logged_in(browser: Browser, site: Site) -> None:
    browser.log_in("nora-lind")
    site.clock.moved = timedelta(minutes=29)
    assert browser.who(**{"HX-Request": "true"})["subject"] == "nora-lind"
    site.clock.moved = timedelta(minutes=30)
    assert browser.who(**{"HX-Request": "true"}) == {}


def test_nobody_stays_longer_than_the_lifetime(browser: Browser, site: Site) -> None:
    browser.log_in("nora-lind")
    for minutes in range(20, 600, 20):
        site.clock.moved = timedelta(minutes=minutes)
        assert browser.who(), minutes
    site.clock.moved = timedelta(minutes=600)
    assert browser.who() == {}


def test_a_post_after_the_end_changes_nothing_and_says_so(browser: Browser, site: Site) -> None:
    browser.log_in("nora-lind")
    token = browser.who()["csrf"]
    site.clock.moved = timedelta(minutes=31)
    assert browser.post(token).status_code == 401


def test_a_role_that_is_withdrawn_from_the_file_counts_at_once(browser: Browser, site: Site) -> None:
    browser.log_in("nora-lind")
    site.logins.roles.role.pop("nurse")
    assert browser.who() == {}
