"""Whether somebody stands for every change of an entry, from what an EHR tells of the latest one at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from canonical.ports import Ehr, Trace
from canonical.remote_change import ChangeSource, RemoteChange
from reconcile.change_trail import MOST_CHANGES, ChangeTrail

SEEN_AT = datetime(2026, 3, 8, 9, 30, tzinfo=UTC)
TRACE = Trace(correlation_id="c", request_id="r")


def change(version: str | None, **who: Any) -> RemoteChange:
    return RemoteChange(source=ChangeSource.HISTORY, version=version, **who)


@dataclass
class ToldByAnEhr:
    """An EHR that tells of the latest change which is not known yet, as :meth:`canonical.ports.Ehr.changes` does."""

    history: list[RemoteChange]

    def changes(
        self, _reference: str, _since: str | None, _at: datetime | None, _trace: Trace, *, own_versions: Collection[str]
    ) -> RemoteChange:
        for told in self.history:
            if told.version is None or told.version not in own_versions:
                return RemoteChange(**(vars(told) | {"others": len(self.history) - 1}))
        return change("1", same_app=True)


def trail(*history: RemoteChange, says: dict[str, bytes] | None = None) -> ChangeTrail:
    """Return the trail of a history, the newest first, of which version 1 is ours."""
    return ChangeTrail(
        ehr=cast("Ehr", ToldByAnEhr(list(history))),
        reference="Observation/o1",
        version="1",
        seen_at=SEEN_AT,
        own_versions={"1"},
        says=(says or {}).get,
        trace=TRACE,
    )


RUIZ = {"by": "Dr A. Ruiz"}


@pytest.mark.parametrize(
    ("history", "answered"),
    [
        ([], False),
        ([change("2", **RUIZ)], True),
        ([change("2", system="the interface engine")], True),
        ([change("2")], False),
        ([change(None)], False),
        ([change("3", **RUIZ), change("2", system="engine")], True),
        ([change("3", **RUIZ), change("2")], False),
        ([change("3"), change("2", **RUIZ)], False),
    ],
)
def test_all_changes_are_answered_for_or_they_are_not(history: list[RemoteChange], *, answered: bool) -> None:
    assert trail(*history).is_answered_for() is answered


def test_a_change_of_nobody_that_changed_nothing_needs_no_author() -> None:
    history = [change("3"), change("2", **RUIZ)]
    assert trail(*history, says={"3": b"b", "2": b"b", "1": b"a"}).is_answered_for()
    assert not trail(*history, says={"3": b"c", "2": b"b", "1": b"a"}).is_answered_for()
    history = [change("3", **RUIZ), change("2")]
    assert trail(*history, says={"3": b"b", "2": b"a", "1": b"a"}).is_answered_for()
    assert not trail(*history, says={"3": b"b", "2": b"b", "1": b"a"}).is_answered_for()


def test_where_versions_cannot_be_read_a_change_of_nobody_stays_one() -> None:
    assert not trail(change("3"), change("2", **RUIZ)).is_answered_for()


def test_of_more_changes_than_can_be_told_apart_nobody_answers_for_all() -> None:
    many = [change(str(n), **RUIZ) for n in range(MOST_CHANGES + 5, 1, -1)]
    assert not trail(*many).is_answered_for()
    assert trail(*many[: MOST_CHANGES - 1]).is_answered_for()


@pytest.mark.parametrize(("history", "answered"), [([change("2", **RUIZ)], True), ([change("2")], False), ([], False)])
def test_a_removal_is_answered_for_by_who_made_the_last_change(history: list[RemoteChange], *, answered: bool) -> None:
    assert trail(*history).is_removal_answered_for() is answered
