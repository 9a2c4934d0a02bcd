"""The HTTP application: routes, errors, traces. It judges nothing itself and opens nothing when it is imported."""

from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI

from api.acknowledgements import AcknowledgementDoor
from api.answers import AnswerDoor
from api.case_access import CaseAccess
from api.case_search import CaseSearchDoor
from api.cases import CaseDoor
from api.command_views import CommandViews
from api.commands import CommandDoor
from api.compensations import CompensationDoor
from api.consents import ConsentDoor
from api.endpoints import EndpointDoor
from api.explanation import ExplanationDoor
from api.health import Health
from api.metrics import Metrics
from api.notifications import NotificationDoor
from api.openapi import describe
from api.preview import PreviewDoor
from api.problem_handlers import add_problem_handlers
from api.replays import ReplayDoor
from api.review import ReviewPages
from api.review.login_setup import not_set_up, review_login
from api.review.logins import SessionCookies
from api.schemas import SchemaDoor
from api.status_page import StatusPage
from api.switches import SwitchDoor
from api.tracing import Tracing
from config.people_policy import read_people_policy
from tasks.tokens import token_verifier

if TYPE_CHECKING:
    from config.wiring import Services


def make_app(services: "Services") -> FastAPI:
    """Return the application that serves with ``services``.

    Raises ``ConfigurationError`` when no issuer of tokens is configured, or a file of the review pages cannot be read.
    """
    app = FastAPI(
        title="Writeback",
        summary="Writes clinical actions back to an EHR: once, on the right patient, never over an unseen edit.",
        version="1",
        # Their pages load scripts from elsewhere; the description itself is served at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    app.state.tokens = token_verifier(services.settings, clock=services.clock)
    for part in (
        CommandViews,
        ExplanationDoor,
        CompensationDoor,
        PreviewDoor,
        CommandDoor,
        AnswerDoor,
        AcknowledgementDoor,
        ConsentDoor,
        EndpointDoor,
        SwitchDoor,
        NotificationDoor,
        Health,
        Metrics,
        StatusPage,
    ):
        app.include_router(part(services).router())
    people = read_people_policy(services.settings.policies_dir)
    access = CaseAccess(reviewer_of=people.of_principal)
    app.include_router(CaseDoor(services.review_desk, access, body_limit=services.settings.body_limit).router())
    app.include_router(CaseSearchDoor(services.review_desk, access, body_limit=services.settings.body_limit).router())
    app.include_router(ReplayDoor(services.replays.desk, access, body_limit=services.settings.body_limit).router())
    app.include_router(SchemaDoor().router())
    login = review_login(services, people)
    app.include_router(not_set_up() if login is None else login.router())
    if login is not None:
        app.include_router(ReviewPages(services.review_desk, login.logins.access, services.clock).router())
        app.add_middleware(SessionCookies, logins=login.logins)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    add_problem_handlers(app)
    app.add_middleware(Tracing)
    return app
