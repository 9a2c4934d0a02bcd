"""The Celery door: what ``command.receive`` is given, checked as strictly as an HTTP request. A published contract.

The one argument of the task is an object::

    {"schemaVersion": "1",
     "token": "<compact JWS>",        who sends; see below
     "body": "<text>",                the command as JSON text, or that text as a compact JWE to the service's public key
     "key": "...",                    optional: the idempotency key, else one is derived from source.eventId
     "correlationId": "...", "traceparent": "..."}     optional

``token`` is *signed by the app* with a key of its registration: a JWT with ``iss`` (the app's name), ``aud`` (this service's
audience), ``iat``, ``exp``, ``digest`` (``sha-256:`` and the hexadecimal SHA-256 of ``body`` in UTF-8) and, if ``key`` is sent,
the same ``key``; no older than the maximum queue age. Where the installation allows it (``queue_bearer_tokens``) it may be
*a bearer token* of the issuer instead, judged on receipt. That covers no body: whoever reads the queue could use it.
Tenant and app come from the registration or the token, never from the message. Bodies are text, because every JSON library
between two processes may rewrite a number.

Only a receipt is a promise. A message that cannot be accepted is kept with its reason, once; sending it again is safe.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import structlog
from joserfc import jwe, jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import Key, KeySet
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from canonical.admission import UNKNOWN_TENANT, AdmissionStore, Refusal
from canonical.envelope import Token, field_errors
from canonical.errors import FieldError, RefusedError, StoreUnavailableError
from canonical.principal import Principal
from tasks.receive import Receipt, Receiver
from tasks.registered_apps import RegisteredApp, read_message_key, read_registered_apps
from tasks.tokens import ALGORITHMS, LEEWAY_S, InvalidTokenError, IssuerUnavailableError, token_verifier

if TYPE_CHECKING:
    from config.settings import Settings

log = structlog.get_logger()

DOOR = "celery"
#: Key agreement or wrapping by public key, and authenticated encryption; no compression, whose size nobody can foresee.
_JWE_ALGORITHMS = ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "RSA-OAEP-256", "A128GCM", "A256GCM", "A256CBC-HS512"]
_COMPACT_JWE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Message(BaseModel):
    """The argument of ``command.receive``."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        hide_input_in_errors=True,
    )

    schema_version: Literal["1"]
    token: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    body: Annotated[str, StringConstraints(min_length=1)]
    key: str | None = None
    correlation_id: Token | None = None
    traceparent: Annotated[str, StringConstraints(pattern=r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")] | None = None


class BearerTokens(Protocol):
    """What judges bearer tokens of the issuer."""

    @property
    def issuer(self) -> str:
        """The only issuer whose tokens are accepted."""
        ...

    def principal(self, token: str) -> Principal:
        """Return who it speaks for now; raises ``InvalidTokenError``, ``IssuerUnavailableError``."""
        ...


class MessageDoor:
    """Takes messages from the broker. Thread-safe; one for each process."""

    def __init__(
        self,
        *,
        receiver: Receiver,
        store: AdmissionStore,
        apps: Mapping[str, RegisteredApp],
        audience: str,
        tokens: BearerTokens | None,
        message_key: Key | None,
        clock: Callable[[], datetime],
        max_age: timedelta,
        body_limit: int,
    ) -> None:
        """Take collaborators; ``audience`` is what a signature must be meant for.

        ``tokens`` ``None`` takes no bearer tokens, ``message_key`` ``None`` nothing encrypted.
        """
        self._receiver, self._store, self._clock = receiver, store, clock
        self._apps, self._audience, self._tokens, self._message_key = apps, audience, tokens, message_key
        self._max_age, self._body_limit = max_age, body_limit

    def handle_message(self, message: object) -> Receipt | Refusal:
        """Return the receipt, or the refusal that was kept together with the message.

        Raises ``StoreUnavailableError`` when it cannot be judged or kept now: do not acknowledge it, it must come again.
        """
        digest = hashlib.sha256(_bytes(message)).digest()
        principal: Principal | None = None
        try:
            parsed = _parse(message)
            principal = self._principal(parsed)
            raw = self._plain(parsed)
        except IssuerUnavailableError as error:
            raise StoreUnavailableError("The issuer's keys cannot be fetched; the message was not judged.") from error
        except RefusedError as error:
            return self._kept(error, message, digest, principal)
        try:
            return self._receiver.receive(
                raw,
                principal=principal,
                key=parsed.key,
                door=DOOR,
                correlation_id=parsed.correlation_id,
                traceparent=parsed.traceparent,
                message_digest=digest,
            )
        except RefusedError as error:
            if error.code == "in-progress":
                raise StoreUnavailableError("The same command is being accepted right now.") from error
            return Refusal(tenant=principal.tenant, app=principal.app, door=DOOR, code=error.code, errors=error.errors)

    def _kept(self, error: RefusedError, message: object, digest: bytes, principal: Principal | None) -> Refusal:
        log.warning("refused", action="message.refused", code=error.code)
        refusal = Refusal(
            tenant=principal.tenant if principal else UNKNOWN_TENANT,
            app=principal.app if principal else None,
            door=DOOR,
            code=error.code,
            errors=error.errors,
            body=_bytes(_without_token(message)),
            message_digest=digest,
        )
        self._store.refuse(refusal)
        return refusal

    def _principal(self, message: Message) -> Principal:
        issuer = _claimed_issuer(message.token)
        app = self._apps.get(issuer)
        if app is not None:
            return self._signed_by(app, message)
        if self._tokens is None or issuer != self._tokens.issuer:
            raise _token_error("unsigned", "The message is not signed by an app that is registered here.")
        try:
            return self._tokens.principal(message.token)
        except InvalidTokenError as error:
            raise _token_error("token-invalid", str(error)) from None

    def _signed_by(self, app: RegisteredApp, message: Message) -> Principal:
        digest = "sha-256:" + hashlib.sha256(message.body.encode()).hexdigest()
        now = int(self._clock().timestamp())
        rules = jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY_S,
            # The same key may speak for the app elsewhere; who runs that service must not write through this one.
            aud={"essential": True, "value": self._audience},
            iat={"essential": True},
            exp={"essential": True},
            digest={"essential": True},
        )
        try:
            claims = jwt.decode(message.token, app.keys, algorithms=ALGORITHMS).claims
            rules.validate(claims)
        except ExpiredTokenError:
            raise _token_error("message-expired", "The signature is no longer valid.") from None
        except (JoseError, ValueError):
            raise _token_error(
                "signature-invalid", "The signature is not the app's, or not for this service (aud)."
            ) from None
        if claims["digest"] != digest or claims.get("key") != message.key:
            raise _token_error("signature-invalid", "The signature does not cover this body and key.")
        if claims.get("tenant", app.principal.tenant) != app.principal.tenant:
            raise _token_error("tenant-mismatch", "The app is not registered for this tenant.")
        self._check_age(now - claims["iat"])
        return app.principal

    def _check_age(self, seconds: float) -> None:
        if seconds > self._max_age.total_seconds():
            raise _token_error("message-expired", "The message waited longer than the maximum queue age.")
        if seconds < -LEEWAY_S:
            raise _token_error("message-expired", "The message is dated in the future.")

    def _plain(self, message: Message) -> bytes:
        """Return the command's bytes, decrypted if need be."""
        body = message.body
        if _COMPACT_JWE.fullmatch(body) is None:
            raw = body.encode()
        elif self._message_key is None:
            raise _body_error("encryption-unsupported", "This service has no key to read encrypted messages with.")
        else:
            raw = self._decrypted(body, self._message_key)
        if len(raw) > self._body_limit:
            raise _body_error("body-too-large", f"At most {self._body_limit} bytes are accepted.")
        return raw

    def _decrypted(self, body: str, key: Key) -> bytes:
        registry = jwe.JWERegistry(algorithms=_JWE_ALGORITHMS)
        # The library's own limit is below ours; the token's length is checked by it against this.
        registry.max_ciphertext_length = 2 * self._body_limit
        try:
            plain = jwe.decrypt_compact(body, KeySet([key]), registry=registry).plaintext
        except (JoseError, ValueError):
            raise _body_error("undecryptable", "The body is not encrypted to this service's key.") from None
        return plain or b""


def message_door(
    settings: "Settings", *, receiver: Receiver, store: AdmissionStore, clock: Callable[[], datetime]
) -> MessageDoor:
    """Return the door that ``settings`` describe; raises ``ConfigurationError`` when one of their files cannot be used."""
    return MessageDoor(
        receiver=receiver,
        store=store,
        apps=read_registered_apps(settings.apps_file),
        audience=settings.audience,
        tokens=token_verifier(settings, clock=clock) if settings.queue_bearer_tokens else None,
        message_key=read_message_key(settings.message_key_file),
        clock=clock,
        max_age=settings.max_queue_age,
        body_limit=settings.body_limit,
    )


def signed_message(
    body: str,
    *,
    app: str,
    audience: str,
    signing_key: Key,
    now: datetime,
    lifetime: timedelta,
    key: str | None = None,
) -> dict[str, Any]:
    """Return ``body`` (JSON text, or JWE) as a message signed by ``app``: what a sender does, here for demo and tests.

    ``audience`` is the receiving service's (``WRITEBACK_AUDIENCE``).
    """
    claims: dict[str, Any] = {
        "iss": app,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "digest": "sha-256:" + hashlib.sha256(body.encode()).hexdigest(),
    }
    message: dict[str, Any] = {"schemaVersion": "1", "body": body}
    if key is not None:
        claims["key"] = message["key"] = key
    algorithm = signing_key.alg or _ALGORITHM_OF_CURVE[str(signing_key.as_dict().get("crv", ""))]
    header = {"alg": algorithm, "kid": signing_key.kid} if signing_key.kid else {"alg": algorithm}
    return message | {"token": jwt.encode(header, claims, signing_key, algorithms=ALGORITHMS)}


_ALGORITHM_OF_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "": "PS384"}


def _parse(message: object) -> Message:
    if not isinstance(message, dict):
        raise RefusedError("malformed-message", "The argument of command.receive must be one JSON object.")
    if message.get("schemaVersion") != "1":
        error = FieldError(pointer="/schemaVersion", code="schema-version-unknown", detail="known: 1")
        raise RefusedError("schema-version-unknown", "This version of the message is not known here.", errors=(error,))
    if not message.get("token"):
        raise _token_error("unsigned", "The message carries no token.")
    try:
        return Message.model_validate(message, by_alias=True, by_name=False)
    except ValidationError as error:
        raise RefusedError(
            "malformed-message", "The message has members that cannot be accepted.", errors=field_errors(error)
        ) from None


def _claimed_issuer(token: str) -> str:
    """Return the issuer that ``token`` names, unverified: it only says whose keys to verify with."""
    try:
        payload = jws.extract_compact(token.encode()).payload
        claims = json.loads(payload) if payload else None
    except (JoseError, ValueError):
        raise _token_error("unsigned", "The token is not a compact JWS.") from None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else ""


def _token_error(code: str, message: str) -> RefusedError:
    return RefusedError(code, message, errors=(FieldError(pointer="/token", code=code, detail=message),))


def _body_error(code: str, message: str) -> RefusedError:
    return RefusedError(code, message, errors=(FieldError(pointer="/body", code=code, detail=message),))


def _bytes(value: object) -> bytes:
    """Return any argument a broker can deliver as bytes, for its digest and for keeping it."""
    return json.dumps(value, sort_keys=True, default=str).encode("utf-8", "surrogatepass")


def _without_token(message: object) -> object:
    """Leave the credential out of what is kept."""
    return {name: item for name, item in message.items() if name != "token"} if isinstance(message, dict) else message
