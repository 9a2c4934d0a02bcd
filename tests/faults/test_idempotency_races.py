"""Trap 19 on real processes: one key many times at once, at two API processes, with and without Redis, and a month later."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import httpx
import pytest

from tests.faults.apps import App, serving
from tests.faults.harness import Product
from tests.faults.proxy import Cut, Mode, TcpProxy

AT_ONCE = 50


@pytest.fixture(scope="module")
def apps(installation: Product) -> Iterator[list[App]]:
    """Two API processes, and a worker so that what is accepted ends in the chart."""
    installation.start("poller")
    with serving(installation, "api-1", "api-2") as apps:
        yield apps


@pytest.fixture
def product(installation: Product) -> Product:
    return installation


def _all_at_once(apps: list[App], bodies: list[bytes], key: str) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda pair: pair[0].post(pair[1], key=key), zip(cycle(apps), bodies, strict=False)))


@pytest.mark.parametrize("mode", [Mode.PASS, Mode.REFUSE])
def test_fifty_requests_with_one_key_make_one_command(
    product: Product, apps: list[App], redis_proxy: TcpProxy, mode: Mode
) -> None:
    """Trap 19: a look before an insert would let several through; Redis is a convenience and nothing more."""
    patient, key = product.new_patient(), f"fifty-{mode.value}"
    body = product.reading(patient, "70.50")
    redis_proxy.mode = mode
    answers = _all_at_once(apps, [body] * AT_ONCE, key)
    redis_proxy.mode = Mode.PASS

    # Whoever waited in vain for the first one is told to come again, and then gets the same receipt.
    answers += [apps[0].post(body, key=key) for answer in answers if answer.status_code == 409]
    given = [answer for answer in answers if answer.status_code != 409]
    assert {answer.status_code for answer in given} <= {200, 202}
    assert len({answer.json()["id"] for answer in given}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in given) == 1
    apps[0].submit(patient, "70.50", key=key)
    assert len(product.query("SELECT 1 FROM commands")) == len(product.receipts)
    product.assert_good()


def test_of_two_contents_under_one_key_one_is_accepted_and_the_other_refused(product: Product, apps: list[App]) -> None:
    patient = product.new_patient()
    bodies = [product.reading(patient, "70.50"), product.reading(patient, "70.5")] * 10
    answers = _all_at_once(apps, bodies, "two-contents")

    accepted = {answer.json()["id"] for answer in answers if answer.status_code in {200, 202}}
    refused = [answer for answer in answers if answer.status_code == 422]
    assert len(accepted) == 1
    assert refused
    assert {answer.json()["type"].rpartition("/")[2].rpartition(":")[2] for answer in refused} == {
        "idempotency-key-reused"
    }
    value = next(value for value in ("70.50", "70.5") if apps[0].submit(patient, value, key="two-contents").is_success)
    assert product.receipts[-1].value == value
    product.assert_good()


def test_a_key_is_known_after_a_month(product: Product, apps: list[App]) -> None:
    """Trap 19: an app's outbox may be replayed long after; a key lives as long as its command."""
    patient = product.new_patient()
    first = apps[0].submit(patient, "71.00", key="a-month-ago")
    product.assert_good()
    product.query("UPDATE commands SET received_at = received_at - interval '31 days'")

    again = apps[1].submit(patient, "71.00", key="a-month-ago")
    changed = apps[1].post(product.reading(patient, "72.00"), key="a-month-ago")

    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert changed.status_code == 422
    product.assert_good()


def test_a_post_into_a_black_hole_of_a_redis_is_answered_in_time(
    product: Product, apps: list[App], redis_proxy: TcpProxy
) -> None:
    """Trap 18."""
    patient = product.new_patient()
    redis_proxy.cut("hints", b'"task": "lane.dispatch"', cut=Cut.NOT, times=1000)

    def hinted() -> bool:
        assert apps[0].submit(patient, "72.50", key=f"warm-up-{len(product.receipts)}").is_success
        return redis_proxy.fired["hints"] > 0

    product.wait(hinted, what="an API that speaks to Redis again")
    redis_proxy.mode = Mode.BLACK_HOLE
    answers = [apps[0].submit(patient, f"73.{number}0", key=f"black-hole-{number}") for number in range(3)]
    redis_proxy.mode = Mode.PASS

    assert redis_proxy.fired["swallowed"] >= 1
    assert [answer.status_code for answer in answers] == [202] * 3
    assert max(answer.elapsed.total_seconds() for answer in answers) < 2
    product.assert_good()
