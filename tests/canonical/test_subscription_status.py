"""The status of a notification, in both of its shapes; what becomes of it says the test of notifications."""

from __future__ import annotations

from typing import Any

import pytest

from canonical.subscription_status import reference_in, status_of
from tests.notification_factories import backport, status_bundle


def test_both_shapes_say_the_same() -> None:
    subscription = "https://ehr.example/fhir/Subscription/all"
    one = status_of(backport(events=[(1, "Observation/o1"), (2, None)], sent=2, subscription=subscription))
    other = status_of(status_bundle(events=[(None, "Observation/o1"), (None, None)], subscription=subscription))
    assert one is not None
    assert one == other
    assert (one.subscription, one.code, one.sent) == ("Subscription/all", "event-notification", 2)
    assert [(event.number, event.focuses) for event in one.events] == [(1, ("Observation/o1",)), (2, ())]


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Observation", "entry": [{"resource": {"resourceType": "Parameters"}}]},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Observation", "id": "o1"}}]},
        {"resourceType": "Bundle", "entry": []},
    ],
    ids=["no bundle", "another resource first", "nothing first"],
)
def test_what_does_not_begin_with_a_status_has_none(body: dict[str, Any]) -> None:
    assert status_of(body) is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Observation/o1", "Observation/o1"),
        ("https://a/fhir/Observation/o1/_history/3", "Observation/o1"),
        ("Observation/o1?x=1", None),
        ("Observation/../Patient", None),
        ("urn:uuid:7", None),
        ("x" * 2_000 + "/Observation/o1", None),
        (None, None),
    ],
)
def test_a_reference_is_a_type_and_an_id_and_nothing_else(said: object, meant: str | None) -> None:
    assert reference_in(said) == meant
