"""The consents that commands rely on: recorded, read, revoked. Whether one covers a command is decided elsewhere."""

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import Field, StringConstraints

from api.auth import Caller
from api.models import ConsentDocument, ConsentVersionDocument, InFlightDocument, RevocationDocument
from api.problems import not_found, not_permitted
from api.request_body import parse_model, parse_object, read_body
from canonical.admission import patient_key
from canonical.clinical_time import SystemTime
from canonical.consent import ConsentTerms
from canonical.datatypes import Element
from canonical.envelope import Token
from canonical.errors import FieldError, RefusedError
from canonical.principal import CONSENTS, Principal
from canonical.status import STATUS_OF, Status

if TYPE_CHECKING:
    from config.wiring import Services

PurposeOfUse = Literal["TREAT", "HPAYMT", "HOPERAT", "PATRQT", "ETREAT", "PUBHLTH", "HRESCH"]
ActionPattern = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z]+(\.[A-Za-z]+)?)$")]
AppPattern = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9._:\-]{1,128})$")]


class ConsentPatient(Element):
    """Whose consent it is, by the reference of the connection's EHR."""

    reference: Annotated[str, StringConstraints(pattern=r"^Patient/[A-Za-z0-9\-][A-Za-z0-9\-.]{0,63}$")]


class ConsentRequest(Element):
    """A consent as it stands now; ``*`` covers all actions or apps. ``validUntil`` is the first moment after it."""

    connection: Token
    patient: ConsentPatient
    purposes: Annotated[tuple[PurposeOfUse, ...], Field(min_length=1)]
    actions: Annotated[tuple[ActionPattern, ...], Field(min_length=1, max_length=100)]
    apps: Annotated[tuple[AppPattern, ...], Field(min_length=1, max_length=100)]
    valid_from: SystemTime
    valid_until: SystemTime | None = None


class ConsentDoor:
    """``/v1/consents/{reference}`` and ``:revoke``, for those who keep the tenant's consents."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._consents, self._limit = services.doors.consents, services.settings.body_limit
        self._connections = services.connections

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["consents"])
        one = "/v1/consents/{reference}"
        router.add_api_route(one + ":revoke", self.revoke, methods=["POST"], response_model=RevocationDocument)
        router.add_api_route(one, self.put, methods=["PUT"], response_model=ConsentDocument)
        router.add_api_route(one, self.read, methods=["GET"], response_model=ConsentDocument)
        return router

    async def put(self, reference: str, request: Request, principal: Caller) -> Response:
        """Record a consent or its change; commands accepted under an earlier version are not sent any more."""
        _check_keeper(principal)
        _check_reference(reference)
        raw = await read_body(request, limit=self._limit)
        asked = parse_model(ConsentRequest, parse_object(raw))
        terms = self._terms(reference, asked, principal)
        kept = await run_in_threadpool(lambda: self._consents.put(principal.tenant, terms, actor=principal.actor))
        return _json(self._document(kept))

    def read(self, reference: str, principal: Caller) -> ConsentDocument:
        """Return a consent with its versions."""
        _check_keeper(principal)
        _check_reference(reference)
        found = self._consents.find(principal.tenant, reference)
        if found is None:
            raise not_found()
        return self._document(found)

    def revoke(self, reference: str, principal: Caller) -> RevocationDocument:
        """End a consent now. Nothing is sent under it any more; the answer names what was already on its way."""
        _check_keeper(principal)
        _check_reference(reference)
        revocation = self._consents.revoke(principal.tenant, reference, actor=principal.actor)
        if revocation is None:
            raise not_found()
        return RevocationDocument(
            consent=self._document(revocation.terms),
            in_flight=tuple(
                InFlightDocument(id=command, state=state.value, status=Status(STATUS_OF[state]))
                for command, state in revocation.in_flight
            ),
            not_sent=revocation.queued,
            next="What is in flight may reach the chart. To take it out, send a command that takes it back."
            if revocation.in_flight
            else "Nothing is in flight. What was waiting is not sent.",
        )

    def _terms(self, reference: str, asked: ConsentRequest, principal: Principal) -> ConsentTerms:
        if (principal.tenant, asked.connection) not in self._connections:
            error = FieldError(pointer="/connection", code="connection-unknown", detail="no such connection")
            raise RefusedError("connection-unknown", "This tenant has no such EHR connection.", errors=(error,))
        if asked.valid_until is not None and asked.valid_until <= asked.valid_from:
            error = FieldError(pointer="/validUntil", code="period-order", detail="must be after validFrom")
            raise RefusedError("invalid-field", "The consent ends before it begins.", errors=(error,))
        return ConsentTerms(
            id=0,
            reference=reference,
            version=0,
            patient_key=patient_key(principal.tenant, asked.connection, asked.patient.reference),
            active=True,
            purposes=tuple(sorted(set(asked.purposes))),
            actions=tuple(sorted(set(asked.actions))),
            apps=tuple(sorted(set(asked.apps))),
            valid_from=asked.valid_from,
            valid_until=asked.valid_until,
        )

    def _document(self, terms: ConsentTerms) -> ConsentDocument:
        versions = self._consents.history(terms.id)
        return ConsentDocument(
            reference=terms.reference,
            version=terms.version,
            active=terms.active,
            purposes=terms.purposes,
            actions=terms.actions,
            apps=terms.apps,
            valid_from=terms.valid_from,
            valid_until=terms.valid_until,
            versions=tuple(ConsentVersionDocument.model_validate(version) for version in versions),
        )


def _check_keeper(principal: Principal) -> None:
    if not principal.keeps_consents:
        raise not_permitted(CONSENTS)


def _check_reference(reference: str) -> None:
    """Refuse a reference that no envelope could name."""
    if len(reference) > 128 or not reference.isascii() or not set(reference) <= _REFERENCE_CHARACTERS:
        error = FieldError(pointer="/reference", code="invalid", detail="1 to 128 of A-Z a-z 0-9 . _ : -")
        raise RefusedError("invalid-field", "This reference cannot be used.", errors=(error,))


_REFERENCE_CHARACTERS = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


def _json(document: ConsentDocument) -> Response:
    return JSONResponse(document.model_dump(mode="json", by_alias=True), headers={"Cache-Control": "no-store"})
