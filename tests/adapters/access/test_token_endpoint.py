"""Asking a real HTTP server for a token, and what its answers mean."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.access.client_secret import client_secret_post
from adapters.access.issuer import LIFETIME_DEFAULT, LONGEST_LIFETIME
from adapters.access.token_endpoint import TokenEndpoint
from canonical.errors import ConfigurationError, EhrUnavailableError
from tests.adapters.access.endpoint import SCOPE, form_of, granted, header_of, keeping, now
from tests.adapters.raw_server import RawServer, Script, answering, http


def settings(folder: Path, url: str, **more: str) -> dict[str, str]:
    file = folder / "secret"
    file.write_text("hunter2")
    return {"token_url": url, "client_id": "writeback", "client_secret_file": str(file), "scope": SCOPE, **more}


@contextmanager
def endpoint(folder: Path, *scripts: Script, **more: str) -> Iterator[TokenEndpoint]:
    with RawServer(*scripts) as server:
        auth = settings(folder, server.url, **more)
        opened = TokenEndpoint(auth, client_secret_post(auth), clock=now)
        yield opened
        opened.close()


def test_request_is_the_standard_form_with_the_proof_in_it(tmp_path: Path) -> None:
    requests: list[bytes] = []
    with endpoint(tmp_path, keeping(requests, granted(scope="x", expires_in=570))) as opened:
        grant = opened.ask(5)
    assert (grant.value, grant.lifetime, grant.scope) == ("t", 570, "x")
    assert form_of(requests[0]) == {
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_id": "writeback",
        "client_secret": "hunter2",
    }
    assert requests[0].startswith(b"POST /fhir HTTP/1.1\r\n")
    assert header_of(requests[0], "Content-Type") == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("member", ["resource", "audience", "aud"])
def test_address_of_the_fhir_service_goes_along_where_the_server_wants_it(tmp_path: Path, member: str) -> None:
    requests: list[bytes] = []
    with endpoint(tmp_path, keeping(requests, granted()), **{member: "https://ehr.example/fhir"}) as opened:
        opened.ask(5)
    assert form_of(requests[0])[member] == "https://ehr.example/fhir"


def test_scope_that_is_not_stated_is_the_one_asked_for(tmp_path: Path) -> None:
    with endpoint(tmp_path, answering(granted())) as opened:
        assert opened.ask(5).scope == SCOPE


@pytest.mark.parametrize(
    ("stated", "lifetime"),
    [
        ({"expires_in": 300}, 300),
        ({"expires_in": "36000"}, 36_000),
        ({"expires_in": "570.0"}, 570),
        ({"expires_in": 0}, 0),
        ({"expires_in": 10**17}, LONGEST_LIFETIME),
        ({"expires_in": -1}, LIFETIME_DEFAULT),
        ({"expires_in": True}, LIFETIME_DEFAULT),
        ({"expires_in": "one hour"}, LIFETIME_DEFAULT),
        ({}, LIFETIME_DEFAULT),
    ],
)
def test_lifetime_is_read_however_the_server_writes_it(tmp_path: Path, stated: dict[str, Any], lifetime: float) -> None:
    with endpoint(tmp_path, answering(granted(**stated))) as opened:
        assert opened.ask(5).lifetime == lifetime


def oauth_error(status: str, code: str, *headers: str) -> bytes:
    return http(status, *headers, body=json.dumps({"error": code, "error_description": "Lopez"}).encode())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (oauth_error("400 Bad Request", "invalid_client"), "auth"),
        (oauth_error("400 Bad Request", "unauthorized_client"), "auth"),
        (oauth_error("400 Bad Request", "invalid_scope"), "auth"),
        (oauth_error("401 Unauthorized", "invalid_client"), "auth"),
        (oauth_error("500 Error", "access_denied"), "auth"),
        (oauth_error("200 OK", "invalid_client"), "auth"),
        (oauth_error("400 Bad Request", "temporarily_unavailable"), "outage"),
        (oauth_error("400 Bad Request", "server_error"), "outage"),
        (oauth_error("500 Error", "something of their own"), "outage"),
        (oauth_error("429 Too Many", "invalid_client"), "throttled"),
        (http("401 Unauthorized"), "auth"),
        (http("403 Forbidden"), "auth"),
        (http("200 OK", body=b"{}"), "auth"),
        (http("200 OK", body=b"<html>"), "auth"),
        (granted(token_type="DPoP"), "auth"),
        (granted(token="two words"), "auth"),
        (granted(token=""), "auth"),
        (http("429 Too Many"), "throttled"),
        (http("408 Slow"), "outage"),
        (http("503 Away"), "outage"),
        (http("302 Found", "Location: /login"), "outage"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "outage"),
        (b"", "outage"),
    ],
)
def test_an_answer_without_a_token_says_what_to_wait_for(tmp_path: Path, raw: bytes, reason: str) -> None:
    with endpoint(tmp_path, answering(raw)) as opened, pytest.raises(EhrUnavailableError) as caught:
        opened.ask(5)
    assert (caught.value.reason, caught.value.retry_after) == (reason, None)


@pytest.mark.parametrize(("status", "reason"), [("429 Slow", "throttled"), ("503 Away", "outage")])
def test_wish_to_be_left_alone_is_passed_on(tmp_path: Path, status: str, reason: str) -> None:
    raw = http(status, "Retry-After: 30")
    with endpoint(tmp_path, answering(raw)) as opened, pytest.raises(EhrUnavailableError) as caught:
        opened.ask(5)
    assert (caught.value.reason, caught.value.retry_after) == (reason, timedelta(seconds=30))


def test_only_a_standard_code_of_a_refusal_is_logged(tmp_path: Path) -> None:
    own = json.dumps({"error": "Lopez"}).encode()
    answers = [answering(oauth_error("400 No", "invalid_client")), answering(http("400 No", body=own))]
    with endpoint(tmp_path, *answers) as opened, structlog.testing.capture_logs() as lines:
        for _ in answers:
            with pytest.raises(EhrUnavailableError):
                opened.ask(5)
    assert [(line["action"], line["error"]) for line in lines] == [
        ("token.refused", "invalid_client"),
        ("token.refused", None),
    ]
    assert "Lopez" not in str(lines)
    assert "hunter2" not in str(lines)


def test_a_secret_that_went_away_is_waited_for(tmp_path: Path) -> None:
    with endpoint(tmp_path, answering(granted())) as opened:
        (tmp_path / "secret").unlink()
        with structlog.testing.capture_logs() as lines, pytest.raises(EhrUnavailableError) as caught:
            opened.ask(5)
        assert caught.value.reason == "auth"
        assert "client_secret_file" in lines[0]["detail"]
        (tmp_path / "secret").write_text("hunter3")
        assert opened.ask(5).value == "t"


def test_token_is_not_shown(tmp_path: Path) -> None:
    with endpoint(tmp_path, answering(granted(token="hunter2"))) as opened:
        assert "hunter2" not in repr(opened.ask(5))


@pytest.mark.parametrize("missing", ["token_url", "scope"])
def test_settings_that_are_missing_are_named(tmp_path: Path, missing: str) -> None:
    auth = settings(tmp_path, "https://ehr.example/token", **{missing: ""})
    with pytest.raises(ConfigurationError, match=missing):
        TokenEndpoint(auth, client_secret_post(auth), clock=now)
