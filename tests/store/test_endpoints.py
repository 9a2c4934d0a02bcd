import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from canonical.errors import RefusedError
from config.wiring import Services
from store.endpoints import ENDPOINTS_LIMIT
from tests.reception import give_consent, look, put_state, receive

URL = "https://app.example/callbacks"


def test_an_endpoint_is_its_apps_only_and_shows_no_secret(services: Services) -> None:
    endpoints = services.doors.endpoints
    made = endpoints.register("north", "visits", url=URL, secret="whsec_a")
    assert "secret" not in vars(made)
    assert endpoints.all("north", "visits") == [made]
    assert endpoints.find("north", "visits", made.id) == made
    assert endpoints.all("north", "other") == endpoints.all("south", "visits") == []
    assert endpoints.find("south", "visits", made.id) is None
    assert endpoints.disable("north", "other", made.id) is None
    assert endpoints.change_secret("south", "visits", made.id, secret="whsec_b") is None
    assert endpoints.find("north", "visits", uuid4()) is None


def test_registering_again_keeps_the_id_and_replaces_the_secret(services: Services) -> None:
    endpoints = services.doors.endpoints
    first = endpoints.register("north", "visits", url=URL, secret="whsec_a")
    endpoints.disable("north", "visits", first.id)
    again = endpoints.register("north", "visits", url=URL, secret="whsec_b")
    assert (again.id, again.disabled_at) == (first.id, None)
    assert [row["secret"] for row in look(services, "SELECT secret FROM endpoints")] == ["whsec_b"]


def test_a_new_secret_takes_a_disabled_endpoint_up_again(services: Services) -> None:
    endpoints = services.doors.endpoints
    made = endpoints.register("north", "visits", url=URL, secret="whsec_a")
    endpoints.disable("north", "visits", made.id)
    changed = endpoints.change_secret("north", "visits", made.id, secret="whsec_b")
    assert changed is not None
    assert changed.disabled_at is None


def test_disabling_gives_up_what_waits_and_keeps_what_was_delivered(services: Services) -> None:
    endpoints = services.doors.endpoints
    give_consent(services)
    command = receive(services)
    made = endpoints.register("north", "visits", url=URL, secret="whsec_a")
    put_state(services, command.id, "verified")
    look(
        services,
        """
        INSERT INTO callbacks (tenant, endpoint_id, command_id, sequence, status, state, reason, delivered_at)
        VALUES ('north', %(endpoint)s, %(command)s, 3, 'inChart', 'verified', 'proven', NULL),
               ('north', %(endpoint)s, %(command)s, 2, 'pending', 'ready', 'accepted', clock_timestamp())
        """,
        endpoint=made.id,
        command=command.id,
    )
    disabled = endpoints.disable("north", "visits", made.id)
    assert disabled is not None
    assert disabled.disabled_at is not None
    callbacks = look(services, "SELECT sequence, given_up_at IS NOT NULL AS given_up FROM callbacks ORDER BY sequence")
    assert callbacks == [{"sequence": 2, "given_up": False}, {"sequence": 3, "given_up": True}]


def test_of_many_that_register_at_once_only_as_many_get_a_place_as_there_are(services: Services) -> None:
    endpoints, start = services.doors.endpoints, threading.Barrier(4)
    for number in range(ENDPOINTS_LIMIT - 1):
        endpoints.register("north", "visits", url=f"{URL}/{number}", secret="whsec_a")

    def register(name: str) -> str:
        start.wait(10)
        try:
            endpoints.register("north", "visits", url=f"{URL}/{name}", secret="whsec_a")
        except RefusedError as error:
            return error.code
        return "registered"

    with ThreadPoolExecutor(4) as threads:
        ended = list(threads.map(register, "abcd"))
    assert sorted(ended) == ["registered", *["too-many-endpoints"] * 3]
    assert len(endpoints.all("north", "visits")) == ENDPOINTS_LIMIT
    assert endpoints.register("north", "other", url=URL, secret="whsec_a").disabled_at is None
