import base64
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.access.client_secret import SecretInHeader, client_secret_basic, client_secret_post
from adapters.access.secret import Secret
from canonical.errors import ConfigurationError
from tests.adapters.access.endpoint import now

VARIABLE = "WRITEBACK_TEST_SECRET"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "hunter2:+ä")


def test_secret_travels_in_the_header_form_encoded() -> None:
    credentials = client_secret_basic({"client_id": "a:b", "client_secret_env": VARIABLE}).credentials(now())
    kind, _, encoded = credentials.headers["Authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(encoded) == b"a%3Ab:hunter2%3A%2B%C3%A4"
    assert credentials.form == {}


def test_secret_travels_in_the_form() -> None:
    credentials = client_secret_post({"client_id": "a:b", "client_secret_env": VARIABLE}).credentials(now())
    assert credentials.form == {"client_id": "a:b", "client_secret": "hunter2:+ä"}
    assert credentials.headers == {}


@given(secret=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_secret_is_what_the_server_reads(tmp_path_factory: pytest.TempPathFactory, secret: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any-secret"
    file.write_text(secret, encoding="utf-8")
    client = SecretInHeader(client_id="id", secret=Secret(setting="client_secret_file", file=Path(file)))
    pair = base64.b64decode(client.credentials(now()).headers["Authorization"].removeprefix("Basic ")).decode("ascii")
    assert tuple(unquote_plus(part) for part in pair.split(":")) == ("id", secret)


@pytest.mark.parametrize("opener", [client_secret_basic, client_secret_post])
def test_secret_is_not_shown(opener: type) -> None:
    client = opener({"client_id": "id", "client_secret_env": VARIABLE})
    shown = repr(client) + repr(client.credentials(now()))
    assert "hunter2" not in shown
    assert "Basic" not in shown


@pytest.mark.parametrize("opener", [client_secret_basic, client_secret_post])
def test_settings_that_cannot_work_are_named(opener: type) -> None:
    with pytest.raises(ConfigurationError, match="client_id"):
        opener({"client_secret_env": VARIABLE})
    with pytest.raises(ConfigurationError, match="client_secret_file or client_secret_env"):
        opener({"client_id": "id"})
