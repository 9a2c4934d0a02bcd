"""Answers of searches that are given again for a while, as some servers do; not what a search finds."""

from collections.abc import Callable

from sandbox.answers import Answer

#: A search as it was asked: path and parameters.
Asked = tuple[str, tuple[tuple[str, str], ...]]


class ReusedAnswers:
    """The last answer to each search, with when it was found."""

    def __init__(self) -> None:
        self._answers: dict[Asked, tuple[float, Answer]] = {}

    def answer(self, asked: Asked, look: Callable[[], Answer], seconds: float, now: float) -> Answer:
        """The answer found at most `seconds` before `now` (seconds since 1970), or what `look` finds."""
        if not seconds:
            return look()
        found = self._answers.get(asked)
        if found is None or now - found[0] > seconds:
            found = now, look()
            self._answers[asked] = found
        return found[1]
