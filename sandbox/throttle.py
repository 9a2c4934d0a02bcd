"""How many requests the EHR takes in a minute of the wall clock and in a day; not who sends them."""

from sandbox.answers import Refusal
from sandbox.settings import Behaviour

MINUTE_S = 60
DAY_S = 86_400


class Meter:
    """Counts requests and refuses the ones beyond a limit until the next minute or day begins."""

    def __init__(self) -> None:
        #: what is counted → number of the minute or day, and requests in it
        self._counts: dict[str, tuple[int, int]] = {}

    def count(self, behaviour: Behaviour, at: float, *, token: bool) -> None:
        """Count a request that came `at` (seconds since 1970).

        Raises:
            Refusal: 429, it is one too many; everything is refused until the minute or the day is over.
        """
        exceeded = []
        if token:
            exceeded.append(self._is_beyond("tokens", behaviour.token_calls_per_minute, at, MINUTE_S))
        if not token or behaviour.tokens_count_as_calls:
            exceeded.append(self._is_beyond("calls", behaviour.calls_per_minute, at, MINUTE_S))
            exceeded.append(self._is_beyond("day", behaviour.calls_per_day, at, DAY_S))
        if any(exceeded):
            raise Refusal(429, "throttled", "Too many requests.", headers=_hint(behaviour, at))

    def _is_beyond(self, kind: str, limit: int | None, at: float, span_s: int) -> bool:
        current = int(at // span_s)
        span, count = self._counts.get(kind, (current, 0))
        count = count + 1 if span == current else 1
        self._counts[kind] = current, count
        return limit is not None and count > limit


def _hint(behaviour: Behaviour, at: float) -> dict[str, str]:
    seconds = MINUTE_S - int(at % MINUTE_S)
    if behaviour.throttle_hint == "retry-after":
        return {"Retry-After": str(seconds), "x-ms-retry-after-ms": str(seconds * 1000)}
    return {"RateLimit": f'"requests";r=0;t={seconds}'} if behaviour.throttle_hint == "rate-limit" else {}
