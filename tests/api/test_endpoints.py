from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from api.endpoints import check_address, new_secret
from canonical.errors import RefusedError
from store.endpoints import ENDPOINTS_LIMIT
from tasks.callback_address import AddressRules
from tests.factories import NOW, as_bytes
from tests.reception import Issuer, Reception, open_reception

URL = "http://127.0.0.1:8999/callbacks"


@pytest.fixture
def reception(issuer: Issuer, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Reception]:
    """A reception whose callbacks may stay on this machine."""
    with open_reception(issuer, database_url, redis_url, tmp_path, callbacks_allow_loopback=True) as reception:
        yield reception


def register(reception: Reception, url: str = URL, **headers: str) -> Any:
    return reception.post(as_bytes({"url": url}), path="/v1/endpoints", **headers)


def test_the_secret_is_shown_once_and_signs(reception: Reception) -> None:
    made = register(reception)
    document = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/endpoints/{document['id']}")
    assert made.headers["cache-control"] == "no-store"
    assert document["secret"].startswith("whsec_")
    assert Webhook(document["secret"]).sign("m-1", NOW, "{}").startswith("v1,")
    assert reception.rows("SELECT secret, app FROM endpoints") == [{"secret": document["secret"], "app": "visits"}]
    for path in ("/v1/endpoints", made.headers["location"]):
        answer = reception.client.get(path)
        assert answer.status_code == 200
        assert document["secret"] not in answer.text
        assert URL in answer.text


def test_an_endpoint_is_its_apps_only(reception: Reception) -> None:
    location = register(reception).headers["location"]
    for claims in ({"tenant": "south"}, {"client_id": "other"}, {"client_id": "other", "scope": "writeback/admin"}):
        headers = reception.as_(**claims)
        assert reception.client.get("/v1/endpoints", headers=headers).json() == {"endpoints": []}
        assert reception.client.get(location, headers=headers).status_code == 404
        assert reception.client.delete(location, headers=headers).status_code == 404
        assert reception.client.post(f"{location}:rotate", headers=headers).status_code == 404
    assert reception.client.get(location).json()["disabledAt"] is None


def test_a_rotated_secret_replaces_the_old_one(reception: Reception) -> None:
    made = register(reception)
    rotated = reception.client.post(f"{made.headers['location']}:rotate")
    assert rotated.status_code == 200
    assert rotated.json()["secret"] != made.json()["secret"]
    assert reception.rows("SELECT secret FROM endpoints") == [{"secret": rotated.json()["secret"]}]


def test_a_disabled_endpoint_stays_on_record_and_comes_back_when_registered_again(reception: Reception) -> None:
    made = register(reception)
    assert reception.client.delete(made.headers["location"]).json()["disabledAt"] is not None
    (listed,) = reception.client.get("/v1/endpoints").json()["endpoints"]
    assert listed["disabledAt"] is not None
    again = register(reception)
    assert (again.json()["id"], again.json()["disabledAt"]) == (made.json()["id"], None)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://127.0.0.1/", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("https://", "scheme"),
        ("callbacks", "scheme"),
        (" https://127.0.0.1/", "not-an-address"),
        ("https://93.184.215.14/a b", "not-an-address"),
        ("https://93.184.\n215.14/", "not-an-address"),
        ("https://93.184.215.14/\t", "not-an-address"),
        ("https://93.184.215.14/\x7f", "not-an-address"),
        ("https://93.184.215.14/\u00e9", "not-an-address"),
        ("https://user:secret@127.0.0.1/", "credentials"),
        ("https://127.0.0.1/#part", "credentials"),
        ("https://127.0.0.1:99999/", "not-an-address"),
        ("https://[::1/", "not-an-address"),
        ("https://no-such-host.invalid/", "unresolvable"),
        ("https://169.254.169.254/latest/meta-data", "address"),
        ("https://10.0.0.1/", "address"),
        ("https://192.168.1.1/", "address"),
        ("https://[fe80::1]/", "address"),
        ("https://0.0.0.0/", "address"),
        ("https://[::ffff:10.0.0.1]/", "address"),
        ("http://93.184.215.14/", "address"),
    ],
)
def test_an_address_that_only_we_could_reach_is_refused(reception: Reception, url: str, code: str) -> None:
    answer = register(reception, url)
    document = answer.json()
    assert (answer.status_code, document["code"]) == (422, "address-refused")
    assert [(error["pointer"], error["code"]) for error in document["errors"]] == [("/url", code)]
    assert reception.rows("SELECT id FROM endpoints") == []


def test_an_app_is_told_at_ten_addresses_at_most(reception: Reception) -> None:
    for number in range(ENDPOINTS_LIMIT):
        assert register(reception, f"{URL}/{number}").status_code == 201
    answer = register(reception, f"{URL}/one-more")
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-endpoints")
    again = register(reception, f"{URL}/0")
    assert again.status_code == 201, "an address that is registered may be registered again"
    reception.client.delete(again.headers["location"])
    assert register(reception, f"{URL}/one-more").status_code == 201


def test_a_new_secret_does_not_take_up_an_address_beyond_the_ten(reception: Reception) -> None:
    first = register(reception, f"{URL}/0").headers["location"]
    reception.client.delete(first)
    for number in range(1, ENDPOINTS_LIMIT + 1):
        assert register(reception, f"{URL}/{number}").status_code == 201
    answer = reception.client.post(f"{first}:rotate")
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-endpoints")
    assert reception.client.get(first).json()["disabledAt"] is not None


def test_loopback_and_private_networks_need_a_setting() -> None:
    check_address("https://93.184.215.14/", AddressRules())
    check_address("http://localhost:1/", AddressRules(allow_loopback=True))
    check_address("https://10.1.2.3/", AddressRules(allow_private=True))
    for url, rules in [
        ("http://localhost:1/", AddressRules()),
        ("https://127.0.0.1/", AddressRules(allow_private=True)),
        ("http://10.1.2.3/", AddressRules(allow_private=True, allow_loopback=True)),
    ]:
        with pytest.raises(RefusedError):
            check_address(url, rules)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"url": 7}', b'{"url": ""}', b'{"url": "https://a", "secret": "mine"}', b"["]
)
def test_what_is_no_registration_is_refused(reception: Reception, body: bytes) -> None:
    answer = reception.post(body, path="/v1/endpoints")
    assert answer.status_code in {400, 422}
    assert reception.rows("SELECT id FROM endpoints") == []


def test_no_two_secrets_are_the_same() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
