from datetime import timedelta

from processes.condition import wait_until


def test_waits_until_the_condition_holds() -> None:
    looks = iter([False, False, True])
    assert wait_until(lambda: next(looks), within=timedelta(seconds=5))
    assert next(looks, None) is None


def test_says_when_the_time_is_over() -> None:
    assert not wait_until(lambda: False, within=timedelta(milliseconds=20))


def test_looks_once_even_without_time() -> None:
    assert wait_until(lambda: True, within=timedelta(0))
