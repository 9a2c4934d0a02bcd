from datetime import UTC, datetime, timedelta

import pytest

from canonical.lifecycle import NEEDS_PERSON, State
from canonical.unfit import UNFIT_WORDS
from config.wiring import Services
from store.balance import COLUMN_OF, UNFIT_REASONS, Balances, Unfit
from tests.factories import envelope_json, patient_json
from tests.reception import TENANT, add_operation, ask_somebody, give_consent, look, put_state, receive

HERE = (TENANT, "north-r4")


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
        if state is State.VERIFIED:
            add_operation(services, command.id, "verified")
        if state in NEEDS_PERSON:
            ask_somebody(services, command.id)
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
    assert (sheet.closes, sheet.unfit) == (False, (Unfit(id=command.id, why="state-without-event", connection=HERE),))


def test_a_command_left_at_the_door_does_not_fit(services: Services) -> None:
    give_consent(services)
    command = receive(services)
    put_state(services, command.id, "received")
    sheet = services.doors.balances.sheet()
    assert (sheet.total.closes, sheet.closes) == (False, False)
    assert sheet.unfit == (Unfit(id=command.id, why="left-at-the-door", connection=HERE),)


def test_a_command_without_its_receipt_does_not_fit(services: Services) -> None:
    give_consent(services)
    command = receive(services)
    # The log refuses this from everybody, the owner included, until its trigger is taken away.
    look(services, "ALTER TABLE events DISABLE TRIGGER USER")
    look(services, "DELETE FROM events WHERE command_id = %(id)s AND seq = 1", id=command.id)
    sheet = services.doors.balances.sheet()
    assert (sheet.total.received, sheet.total.accounted) == (0, 1)
    assert sheet.unfit == (Unfit(id=command.id, why="no-receipt-event", connection=HERE),)


def test_an_event_of_no_command_does_not_fit(services: Services) -> None:
    look(
        services,
        """
        INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor)
        VALUES ('north', gen_random_uuid(), 1, 'received', '', 'received', 'received', 'test')
        """,
    )
    sheet = services.doors.balances.sheet(tenant=TENANT)
    assert [one.why for one in sheet.unfit] == ["no-command"]


@pytest.mark.parametrize(("box", "closes"), [(timedelta(hours=1), True), (timedelta(0), False)])
def test_in_flight_beyond_its_time_does_not_fit(services: Services, box: timedelta, closes: bool) -> None:  # noqa: FBT001
    give_consent(services)
    command = receive(services)
    put_state(services, command.id, "applied")
    sheet = Balances(services.engine, time_box=box).sheet()
    assert sheet.closes is closes
    assert [one.why for one in sheet.unfit] == ([] if closes else ["in-flight-too-long"])


def test_a_sheet_since_a_day_leaves_out_what_came_before(services: Services) -> None:
    give_consent(services)
    receive(services)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert services.doors.balances.sheet(since=tomorrow - timedelta(days=1)).total.received == 1
    assert services.doors.balances.sheet(since=tomorrow).total.received == 0


@pytest.mark.parametrize("operation", [None, "applied"])
def test_what_nothing_proves_is_not_in_the_chart(services: Services, operation: str | None) -> None:
    give_consent(services)
    command = receive(services)
    put_state(services, command.id, "verified")
    if operation is not None:
        add_operation(services, command.id, operation)
    sheet = services.doors.balances.sheet()
    assert (sheet.total.received, sheet.total.in_chart, sheet.total.closes) == (1, 0, False)
    assert sheet.unfit == (Unfit(id=command.id, why="in-chart-without-proof", connection=HERE),)


@pytest.mark.parametrize("operation", ["applied", "verified"])
def test_what_is_in_the_chart_cannot_have_ended_as_not_written(services: Services, operation: str) -> None:
    give_consent(services)
    command = receive(services)
    put_state(services, command.id, "rejected")
    assert services.doors.balances.sheet().closes
    add_operation(services, command.id, operation)
    assert services.doors.balances.sheet().unfit == (Unfit(id=command.id, why="ended-but-in-chart", connection=HERE),)


@pytest.mark.parametrize("state", sorted(NEEDS_PERSON))
def test_what_waits_for_a_person_has_a_case_that_asks_one(services: Services, state: str) -> None:
    give_consent(services)
    command = receive(services)
    put_state(services, command.id, state)
    sheet = services.doors.balances.sheet()
    assert (sheet.total.closes, sheet.closes) == (True, False)
    assert sheet.unfit == (Unfit(id=command.id, why="nobody-is-asked", connection=HERE),)
    ask_somebody(services, command.id)
    assert services.doors.balances.sheet().closes


def test_what_is_due_for_long_with_nothing_in_its_way_does_not_fit(services: Services) -> None:
    give_consent(services)
    first, behind = receive(services), receive(services)
    put_state(services, first.id, "unknown")
    late = Balances(services.engine, time_box=timedelta(0))
    assert {one.id: one.why for one in late.sheet().unfit} == {first.id: "in-flight-too-long"}
    put_state(services, first.id, "rejected")
    assert {one.id: one.why for one in late.sheet().unfit} == {behind.id: "due-too-long"}
    look(services, "UPDATE connections SET not_before = clock_timestamp() + interval '1 hour'")
    assert late.sheet().closes
    assert services.doors.balances.sheet().closes


def test_each_connection_has_a_balance_of_its_own(services: Services) -> None:
    give_consent(services)
    receive(services)
    sheet = services.doors.balances.sheet()
    assert {key: counts.received for key, counts in sheet.connections.items()} == {HERE: 1}
    assert sheet.closes


def test_every_reason_has_words() -> None:
    assert set(UNFIT_WORDS) == set(UNFIT_REASONS)


def test_what_counts_as_taken_back_part_by_part_must_be_out_of_the_chart(services: Services) -> None:
    give_consent(services)
    root, back = receive(services), receive(services)
    put_state(services, root.id, "compensated")
    add_operation(services, root.id, "verified")
    assert services.doors.balances.sheet().closes, "a retraction of the whole leaves its parts there"
    look(services, "UPDATE commands SET undoes = %(r)s, undoes_seq = 1 WHERE id = %(b)s", r=root.id, b=back.id)
    sheet = services.doors.balances.sheet()
    assert sheet.unfit == (Unfit(id=root.id, why="taken-back-but-stands", connection=HERE),)
    look(services, "UPDATE operations SET state = 'taken_back' WHERE command_id = %(r)s", r=root.id)
    assert services.doors.balances.sheet().closes


def test_what_nothing_takes_back_any_more_is_found_out(services: Services) -> None:
    give_consent(services)
    root, back = receive(services), receive(services)
    put_state(services, root.id, "taking_back")
    look(services, "UPDATE commands SET undoes = %(r)s, undoes_seq = 1 WHERE id = %(b)s", r=root.id, b=back.id)
    soon = Balances(services.engine, time_box=timedelta(0))
    assert "nobody-takes-it-back" not in {one.why for one in soon.sheet().unfit}
    put_state(services, back.id, "rejected")
    assert Unfit(id=root.id, why="nobody-takes-it-back", connection=HERE) in soon.sheet().unfit
    assert services.doors.balances.sheet().closes, "it may take its time"
