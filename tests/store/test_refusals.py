import hashlib
from datetime import UTC, datetime, timedelta

from canonical.admission import UNKNOWN_TENANT, Refusal
from canonical.errors import FieldError
from config.wiring import Services
from store.refusals import Refusals
from tests.reception import look

ERROR = FieldError(pointer="/action/valueQuantity", code="impossible", detail="beyond what can be")


def test_a_refusal_names_the_fields_and_keeps_no_body(services: Services) -> None:
    Refusals(services.engine).record(
        Refusal(tenant="north", app="visits", door="http", code="invalid-field", errors=(ERROR,))
    )
    (kept,) = look(services, "SELECT tenant, app, door, code, errors, body_digest FROM refused_messages")
    assert kept == {
        "tenant": "north",
        "app": "visits",
        "door": "http",
        "code": "invalid-field",
        "errors": [vars(ERROR)],
        "body_digest": None,
    }
    assert look(services, "SELECT * FROM payloads") == []


def test_a_message_is_kept_with_its_body_once(services: Services) -> None:
    body, digest = b'{"a": 72.50}', hashlib.sha256(b"message").digest()
    refusal = Refusal(tenant=UNKNOWN_TENANT, app=None, door="celery", code="unsigned", body=body, message_digest=digest)
    for _ in range(2):
        Refusals(services.engine).record(refusal)
    (kept,) = look(services, "SELECT body_digest FROM refused_messages")
    (payload,) = look(services, "SELECT tenant, digest, content FROM payloads")
    assert bytes(kept["body_digest"]) == bytes(payload["digest"]) == hashlib.sha256(body).digest()
    assert (payload["tenant"], bytes(payload["content"])) == ("?", body)


def test_refusals_are_counted_by_door_and_code_since_a_time(services: Services) -> None:
    refusals = Refusals(services.engine)
    for code in ("invalid-field", "invalid-field", "consent-absent"):
        refusals.record(Refusal(tenant="north", app="visits", door="http", code=code))
    refusals.record(Refusal(tenant="south", app="visits", door="celery", code="unsigned"))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert refusals.counts(since=hour_ago, tenant="north") == [
        ("http", "consent-absent", 1),
        ("http", "invalid-field", 2),
    ]
    assert len(refusals.counts(since=hour_ago)) == 3
    assert refusals.counts(since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_of_a_body_beyond_the_limit_only_the_digest_and_the_size_are_kept(services: Services) -> None:
    refusals = Refusals(services.engine, keep_at_most=1_000)
    for size in (1_000, 1_001):
        body = b"x" * size
        digest = hashlib.sha256(body).digest()
        refusals.record(
            Refusal(tenant="?", app=None, door="celery", code="body-too-large", body=body, message_digest=digest)
        )
    whole, cut = look(services, "SELECT errors, body_digest FROM refused_messages ORDER BY id")
    (payload,) = look(services, "SELECT content FROM payloads")
    assert (len(payload["content"]), whole["errors"]) == (1_000, [])
    assert bytes(cut["body_digest"]) == hashlib.sha256(b"x" * 1_001).digest()
    (error,) = cut["errors"]
    assert (error["code"], error["detail"].split()[0]) == ("body-not-kept", "1001")


def test_the_service_keeps_bodies_up_to_four_times_the_limit_of_a_command(services: Services) -> None:
    limit = 4 * services.settings.body_limit
    for size in (limit, limit + 1):
        body = b"x" * size
        services.refusals.record(
            Refusal(
                tenant="?", app=None, door="celery", code="body-too-large", body=body, message_digest=str(size).encode()
            )
        )
    assert [row["n"] for row in look(services, "SELECT length(content) AS n FROM payloads")] == [limit]
