"""An app's way to the service: profiles, keys and tokens; what is missing or refused is a sentence."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from canonical.ports import Timings
from cli.errors import CannotDo
from cli.sandbox_site import SandboxSite
from cli.service_client import ClientCredentials, Profile, ServiceClient, read_private_key
from tests.sandbox_fixture import RunningSandbox


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    running = RunningSandbox(tmp_path_factory.mktemp("issuer"), open=False).start()
    yield running
    running.close()


@pytest.fixture
def site(issuer: RunningSandbox, tmp_path: Path) -> SandboxSite:
    made = SandboxSite(folder=tmp_path / "site", origin=issuer.origin, api_url="http://127.0.0.1:1")
    made.prepare(Timings())
    issuer.reset()
    for client in json.loads(made.clients_file.read_text()):
        issuer.register(client)
    return made


def test_a_token_says_tenant_app_and_scopes(site: SandboxSite) -> None:
    token = ClientCredentials(site.profile("ward")).token()
    claims = json.loads(jws.extract_compact(token.encode()).payload)
    assert (claims["tenant"], claims["client_id"], claims["aud"]) == ("north", "ward", "writeback")
    assert claims["scope"] == "writeback/VitalReading.*"


def test_many_threads_ask_for_one_token(site: SandboxSite, issuer: RunningSandbox) -> None:
    credentials = ClientCredentials(site.profile("pharmacy"))
    with ThreadPoolExecutor(8) as threads:
        tokens = set(threads.map(lambda _: credentials.token(), range(16)))
    assert len(tokens) == 1
    assert len(issuer.requests(interaction="token")) == 1


def test_a_short_lived_token_is_asked_for_anew(site: SandboxSite, issuer: RunningSandbox) -> None:
    issuer.settings(token_ttl_s=1)
    credentials = ClientCredentials(site.profile("ward"))
    assert credentials.token() != credentials.token()


def test_an_app_the_issuer_does_not_know_gets_a_sentence(site: SandboxSite, issuer: RunningSandbox) -> None:
    issuer.reset()
    with pytest.raises(CannotDo, match="gives no token to 'ward'"):
        ClientCredentials(site.profile("ward")).token()


def test_an_issuer_that_does_not_answer_is_a_sentence(site: SandboxSite) -> None:
    profile = site.profile("ward").model_copy(update={"token_url": "http://127.0.0.1:1/oauth/token"})
    with pytest.raises(CannotDo, match="does not answer; nothing was sent"):
        ClientCredentials(profile).token()


def test_a_service_that_does_not_answer_is_a_sentence_that_says_what_is_safe(site: SandboxSite) -> None:
    with ServiceClient(site.profile("ward")) as client, pytest.raises(CannotDo, match="again with the same key"):
        client.submit(b"{}", key="some-key-0001")


def test_a_profile_finds_its_key_beside_itself(site: SandboxSite) -> None:
    profile = Profile.read(site.folder / "ward.json")
    assert read_private_key(profile.key_file).is_private


@pytest.mark.parametrize("content", ["", "{}", '{"api_url": "ftp://x"}'])
def test_a_file_that_is_no_profile_is_a_sentence(tmp_path: Path, content: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(content)
    with pytest.raises(CannotDo, match="is no profile"):
        Profile.read(file)


def test_a_profile_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match="writeback up --sandbox"):
        Profile.read(tmp_path / "nothing.json")


@pytest.mark.parametrize("content", ["", "no key", "{}", '{"kty": "EC"}'])
def test_a_file_that_is_no_key_is_a_sentence(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(CannotDo, match="private"):
        read_private_key(file)


def test_a_public_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(ECKey.generate_key("P-256").as_dict(private=False)))
    with pytest.raises(CannotDo, match="private"):
        read_private_key(file)
