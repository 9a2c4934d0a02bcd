"""One client's token in one process: asked for once, kept while it lives, renewed when it is refused."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.access.issuer import Grant
from adapters.access.kept_tokens import LONGEST_STAY_AWAY, MARGIN, KeptTokens, OwnProcessOnly, usable_seconds
from canonical.errors import EhrUnavailableError
from canonical.token_cache import SharedFailure, SharedToken


@dataclass
class Issuing:
    """An issuer that hands out what a test prepared, the last of it again and again."""

    answers: list[Grant | EhrUnavailableError]
    idle: float | None = None
    asked: int = 0
    before: Callable[[], object] = lambda: None

    def ask(self, seconds: float) -> Grant:
        self.asked += 1
        self.before()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, EhrUnavailableError):
            raise answer
        return answer

    def close(self) -> None:
        self.answers.clear()


def grant(value: str = "t", *, lifetime: float = 300, scope: str | None = "s") -> Grant:
    return Grant(value=value, lifetime=lifetime, scope=scope)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [1000.0]
    monkeypatch.setattr("adapters.access.kept_tokens.boot_seconds", lambda: time[0])
    return time


def kept(issuer: Issuing) -> KeptTokens:
    return KeptTokens(issuer, name="n")


def reason_of(tokens: KeptTokens) -> EhrUnavailableError:
    with pytest.raises(EhrUnavailableError) as caught:
        tokens.bearer(5)
    return caught.value


def test_token_is_kept_while_it_lives() -> None:
    issuer = Issuing([grant()])
    tokens = kept(issuer)
    assert [tokens.bearer(5) for _ in range(3)] == ["t"] * 3
    assert (issuer.asked, tokens.granted) == (1, "s")


def test_token_is_not_used_in_its_last_seconds(clock: list[float]) -> None:
    issuer = Issuing([grant()])
    tokens = kept(issuer)
    tokens.bearer(5)
    clock[0] += 300 - MARGIN - 1
    tokens.bearer(5)
    assert issuer.asked == 1
    clock[0] += 2
    tokens.bearer(5)
    assert issuer.asked == 2


def test_life_is_counted_from_when_the_token_was_asked_for(clock: list[float]) -> None:
    def slow() -> None:
        clock[0] += 100

    issuer = Issuing([grant()], before=slow)
    tokens = kept(issuer)
    tokens.bearer(500)
    clock[0] += 300 - MARGIN - 100 + 1
    tokens.bearer(500)
    assert issuer.asked == 2


@given(lifetime=st.floats(min_value=0, max_value=86_400))
def test_some_of_every_life_is_used_and_never_all_of_it(lifetime: float) -> None:
    usable = usable_seconds(lifetime)
    assert lifetime * 0.5 <= usable <= lifetime * 0.9
    assert lifetime <= 2 * MARGIN or lifetime - usable >= MARGIN


def test_token_without_any_life_is_used_once(clock: list[float]) -> None:
    issuer = Issuing([grant("a", lifetime=0), grant("b", lifetime=0)])
    tokens = kept(issuer)
    assert [tokens.bearer(5), tokens.bearer(5)] == ["a", "b"]


def test_refused_token_is_asked_for_anew_if_it_is_the_one_held() -> None:
    tokens = kept(Issuing([grant("a"), grant("b")]))
    assert tokens.bearer(5) == "a"
    tokens.refused("an older one")
    assert tokens.bearer(5) == "a"
    tokens.refused("a")
    assert tokens.bearer(5) == "b"
    assert tokens.granted == "s"


def test_server_may_hand_out_the_refused_token_again() -> None:
    issuer = Issuing([grant("a")])
    tokens = kept(issuer)
    tokens.bearer(5)
    tokens.refused("a")
    assert [tokens.bearer(5), tokens.bearer(5)] == ["a", "a"]
    assert issuer.asked == 2


def test_token_that_lives_by_use_is_kept_by_using_it(clock: list[float]) -> None:
    issuer = Issuing([grant("a", lifetime=600), grant("b", lifetime=600)], idle=600)
    tokens = kept(issuer)
    for _ in range(10):
        assert tokens.bearer(5) == "a"
        clock[0] += 500
    clock[0] += 100
    assert tokens.bearer(5) == "b"


def test_a_wish_to_be_left_alone_is_kept_without_asking(clock: list[float]) -> None:
    issuer = Issuing([EhrUnavailableError("throttled", timedelta(seconds=30)), grant()])
    tokens = kept(issuer)
    assert reason_of(tokens).retry_after == timedelta(seconds=30)
    clock[0] += 20
    again = reason_of(tokens)
    assert (again.reason, again.retry_after) == ("throttled", timedelta(seconds=10))
    assert issuer.asked == 1
    clock[0] += 10
    assert tokens.bearer(5) == "t"


def test_no_wish_keeps_us_away_for_longer_than_limits_are_counted(clock: list[float]) -> None:
    tokens = kept(Issuing([EhrUnavailableError("outage", timedelta(days=1)), grant()]))
    assert reason_of(tokens).retry_after == timedelta(days=1)
    clock[0] += LONGEST_STAY_AWAY
    assert tokens.bearer(5) == "t"


@pytest.mark.parametrize("reason", ["auth", "throttled", "outage"])
def test_a_failure_without_a_wish_keeps_nobody_away(clock: list[float], reason: str) -> None:
    tokens = kept(Issuing([EhrUnavailableError(reason), grant()]))
    failed = reason_of(tokens)
    assert (failed.reason, failed.retry_after) == (reason, None)
    clock[0] += 0.01
    assert tokens.bearer(5) == "t"


def test_nothing_is_asked_when_no_time_is_left(clock: list[float]) -> None:
    issuer = Issuing([grant()])
    tokens = kept(issuer)
    with pytest.raises(EhrUnavailableError, match="outage"):
        tokens.bearer(0)
    assert issuer.asked == 0
    assert tokens.bearer(1) == "t"


def together(number: int, work: Callable[[], object]) -> None:
    barrier = threading.Barrier(number)

    def run() -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_threads_ask_once() -> None:
    issuer = Issuing([grant()])
    tokens = kept(issuer)
    together(8, lambda: tokens.bearer(5))
    assert issuer.asked == 1


def test_those_who_waited_for_a_failed_request_share_its_failure() -> None:
    waiting, release, reasons = threading.Semaphore(0), threading.Event(), list[str]()
    issuer = Issuing([EhrUnavailableError("outage")], before=lambda: release.wait(5))
    tokens = kept(issuer)

    def ask() -> None:
        waiting.release()
        reasons.append(reason_of(tokens).reason)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=5)
    threads[0].join(0.2)  # so that those who come last wait, too
    release.set()
    for thread in threads:
        thread.join()
    assert reasons == ["outage"] * 4
    assert issuer.asked < 4


def test_waiting_for_somebody_elses_request_has_an_end() -> None:
    began, release = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        release.wait(5)

    tokens = kept(Issuing([grant()], before=hold))
    first = threading.Thread(target=lambda: tokens.bearer(5))
    first.start()
    assert began.wait(5)
    with pytest.raises(EhrUnavailableError, match="outage"):
        tokens.bearer(0.05)
    release.set()
    first.join()
    assert tokens.bearer(0.05) == "t"


@dataclass
class Shelf(OwnProcessOnly):
    """A cache that a test fills by hand; ``busy`` says how often somebody else is asking."""

    found: SharedToken | SharedFailure | None = None
    busy: int = 0
    arrives: SharedToken | SharedFailure | None = None
    dropped: list[str] = field(default_factory=list)
    failures: list[SharedFailure] = field(default_factory=list)

    def entry(self, name: str) -> SharedToken | SharedFailure | None:
        return self.found

    def keep(self, name: str, token: SharedToken) -> None:
        self.found = token

    def keep_failure(self, name: str, failure: SharedFailure) -> None:
        self.failures.append(failure)

    def drop(self, name: str, value: str) -> None:
        self.dropped.append(value)

    @contextmanager
    def asking(self, name: str) -> Iterator[bool]:
        self.busy -= 1
        if self.busy == 0:
            self.found = self.arrives
        yield self.busy < 0


def shared(value: str, seconds: float = 100) -> SharedToken:
    return SharedToken(value=value, scope="s", seconds=seconds)


def test_token_of_another_process_is_taken_over_for_what_is_left_of_it(clock: list[float]) -> None:
    issuer = Issuing([grant("ours")])
    shelf = Shelf(found=shared("theirs"))
    tokens = KeptTokens(issuer, name="n", cache=shelf)
    assert (tokens.bearer(5), tokens.granted, issuer.asked) == ("theirs", "s", 0)
    shelf.found = None
    clock[0] += 99
    assert tokens.bearer(5) == "theirs"
    clock[0] += 1
    assert tokens.bearer(5) == "ours"


def test_own_token_is_left_for_the_others_without_its_last_seconds() -> None:
    shelf = Shelf()
    KeptTokens(Issuing([grant()]), name="n", cache=shelf).bearer(5)
    assert isinstance(shelf.found, SharedToken)
    assert shelf.found.value == "t"
    assert 0 < shelf.found.seconds <= 300 - MARGIN


def test_while_another_process_asks_its_token_is_waited_for() -> None:
    issuer = Issuing([grant("ours")])
    tokens = KeptTokens(issuer, name="n", cache=Shelf(busy=3, arrives=shared("theirs")))
    assert (tokens.bearer(5), issuer.asked) == ("theirs", 0)


def test_another_process_that_asks_in_vain_is_followed() -> None:
    issuer = Issuing([grant("ours")])
    tokens = KeptTokens(issuer, name="n", cache=Shelf(busy=3))
    assert (tokens.bearer(5), issuer.asked) == ("ours", 1)


def test_waiting_for_another_process_has_an_end() -> None:
    issuer = Issuing([grant()])
    with pytest.raises(EhrUnavailableError, match="outage"):
        KeptTokens(issuer, name="n", cache=Shelf(busy=10**6)).bearer(0.2)
    assert issuer.asked == 0


@pytest.mark.parametrize(("reason", "wait"), [("auth", None), ("outage", None), ("throttled", timedelta(seconds=7))])
def test_failure_of_another_process_is_shared(reason: str, wait: timedelta | None) -> None:
    issuer = Issuing([grant()])
    found = SharedFailure(reason=reason, seconds=7)
    failed = reason_of(KeptTokens(issuer, name="n", cache=Shelf(found=found)))
    assert (failed.reason, failed.retry_after, issuer.asked) == (reason, wait, 0)


def test_own_failure_is_left_for_the_others() -> None:
    shelf = Shelf()
    error = EhrUnavailableError("throttled", timedelta(seconds=20))
    reason_of(KeptTokens(Issuing([error]), name="n", cache=shelf))
    assert shelf.failures == [SharedFailure(reason="throttled", seconds=20)]


def test_refused_token_is_dropped_for_all_and_never_taken_over_again() -> None:
    """The cache may have been away when it should have dropped it."""
    shelf = Shelf(found=shared("refused"))
    tokens = KeptTokens(Issuing([grant("new")]), name="n", cache=shelf)
    tokens.bearer(5)
    tokens.refused("refused")
    assert shelf.dropped == ["refused"]
    assert tokens.bearer(5) == "new"


def test_token_that_replaced_the_refused_one_is_taken_over() -> None:
    issuer = Issuing([grant("ours")])
    shelf = Shelf(found=shared("refused"))
    tokens = KeptTokens(issuer, name="n", cache=shelf)
    tokens.bearer(5)
    shelf.found = shared("theirs")
    tokens.refused("refused")
    assert (tokens.bearer(5), issuer.asked) == ("theirs", 0)


def test_token_found_by_another_process_ends_our_staying_away(clock: list[float]) -> None:
    shelf = Shelf()
    tokens = KeptTokens(Issuing([EhrUnavailableError("throttled", timedelta(seconds=30))]), name="n", cache=shelf)
    reason_of(tokens)
    shelf.found = shared("theirs")
    assert tokens.bearer(5) == "theirs"


def test_tokens_are_not_shown() -> None:
    assert "hunter2" not in repr(grant("hunter2")) + repr(shared("hunter2"))
