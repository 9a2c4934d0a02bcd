"""What a report after an incident asks of every EHR: an entry's past as far as it is declared, and all copies of a create."""

from __future__ import annotations

import pytest

from adapters import adapters
from tests.conformance.desk import TRACE, Desk, Desks
from tests.conformance.test_changes import CREATES, RUIZ, SYSTEM, made

KEYS = sorted(adapters())
#: All desks of a session share one database.
_MADE_THERE = """
SELECT command_id FROM operations
 WHERE (reference = %(name)s OR reference IS NULL) AND command_id = ANY (%(own)s) ORDER BY command_id
"""


def _made(desk: Desk, key: str) -> tuple[str, str | None]:
    """Let an entry come to be, and return its reference and the version that it is."""
    action = next(name for known, name in CREATES if known == key)
    reference, stored, _ = made(desk, action)
    return reference, desk.ehr.version_of(stored)


@pytest.mark.parametrize("key", KEYS)
def test_the_past_of_an_entry_is_shown_whole_where_history_is_declared_and_as_it_is_now_elsewhere(
    desks: Desks, key: str
) -> None:
    desk = desks.at(adapters()[key])
    reference, version = _made(desk, key)
    (body,) = [item for item in desk.sandbox.resources() if f"{item['resourceType']}/{item['id']}" == reference]
    desk.sandbox.edit({**body, "language": "en"}, by=RUIZ, system=SYSTEM)
    known, shown = desk.capabilities.attribution, desk.ehr.history(reference, TRACE)
    assert (shown.reference, shown.is_whole, shown.troubles) == (reference, known.history, ())
    current = shown.versions[-1]
    assert current.version == desk.ehr.version_of(desk.stored(reference))
    assert current.resource == desk.stored(reference)
    assert not current.is_ours, "somebody else's version is not ours, though it carries our mark"
    assert current.is_named or not known.names_authors
    if known.names_authors:
        assert current.author == f"{RUIZ['name']}, {SYSTEM}"
    if known.history:
        assert [item.version for item in shown.versions[:-1]][-1] == version
        assert shown.versions[0].is_ours
        assert shown.versions[0].mark is not None or not desk.capabilities.finds_by_mark
    else:
        assert len(shown.versions) == 1


@pytest.mark.parametrize("key", KEYS)
def test_what_was_never_there_has_no_past(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    reference, _ = _made(desk, key)
    kind = reference.partition("/")[0]
    shown = desk.ehr.history(f"{kind}/0-nothing-has-this-id", TRACE)
    assert (shown.versions, shown.troubles) == ((), ())


@pytest.mark.parametrize("key", KEYS)
def test_a_create_is_found_once_for_each_time_that_it_is_there(desks: Desks, key: str) -> None:
    desk = desks.at(adapters()[key])
    reference, _ = _made(desk, key)
    ids = [row["command_id"] for row in desk.ward.query(_MADE_THERE, name=reference, own=list(desk.envelopes))]
    operations = [item for found in ids for item in desk.operations(found) if item.is_primary]
    found = {name for item in operations for name in desk.ehr.copies(item, TRACE)}
    assert reference in found
    (body,) = [item for item in desk.sandbox.resources() if f"{item['resourceType']}/{item['id']}" == reference]
    desk.sandbox.edit({**body, "id": "0-the-same-again"})
    copy = f"{reference.partition('/')[0]}/0-the-same-again"
    assert copy in {name for item in operations for name in desk.ehr.copies(item, TRACE)}
