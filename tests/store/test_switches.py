import pytest

from canonical.errors import RefusedError
from config.wiring import Services
from tests.compound_factories import care_gap_closure_json
from tests.factories import envelope_json
from tests.reception import give_consent, look, receive


def test_a_tenant_sees_its_switches_and_the_services(services: Services) -> None:
    give_consent(services)
    receive(services)
    switches = services.doors.switches
    assert [(item.kind, item.key, item.is_on) for item in switches.all("north")] == [
        ("action", "VitalReading", True),
        ("app", "visits", True),
        ("connection", "north-r4", True),
        ("service", "*", True),
        ("tenant", "north", True),
    ]
    assert [(item.kind, item.key) for item in switches.all("south")] == [("service", "*")]


def test_turning_one_says_who_and_why(services: Services) -> None:
    switches = services.doors.switches
    switches.turn("north", kind="connection", key="north-r4", on=False, reason="upgrade", by="app:desk")
    (switch,) = switches.all("north")
    assert (switch.is_on, switch.reason, switch.changed_by) == (False, "upgrade", "app:desk")
    switches.turn("north", kind="connection", key="north-r4", on=True, reason="done", by="app:desk")
    assert switches.all("north")[0].is_on


@pytest.mark.parametrize(
    ("kind", "key", "known"),
    [
        ("connection", "north-r5", "labels-r4, north-r4"),
        ("action", "VitalReadings", "VitalReading"),
        ("service", "writeback", "*"),
        ("tenant", "south", "north"),
    ],
)
def test_a_switch_that_could_govern_nothing_is_refused_with_those_there_are(
    services: Services, kind: str, key: str, known: str
) -> None:
    """Confirmed, it would let somebody believe that writes are held back."""
    with pytest.raises(RefusedError) as refused:
        services.doors.switches.turn("north", kind=kind, key=key, on=False, reason="upgrade", by="app:desk")
    assert known in str(refused.value)
    assert key not in str(refused.value).replace(known, "")
    assert services.doors.switches.all("north") == []


@pytest.mark.parametrize(("kind", "key"), [("app", "visitz"), ("tenant", "north")])
def test_it_is_said_that_nothing_has_used_a_switch_yet(services: Services, kind: str, key: str) -> None:
    switches = services.doors.switches
    first = switches.turn("north", kind=kind, key=key, on=False, reason="upgrade", by="app:desk")
    assert first is not None
    assert f"this {kind} yet" in first
    assert [(item.kind, item.key, item.is_on) for item in switches.all("north")] == [(kind, key, False)]


def test_of_an_app_that_has_written_nothing_more_is_said(services: Services) -> None:
    give_consent(services)
    receive(services)
    switches = services.doors.switches
    assert switches.turn("north", kind="app", key="visits", on=False, reason="upgrade", by="app:desk") is None


def test_a_switch_of_a_part_s_action_governs_the_whole(services: Services) -> None:
    give_consent(services)
    scopes = frozenset({"writeback/CareGapClosure.*", "writeback/VitalReading.*"})
    receipt = receive(services, envelope_json(care_gap_closure_json()), scopes=scopes)
    governed = """SELECT w.key FROM switches w JOIN commands c ON w.id = ANY (c.switch_ids)
                   WHERE c.id = %(id)s AND w.kind = 'action' ORDER BY w.key"""
    assert [row["key"] for row in look(services, governed, id=receipt.id)] == ["CareGapClosure", "VitalReading"]
