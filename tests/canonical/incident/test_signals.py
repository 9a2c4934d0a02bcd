"""Every kind of divergence has a signal whose sweeps and kinds of case there are."""

from canonical.case_kinds import case_kinds
from canonical.incident.report import DivergenceKind
from canonical.incident.signals import SIGNALS
from reconcile.schedule import SWEEPS


def test_every_kind_of_divergence_has_a_signal() -> None:
    assert set(SIGNALS) == set(DivergenceKind)


def test_every_sweep_and_every_kind_of_case_that_should_tell_exists() -> None:
    assert {name for signal in SIGNALS.values() for name in signal.sweeps} <= set(SWEEPS)
    assert {name for signal in SIGNALS.values() for name in signal.cases} <= set(case_kinds())
