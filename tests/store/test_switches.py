from config.wiring import Services
from tests.reception import give_consent, receive


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
