import threading
from datetime import timedelta

import pytest

from canonical.errors import StoreUnavailableError
from tasks.recent import Recent


def test_a_value_is_computed_once_while_it_is_fresh() -> None:
    computed: list[int] = []

    def compute() -> int:
        computed.append(1)
        return len(computed)

    recent = Recent(compute, life=timedelta(hours=1))
    threads = [threading.Thread(target=recent.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (recent.get(), computed) == (1, [1])


def test_an_old_value_is_computed_again_and_a_defect_is_not_kept() -> None:
    answers: list[object] = [1, ValueError("no"), 3]

    def compute() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    recent = Recent(compute, life=timedelta(0))
    assert recent.get() == 1
    with pytest.raises(ValueError, match="no"):
        recent.get()
    assert recent.get() == 3


def test_that_the_database_is_away_is_remembered_like_a_value() -> None:
    asked: list[int] = []

    def compute() -> int:
        asked.append(1)
        raise StoreUnavailableError

    recent = Recent(compute, life=timedelta(hours=1))
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            recent.get()
    assert asked == [1]


def test_who_asks_while_somebody_computes_gets_the_last_value_at_once() -> None:
    computing, go_on = threading.Event(), threading.Event()
    answers = iter([1, 2])

    def compute() -> int:
        answer = next(answers)
        if answer == 2:
            computing.set()
            assert go_on.wait(10)
        return answer

    recent = Recent(compute, life=timedelta(0))
    assert recent.get() == 1
    thread = threading.Thread(target=recent.get)
    thread.start()
    assert computing.wait(10)
    assert recent.get() == 1
    go_on.set()
    thread.join()


def test_nobody_waits_for_long_where_no_value_is_known_yet() -> None:
    computing, go_on = threading.Event(), threading.Event()

    def compute() -> int:
        computing.set()
        assert go_on.wait(10)
        return 1

    recent = Recent(compute, life=timedelta(hours=1), patience=timedelta(milliseconds=10))
    thread = threading.Thread(target=recent.get)
    thread.start()
    assert computing.wait(10)
    with pytest.raises(StoreUnavailableError):
        recent.get()
    go_on.set()
    thread.join()
    assert recent.get() == 1
