"""The case door on a real server, over the desk of the review bench: real chart, real tokens, people by a small list.

`from tests.api.case_bench import cases, chart_server` in a test module makes both fixtures known there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.case_access import CaseAccess
from api.case_search import CaseSearchDoor
from api.cases import CaseDoor
from api.problem_handlers import add_problem_handlers
from api.tracing import Tracing
from canonical import exact_json
from canonical.case_views import BoardView, CaseQuery, CasesFound
from canonical.principal import Principal
from canonical.review_desk import ReviewDesk
from canonical.reviewer import Licence, Pool, Reviewer, Right
from config.settings import Settings
from reconcile.review.board import Board
from reconcile.review.case_search import CaseSearch
from store.case_search import StoredCaseSearch
from store.database import open_engine
from store.intake import Accepted
from store.review_figures import StoredReviewFigures
from tasks.tokens import token_verifier
from tests.interop.servers import FhirServer, sandbox_server
from tests.interop.station import open_station, proxy_before
from tests.list_factories import allergy_update_json
from tests.prompt_server import TRUST
from tests.reception import Clock, Issuer, open_issuer, serve_app
from tests.reconcile.review.bench import (
    ENGINEER,
    NURSE,
    PHARMACIST,
    PRESCRIBER,
    SECOND_PHARMACIST,
    ReviewBench,
    open_bench,
    person,
)
from tests.reconcile.review.part_bench import PartBench
from tests.reconcile.review.whole_desk import open_whole_desk

#: Knows that cases are there, and nothing of what they say.
CLERK = person("fay-clerk", rights=frozenset({Right.SEE_ROWS}))
#: Sees operations' cases only.
OPERATOR = replace(ENGINEER, subject="gus-operator", rights=ENGINEER.rights - {Right.OVERSEE})
FOREIGNER = person("hal-elsewhere", Licence.PHARMACIST, tenant="t2", rights=frozenset(Right), pools=frozenset(Pool))
SECOND_PRESCRIBER = person("ida-prescriber", Licence.PRESCRIBER)
EVERYBODY = (PHARMACIST, SECOND_PHARMACIST, PRESCRIBER, SECOND_PRESCRIBER, NURSE, ENGINEER, CLERK, OPERATOR, FOREIGNER)
PEOPLE = {one.subject: one for one in EVERYBODY}
LONGEST_BODY = 64 * 1024


@dataclass
class CaseBench:
    """``bench`` makes cases; ``url`` is where the door is served, for tokens of ``issuer``."""

    bench: ReviewBench
    issuer: Issuer
    url: str
    client: httpx.Client

    def token(self, who: Reviewer | None, **claims: Any) -> str:
        """Return a token of the desk's app for a person, or for the app alone."""
        usual = {"tenant": "t1" if who is None else who.tenant, "scope": "writeback/cases"}
        named = {} if who is None else {"sub": who.subject, "name": who.name}
        return self.issuer.token(**(usual | named | claims))

    def ask(self, who: Reviewer | None, method: str, path: str, body: Any = None, **claims: Any) -> httpx.Response:
        """Make one request, decimals as written."""
        headers = {"Authorization": f"Bearer {self.token(who, **claims)}", "Content-Type": "application/json"}
        content = body if isinstance(body, bytes) or body is None else exact_json.dumps(body).encode()
        return self.client.request(method, path, content=content, headers=headers)

    def open(self, who: Reviewer | None, case: int) -> dict[str, Any]:
        """Open a case and return its document."""
        answer = self.ask(who, "GET", f"/v1/cases/{case}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = exact_json.parse(answer.content)
        return document

    def decide(self, who: Reviewer | None, page: dict[str, Any], verb: str, **more: Any) -> httpx.Response:
        """Decide the case of ``page`` on its view; ``more`` are further members of the body."""
        body = {"verb": verb, "view": page["view"], **more}
        return self.ask(who, "POST", f"/v1/cases/{page['row']['id']}:decide", body)

    def restricted(self, name: str) -> int:
        """Return the case of a conflict about somebody whose content is restricted."""
        label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "ETH"}
        accepted = self.bench.change_dose(self.bench.statement(name), "20", securityLabel=[label])
        self.bench.move_chart(name, "5")
        self.bench.station.run(accepted.lane_id)
        return self.bench.case_of(accepted.command_id)

    def refutation(self) -> tuple[Accepted, int]:
        """Return the refutation of an allergy, which two must sign, and its case."""
        station = self.bench.station
        recorded = station.ward.submit(allergy_update_json("record"))
        station.run(recorded.lane_id)
        (entry,) = station.marked(recorded.command_id, "AllergyIntolerance")
        told = station.ehr.fields(entry)
        target = {
            "reference": f"AllergyIntolerance/{entry['id']}",
            "versionId": entry["meta"]["versionId"],
            "seen": {name: told[name] for name in ("code", "clinicalStatus", "verificationStatus")},
        }
        asked = {"approval_required": True, "approval_reason": "always-a-person"}
        accepted = station.ward.submit(allergy_update_json("refute"), target=target, new=asked)
        return accepted, self.bench.case_of(accepted.command_id)

    def told(self, answer: httpx.Response) -> tuple[int, str]:
        """Return status and code of a refusal."""
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        return answer.status_code, answer.json()["code"]


def reviewer_of(principal: Principal) -> Reviewer | None:
    """Return the person of a token by the issuer's name for them."""
    return PEOPLE.get(principal.subject or "")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Search and board over the bench's own store, as the service puts them together."""

    search: CaseSearch
    figures: Board

    def find_cases(self, reviewer: Reviewer, query: CaseQuery) -> CasesFound:
        return self.search.find_cases(reviewer, query)

    def board(self, reviewer: Reviewer) -> BoardView:
        return self.figures.board(reviewer)


def figures_of(bench: ReviewBench) -> Figures:
    """Return search and board beside the bench's desk."""
    engine = bench.station.ward.engine
    return Figures(
        search=CaseSearch(finder=StoredCaseSearch(engine), ehr_names=bench.desk.ehr_names),
        figures=Board(figures=StoredReviewFigures(engine), policies=bench.desk.policies),
    )


@contextmanager
def open_cases(bench: ReviewBench, issuer: Issuer, desk: ReviewDesk | None = None) -> Iterator[CaseBench]:
    """Serve the case door over the desk of ``bench``, or over a whole ``desk`` about the same chart."""
    app = FastAPI()
    settings = Settings(issuer="https://issuer.example", jwks_url=issuer.url)
    app.state.tokens = token_verifier(settings, clock=Clock())
    access = CaseAccess(reviewer_of=reviewer_of)
    app.include_router(CaseDoor(desk or bench.desk, access, body_limit=LONGEST_BODY).router())
    app.include_router(CaseSearchDoor(figures_of(bench), access, body_limit=LONGEST_BODY).router())
    add_problem_handlers(app)
    app.add_middleware(Tracing)
    with serve_app(app) as url, httpx.Client(base_url=url, timeout=30, verify=TRUST) as client:
        yield CaseBench(bench=bench, issuer=issuer, url=url, client=client)


@pytest.fixture(scope="module")
def chart_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    with sandbox_server(Path(tmp_path_factory.mktemp("cases"))) as running:
        yield running


@pytest.fixture
def cases(chart_server: FhirServer, database_url: str) -> Iterator[CaseBench]:
    engine = open_engine(database_url)
    with proxy_before(chart_server) as proxy, open_issuer() as issuer:
        station = open_station(engine, database_url, chart_server, proxy)
        with open_cases(open_bench(station), issuer) as served:
            yield served
        station.close()
    engine.dispose()


@dataclass
class PartCases:
    """The door over a whole desk, which gives commands of its own; ``parts`` makes what is in the chart only in part."""

    served: CaseBench
    parts: PartBench


@pytest.fixture
def part_cases(chart_server: FhirServer, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[PartCases]:
    engine = open_engine(database_url)
    with proxy_before(chart_server) as proxy, open_issuer() as issuer:
        station = open_station(engine, database_url, chart_server, proxy)
        folder = tmp_path / "whole"
        folder.mkdir()
        with (
            open_whole_desk(station, redis_url, folder) as whole,
            open_cases(open_bench(station), issuer, whole.desk) as served,
        ):
            yield PartCases(served=served, parts=PartBench(whole))
        station.close()
    engine.dispose()
