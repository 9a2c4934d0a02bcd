"""What travels around an action: who, for whom, on what consent, against which version; not how it is stored."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from canonical import exact_json
from canonical.action import Action, spec_for
from canonical.clinical_time import SystemTime
from canonical.datatypes import Coding, Element, Identifier, LiteralReference, Reference, Text, Uri
from canonical.errors import FieldError, RefusedError

SCHEMA_VERSION: Literal["1"] = "1"
#: A refusal is kept and answered: neither may grow with what somebody chose to send.
ERRORS_LIMIT = 50
POINTER_LIMIT = 300
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:\-]{1,128}$")]


def _calendar_date(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("full_date", "no such day in the calendar") from None
    return value


def _command_id(value: Any) -> Any:
    """Parse without repeating any character of what was sent, which the library's own message does."""
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise PydanticCustomError("command_id", "the id of a command is a UUID") from None


FullDate = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_calendar_date)]
CommandId = Annotated[UUID, BeforeValidator(_command_id), PlainSerializer(str, return_type=str)]


class PatientIdentity(Element):
    """The patient by the EHR's id *and* by a second identifier, so that a wrong id cannot pass for the right person."""

    reference: Annotated[str, StringConstraints(pattern=r"^Patient/[A-Za-z0-9\-][A-Za-z0-9\-.]{0,63}$")]
    identifier: Identifier | None = None
    birth_date: FullDate | None = None
    family: Text | None = None

    @model_validator(mode="after")
    def _second_identifier(self) -> Self:
        by_name = self.birth_date is not None and self.family is not None
        by_number = self.identifier is not None and self.identifier.value is not None
        if not by_name and not by_number:
            raise PydanticCustomError(
                "second_identifier", "name the patient a second time: birthDate and family, or an identifier"
            )
        return self


class Acknowledgement(Element):
    """Who was shown what a high-risk change is about to change, and said yes; when (UTC)."""

    by: Identifier
    when: SystemTime


class Target(Element):
    """What the action changes, what its author saw of it, and that they acknowledged it."""

    reference: LiteralReference | None = None
    command: CommandId | None = None
    version_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    seen_at: SystemTime | None = None
    seen: Annotated[dict[str, Any], Field(min_length=1)] | None = None
    acknowledged: Acknowledgement | None = None

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if (self.reference is None) == (self.command is None):
            raise PydanticCustomError("target_name", "name the target by 'reference' or by 'command', not both")
        return self


class Author(Element):
    """Whoever decided the content; authenticated or asserted, which the receipt records."""

    identifier: Identifier | None = None
    reference: LiteralReference | None = None
    role: Literal["nurse", "physician", "pharmacist", "prescriber", "patient", "relatedPerson", "device", "other"]
    authority: Reference | None = None


class Attestation(Element):
    """Who reviewed it upstream, in which role, when, and the digest of what they saw."""

    who: Identifier
    role: Text
    time: SystemTime
    digest: Uri | None = None


class AppVersion(Element):
    """The sending app's version."""

    version: Text | None = None


class Source(Element):
    """The event upstream that made this action."""

    event_id: Token | None = None
    channel: Token | None = None
    derived_from: tuple[LiteralReference, ...] | None = None
    content_hash: Annotated[str, StringConstraints(pattern=r"^sha-256:[0-9a-f]{64}$")] | None = None


class AiAuthorship(Element):
    """The model that wrote the content, what it read, and who approved it."""

    model: Text
    version: Text | None = None
    source_facts: tuple[LiteralReference, ...] | None = None
    approved_by: Identifier | None = None


class ConsentReference(Element):
    """The consent the action relies on, by the reference under which it was recorded."""

    reference: Token


class Envelope(Element):
    """A command as an upstream app states it. ``tenant`` is never in it: that comes from the token."""

    schema_version: Literal["1"] = SCHEMA_VERSION
    connection: Token
    action: SerializeAsAny[Action]
    patient: PatientIdentity
    encounter: Reference | None = None
    target: Target | None = None
    author: Author
    on_behalf_of: Identifier | None = None
    attestation: tuple[Attestation, ...] | None = None
    app: AppVersion | None = None
    source: Source | None = None
    ai: AiAuthorship | None = None
    consent: ConsentReference
    purpose_of_use: Literal["TREAT", "HPAYMT", "HOPERAT", "PATRQT", "ETREAT", "PUBHLTH", "HRESCH"] = "TREAT"
    security_label: tuple[Coding, ...] | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    fallback: Annotated[tuple[Literal["message", "note", "task"], ...], Field(max_length=3)] | None = None
    priority: Literal["routine", "urgent", "asap", "stat"] = "routine"
    after: Annotated[tuple[CommandId, ...], Field(max_length=20)] | None = None
    not_after: SystemTime | None = None
    correlation_id: Token | None = None


def _pointer(location: tuple[int | str, ...], prefix: str) -> str:
    """Return the pointer to a field, or to what it stands in where its own name is too long to repeat."""
    pointer = prefix
    for part in location:
        longer = f"{pointer}/{str(part).replace('~', '~0').replace('/', '~1')}"
        if len(longer) > POINTER_LIMIT:
            break
        pointer = longer
    return pointer


def field_errors(error: ValidationError, prefix: str = "") -> tuple[FieldError, ...]:
    """Return what ``error`` found as pointers, codes and sentences that never repeat a value.

    At most :data:`ERRORS_LIMIT` of them, and one more that says how many were left out.
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = tuple(
        FieldError(pointer=_pointer(item["loc"], prefix), code=item["type"].replace("_", "-"), detail=item["msg"])
        for item in found[:ERRORS_LIMIT]
    )
    left_out = len(found) - len(told)
    if not left_out:
        return told
    return (*told, FieldError(pointer=prefix, code="more-errors", detail=f"{left_out} more cannot be accepted either"))


def parse_envelope(raw: bytes | str) -> Envelope:
    """Return the envelope in ``raw`` (JSON in UTF-8), decimals and clinical times as written.

    Raises :class:`RefusedError` (``malformed-json``, ``unknown-action``, ``invalid-field``) naming each field.
    """
    try:
        value = exact_json.parse(raw)
    except exact_json.InvalidJsonError as error:
        raise RefusedError("malformed-json", f"The body is {error}.") from None
    return envelope_from(value)


def envelope_from(value: Any) -> Envelope:
    """Return the envelope in a JSON value parsed by :mod:`canonical.exact_json`; raises as :func:`parse_envelope`."""
    if not isinstance(value, dict):
        raise RefusedError("invalid-field", "The body must be a JSON object.")
    action = value.get("action")
    try:
        if isinstance(action, dict):
            try:
                action = spec_for(action).model.model_validate(action, by_alias=True, by_name=False)
            except ValidationError as error:
                raise RefusedError(
                    "invalid-field",
                    "The action has fields that cannot be accepted.",
                    errors=field_errors(error, "/action"),
                ) from None
        checked = {**value, "action": action} if action is not None else value
        return Envelope.model_validate(checked, by_alias=True, by_name=False)
    except ValidationError as error:
        raise RefusedError(
            "invalid-field", "The command has fields that cannot be accepted.", errors=field_errors(error)
        ) from None
