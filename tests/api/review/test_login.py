"""Logging in, against a real provider: the right person comes in, and nobody by anything forged, used before, late or lying."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from cli.sandbox_site import PEOPLE
from config.people_policy import read_people_policy
from config.settings import Settings
from tasks.tokens import token_verifier
from tests.api.review.login_site import CLIENT, SECRET, Browser, Liar, Site, open_liar, open_sandbox_site, open_site
from tests.reception import Reception
from tests.sandbox_fixture import RunningSandbox


@pytest.fixture
def liar() -> Iterator[Liar]:
    with open_liar() as liar:
        yield liar


@pytest.fixture
def lied_to(liar: Liar, database_url: str, redis_url: str, tmp_path: Path, free_port: int) -> Iterator[Browser]:
    with open_site(liar.url, free_port, database_url, redis_url, tmp_path) as site:
        yield site.browser()


def back(browser: Browser, **changes: str) -> httpx.Response:
    """Begin a login and come back at once with the nonce as code."""
    asked = browser.begin()
    return browser.http.get("/review/callback", params={"code": asked["nonce"], "state": asked["state"]} | changes)


def refused(answer: httpx.Response, browser: Browser, status: int = 403) -> bool:
    return (answer.status_code, browser.cookie, browser.who()) == (status, "", {}) and "not logged in" in answer.text


# -- the right person


@pytest.mark.parametrize("sub", PEOPLE)
def test_each_person_comes_in_as_who_they_are_with_what_their_role_gives(
    browser: Browser, sandbox: RunningSandbox, sub: str
) -> None:
    name, role = PEOPLE[sub]
    answer = browser.log_in(sub)
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    who, given = browser.who(), read_people_policy().role[role]
    assert {key: who[key] for key in ("tenant", "issuer", "subject", "name", "fhir_user")} == {
        "tenant": "north",
        "issuer": sandbox.origin,
        "subject": sub,
        "name": name,
        "fhir_user": f"Practitioner/{sub}",
    }
    assert (who["licences"], who["rights"]) == (sorted(given.licences), sorted(given.rights))
    assert who["pools"] == sorted(given.pools)


def test_a_bearer_token_of_a_person_stands_for_the_same_reviewer_as_their_login(browser: Browser, site: Site) -> None:
    browser.log_in("petra-silva")
    origin = site.services.settings.review_issuer
    doors = Settings(issuer=origin, jwks_url=f"{origin}/oauth/jwks")
    principal = token_verifier(doors, clock=site.clock).principal(browser.bearer_token("petra-silva"))
    reviewer = read_people_policy().of_principal(principal)
    assert reviewer is not None
    who = browser.who()
    assert {name: getattr(reviewer, name) for name in ("tenant", "issuer", "subject", "name", "fhir_user")} == {
        name: who[name] for name in ("tenant", "issuer", "subject", "name", "fhir_user")
    }
    assert sorted(reviewer.rights) == who["rights"]


def test_nothing_that_could_let_anybody_in_is_logged(browser: Browser, capfd: pytest.CaptureFixture[str]) -> None:
    asked = browser.begin()
    address = browser.choose("nora-lind")
    browser.http.get(address)
    logged = "".join(capfd.readouterr())
    assert "review.logged_in" in logged
    code = parse_qs(urlsplit(address).query)["code"][0]
    for secret in (code, asked["state"], asked["nonce"], browser.cookie, browser.who()["csrf"], SECRET):
        assert secret not in logged


def test_the_provider_is_asked_with_pkce_state_and_nonce(browser: Browser) -> None:
    first, second = browser.begin(), browser.begin()
    assert (first["response_type"], first["code_challenge_method"]) == ("code", "S256")
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 20
        assert first[name] != second[name]
    assert "code_verifier" not in first


def test_the_session_is_for_these_pages_and_no_script(browser: Browser) -> None:
    set_cookies = browser.log_in("nora-lind").headers.get_list("set-cookie")
    (session,) = [line for line in set_cookies if line.startswith("review_session=") and "Max-Age=0" not in line]
    assert session.partition("; ")[2] == "Path=/review; HttpOnly; SameSite=Lax"
    assert any(line.startswith("review_login=; ") and line.endswith("Max-Age=0") for line in set_cookies)
    assert all("nora" not in line.lower() for line in set_cookies)


def test_over_https_the_cookies_never_travel_in_the_clear(
    sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    public = "https://review.example"
    with open_sandbox_site(sandbox, database_url, redis_url, tmp_path, review_url=public) as site:
        answer = site.browser().http.get("/review/login")
        assert "; Secure" in answer.headers["set-cookie"]
        assert parse_qs(urlsplit(answer.headers["location"]).query)["redirect_uri"] == [f"{public}/review/callback"]


def test_a_login_leads_to_the_page_that_was_asked_for_and_to_no_other_site(browser: Browser) -> None:
    assert (
        browser.log_in("nora-lind", "/review/cases/7?did=resolve").headers["location"] == "/review/cases/7?did=resolve"
    )
    assert browser.log_in("nora-lind", "//evil.example/review").headers["location"] == "/review"


def test_a_public_client_logs_people_in_by_pkce_alone(
    sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with open_sandbox_site(sandbox, database_url, redis_url, tmp_path, review_client_secret_file=None) as site:
        browser = site.browser()
        browser.log_in("paul-abara")
        assert browser.who()["name"] == "Paul Abara"


def test_another_name_of_this_machine_leads_to_the_one_that_the_provider_knows(browser: Browser, site: Site) -> None:
    address = f"http://localhost:{urlsplit(site.url).port}/review/login"
    answer = browser.http.get(address, params={"next": "/review/queue"})
    assert answer.headers["location"] == f"{site.url}/review/login?next=%2Freview%2Fqueue"


# -- nobody by anything else


def test_a_state_that_was_made_up_is_refused(browser: Browser) -> None:
    browser.begin()
    answer = browser.http.get("/review/callback", params={"code": "x", "state": "made-up"})
    assert refused(answer, browser)


def test_a_code_that_was_made_up_is_refused(browser: Browser) -> None:
    assert refused(back(browser), browser)


def test_the_way_back_of_one_browser_is_no_way_in_for_another(site: Site) -> None:
    mine, theirs = site.browser(), site.browser()
    mine.begin()
    address = mine.choose("paul-abara")
    assert refused(theirs.http.get(address), theirs)
    theirs.begin()
    assert refused(theirs.http.get(address), theirs)


def test_the_way_back_leads_in_once(browser: Browser) -> None:
    browser.begin()
    pending = browser.http.cookies["review_login"]
    address = browser.choose("paul-abara")
    assert browser.http.get(address).status_code == 303
    browser.http.cookies.clear()
    assert refused(browser.http.get(address), browser)
    browser.http.cookies.set("review_login", pending, domain="127.0.0.1", path="/review")
    assert refused(browser.http.get(address), browser)


def test_a_login_that_took_too_long_begins_anew(browser: Browser, site: Site) -> None:
    browser.begin("/review/queue")
    address = browser.choose("paul-abara")
    site.clock.moved = timedelta(minutes=10)
    answer = browser.http.get(address)
    assert refused(answer, browser)
    assert 'href="/review/login?' in answer.text


@pytest.mark.parametrize("kept", ["", "x", "gAAAAA"])
def test_what_the_browser_kept_of_a_login_cannot_be_forged(browser: Browser, kept: str) -> None:
    browser.begin()
    address = browser.choose("paul-abara")
    browser.http.cookies.set("review_login", kept, domain="127.0.0.1", path="/review")
    assert refused(browser.http.get(address), browser)


def test_a_session_is_no_pending_login_and_the_other_way_round(browser: Browser) -> None:
    browser.begin()
    pending = browser.http.cookies["review_login"]
    browser.http.cookies.set("review_session", pending, domain="127.0.0.1", path="/review")
    assert browser.who() == {}
    browser.http.cookies.clear()
    browser.log_in("paul-abara")
    session = browser.cookie
    browser.http.cookies.clear()
    browser.http.cookies.set("review_login", session, domain="127.0.0.1", path="/review")
    assert refused(browser.http.get("/review/callback", params={"code": "x", "state": "x"}), browser)


def test_what_the_provider_refuses_is_told_without_its_own_words(browser: Browser) -> None:
    asked = browser.begin("/review/queue")
    told = {"error": "access_denied", "error_description": "<b>spoofed</b>", "state": asked["state"]}
    answer = browser.http.get("/review/callback", params=told)
    assert refused(answer, browser)
    assert "spoofed" not in answer.text
    assert urlencode({"next": "/review/queue"}) in answer.text


def test_an_answer_of_another_provider_is_refused(browser: Browser) -> None:
    browser.begin()
    address = browser.choose("paul-abara").replace("iss=", "iss=https%3A%2F%2Fother.example&was=")
    assert refused(browser.http.get(address), browser)


def test_somebody_without_a_known_role_is_told_which_ones_there_are(browser: Browser, sandbox: RunningSandbox) -> None:
    sandbox.register_person({"sub": "x", "name": "X", "roles": ["gardener"], "tenant": "north"})
    answer = browser.log_in("x")
    assert refused(answer, browser)
    assert "pharmacist" in answer.text
    assert "gardener" not in answer.text


def test_the_control_a_right_token_of_the_other_provider_comes_in(lied_to: Browser, liar: Liar) -> None:
    assert back(lied_to).status_code == 303
    assert lied_to.who()["subject"] == "n1"
    assert len(liar.forms[0]["code_verifier"]) >= 43


#: Claims over those of a right ID token; ``None`` takes one out.
WRONG_CLAIMS: tuple[dict[str, Any], ...] = (
    {"iss": "https://other.example"},
    {"iss": None},
    {"aud": "another-client"},
    {"aud": None},
    {"aud": [CLIENT, "another-client"]},
    {"azp": "another-client"},
    {"nonce": "of another login"},
    {"nonce": None},
    {"exp": 1},
    {"exp": None},
    {"exp": "tomorrow"},
    {"iat": 4_000_000_000},
    {"nbf": 4_000_000_000},
    {"sub": None},
    {"sub": ""},
    {"tenant": None},
    {"tenant": "*"},
)


def test_an_id_token_that_is_not_for_this_login_lets_nobody_in(lied_to: Browser, liar: Liar) -> None:
    let_in = []
    for claims in WRONG_CLAIMS:
        liar.claims = claims
        if not refused(back(lied_to), lied_to):
            let_in.append(claims)
    assert let_in == []
    assert liar.redeemed == len(WRONG_CLAIMS)


def test_an_id_token_that_came_with_another_access_token_lets_nobody_in(lied_to: Browser, liar: Liar) -> None:
    """``at_hash`` binds the two (OpenID Connect Core 3.1.3.8); it may be left out, and is checked where it is there."""
    digest = sha256(b"another").digest()
    liar.claims = {"at_hash": urlsafe_b64encode(digest[:16]).decode().rstrip("=")}
    assert refused(back(lied_to), lied_to)
    digest = sha256(b"opaque").digest()
    liar.claims = {"at_hash": urlsafe_b64encode(digest[:16]).decode().rstrip("=")}
    assert not refused(back(lied_to), lied_to)
    assert lied_to.who()["subject"] == "n1"


def test_an_id_token_that_the_issuers_key_did_not_sign_lets_nobody_in(lied_to: Browser, liar: Liar) -> None:
    for signed_by in ("secret", "nobody", "stranger"):
        liar.signed_by = signed_by
        assert refused(back(lied_to), lied_to), signed_by
    assert liar.redeemed == 3


def test_an_answer_without_an_id_token_lets_nobody_in(lied_to: Browser, liar: Liar) -> None:
    liar.answer = {"access_token": "opaque", "token_type": "bearer"}
    assert refused(back(lied_to), lied_to)


def test_an_id_token_is_judged_by_our_clock(lied_to: Browser, liar: Liar) -> None:
    asked = lied_to.begin()
    lied_to.site.clock.moved = timedelta(minutes=2)
    answer = lied_to.http.get("/review/callback", params={"code": asked["nonce"], "state": asked["state"]})
    assert refused(answer, lied_to)
    assert liar.redeemed == 1


def test_a_provider_that_is_not_the_one_of_the_settings_is_none(lied_to: Browser, liar: Liar) -> None:
    for metadata in (
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ):
        liar.metadata = metadata
        # What was fetched before is looked at again after some minutes.
        lied_to.site.clock.moved += timedelta(minutes=11)
        answer = lied_to.http.get("/review/login")
        assert (answer.status_code, "location" in answer.headers) == (503, False), metadata
    liar.metadata = {}
    assert lied_to.begin()["response_type"] == "code"


def test_a_provider_that_is_away_is_told_and_looked_for_again(
    sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path, free_port: int
) -> None:
    with open_site(f"http://127.0.0.1:{free_port}", free_port + 1, database_url, redis_url, tmp_path) as site:
        answer = site.browser().http.get("/review/login", params={"next": "/review/queue"})
        assert answer.status_code == 503
        assert "does not answer" in answer.text
        assert 'href="/review/login?next=%2Freview%2Fqueue"' in answer.text


# -- another session, and none


def test_a_login_ends_the_session_before_it(browser: Browser) -> None:
    browser.log_in("nora-lind")
    former, token = browser.cookie, browser.who()["csrf"]
    browser.log_in("paul-abara")
    assert browser.who()["subject"] == "paul-abara"
    assert browser.who()["csrf"] != token
    browser.http.cookies.clear()
    browser.http.cookies.set("review_session", former, domain="127.0.0.1", path="/review")
    assert browser.who() == {}


def test_a_logout_ends_the_session_here_for_every_copy_and_leads_to_the_provider(
    browser: Browser, sandbox: RunningSandbox
) -> None:
    browser.log_in("nora-lind")
    copy, token = browser.cookie, browser.who()["csrf"]
    assert token in browser.http.get("/review/logout").text
    answer = browser.post(token, "/review/logout")
    assert answer.status_code == 200
    assert f"url={sandbox.origin}/oauth/logout?" in answer.text
    assert browser.cookie == ""
    browser.http.cookies.set("review_session", copy, domain="127.0.0.1", path="/review")
    assert browser.who() == {}
    assert "Nobody is logged in" in browser.http.get("/review/logout").text


def test_the_provider_leads_back_after_a_logout(browser: Browser, site: Site) -> None:
    browser.log_in("nora-lind")
    page = browser.post(browser.who()["csrf"], "/review/logout").text
    address = page.partition('href="http')[2].partition('"')[0].replace("&amp;", "&")
    there = browser.http.get(f"http{address}")
    assert there.headers["location"].startswith(f"{site.url}/review/logout")


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}], ids=str)
def test_nobody_is_logged_out_by_another_site(browser: Browser, headers: dict[str, str]) -> None:
    browser.log_in("nora-lind")
    token = browser.who()["csrf"] if headers else "made-up"
    assert browser.post(token, "/review/logout", **headers).status_code == 403
    assert browser.who()["subject"] == "nora-lind"


def test_without_redis_people_log_in_and_out_all_the_same(
    sandbox: RunningSandbox, database_url: str, redis_url: str, tmp_path: Path, free_port: int
) -> None:
    away = f"redis://127.0.0.1:{free_port}/0"
    with open_sandbox_site(sandbox, database_url, away, tmp_path) as site:
        browser = site.browser()
        browser.log_in("nora-lind")
        token = browser.who()["csrf"]
        assert browser.post(token, "/review/logout").status_code == 200
        assert browser.who() == {}


def test_where_the_pages_are_not_set_up_they_say_so_and_all_else_works(reception: Reception) -> None:
    for path in ("/review", "/review/login", "/review/cases/7"):
        answer = reception.client.get(path)
        assert (answer.status_code, "WRITEBACK_REVIEW_ISSUER" in answer.text) == (404, True)
    assert reception.post().status_code == 202
