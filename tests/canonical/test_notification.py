"""What is read out of a notification, in each of its forms, and what is never read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.notification import (
    MOST_EVENTS,
    NotificationForm,
    NotificationKind,
    UnreadableNotificationError,
    WebhookForm,
    read_notification,
)
from canonical.subscription_status import reference_in
from tests.notification_factories import backport, status_bundle

VENDOR = NotificationForm(
    webhook=WebhookForm(
        events="data.changes", resource_type="kind", id="ids.chart", identity="uuid", types={"obs": "Observation"}
    )
)
UNNUMBERED = NotificationForm(is_numbered=False)


def test_an_event_is_its_number_and_its_focus() -> None:
    found = read_notification(
        backport(events=[(2, "https://ehr.example/fhir/Encounter/e1"), (3, "Observation/o1")], sent=3)
    )
    assert (found.kind, found.subscription, found.sent) == (NotificationKind.EVENTS, "Subscription/all", 3)
    assert [(item.number, item.references) for item in found.events] == [
        (2, ("Encounter/e1",)),
        (3, ("Observation/o1",)),
    ]


@pytest.mark.parametrize("kind", ["handshake", "heartbeat"])
def test_what_is_no_event_names_nothing(kind: str) -> None:
    found = read_notification(backport(kind, events=[(1, "Observation/o1")], sent=4))
    assert (found.kind, found.sent, found.events) == (NotificationKind(kind), 4, ())


def test_events_that_are_not_counted_through_are_told_apart_by_their_ids_and_no_gap_is_seen() -> None:
    body = status_bundle(events=[("a", "Observation/o1"), ("b", "Condition/a-1.Problem-2"), ("c", None)])
    found = read_notification(body, UNNUMBERED)
    assert (found.kind, found.subscription, found.sent) == (NotificationKind.EVENTS, None, None)
    assert [(item.identity, item.references, item.number) for item in found.events] == [
        ("a", ("Observation/o1",), None),
        ("b", ("Condition/a-1.Problem-2",), None),
        ("c", (), None),
    ]
    assert [item.number for item in read_notification(body).events] == [1, 2, 3]


def test_without_a_focus_the_entries_say_what_it_is_about() -> None:
    entries: list[dict[str, Any]] = [
        {"fullUrl": "https://ehr.example/fhir/Observation/o1"},
        {"fullUrl": "urn:uuid:x", "resource": {"resourceType": "Condition", "id": "c1"}},
    ]
    (event,) = read_notification(backport(events=[(1, None)], entries=entries)).events
    assert event.references == ("Observation/o1", "Condition/c1")


def test_a_bare_resource_is_its_own_name() -> None:
    (event,) = read_notification({"resourceType": "Observation", "id": "o1", "valueString": "not taken"}).events
    assert (event.references, event.number) == (("Observation/o1",), None)
    assert "not taken" not in repr(event)


def test_a_vendors_own_form_is_read_by_the_places_that_its_adapter_declares() -> None:
    changes = [{"kind": "obs", "ids": {"chart": "o1"}, "uuid": 7}, {"kind": "Patient", "ids": {"chart": "../x"}}]
    found = read_notification({"data": {"changes": changes}}, VENDOR)
    assert [(item.references, item.identity) for item in found.events] == [(("Observation/o1",), "7"), ((), None)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resourceType": "Observation"},
        {"resourceType": "Bundle", "entry": "none"},
        {"resourceType": "Bundle", "entry": [None, 3, {"resource": []}]},
        backport("query-status"),
        backport(subscription="nothing"),
        backport(events=[("12a", "Observation/o1")]),
        backport(events=[("-1", "Observation/o1")]),
        backport(events=[(9**30, "Observation/o1")]),
        backport(events=[(number, "Observation/o1") for number in range(MOST_EVENTS + 1)]),
        {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "Observation", "id": f"o{n}"}} for n in range(1_001)],
        },
    ],
    ids=str.split(
        "empty no-id entry-text entry-junk type subscription number negative huge-number many-events many-entries"
    ),
)
def test_what_is_in_no_known_form_is_refused_without_a_word_of_it(body: dict[str, Any]) -> None:
    with pytest.raises(UnreadableNotificationError) as refused:
        read_notification(body)
    assert "o1" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [{"data": {}}, {"data": {"changes": []}}, {"data": {"changes": [{}] * (MOST_EVENTS + 1)}}],
    ids=["nothing", "none", "too many"],
)
def test_a_vendors_form_without_events_or_with_too_many_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(UnreadableNotificationError):
        read_notification(body, VENDOR)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["Bundle", "Parameters", "SubscriptionStatus", "focus", "type"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("resourceType", "entry", "resource", "parameter", "part", "name", "valueReference", "id", "data"),
                    *("subscription", "type", "notificationEvent", "eventNumber", "focus", "reference"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=40)
@given(body=st.dictionaries(st.sampled_from(["resourceType", "entry", "id", "data"]), _json, max_size=4))
def test_whatever_comes_is_read_or_refused(body: dict[str, Any]) -> None:
    for form in (NotificationForm(), VENDOR, UNNUMBERED):
        try:
            found = read_notification(body, form)
        except UnreadableNotificationError:
            continue
        for event in found.events:
            assert all(reference_in(name) == name for name in event.references)
