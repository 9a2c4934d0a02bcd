"""The replay door and `writeback replay` on real services: who may ask, what is refused, and what is told of each item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from api.case_access import CaseAccess
from api.command_documents import command_document
from api.problem_handlers import add_problem_handlers
from api.replays import ReplayDoor
from api.tracing import Tracing
from canonical import exact_json
from canonical.reviewer import Reviewer
from cli.main import make_app
from cli.service_client import Profile
from config.settings import Settings
from store.database import open_engine
from tasks.tokens import token_verifier
from tests.api.case_bench import FOREIGNER, LONGEST_BODY, CaseBench, reviewer_of
from tests.prompt_server import TRUST
from tests.reception import Clock, open_issuer, serve_app
from tests.reconcile.replay_bench import ReplayBench
from tests.reconcile.review.bench import ENGINEER, NURSE
from tests.tasks.ward import open_ward
from tests.ward_services import services_of

Run = Callable[..., Result]


class Door(CaseBench):
    """The replay door over the services of ``bench``."""

    bench: ReplayBench  # type: ignore[assignment]


@pytest.fixture
def door(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Door]:
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url)
    with services_of(ward, redis_url, tmp_path) as services, open_issuer() as issuer:
        app = FastAPI()
        app.state.tokens = token_verifier(Settings(issuer="https://issuer.example", jwks_url=issuer.url), clock=Clock())
        access = CaseAccess(reviewer_of=reviewer_of)
        app.include_router(ReplayDoor(services.replays.desk, access, body_limit=LONGEST_BODY).router())
        add_problem_handlers(app)
        app.add_middleware(Tracing)
        with serve_app(app) as url, httpx.Client(base_url=url, timeout=30, verify=TRUST) as client:
            bench: Any = ReplayBench(ward=ward, services=services)
            yield Door(bench=bench, issuer=issuer, url=url, client=client)
    ward.close()
    engine.dispose()


@pytest.fixture
def run(door: Door, tmp_path: Path) -> Run:
    profile, token = tmp_path / "profile.json", tmp_path / "token"
    nowhere = "http://127.0.0.1:1/token"
    Profile(api_url=door.url, token_url=nowhere, audience="writeback", client_id="desk", key_file=Path("none")).write(
        profile
    )

    def invoke(who: Reviewer, *words: object) -> Result:
        token.write_text(door.token(who), encoding="ascii")
        command, *rest = (str(word) for word in words)
        options = ["--profile", str(profile), "--token-file", str(token)]
        with capture_logs():
            return CliRunner().invoke(make_app(["replay"]), ["replay", command, *rest, *options])

    return invoke


def asked(*commands: object, **over: Any) -> dict[str, Any]:
    return {"selection": {"commands": [str(command) for command in commands]}, "reason": "the setting is there", **over}


def test_a_replay_is_a_dry_run_until_it_is_started_and_tells_of_each_item_by_pages(door: Door) -> None:
    commands = [door.bench.turned_down().command_id for _ in range(2)]
    door.bench.mend()
    answer = door.ask(ENGINEER, "POST", "/v1/replays", asked(*commands))
    assert (answer.status_code, answer.json()["dryRun"], answer.json()["state"]) == (201, True, "running")
    place = answer.headers["location"]
    door.bench.sweep()
    page = door.ask(ENGINEER, "GET", f"{place}?limit=1").json()
    assert (page["state"], page["counts"], page["askedBy"]) == ("draft", {"would_send": 2}, "person:ed-engineer")
    rest = door.ask(ENGINEER, "GET", f"{place}?limit=1&cursor={page['cursor']}").json()
    items = [*page["items"], *rest["items"]]
    assert [item["command"] for item in items] == [str(command) for command in commands]
    assert (items[0]["sentence"], rest["cursor"]) == ("The EHR does not have it: it would be sent.", None)
    assert door.bench.ward.state(commands[0]) == "in_review"
    started = door.ask(ENGINEER, "POST", f"{place}:start").json()
    assert (started["state"], started["dryRun"]) == ("running", False)
    door.bench.sweep()
    assert door.ask(ENGINEER, "GET", place).json()["counts"] == {"sent": 2}
    assert door.bench.drive(commands[0]) == "verified"


def test_who_may_not_ask_and_what_cannot_be_asked_is_refused_with_a_sentence(door: Door) -> None:
    command = door.bench.turned_down().command_id
    place = door.ask(ENGINEER, "POST", "/v1/replays", asked(command)).headers["location"]
    refusals = [
        (NURSE, "POST", "/v1/replays", asked(command), (403, "not-permitted")),
        (None, "POST", "/v1/replays", asked(command), (403, "person-required")),
        (FOREIGNER, "POST", "/v1/replays", asked(command), (422, "invalid-field")),
        (FOREIGNER, "GET", place, None, (404, "not-found")),
        (FOREIGNER, "POST", f"{place}:cancel", None, (404, "not-found")),
        (NURSE, "POST", f"{place}:cancel", None, (403, "not-permitted")),
        (ENGINEER, "POST", f"{place}:resume", None, (409, "not-possible")),
        (ENGINEER, "GET", "/v1/replays/none", None, (404, "not-found")),
        (ENGINEER, "GET", f"{place}?cursor=-1", None, (422, "invalid-field")),
        (ENGINEER, "POST", "/v1/replays", asked(uuid4()), (422, "invalid-field")),
        (ENGINEER, "POST", "/v1/replays", asked(command, batchSize=5000), (422, "invalid-field")),
        (ENGINEER, "POST", "/v1/replays", asked(command, mode="force"), (422, "invalid-field")),
        (ENGINEER, "POST", "/v1/replays", {"selection": {}, "reason": "all of it"}, (422, "invalid-field")),
        (ENGINEER, "POST", "/v1/replays", asked(*[uuid4() for _ in range(501)]), (422, "invalid-field")),
    ]
    for who, method, path, body, code in refusals:
        answer = door.ask(who, method, path, body)
        assert door.told(answer) == code, (path, answer.text)
        assert answer.json()["detail"]
    assert door.ask(None, "GET", place).status_code == 200


def test_lineage_is_told_on_both_documents(door: Door) -> None:
    ended = door.bench.ended_by_consent().command_id
    given = door.bench.replayed(ended).new_command
    assert given is not None
    details = [door.bench.services.doors.commands.detail("t1", command) for command in (ended, given)]
    first, second = (
        exact_json.parse(command_document(detail).model_dump_json(by_alias=True)) for detail in details if detail
    )
    assert (first["replayOf"], first["replays"]) == (None, [str(given)])
    assert (second["replayOf"], second["replays"]) == (str(ended), [])
    page = door.bench.services.review_desk.command(ENGINEER, ended)
    assert ("Sent again as", given) in page.related
    page = door.bench.services.review_desk.command(ENGINEER, given)
    assert ("Sent in place of", ended) in page.related


def test_the_command_line_plans_starts_shows_and_steers(door: Door, run: Run) -> None:
    door.bench.turned_down()
    door.bench.mend()
    planned = run(ENGINEER, "plan", "--connection", "north", "--reason", "mended", "--json")
    assert planned.exit_code == 0, planned.output
    replay = exact_json.parse(planned.stdout)["id"]
    door.bench.sweep()
    shown = run(ENGINEER, "show", replay)
    assert "would_send" in shown.stdout
    assert "dry run: nothing is moved" in shown.stdout
    assert "running" in run(ENGINEER, "start", replay).stdout
    assert "paused" in run(ENGINEER, "pause", replay).stdout
    assert "running" in run(ENGINEER, "resume", replay).stdout
    assert "cancelled" in run(ENGINEER, "cancel", replay).stdout
    refused = run(ENGINEER, "start", replay)
    assert (refused.exit_code, "This replay is cancelled" in refused.output) == (1, True)
    assert run(ENGINEER, "show", "../cases").exit_code == 1
