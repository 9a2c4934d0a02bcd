from datetime import timedelta

import pytest

from tests.factories import NOW, envelope_json
from tests.reception import Reception

PROTECTED = [
    ("POST", "/v1/commands"),
    ("POST", "/v1/commands:batch"),
    ("POST", "/v1/commands/_search"),
    ("GET", "/v1/commands/3f2c9f39-6f1d-4b3e-8f1b-0c1d2e3f4a5b"),
    ("POST", "/v1/commands/3f2c9f39-6f1d-4b3e-8f1b-0c1d2e3f4a5b:cancel"),
    ("GET", "/v1/cases"),
    ("GET", "/v1/cases/1"),
    ("POST", "/v1/cases/1:decide"),
    ("POST", "/v1/cases:bulk"),
    ("POST", "/v1/cases/_search"),
    ("GET", "/v1/board"),
    ("GET", "/v1/endpoints"),
    ("POST", "/v1/endpoints"),
    ("GET", "/v1/consents/consent-1"),
    ("PUT", "/v1/consents/consent-1"),
    ("POST", "/v1/consents/consent-1:revoke"),
    ("GET", "/v1/switches"),
    ("PUT", "/v1/switches"),
]

OPEN = {"/healthz", "/readyz", "/metrics", "/v1/schemas", "/v1/schemas/{action}", "/v1/problems"}


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize("header", ["", "Basic dmlzaXRzOnNlY3JldA==", "Bearer", "Bearer not.a.token"])
def test_nobody_enters_without_a_token(reception: Reception, method: str, path: str, header: str) -> None:
    answer = reception.client.request(method, path, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert reception.stored() == 0
    assert reception.refusals() == [], "strangers cannot fill the table of refusals"


def test_every_address_but_the_open_ones_is_protected(reception: Reception) -> None:
    paths = reception.client.get("/openapi.json").json()["paths"]
    protected = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    open_ = {(method, path) for method, path in protected if "security" in paths[path][method.lower()]}
    assert {path for _, path in open_} == OPEN
    for method, path in protected - open_:
        address = path.replace("{", "").replace("}", "")
        assert reception.client.request(method, address, headers={"Authorization": ""}).status_code == 401, path


def test_an_expired_token_is_told_so(reception: Reception) -> None:
    expired = reception.as_(exp=int((NOW - timedelta(minutes=1)).timestamp()))
    answer = reception.post(envelope_json(), **expired)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "expired" in answer.json()["detail"]


def test_while_the_issuer_is_away_nothing_is_accepted(reception: Reception) -> None:
    reception.issuer.up = False
    answer = reception.post(envelope_json())
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer-unavailable")
    assert answer.headers["retry-after"] == "2"
    assert reception.stored() == 0
    reception.issuer.up = True
    reception.clock.now += timedelta(seconds=2)
    assert reception.post(envelope_json()).status_code == 202
