import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.access.rpc_token import RpcToken
from canonical.errors import ConfigurationError, EhrUnavailableError
from tests.adapters.access.endpoint import header_of, keeping, now
from tests.adapters.raw_server import RawServer, Script, answering, http

BARE = b"B7A1D2E4-9A37-4E3B-8E9C-1F2A3B4C5D6E"


def settings(folder: Path, url: str, **more: str) -> dict[str, str]:
    file = folder / "password"
    file.write_text("hunter2\n")
    words = {"token_url": url, "username": "svc", "app_name": "writeback", "idle": "600", "password_file": str(file)}
    return {**words, **more}


@contextmanager
def endpoint(folder: Path, *scripts: Script) -> Iterator[RpcToken]:
    with RawServer(*scripts) as server:
        opened = RpcToken(settings(folder, server.url), clock=now)
        yield opened
        opened.close()


def test_service_user_and_application_are_named_in_the_request(tmp_path: Path) -> None:
    requests: list[bytes] = []
    with endpoint(tmp_path, keeping(requests, http("200 OK", body=BARE))) as opened:
        grant = opened.ask(5)
    sent = json.loads(requests[0].partition(b"\r\n\r\n")[2])
    assert sent == {"Username": "svc", "Password": "hunter2", "Appname": "writeback"}
    assert header_of(requests[0], "Content-Type") == "application/json"
    assert (grant.value, grant.scope) == (BARE.decode(), None)
    assert (opened.idle, grant.lifetime) == (600, 600)


@pytest.mark.parametrize("body", [BARE, b'"' + BARE + b'"', b" " + BARE + b"\r\n"])
def test_token_is_taken_with_and_without_quotes(tmp_path: Path, body: bytes) -> None:
    with endpoint(tmp_path, answering(http("200 OK", body=body))) as opened:
        assert opened.ask(5).value == BARE.decode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (http("200 OK", body=b"error: Username and Password not accepted"), "auth"),
        (http("200 OK", body=b"error:UsernameAndPasswordNotAccepted"), "auth"),
        (http("200 OK", body=b'[{"Error":"Magic-Error-and-more"}]'), "auth"),
        (http("200 OK", body=b'"unterminated'), "auth"),
        (http("200 OK", body=b"<html></html>____"), "auth"),
        (http("200 OK", body=b"no"), "auth"),
        (http("200 OK"), "auth"),
        (http("401 No"), "auth"),
        (http("429 Slow"), "throttled"),
        (http("503 Away", body=BARE), "outage"),
        (b"", "outage"),
    ],
)
def test_whatever_is_no_token_is_not_used_as_one(tmp_path: Path, raw: bytes, reason: str) -> None:
    with endpoint(tmp_path, answering(raw)) as opened, pytest.raises(EhrUnavailableError) as caught:
        opened.ask(5)
    assert caught.value.reason == reason


def test_a_password_that_went_away_is_waited_for(tmp_path: Path) -> None:
    with endpoint(tmp_path, answering(http("200 OK", body=BARE))) as opened:
        (tmp_path / "password").unlink()
        with pytest.raises(EhrUnavailableError, match="auth"):
            opened.ask(5)


@pytest.mark.parametrize("missing", ["token_url", "username", "app_name", "idle"])
def test_settings_that_are_missing_are_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        RpcToken(settings(tmp_path, "https://ehr.example/GetToken", **{missing: ""}), clock=now)
