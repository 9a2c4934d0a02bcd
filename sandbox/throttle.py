"""How many requests the EHR takes in a minute of the wall clock; not who sends them."""

from sandbox.answers import Refusal
from sandbox.settings import Behaviour

MINUTE_S = 60


class Meter:
    """Counts requests and refuses the ones beyond the limit until the next minute begins."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts = {"calls": 0, "tokens": 0}

    def count(self, behaviour: Behaviour, at: float, *, token: bool) -> None:
        """Count a request that came `at` (seconds since 1970).

        Raises:
            Refusal: 429, it is one too many; everything is refused until the minute is over.
        """
        minute = int(at // MINUTE_S)
        if minute != self._minute:
            self._minute, self._counts = minute, {"calls": 0, "tokens": 0}
        limits = [("tokens", behaviour.token_calls_per_minute)] if token else []
        if not token or behaviour.tokens_count_as_calls:
            limits.append(("calls", behaviour.calls_per_minute))
        for kind, _ in limits:
            self._counts[kind] += 1
        if any(limit is not None and self._counts[kind] > limit for kind, limit in limits):
            raise Refusal(429, "throttled", "Too many requests.", headers=_hint(behaviour, at))


def _hint(behaviour: Behaviour, at: float) -> dict[str, str]:
    seconds = MINUTE_S - int(at % MINUTE_S)
    if behaviour.throttle_hint == "retry-after":
        return {"Retry-After": str(seconds), "x-ms-retry-after-ms": str(seconds * 1000)}
    return {"RateLimit": f'"requests";r=0;t={seconds}'} if behaviour.throttle_hint == "rate-limit" else {}
