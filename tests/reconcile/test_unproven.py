from datetime import timedelta
from uuid import UUID

from canonical.ports import Proof
from config.wiring import Services
from reconcile import unproven
from reconcile.unproven import Config
from tests.reconcile.conftest import Noted, let_wait
from tests.tasks.ward import Ward


def applied(ward: Ward) -> UUID:
    ward.chart.proof = Proof.READ_BACK
    accepted = ward.submit()
    ward.run(accepted.lane_id)
    assert ward.state(accepted.command_id) == "applied"
    return accepted.command_id


def test_a_write_that_nobody_read_back_is_found_and_proven(ward: Ward, services: Services, hands: Noted) -> None:
    command = applied(ward)
    let_wait(ward, 2)
    assert unproven.run_once(services, hands) == {"commands": 1}
    assert hands.commands == [command]
    services.verifier.run(command)
    assert ward.state(command) == "verified"
    assert unproven.run_once(services, hands) == {"commands": 0}


def test_a_write_is_left_to_its_sender_for_a_moment(ward: Ward, services: Services, hands: Noted) -> None:
    applied(ward)
    assert unproven.run_once(services, hands, Config(grace=timedelta(minutes=1))) == {"commands": 0}


def test_a_proof_that_was_put_off_is_not_looked_for_before_its_time(
    ward: Ward, services: Services, hands: Noted
) -> None:
    applied(ward)
    ward.query("UPDATE commands SET due_at = clock_timestamp() + interval '1 minute'")
    assert unproven.run_once(services, hands) == {"commands": 0}
