"""Traps 1, 5, 8, 9 and 10: the EHR did it and we do not know; or it did not, and we do not know that either.

On real processes against the sandbox, whose faults are played at the socket.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.faults.harness import CONNECTION, TENANT, Product


@pytest.fixture(scope="module")
def product(installation: Product) -> Product:
    """One worker and the poller."""
    installation.start("worker-1")
    installation.start("poller")
    return installation


@pytest.fixture(autouse=True)
def fair_weather(product: Product) -> Iterator[None]:
    product.sandbox.faults()
    yield
    product.sandbox.faults()


def _rule(fault: str, times: int = 1, *, name: str | None = None, **parameters: Any) -> dict[str, Any]:
    """A fault that befalls the next ``times`` writes."""
    return {
        "id": name or fault,
        "fault": fault,
        "match": {"method": "POST"},
        "times": times,
        "parameters": parameters,
    }


def _bodies(product: Product, command: UUID) -> list[str]:
    """The digests of what was sent for a command, in order."""
    own = {
        str(row["request_id"])
        for row in product.query("SELECT request_id FROM attempts WHERE command_id = %(id)s", id=command)
    }
    return [
        request["body_sha256"]
        for request in product.sandbox.requests(method="POST")
        if request["headers"].get("x-request-id") in own
    ]


def test_a_record_whose_answer_was_lost_is_found_and_not_made_again(product: Product) -> None:
    """Trap 1."""
    product.sandbox.faults(_rule("commit_then_drop", 3))
    commands = [product.submit() for _ in range(3)]

    product.assert_good()

    assert product.sandbox.fired() == {"commit_then_drop": 3}
    for command in commands:
        assert product.attempts(command) == [("send", "unknown"), ("probe", "probe_applied")]


def test_the_quarantine_outlasts_the_slowest_commit_and_the_lag_of_the_search(product: Product) -> None:
    """Traps 5 and 9: the write lands 1.4 s after the connection ended, and a search sees it 0.2 s later still."""
    product.sandbox.faults(
        _rule("late_commit", 4, seconds=1.4),
        {"id": "stale", "fault": "stale_search", "match": {"type": "Observation"}, "parameters": {"seconds": 0.2}},
    )
    commands = [product.submit() for _ in range(4)]

    product.assert_good()

    fired = product.sandbox.fired()
    assert fired["late_commit"] == 4
    assert fired["stale"] >= 4
    for command in commands:
        assert product.attempts(command) == [("send", "unknown"), ("probe", "probe_applied")]


FAULTS = (
    _rule("commit_then_drop"),
    _rule("drop_before_commit"),
    _rule("error_after_commit"),
    _rule("error_before_commit"),
    _rule("truncated_body"),
    _rule("empty_body", without=["Location", "ETag"]),
    _rule("duplicate_delivery"),
    _rule("delay", name="late", seconds=1.6, when="before"),
    _rule("delay", name="answered late", seconds=1.6, when="after"),
    _rule("hang", name="hung", seconds=2, commit=False),
    _rule("hang", name="hung, done", seconds=2, commit=True),
)


@pytest.mark.parametrize("if_none_exist", ["honour", "ignore"])
def test_every_way_to_lose_an_answer_leaves_one_record(product: Product, if_none_exist: str) -> None:
    """Traps 1, 8 and 10: also where the EHR ignores ``If-None-Exist`` without a word; each attempt says the same."""
    faults = [rule for rule in FAULTS if if_none_exist == "honour" or rule["id"] != "duplicate_delivery"]
    product.sandbox.settings(if_none_exist=if_none_exist)
    product.sandbox.faults(*faults)
    commands = [product.submit() for _ in faults]

    product.assert_good()

    product.sandbox.settings(if_none_exist="honour")
    assert product.sandbox.fired() == {rule["id"]: 1 for rule in faults}
    sent = [_bodies(product, command) for command in commands]
    assert max(len(bodies) for bodies in sent) > 1, "some of them had to be sent again"
    assert all(len(set(bodies)) == 1 for bodies in sent), "a resend is byte for byte the first one, identifier included"


def test_the_onboarding_check_flags_an_ehr_that_does_not_say_it_honours_conditional_create(product: Product) -> None:
    """Trap 8: what the EHR lacks is told before the first write, not after the first double."""
    ehr = product.door.ehr(TENANT, CONNECTION)
    assert all(check.ok for check in ehr.check())
    product.sandbox.settings(if_none_exist="ignore")
    try:
        flagged = [check for check in ehr.check() if not check.ok]
    finally:
        product.sandbox.settings(if_none_exist="honour")
    assert flagged
    assert any("conditional" in f"{check.name} {check.detail}".lower() for check in flagged)
