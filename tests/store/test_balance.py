from datetime import UTC, datetime, timedelta

import pytest

from canonical.lifecycle import State
from config.wiring import Services
from store.balance import COLUMN_OF, Balances
from tests.factories import envelope_json, patient_json
from tests.reception import TENANT, give_consent, look, put_state, receive


def test_every_state_but_the_one_that_intake_passes_through_has_a_column() -> None:
    assert set(State) - set(COLUMN_OF) == {State.RECEIVED}


def test_an_empty_service_balances(services: Services) -> None:
    sheet = services.doors.balances.sheet()
    assert (sheet.closes, sheet.total.received, sheet.days) == (True, 0, {})


def test_whatever_is_where_the_balance_closes(services: Services) -> None:
    columns: dict[str, int] = {}
    for place, state in enumerate(sorted(set(COLUMN_OF))):
        # A patient each, so that nothing waits behind another.
        who = patient_json(reference=f"Patient/p{place}")
        give_consent(services, reference=f"consent-{place}", patient_key=_key(place))
        command = receive(services, envelope_json(patient=who, consent={"reference": f"consent-{place}"}))
        if state is not State.READY:
            put_state(services, command.id, state.value)
        columns[COLUMN_OF[state]] = columns.get(COLUMN_OF[state], 0) + 1
    sheet = services.doors.balances.sheet(tenant=TENANT, connection="north-r4")
    assert sheet.closes
    counted = {name: value for name, value in vars(sheet.total).items() if value}
    assert counted == columns | {"received": len(COLUMN_OF)}
    assert list(sheet.days) == [datetime.now(UTC).date()]
    assert services.doors.balances.sheet(tenant="south").total.received == 0
    assert services.doors.balances.sheet(connection="labels-r4").total.received == 0


def _key(place: int) -> bytes:
    from canonical.admission import patient_key

    return patient_key(TENANT, "north-r4", f"Patient/p{place}")


def test_what_waits_behind_another_is_counted_apart(services: Services) -> None:
    give_consent(services)
    first = receive(services)
    correction = {"command": str(first.id)}
    action = {"type": "VitalReading", "operation": "retract", "retractReason": "wrong patient"}
    receive(services, envelope_json(action, target=correction))
    total = services.doors.balances.sheet().total
    assert (total.ready, total.waiting, total.closes) == (1, 1, True)


def test_one_command_without_an_answer_keeps_its_lane_waiting(services: Services) -> None:
    give_consent(services)
    first, _second = receive(services), receive(services)
    put_state(services, first.id, "unknown")
    total = services.doors.balances.sheet().total
    assert (total.in_flight, total.waiting) == (1, 1)


def test_a_state_that_no_event_tells_of_does_not_fit(services: Services) -> None:
    give_consent(services)
    command = receive(services)
    look(services, "UPDATE commands SET state = 'verified' WHERE id = %(id)s", id=command.id)
    sheet = services.doors.balances.sheet()
    assert (sheet.closes, sheet.unfit) == (False, ((command.id, "state-without-event"),))


def test_a_command_left_at_the_door_does_not_fit(services: Services) -> None:
    give_consent(services)
    command = receive(services)
    put_state(services, command.id, "received")
    sheet = services.doors.balances.sheet()
    assert (sheet.total.closes, sheet.closes) == (False, False)
    assert sheet.unfit == ((command.id, "left-at-the-door"),)


def test_a_command_without_its_receipt_does_not_fit(services: Services) -> None:
    give_consent(services)
    command = receive(services)
    # The log refuses this from everybody, the owner included, until its trigger is taken away.
    look(services, "ALTER TABLE events DISABLE TRIGGER USER")
    look(services, "DELETE FROM events WHERE command_id = %(id)s AND seq = 1", id=command.id)
    sheet = services.doors.balances.sheet()
    assert (sheet.total.received, sheet.total.accounted) == (0, 1)
    assert sheet.unfit == ((command.id, "no-receipt-event"),)


def test_an_event_of_no_command_does_not_fit(services: Services) -> None:
    look(
        services,
        """
        INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor)
        VALUES ('north', gen_random_uuid(), 1, 'received', '', 'received', 'received', 'test')
        """,
    )
    sheet = services.doors.balances.sheet(tenant=TENANT)
    assert [why for _, why in sheet.unfit] == ["no-command"]


@pytest.mark.parametrize(("box", "closes"), [(timedelta(hours=1), True), (timedelta(0), False)])
def test_in_flight_beyond_its_time_does_not_fit(services: Services, box: timedelta, closes: bool) -> None:  # noqa: FBT001
    give_consent(services)
    command = receive(services)
    put_state(services, command.id, "applied")
    sheet = Balances(services.engine, time_box=box).sheet()
    assert sheet.closes is closes
    assert [why for _, why in sheet.unfit] == ([] if closes else ["in-flight-too-long"])


def test_a_sheet_since_a_day_leaves_out_what_came_before(services: Services) -> None:
    give_consent(services)
    receive(services)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert services.doors.balances.sheet(since=tomorrow - timedelta(days=1)).total.received == 1
    assert services.doors.balances.sheet(since=tomorrow).total.received == 0
