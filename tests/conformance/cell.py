"""One cell of the matrix: an operation of an action at one EHR, run through the product and looked at from four sides.

The sides are the chart, the events, what the same command under the same key comes to, and the command's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from canonical.action import action_specs
from canonical.capabilities import Way
from canonical.envelope import envelope_from
from canonical.errors import RefusedError
from canonical.fallback import check_supported
from canonical.outcome import ProbeVerdict
from canonical.ports import Resource
from store.intake import Accepted
from tests.conformance import examples, payload, round_trip, undone
from tests.conformance.desk import Desk
from tests.factories import Json

#: Ends of a command whose write is in the chart, by how they are told.
_TOLD_AT_ONCE = ["received", "accepted", "claimed", "answered_applied", "proven"]
#: The answer named nothing that can be read: what was written was looked up.
_LOOKED_UP = ["received", "accepted", "claimed", "answer_lost", "probe_found", "proven"]
_PENDING = ["received", "accepted", "claimed", "answered_pending"]


def run(desk: Desk, action: str, operation: str) -> Way:
    """Run the cell and return how it came to its end; raises ``AssertionError`` where one of the four sides is not right."""
    said = examples.example(action, operation, desk.connection)
    way = desk.capabilities.support(action, operation).way
    kind = _fallback_of(desk, said) if way is Way.REFUSED else None
    if way is not Way.REFUSED:
        return _written(desk, action, operation, way)
    return _told_in_words(desk, said, kind) if kind is not None else _refused(desk, said)


def _written(desk: Desk, action: str, operation: str, way: Way) -> Way:
    patient = desk.admit()
    rule = action_specs()[action].operations[operation]
    root = None if rule.creates else desk.made(patient, action, operation)
    before, since = desk.chart(patient), desk.last_request()
    said = examples.example(action, operation, desk.connection)
    accepted = desk.submit(patient, said) if root is None else desk.change(patient, root, action, operation)
    desk.drive(accepted)
    for sent in desk.operations(accepted.command_id):
        assert payload.wrong(desk, sent) == []
    if way is Way.REVIEW:
        _look_at_pending(desk, accepted, patient, before, since)
        return way
    told = desk.told(accepted.command_id)
    assert desk.ward.state(accepted.command_id) == "verified", told
    assert _without_steps(desk.ward.events(accepted.command_id)) in (_TOLD_AT_ONCE, _LOOKED_UP), told
    assert len(desk.writes(since)) == len(desk.operations(accepted.command_id)), told
    _look_at_chart(desk, accepted, patient, before)
    if root is None:
        _look_at_meaning(desk, accepted, desk.reference(accepted.command_id))
    if rule.takes_back and root is not None:
        assert desk.ward.state(root.command_id) == "compensated", told
        undone.look_at_means(desk, root, action, operation)
    _look_at_repetition(desk, accepted, patient)
    return way


def _look_at_meaning(desk: Desk, accepted: Accepted, reference: str) -> None:
    lost = round_trip.lost(desk, desk.said(accepted.command_id), desk.stored(reference))
    assert not lost, f"the chart does not give back {', '.join(sorted(lost))}"


def _without_steps(events: list[str]) -> list[str]:
    """Return the events without the steps from one operation of a compound to the next."""
    return [name for name in events if name != "continued"]


def _look_at_chart(desk: Desk, accepted: Accepted, patient: str, before: list[Resource]) -> None:
    """The chart has one entry more for each operation that creates, each says what was meant, and nothing else moved."""
    operations = desk.operations(accepted.command_id)
    after = {_reference(item): item for item in desk.chart(patient)}
    known = {_reference(item) for item in before}
    written = _written_references(desk, accepted)
    ours = {reference for reference in after.keys() - known if not _is_the_ehrs_own(desk, after[reference])}
    assert ours == set(written) - known, "other entries than those of the command"
    for operation, reference in zip(operations, written, strict=True):
        stored = desk.stored(reference)
        assert desk.ehr.differences(operation, stored) == ()
        assert f"Patient/{patient}" in str(stored), "the entry is not the patient's"
    for item in before:
        if _reference(item) not in written:
            assert after[_reference(item)] == item, "an entry changed that nobody asked to be changed"


def _written_references(desk: Desk, accepted: Accepted) -> list[str]:
    sql = "SELECT reference FROM operations WHERE command_id = %(id)s ORDER BY seq"
    return [str(row["reference"]) for row in desk.ward.query(sql, id=accepted.command_id)]


def _is_the_ehrs_own(desk: Desk, resource: Resource) -> bool:
    """Whether the EHR made an entry beside ours: a panel around a reading, a twin of it."""
    return any(item.get("source") == "ehr" for item in desk.sandbox.history(_reference(resource)))


def _reference(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _look_at_repetition(desk: Desk, accepted: Accepted, patient: str) -> None:
    """The same command under the same key is answered with the first one, and sends nothing."""
    before, since = desk.chart(patient), desk.last_request()
    again = desk.again(accepted.command_id)
    assert (again.replayed, again.command_id) == (True, accepted.command_id)
    desk.take_turn(accepted)
    assert desk.writes(since) == []
    assert desk.chart(patient) == before


def _look_at_pending(desk: Desk, accepted: Accepted, patient: str, before: list[Resource], since: int) -> None:
    """It waits for the EHR's staff, is in no chart, is never sent again; once they took it over, it is found to say it."""
    told = desk.told(accepted.command_id)
    assert desk.ward.state(accepted.command_id) == "pending_remote", told
    assert desk.ward.events(accepted.command_id) == _PENDING, told
    assert len(desk.writes(since)) == 1, told
    (operation,) = desk.operations(accepted.command_id)
    assert desk.chart(patient) == before
    assert len(desk.held(patient)) == 1, "the EHR's staff have nothing to decide about"
    assert desk.probe(operation).verdict is ProbeVerdict.CANNOT_TELL, "what waits unseen is no proof of anything"
    _look_at_repetition(desk, accepted, patient)
    desk.accept(patient)
    found = desk.probe(operation)
    assert found.verdict is ProbeVerdict.APPLIED
    assert len(desk.chart(patient)) == len(before) + 1
    _look_at_meaning(desk, accepted, str(found.reference))


def _fallback_of(desk: Desk, said: Json) -> str | None:
    """Return the fallback by which the EHR would be told, if there is one."""
    kinds = sorted(desk.capabilities.fallbacks)
    try:
        return check_supported(_envelope(desk, said, "nobody", kinds), desk.capabilities, desk.options)
    except RefusedError:
        return None


def _envelope(desk: Desk, said: Json, patient: str, kinds: list[str]) -> Any:
    body = {"connection": "north", "consent": {"reference": "c1"}, "action": said}
    return envelope_from({**body, **desk.envelope(patient, said, **_allowing(said, kinds))})


def _allowing(said: Json, kinds: list[str]) -> Json:
    creates = action_specs()[said["type"]].operations[said["operation"]].creates
    target = {} if creates else {"target": examples.made_up_target(said)}
    return {**target, **({"fallback": kinds} if kinds else {})}


def _told_in_words(desk: Desk, said: Json, kind: str) -> Way:
    """It is in the chart as a message, note or task, says so, and no entry of its own is there."""
    patient = desk.admit()
    since = desk.last_request()
    accepted = desk.submit(patient, said, **_allowing(said, [kind]))
    desk.drive(accepted)
    told = desk.told(accepted.command_id)
    assert desk.ward.state(accepted.command_id) == "verified", told
    assert desk.ward.events(accepted.command_id) in (_TOLD_AT_ONCE, _LOOKED_UP), told
    (operation,) = desk.operations(accepted.command_id)
    assert payload.wrong(desk, operation) == []
    sql = "SELECT sent_as FROM commands WHERE id = %(id)s"
    assert desk.ward.query(sql, id=accepted.command_id) == [{"sent_as": kind}]
    assert len(desk.writes(since)) == 1, told
    assert [item["resourceType"] for item in desk.chart(patient)] in ([operation.resource_type], [])
    assert desk.ehr.differences(operation, desk.stored(desk.reference(accepted.command_id))) == ()
    _look_at_repetition(desk, accepted, patient)
    return Way.FALLBACK


def _refused(desk: Desk, said: Json) -> Way:
    """The door says why before anything is stored or sent."""
    patient = desk.admit()
    since = desk.last_request()
    with pytest.raises(RefusedError) as caught:
        check_supported(_envelope(desk, said, patient, []), desk.capabilities, desk.options)
    (error,) = caught.value.errors
    assert (caught.value.code, error.code) == ("unsupported-by-ehr", "unsupported-by-ehr")
    assert error.detail.endswith("."), "the reason is a sentence for people"
    assert desk.chart(patient) == []
    assert desk.sandbox.requests(since=since) == []
    return Way.REFUSED
