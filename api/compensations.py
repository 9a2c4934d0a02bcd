"""``GET /v1/compensations``: how what a command does at one connection could be undone, and how far, before it is sent."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from api.auth import Caller
from api.models import Document
from api.problems import Problem
from canonical.action import action_specs
from canonical.compensation_catalogue import WayBack, ways_to_undo

if TYPE_CHECKING:
    from config.wiring import Services


class WayBackDocument(Document):
    """One way to undo.

    ``means``: ``enteredInError``, ``supersedingDocument``, ``correctiveEntry``, ``cancelTask`` or ``none``; ``degree``:
    ``reversible``, ``partly`` or ``not``; ``operation`` is of the same action, ``null`` where only a person can, in the EHR.
    """

    operation: str | None
    means: str
    degree: str
    sentence: str


class CompensationDocument(Document):
    """The ways back from one operation of an action, the farthest first."""

    action: str
    operation: str
    ways: tuple[WayBackDocument, ...]


class CompensationsDocument(Document):
    """The catalogue of one connection."""

    connection: str
    compensations: tuple[CompensationDocument, ...]


class CompensationDoor:
    """Tells every app of a tenant what its connections can undo; it names no patient and no command."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._connections, self._capabilities = services.connections, services.ehr.capabilities

    def router(self) -> APIRouter:
        """Return the route."""
        router = APIRouter(tags=["commands"])
        router.add_api_route("/v1/compensations", self.read, methods=["GET"], response_model=CompensationsDocument)
        return router

    def read(self, principal: Caller, connection: Annotated[str, Query(max_length=200)]) -> JSONResponse:
        """Return how each operation is undone at a connection of the tenant."""
        settings = self._connections.get((principal.tenant, connection))
        if settings is None:
            raise Problem("not-found", "This tenant has no such EHR connection.")
        can = self._capabilities(settings)
        document = CompensationsDocument(
            connection=connection,
            compensations=tuple(
                CompensationDocument(
                    action=spec.type,
                    operation=operation,
                    ways=tuple(way_back_document(way) for way in ways_to_undo(can, spec.type, operation)),
                )
                for spec in action_specs().values()
                for operation in spec.operations
            ),
        )
        return JSONResponse(document.model_dump(mode="json", by_alias=True))


def way_back_document(way: WayBack) -> WayBackDocument:
    """Return the document of one way back."""
    return WayBackDocument(
        operation=way.operation, means=way.means.value, degree=way.degree.value, sentence=way.sentence
    )
