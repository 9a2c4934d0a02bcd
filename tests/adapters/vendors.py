"""What the tests of the vendors' files share: planning without a wire, answers, and the table against what is built."""

import json
from typing import Any

import pytest

from adapters.accepted import UnmappedCodeError
from adapters.adapter import Adapter
from adapters.r4.adapter import R4Adapter
from adapters.r4.support import need
from adapters.site import Site
from adapters.wire import Answer, NoAnswer
from canonical import exact_json
from canonical.action import action_specs
from canonical.capabilities import Meaning, Way
from canonical.errors import UnsupportedActionError
from canonical.outcome import Outcome
from canonical.ports import Fetched, Operation, Resource, Surrounding
from tests.adapters.commands import NOW, command

BASE = "https://ehr.example/fhir"
__all__ = ["UnmappedCodeError"]


def site(**options: Any) -> Site:
    return Site(base_url=BASE, options=options)


def around(current: Resource | None = None, version: str | None = None) -> Surrounding:
    return Surrounding(current=Fetched(resource=current, version=version) if current is not None else None)


def planned(
    adapter: Adapter,
    action: dict[str, Any],
    at: Site,
    *,
    current: Resource | None = None,
    version: str | None = None,
    **envelope: Any,
) -> list[Operation]:
    return list(adapter.plan(command(action, **envelope), around(current, version), at))


def body(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = exact_json.parse(operation.body)
    return found


def came_to(adapter: Adapter, operation: Operation, status: int, content: Any = b"", **headers: str) -> Outcome:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return adapter.classify(operation, Answer(status=status, headers=headers, body=raw), NOW).outcome


def searched(*resources: dict[str, Any]) -> Answer:
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [{"resource": item, "search": {"mode": "match"}} for item in resources],
    }
    return Answer(status=200, body=exact_json.dumps(bundle).encode())


def check_declared(adapter: Adapter) -> None:
    """The table and the handlers say the same, and everything that is not taken has its reason in words."""
    assert isinstance(adapter, R4Adapter)
    declared = adapter.capabilities
    known = {(spec.type, operation) for spec in action_specs().values() for operation in spec.operations}
    assert set(declared.supports) <= known
    for key, support in declared.supports.items():
        if support.way is Way.REFUSED:
            assert len(support.why) > 20, key
        elif support.way in {Way.DIRECT, Way.REVIEW}:
            assert set(support.needs) <= set(declared.writes), key
    assert declared.actions == set(adapter.handlers)
    told = {action for action, _ in declared.supports}
    untold = {key for key in known - set(declared.supports) if key[0] in told}
    assert not untold, "every operation of an action is either taken or refused for a reason"
    for write in declared.writes.values():
        assert write.source
        assert write.answer
    assert not declared.conditional_create
    assert not declared.finds_by_mark


def check_no_update_takes_back(adapter: Adapter) -> None:
    """Where an update means that the entry was an error, only what says so itself is built with it."""
    assert isinstance(adapter, R4Adapter)
    specs = action_specs()
    for (action, operation), handler in adapter.handlers.items():
        write = adapter.capabilities.writes[need(handler)]
        if write.meaning is Meaning.RETRACTS:
            assert specs[action].operations[operation].takes_back, (action, operation)


def check_trust(adapter: Adapter, operation: Operation) -> None:
    """No answer, a broken one and a server's error leave it open whether it happened; an unsent request does not."""
    assert adapter.classify(operation, NoAnswer(sent=True, reason="r"), NOW).outcome is Outcome.UNKNOWN
    assert adapter.classify(operation, NoAnswer(sent=False, reason="r"), NOW).outcome is Outcome.UNAVAILABLE
    for status in (500, 502, 504):
        assert came_to(adapter, operation, status, b"<html>") is Outcome.UNKNOWN
    for content in (b"<html>", b"{}", b"[]", b'"ok"', b"Service temporarily busy"):
        for status in (200, 201):
            assert came_to(adapter, operation, status, content) is Outcome.UNKNOWN, content


def refuses(adapter: Adapter, action: dict[str, Any], at: Site, match: str, **more: Any) -> None:
    with pytest.raises(UnsupportedActionError, match=match):
        planned(adapter, action, at, **more)
