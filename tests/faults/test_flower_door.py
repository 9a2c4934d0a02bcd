"""Trap 43: Flower shows ids to those who log in, and lets nobody do anything; on a real Flower with a real worker."""

from collections.abc import Iterator

import httpx
import pytest

from processes.free_port import free_port
from tests.faults.harness import Product

PAGES = ("/", "/workers", "/tasks", "/broker", "/tasks/datatable", "/api/workers", "/api/tasks", "/api/task/types")
DEEDS = (
    "/api/task/async-apply/lane.dispatch",
    "/api/task/apply/lane.dispatch",
    "/api/task/send-task/lane.dispatch",
    "/api/worker/shutdown/{worker}",
    "/api/worker/pool/restart/{worker}",
    "/api/worker/queue/add-consumer/{worker}?queue=x",
    "/api/worker/queue/cancel-consumer/{worker}?queue=wb.dispatch",
    "/api/task/revoke/{task}",
)


@pytest.fixture(scope="module")
def product(installation: Product) -> Product:
    installation.start("worker-1")
    installation.start("poller")
    return installation


@pytest.fixture(scope="module")
def flower(product: Product) -> Iterator[httpx.Client]:
    """Flower's door for somebody without a login."""
    port = free_port()
    product.start("flower", port=port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        product.wait_until_served(f"{client.base_url}/healthcheck")
        yield client


@pytest.fixture(scope="module")
def login(product: Product, flower: httpx.Client) -> httpx.BasicAuth:
    user, _, password = (product.folder / "flower.login").read_text(encoding="utf-8").strip().partition(":")
    return httpx.BasicAuth(user, password)


@pytest.mark.parametrize("page", PAGES)
def test_no_page_opens_without_a_login(flower: httpx.Client, page: str) -> None:
    assert flower.get(page).status_code == 401
    assert flower.get(page, auth=("operator", "guess")).status_code == 401


def test_whoever_logs_in_sees_tasks_with_ids_and_nothing_clinical(
    product: Product, flower: httpx.Client, login: httpx.BasicAuth
) -> None:
    patient = product.new_patient()
    product.submit(patient, value="88.80")
    product.assert_good()

    def shown() -> bool:
        return "lane.dispatch" in flower.get("/api/tasks", auth=login).text

    product.wait(shown, what="a task in Flower")
    everything = flower.get("/api/tasks", auth=login).text + flower.get("/tasks", auth=login).text
    for secret in (f"Patient/{patient}", "88.80", "Lopez", "1961-04-02"):
        assert secret not in everything


@pytest.mark.parametrize("deed", DEEDS)
def test_nobody_does_anything_through_it(
    product: Product, flower: httpx.Client, login: httpx.BasicAuth, deed: str
) -> None:
    pid = product.status("worker-1").pid
    path = deed.format(worker=f"dispatch-{pid}@localhost", task="11111111-2222-3333-4444-555555555555")
    assert flower.post(path, json={"args": [{"v": 1, "lane": 1}]}).status_code == 401
    assert flower.post(path, json={"args": [{"v": 1, "lane": 1}]}, auth=login).status_code in {403, 405}
    assert product.status("worker-1").pid == pid
