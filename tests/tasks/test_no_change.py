"""An update that changes nothing: an EHR may answer success and leave the version as it was, which is no failure."""

import pytest

from canonical.outcome import Settlement
from canonical.ports import Operation, Proof
from canonical.proving import Verdict
from store.proofs import Proofs
from tasks.verify import Verifier
from tests.tasks.chart import Chart
from tests.tasks.ward import PATIENT, Ward, heart_rate


class StandingStill(Chart):
    """Stores an update under the version that was there."""

    def _write(self, operation: Operation) -> Settlement:
        if operation.reference is None:
            return super()._write(operation)
        before = self.resources[operation.reference][0]
        settlement = super()._write(operation)
        body = self.resources[operation.reference][1]
        return settlement if settlement.version is None else self._stored(operation.reference, before, body)


@pytest.mark.parametrize("proof", [Proof.ANSWER, Proof.READ_BACK])
def test_a_version_that_did_not_move_is_success(ward: Ward, proof: Proof) -> None:
    chart = StandingStill(proof=proof)
    chart.admit(PATIENT)
    ward.chart = chart
    verifier = Verifier(proofs=Proofs(ward.engine, actor="test"), ehrs=lambda _tenant, _connection: chart)
    first = ward.submit()
    ward.run(first.lane_id)
    verifier.run(first.command_id)

    again = ward.submit(heart_rate(operation="correct"), target={"command": str(first.command_id)})
    ward.run(again.lane_id)
    if proof is Proof.READ_BACK:
        assert verifier.run(again.command_id).verdict is Verdict.PROVEN

    (reference,) = chart.marked(str(again.command_id))
    assert chart.resources[reference][0] == 1
    assert (ward.state(again.command_id), ward.cases(again.command_id)) == ("verified", [])
    assert len(chart.sent) == 2
    assert ward.is_at_rest()
