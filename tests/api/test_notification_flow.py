"""An EHR tells over HTTP of every change, ours and others': what the service makes of it, from the message to the person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from fastapi import FastAPI

from api.notifications import NotificationDoor
from api.problem_handlers import add_problem_handlers
from canonical.echo import Found
from canonical.notification import NotificationForm
from reconcile import echoes
from tasks.notification_intake import Sender
from tasks.notification_proof import HeaderProof, HubProof, SignedProof
from tests.notification_factories import SECRET
from tests.reception import serve_app
from tests.reconcile.drift_bench import DriftBench, drift_bench
from tests.sandbox_fixture import sandbox, sandbox_server

__all__ = ["drift_bench", "sandbox", "sandbox_server"]


@dataclass
class Flow:
    """``bench`` whose EHR may tell us of changes at ``address``."""

    bench: DriftBench
    address: str

    def look(self) -> list[Found | None]:
        """Let the EHR tell of everything, then look at whatever is due."""
        answers = {answer for item in self.bench.sandbox.told() for answer in item["answers"]}
        assert answers == {202}
        self.bench.hands.entries.clear()
        echoes.run_once(self.bench.whole.services, self.bench.hands)
        return [self.bench.whole.services.echo_look.run(entry) for entry in self.bench.hands.entries]


@pytest.fixture
def flow(drift_bench: DriftBench) -> Iterator[Flow]:
    services = drift_bench.whole.services
    signed = SignedProof(secret=lambda: SECRET, tolerance=timedelta(minutes=5))
    header = HeaderProof(secret=lambda: "of-the-subscription")
    hub = HubProof(secret=lambda: "of-the-hub")
    senders = tuple(
        Sender(
            tenant="t1", connection="north", proof=proof, form=partial(NotificationForm, is_numbered=proof is not hub)
        )
        for proof in (signed, header, hub)
    )
    intake = replace(services.notification_intake, senders={"north": senders}, clock=lambda: datetime.now(UTC))
    app = FastAPI()
    app.include_router(NotificationDoor(replace(services, notification_intake=intake)).router())
    add_problem_handlers(app)
    with serve_app(app) as url:
        yield Flow(bench=drift_bench, address=f"{url}/v1/notifications/north")
    drift_bench.sandbox.reset()


@pytest.mark.parametrize(
    "said",
    [
        {"payload": "id-only", "secret": SECRET},
        {"payload": "full-resource", "header": "Bearer of-the-subscription"},
        # As a vendor notifies whose events are not counted through.
        {"payload": "id-only", "hub_secret": "of-the-hub", "status": "SubscriptionStatus"},
    ],
)
def test_our_own_writes_come_back_as_echoes_and_a_clinicians_edit_as_a_question(
    flow: Flow, said: dict[str, str]
) -> None:
    assert flow.bench.sandbox.subscribe(flow.address, **said) == 202
    command = flow.bench.written()
    assert flow.look() == [Found.ECHO]
    assert flow.bench.cases() == []
    flow.bench.edit(command)
    assert flow.look() == [Found.CHANGED]
    assert flow.bench.state(command) == ("in_review", "drift-changed")
    flow.bench.delete(command)
    assert flow.look() == [Found.CHANGED]
    assert flow.bench.cases() == ["drift"]


def test_an_ehr_without_the_secret_is_not_heard(flow: Flow) -> None:
    assert flow.bench.sandbox.subscribe(flow.address, header=f"Bearer {os.urandom(4).hex()}") == 401
    flow.bench.written()
    assert {answer for item in flow.bench.sandbox.told() for answer in item["answers"]} == {401}
    assert flow.bench.whole.look("SELECT 1 FROM touched_entries") == []
