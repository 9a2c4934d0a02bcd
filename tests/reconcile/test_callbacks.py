from uuid import uuid4

from config.wiring import Services
from reconcile import callbacks
from reconcile.callbacks import Config
from tests.reconcile.conftest import Noted
from tests.tasks.ward import Ward

REGISTER = "INSERT INTO endpoints (id, tenant, app, url, secret) VALUES (%(id)s, 't1', 'app', %(url)s, 'whsec_AAAA')"


def register(ward: Ward, url: str = "https://app.example/hooks") -> None:
    ward.query(REGISTER, id=uuid4(), url=url)


def write_one(ward: Ward) -> None:
    ward.run(ward.submit().lane_id)


def test_a_callback_is_found_as_soon_as_its_move_is_made(ward: Ward, services: Services, hands: Noted) -> None:
    register(ward)
    write_one(ward)
    (row,) = ward.query("SELECT id FROM callbacks")
    assert callbacks.run_once(services, hands) == {"callbacks": 1}
    assert hands.callbacks == [row["id"]]


def test_without_endpoints_there_is_nothing_to_tell(ward: Ward, services: Services, hands: Noted) -> None:
    write_one(ward)
    assert callbacks.run_once(services, hands) == {"callbacks": 0}


def test_a_callback_that_was_put_off_waits(ward: Ward, services: Services, hands: Noted) -> None:
    register(ward)
    write_one(ward)
    ward.query("UPDATE callbacks SET due_at = clock_timestamp() + interval '1 minute'")
    assert callbacks.run_once(services, hands) == {"callbacks": 0}


def test_no_more_are_taken_at_once_than_configured(ward: Ward, services: Services, hands: Noted) -> None:
    register(ward)
    register(ward, "https://app.example/other")
    write_one(ward)
    assert callbacks.run_once(services, hands, Config(limit=1)) == {"callbacks": 1}
