"""The sandbox as OpenID provider: a person is chosen on its page, and the client's server learns who it was, once."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from pydantic import ValidationError

from sandbox.authorization import CODE_LIFE_S, AuthorizationRequest, give_code, take_code
from sandbox.database import Database
from sandbox.people import Person, WebClient, staff_of_file
from tests.sandbox_fixture import RunningSandbox

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://127.0.0.1:9/review/callback"
LEFT = "http://127.0.0.1:9/review/logout"
NURSE = {"sub": "n1", "name": "Ann <Nurse>", "roles": ["nurse"], "tenant": "north", "fhirUser": "Practitioner/n1"}


class Browser:
    """Somebody at the page, and the client's server behind them."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.http = httpx.Client(base_url=sandbox.origin, timeout=10, verify=False)

    def asked(self, **changes: str | None) -> dict[str, str]:
        usual = {
            "client_id": "pages",
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "openid profile",
            "state": "s&1",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def page(self, **changes: str | None) -> httpx.Response:
        return self.http.get("/oauth/authorize", params=self.asked(**changes))

    def choose(self, person: str | None = "n1", **changes: str | None) -> httpx.Response:
        """Press a button of the page that the request is answered with."""
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', self.page(**changes).text))
        form = {name: unescape(value) for name, value in fields.items()} | {"person": person or ""}
        return self.http.post("/oauth/authorize", data=form)

    def code(self, **changes: str | None) -> str:
        return sent_back(self.choose(**changes))["code"]

    def redeem(self, code: str | None, **changes: str | None) -> httpx.Response:
        usual = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
            "client_id": "pages",
            "client_secret": "quiet",
        }
        form = {name: value for name, value in (usual | changes).items() if value is not None}
        return self.http.post("/oauth/token", data=form)

    def keys(self) -> KeySet:
        return KeySet.import_key_set(self.http.get("/oauth/jwks").json())


def sent_back(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].partition("?")[0] == BACK
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.fixture
def browser(sandbox: RunningSandbox) -> Iterator[Browser]:
    sandbox.register_person(NURSE)
    sandbox.register_person({"sub": "p1", "name": "Paul", "roles": ["pharmacist"], "tenant": "north"})
    sandbox.register_web_client(
        {
            "client_id": "pages",
            "client_secret": "quiet",
            "redirect_uris": [BACK],
            "post_logout_redirect_uris": [LEFT],
            "audience": "writeback",
            "scopes": "writeback/read",
        }
    )
    sandbox.register_web_client({"client_id": "public", "redirect_uris": [BACK]})
    browser = Browser(sandbox)
    yield browser
    browser.http.close()


def test_discovery_says_how_people_log_in(sandbox: RunningSandbox) -> None:
    told = httpx.get(f"{sandbox.origin}/.well-known/openid-configuration").json()
    assert told["issuer"] == sandbox.origin
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["response_types_supported"] == ["code"]
    assert {"authorization_code", "client_credentials"} == set(told["grant_types_supported"])
    assert {"authorization_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri"} <= set(told)


def test_the_page_lists_everybody_and_writes_names_as_text(browser: Browser) -> None:
    page = browser.page()
    assert re.findall(r'value="(\w+)">(?:Ann|Paul)', page.text) == ["n1", "p1"]
    assert "Ann &lt;Nurse&gt; (nurse)" in page.text


def test_a_code_becomes_an_id_token_that_names_the_person_and_the_request(
    browser: Browser, sandbox: RunningSandbox
) -> None:
    back = sent_back(browser.choose())
    assert (back["state"], back["iss"]) == ("s&1", sandbox.origin)
    tokens = browser.redeem(back["code"]).json()
    identity = jwt.decode(tokens["id_token"], browser.keys(), algorithms=["RS256"]).claims
    assert {name: identity[name] for name in NURSE} == NURSE
    assert (identity["iss"], identity["aud"], identity["nonce"]) == (sandbox.origin, "pages", "n-1")
    assert 0 < identity["exp"] - time.time() <= 300
    access = jwt.decode(tokens["access_token"], browser.keys(), algorithms=["RS256"])
    assert access.header["typ"] == "at+jwt"
    assert (access.claims["aud"], access.claims["scope"], access.claims["sub"]) == ("writeback", "writeback/read", "n1")


def test_a_code_is_good_for_one_use(browser: Browser) -> None:
    code = browser.code()
    assert browser.redeem(code).status_code == 200
    again = browser.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"redirect_uri": BACK + "/"}, "invalid_grant"),
        ({"client_id": "public", "client_secret": None}, "invalid_grant"),
        ({"client_secret": "loud"}, "invalid_client"),
        ({"client_secret": None}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "made-up"}, "invalid_grant"),
    ],
    ids=["verifier", "no verifier", "address", "other client", "secret", "no secret", "unknown", "grant", "code"],
)
def test_a_code_is_bound_to_its_client_address_and_verifier(
    browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    refused = browser.redeem(**({"code": browser.code()} | changes))
    assert refused.json()["error"] == error
    assert "id_token" not in refused.json()


def test_a_guess_uses_the_code_up(browser: Browser) -> None:
    code = browser.code()
    browser.redeem(code, code_verifier="w" * 43)
    assert browser.redeem(code).json()["error"] == "invalid_grant"


def test_a_public_client_needs_no_secret_but_the_verifier(browser: Browser) -> None:
    code = browser.code(client_id="public")
    tokens = browser.redeem(code, client_id="public", client_secret=None).json()
    who = browser.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert who.json() == NURSE
    for wrong in (f"Bearer {tokens['id_token']}", "Bearer x", "Bearer"):
        refused = browser.http.get("/oauth/userinfo", headers={"Authorization": wrong})
        assert refused.status_code == 401


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
    ],
    ids=str,
)
def test_a_request_without_what_makes_it_safe_goes_back_with_its_error(
    browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    back = sent_back(browser.page(**changes))
    assert (back["error"], back["state"]) == (error, "s&1")
    assert "code" not in back
    posted = browser.http.post("/oauth/authorize", data=browser.asked(**changes) | {"person": "n1"})
    assert sent_back(posted)["error"] == error


@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}], ids=str)
def test_nobody_is_sent_to_an_address_that_is_not_registered(browser: Browser, changes: dict[str, str | None]) -> None:
    for answer in (
        browser.page(**changes),
        browser.http.post("/oauth/authorize", data=browser.asked(**changes) | {"person": "n1"}),
    ):
        assert answer.status_code == 400
        assert "location" not in answer.headers


def test_somebody_who_is_not_on_the_list_cannot_be_chosen(browser: Browser) -> None:
    again = browser.choose("stranger")
    assert (again.status_code, "Who are you?" in again.text) == (200, True)


def test_after_a_logout_the_browser_goes_where_the_client_is_registered_and_nowhere_else(browser: Browser) -> None:
    asked = {"client_id": "pages", "post_logout_redirect_uri": LEFT, "state": "x"}
    assert browser.http.get("/oauth/logout", params=asked).headers["location"] == f"{LEFT}?state=x"
    stay = browser.http.get("/oauth/logout", params=asked | {"post_logout_redirect_uri": "https://evil.example/"})
    assert (stay.status_code, "logged out" in stay.text) == (200, True)


def test_a_code_ends_with_its_minute_and_leaves_nothing_behind(tmp_path: Path) -> None:
    database = Database(tmp_path / "sandbox.sqlite3")
    database.open()
    request = AuthorizationRequest(client_id="c", redirect_uri=BACK, scope="openid", code_challenge=CHALLENGE)
    connection = database._connect()
    code = give_code(connection, request=request, sub="n1", now=1000.0)
    kept = connection.execute("SELECT content FROM codes").fetchone()["content"]
    assert code not in kept
    assert json.loads(kept)["expires_at"] == 1000.0 + CODE_LIFE_S
    give_code(connection, request=request, sub="n1", now=1001.0 + CODE_LIFE_S)
    assert take_code(connection, code) is None
    connection.close()
    database.close()


def test_a_late_code_is_refused(browser: Browser, sandbox: RunningSandbox) -> None:
    code = browser.code()
    database = Database(sandbox.data_dir / "sandbox.sqlite3")
    connection = database._connect()
    content = json.loads(connection.execute("SELECT content FROM codes").fetchone()["content"])
    late = json.dumps(content | {"expires_at": time.time() - 1})
    connection.execute("UPDATE codes SET content = ?", (late,))
    connection.close()
    assert browser.redeem(code).json()["error"] == "invalid_grant"


def test_people_and_web_clients_outlive_a_restart_and_end_with_a_reset(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"people": [NURSE], "web_clients": [{"client_id": "pages", "redirect_uris": [BACK]}]}))
    running = RunningSandbox(tmp_path / "data", arguments=("--people-file", str(file))).start()
    try:
        running.register_person({"sub": "late", "name": "Late"})
        running.kill()
        running.start()
        browser = Browser(running)
        assert re.findall(r'name="person" value="(\w+)"', browser.page().text) == ["n1", "late"]
        running.reset()
        assert re.findall(r'name="person" value="(\w+)"', browser.page().text) == ["n1"]
        browser.http.close()
    finally:
        running.close()


def test_a_wrong_registration_is_refused(sandbox: RunningSandbox, tmp_path: Path) -> None:
    assert sandbox.admin.post("people", json={"name": "no sub"}).status_code == 422
    assert sandbox.admin.post("web-clients", json={"client_id": "x", "redirect_uris": []}).status_code == 422
    for address in ("/review", "javascript:alert(1)", "https://host/#fragment"):
        with pytest.raises(ValidationError):
            WebClient(client_id="x", redirect_uris=(address,))
    (tmp_path / "wrong.json").write_text('{"persons": []}')
    with pytest.raises(ValidationError):
        staff_of_file(tmp_path / "wrong.json")
    unclaimed: dict[str, Any] = Person(sub="x", name="X").claims()
    assert unclaimed == {"sub": "x", "name": "X", "roles": []}
