from datetime import timedelta

from tasks.circuit import Circuit


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_lets_everybody_through_until_a_failure() -> None:
    circuit = Circuit(monotonic=Time())
    assert circuit.allows()
    assert circuit.allows()


def test_after_a_failure_nobody_asks_for_a_while() -> None:
    time = Time()
    circuit = Circuit(open_for=timedelta(seconds=5), monotonic=time)
    circuit.failed(ConnectionError())
    assert not circuit.allows()
    time.now += 4.9
    assert not circuit.allows()


def test_then_one_caller_tries_and_the_others_stay_away() -> None:
    time = Time()
    circuit = Circuit(open_for=timedelta(seconds=5), monotonic=time)
    circuit.failed(ConnectionError())
    time.now += 5
    assert circuit.allows()
    assert not circuit.allows()


def test_another_failure_keeps_it_open() -> None:
    time = Time()
    circuit = Circuit(open_for=timedelta(seconds=5), monotonic=time)
    circuit.failed(ConnectionError())
    time.now += 5
    assert circuit.allows()
    circuit.failed(ConnectionError())
    time.now += 4.9
    assert not circuit.allows()


def test_a_success_lets_everybody_through_again() -> None:
    time = Time()
    circuit = Circuit(open_for=timedelta(seconds=5), monotonic=time)
    circuit.failed(ConnectionError())
    time.now += 5
    assert circuit.allows()
    circuit.succeeded()
    assert circuit.allows()
    assert circuit.allows()


def test_a_caller_that_never_reports_back_does_not_keep_it_open_for_ever() -> None:
    time = Time()
    circuit = Circuit(open_for=timedelta(seconds=5), monotonic=time)
    circuit.failed(ConnectionError())
    time.now += 5
    assert circuit.allows()
    time.now += 5
    assert circuit.allows()
