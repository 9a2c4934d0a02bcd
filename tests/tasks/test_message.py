import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, OctKey

from canonical.admission import Refusal
from canonical.errors import StoreUnavailableError
from config.wiring import Services
from processes.postgres import PostgresServer
from tasks.message import MessageDoor, message_door, signed_message
from tasks.receive import Receipt
from tasks.tokens import REFETCH_AFTER
from tests.factories import ABSENT, NOW, as_bytes, envelope_json, patient_json
from tests.reception import APP, TENANT, Clock, Issuer, give_consent, look, open_issuer, open_services

KEY = ECKey.generate_key("P-256", auto_kid=True)
OTHER_KEY = ECKey.generate_key("P-256", auto_kid=True)
SERVICE_KEY = ECKey.generate_key("P-256", auto_kid=True)
SCOPES = ["writeback/VitalReading.*"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with open_issuer() as issuer:
        yield issuer


@pytest.fixture
def services(database_url: str, redis_url: str, tmp_path: Path, clock: Clock, issuer: Issuer) -> Iterator[Services]:
    apps = tmp_path / "apps.toml"
    jwks = json.dumps(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    apps.write_text(f'[[app]]\nname = "{APP}"\ntenant = "{TENANT}"\nscopes = {json.dumps(SCOPES)}\njwks = {jwks}\n')
    key = tmp_path / "service.key.json"
    key.write_text(json.dumps(SERVICE_KEY.as_dict(private=True)))
    settings = {"apps_file": apps, "message_key_file": key, "jwks_url": issuer.url, "max_queue_age": 900}
    with open_services(database_url, redis_url, tmp_path, clock=clock, **settings) as services:
        give_consent(services)
        yield services


@pytest.fixture
def door(services: Services) -> MessageDoor:
    return services.message_door


def signed(text: str, **over: Any) -> dict[str, Any]:
    """Return ``text`` as the app signs it, for an hour from the tests' time."""
    usual: dict[str, Any] = {"audience": "writeback", "signing_key": KEY, "now": NOW, "lifetime": timedelta(hours=1)}
    return signed_message(text, app=APP, **(usual | over))


def message(
    text: str | None = None, *, signed_key: str | None = "celery-key-1", signing: ECKey = KEY, **over: Any
) -> dict[str, Any]:
    """Return a message that would be accepted, with members set over it."""
    text = as_bytes(envelope_json()).decode() if text is None else text
    made = signed(text, key=signed_key, signing_key=signing)
    return {name: value for name, value in (made | over).items() if value is not ABSENT}


def token(**claims: Any) -> str:
    """Return a token for whatever claims."""
    header = {"alg": "ES256", "kid": KEY.kid}
    return jwt.encode({k: v for k, v in header.items() if v}, claims, KEY, algorithms=["ES256"])


def accepted(door: MessageDoor, given: object) -> Receipt:
    answer = door.handle_message(given)
    assert isinstance(answer, Receipt), answer
    return answer


def refused(services: Services, given: object) -> Refusal:
    """Handle what must be refused, and check that it is kept, once, with its reason, and nothing else."""
    answer = services.message_door.handle_message(given)
    assert isinstance(answer, Refusal), answer
    assert services.message_door.handle_message(given) == answer
    (kept,) = look(services, "SELECT tenant, app, door, code, body_digest FROM refused_messages")
    (payload,) = look(services, "SELECT tenant, digest, content FROM payloads")
    assert (kept["tenant"], kept["app"], kept["door"], kept["code"]) == (
        answer.tenant,
        answer.app,
        "celery",
        answer.code,
    )
    assert (payload["tenant"], bytes(payload["digest"])) == (answer.tenant, bytes(kept["body_digest"]))
    assert look(services, "SELECT id FROM commands") == []
    return answer


def kept_body(services: Services) -> bytes:
    return bytes(look(services, "SELECT content FROM payloads")[0]["content"])


def test_a_signed_message_is_accepted_like_a_request(services: Services, door: MessageDoor) -> None:
    receipt = accepted(door, message(correlationId="round-9"))
    assert (receipt.status, receipt.correlation_id) == ("pending", "round-9")
    assert look(services, "SELECT tenant, app FROM commands") == [{"tenant": TENANT, "app": APP}]
    assert look(services, "SELECT detail ->> 'door' AS door FROM events WHERE seq = 1") == [{"door": "celery"}]


def test_a_redelivered_message_is_the_same_command(services: Services, door: MessageDoor) -> None:
    sent = message()
    first, again = accepted(door, sent), accepted(door, sent)
    assert (first.id, again.replayed) == (again.id, True)
    assert len(look(services, "SELECT id FROM commands")) == 1


def test_numbers_survive_the_broker(services: Services, door: MessageDoor) -> None:
    body = as_bytes(envelope_json()).decode()
    assert "72.50" in body
    accepted(door, json.loads(json.dumps(message(body))))
    assert kept_body(services) == body.encode()


def test_without_a_key_the_event_upstream_makes_one(door: MessageDoor) -> None:
    body = as_bytes(envelope_json()).decode()
    first = accepted(door, message(body, signed_key=None))
    later = signed(body, now=NOW + timedelta(seconds=2))
    assert accepted(door, later).id == first.id


@pytest.mark.parametrize("algorithm", ["ECDH-ES", "ECDH-ES+A256KW"])
def test_an_encrypted_message_is_read_with_the_services_key(
    services: Services, door: MessageDoor, algorithm: str
) -> None:
    body = as_bytes(envelope_json())
    sealed = jwe.encrypt_compact(
        {"alg": algorithm, "enc": "A256GCM"}, body, SERVICE_KEY, algorithms=[algorithm, "A256GCM"]
    )
    accepted(door, message(sealed))
    assert kept_body(services) == body


def test_a_large_encrypted_command_is_read_too(door: MessageDoor) -> None:
    note = [{"text": "long " * 3_900}] * 8
    body = as_bytes(envelope_json(envelope_json()["action"] | {"note": note}))
    assert 100_000 < len(body) < 256 * 1024
    sealed = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM"}, body, SERVICE_KEY)
    accepted(door, message(sealed))


@pytest.fixture
def open_door(services: Services) -> MessageDoor:
    """The door of an installation that takes bearer tokens from its queue."""
    settings = services.settings.model_copy(update={"queue_bearer_tokens": True})
    return message_door(settings, receiver=services.receiver, store=services.receiver._store, clock=services.clock)


def test_a_bearer_token_is_refused_unless_the_installation_takes_them(services: Services, issuer: Issuer) -> None:
    assert refused(services, message(token=issuer.token())).code == "unsigned"


def test_where_bearer_tokens_are_taken_one_says_who_sends(
    services: Services, open_door: MessageDoor, issuer: Issuer
) -> None:
    assert accepted(open_door, message(token=issuer.token())).author_assurance == "asserted"
    assert look(services, "SELECT tenant, app FROM commands") == [{"tenant": TENANT, "app": APP}]


def test_a_bearer_token_that_expired_while_it_waited_is_refused(
    services: Services, open_door: MessageDoor, issuer: Issuer, clock: Clock
) -> None:
    """It was read off the queue, perhaps, by somebody who now has a command of their own."""
    sent = message(token=issuer.token(exp=int(NOW.timestamp()) + 60))
    clock.now = NOW + timedelta(minutes=10)
    answer = open_door.handle_message(sent)
    assert isinstance(answer, Refusal)
    assert answer.code == "token-invalid"
    assert look(services, "SELECT id FROM commands") == []


def test_a_sender_cannot_say_when_its_token_is_to_be_judged(services: Services, issuer: Issuer) -> None:
    expired = issuer.token(exp=int((NOW - timedelta(minutes=1)).timestamp()))
    sent = message(token=expired, enqueuedAt=(NOW - timedelta(minutes=5)).isoformat())
    assert refused(services, sent).code == "malformed-message"


@pytest.mark.parametrize("audience", ["another-service", "", ["another-service"], None, 7])
def test_a_message_signed_for_another_service_is_kept(services: Services, audience: Any) -> None:
    """An app may sign for several services with one key; whoever runs one of them must not write through another."""
    made = signed(as_bytes(envelope_json()).decode(), audience=audience)
    assert refused(services, made).code == "signature-invalid"


def test_a_message_signed_for_nobody_in_particular_is_kept(services: Services) -> None:
    sent = message(signed_key=None)
    claims = {"iss": APP, "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60}
    claims["digest"] = "sha-256:" + hashlib.sha256(sent["body"].encode()).hexdigest()
    assert refused(services, sent | {"token": token(**claims)}).code == "signature-invalid"


def test_while_the_issuer_is_away_a_message_must_come_again(
    services: Services, open_door: MessageDoor, issuer: Issuer, clock: Clock
) -> None:
    issuer.up = False
    with pytest.raises(StoreUnavailableError):
        open_door.handle_message(message(token=issuer.token()))
    assert look(services, "SELECT * FROM refused_messages") == []
    issuer.up = True
    clock.now = NOW + REFETCH_AFTER
    accepted(open_door, message(token=issuer.token()))


def test_while_the_database_is_away_a_message_must_come_again(
    door: MessageDoor, postgres_server: PostgresServer
) -> None:
    sent, unsigned = message(), message(token=ABSENT)
    postgres_server.kill()
    for given in (sent, unsigned):
        with pytest.raises(StoreUnavailableError):
            door.handle_message(given)
    postgres_server.start()
    accepted(door, sent)


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        "text",
        [],
        ["schemaVersion"],
        float("nan"),
        "\ud800",
        {"schemaVersion": "1", "token": "t"},
        {"schemaVersion": "1", "token": 7, "body": "{}"},
        {"schemaVersion": "1", "token": "t", "body": {"connection": "north-r4"}},
        {"schemaVersion": "1", "token": "t", "body": "{}", "tenant": "north"},
    ],
    ids=["null", "number", "text", "list", "list of text", "NaN", "half a pair", "no body", "token", "object", "extra"],
)
def test_what_is_not_a_message_is_kept(services: Services, given: object) -> None:
    answer = refused(services, given)
    assert (answer.code, answer.tenant) == ("malformed-message", "?")


@pytest.mark.parametrize(("version"), ["2", 1, None, ABSENT])
def test_another_version_of_the_message_is_kept(services: Services, version: object) -> None:
    assert refused(services, message(schemaVersion=version)).code == "schema-version-unknown"


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"token": ABSENT}, "unsigned"),
        ({"token": ""}, "unsigned"),
        ({"token": "not.a.token"}, "unsigned"),
        ({"token": token(iss="stranger", iat=0, exp=1)}, "unsigned"),
        ({"token": token(iat=0, exp=1)}, "unsigned"),
        ({"token": token(iss=["visits"], iat=0, exp=1)}, "unsigned"),
        (
            {"token": token(iss=APP, aud="writeback", iat=int(NOW.timestamp()), exp=int(NOW.timestamp()) + 60)},
            "signature-invalid",
        ),
        ({"body": "{}"}, "signature-invalid"),
        ({"key": "another-key"}, "signature-invalid"),
        ({"key": ABSENT}, "signature-invalid"),
    ],
)
def test_what_is_not_signed_for_this_body_and_key_is_kept(services: Services, over: dict[str, Any], code: str) -> None:
    answer = refused(services, message(**over))
    assert (answer.code, answer.tenant, [error.pointer for error in answer.errors]) == (code, "?", ["/token"])


def test_a_message_signed_with_another_key_or_with_none_is_kept(services: Services) -> None:
    assert refused(services, message(signing=OTHER_KEY)).code == "signature-invalid"


def test_the_apps_public_key_is_no_shared_secret(services: Services) -> None:
    secret = OctKey.import_key(json.dumps(KEY.as_dict(private=False), sort_keys=True))
    body = as_bytes(envelope_json()).decode()
    digest = "sha-256:" + hashlib.sha256(body.encode()).hexdigest()
    now = int(NOW.timestamp())
    claims = {"iss": APP, "aud": "writeback", "iat": now, "exp": now + 60, "digest": digest}
    forged = jwt.encode({"alg": "HS256"}, claims, secret)
    assert refused(services, {"schemaVersion": "1", "token": forged, "body": body}).code == "signature-invalid"


@pytest.mark.parametrize("later", [timedelta(hours=2), timedelta(minutes=20)], ids=["past exp", "past the queue's age"])
def test_a_message_that_waited_too_long_is_kept(services: Services, clock: Clock, later: timedelta) -> None:
    clock.now = NOW + later
    assert refused(services, message()).code == "message-expired"


def test_a_signature_for_another_tenant_is_kept(services: Services) -> None:
    sent = message(signed_key=None)
    claims = {
        "iss": APP,
        "aud": "writeback",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
        "tenant": "south",
    }
    claims["digest"] = "sha-256:" + hashlib.sha256(sent["body"].encode()).hexdigest()
    assert refused(services, sent | {"token": token(**claims)}).code == "tenant-mismatch"


def test_what_is_encrypted_to_somebody_else_is_kept(services: Services) -> None:
    sealed = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM"}, b"{}", OTHER_KEY)
    answer = refused(services, message(sealed))
    assert (answer.code, answer.tenant) == ("undecryptable", TENANT)


def test_without_a_key_of_its_own_the_service_reads_nothing_encrypted(services: Services) -> None:
    settings = services.settings.model_copy(update={"message_key_file": None})
    door = message_door(settings, receiver=services.receiver, store=services.receiver._store, clock=services.clock)
    sealed = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM"}, b"{}", SERVICE_KEY)
    answer = door.handle_message(message(sealed))
    assert isinstance(answer, Refusal)
    assert answer.code == "encryption-unsupported"


def test_a_compressed_message_is_not_unpacked(services: Services) -> None:
    bomb = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM", "zip": "DEF"}, b" " * 10_000, SERVICE_KEY)
    assert refused(services, message(bomb)).code == "undecryptable"


def test_an_oversized_body_is_kept(services: Services) -> None:
    assert refused(services, message(" " * (256 * 1024 + 1))).code == "body-too-large"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{not json", "malformed-json"),
        ('{"connection": "north-r4"}', "invalid-field"),
        (as_bytes(envelope_json(connection="elsewhere")).decode(), "connection-unknown"),
        (as_bytes(envelope_json(patient=patient_json(reference="Patient/p2"))).decode(), "consent-absent"),
    ],
)
def test_a_command_that_is_refused_is_kept_with_the_app_and_its_body(services: Services, body: str, code: str) -> None:
    answer = refused(services, message(body))
    assert (answer.code, answer.tenant, answer.app) == (code, TENANT, APP)
    assert kept_body(services) == body.encode()


def test_a_message_refused_for_consent_is_accepted_when_it_comes_again_after_consent(
    services: Services, door: MessageDoor
) -> None:
    body = as_bytes(envelope_json(consent={"reference": "consent-2"})).decode()
    assert isinstance(door.handle_message(message(body)), Refusal)
    give_consent(services, reference="consent-2")
    accepted(door, message(body))


def test_no_credential_is_kept(services: Services) -> None:
    sent = message(token=token(iss="stranger"))
    refused(services, sent)
    assert sent["token"].encode() not in kept_body(services)
    assert sent["body"] in json.loads(kept_body(services))["body"]
