import threading
from datetime import timedelta

import pytest

from api.recent import Recent


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


def test_an_old_value_is_computed_again_and_a_failure_is_not_kept() -> None:
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
